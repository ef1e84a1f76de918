// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The OOM killer's victims, told as they are chosen. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "gadget.h"
#include "oom.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum lost_what {
	LOST_EVENTS,
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024); /* 680 victims between two looks, each of which wakes; full: lost rises */
} events SEC(".maps");

SHARED_WITH_RUST(oom_event);

static __always_inline int tell(__u32 id, __u64 start_ns)
{
	struct oom_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		count_lost(LOST_EVENTS);
		return 0;
	}
	event->start_ns = start_ns;
	event->id = id;
	event->unused = 0;
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
	return 0;
}

SEC("tp_btf/mark_victim")
int handle__mark_victim(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];

	return tell(BPF_CORE_READ(task, tgid), BPF_CORE_READ(task, group_leader, start_boottime));
}

/* Before Linux 6.9 it is the number of a thread that is given. */
SEC("tp_btf/mark_victim")
int handle__mark_victim_number(__u64 *ctx)
{
	return tell(ctx[0], 0);
}
