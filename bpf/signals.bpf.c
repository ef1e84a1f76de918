// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Signals that are sent: those that end a process by process, the others in sum. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "gadget.h"
#include "signals.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The signals that are told by process, a bit for each number. */
const volatile __u64 told = 0;

/* 64 signals from 1 on; a power of two, so that a mask bounds the index. */
#define SIGNALS 128

/* enum in include/trace/events/signal.h: what became of it. */
enum {
	TRACE_SIGNAL_DELIVERED,
	TRACE_SIGNAL_IGNORED,
	TRACE_SIGNAL_ALREADY_PENDING,
};

enum lost_what {
	LOST_COUNTS,
};

/* By number, on the whole host; counts up. */
__u64 sent[SIGNALS];

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096); /* user space removes what is quiet; full: the process is not named and lost rises */
	__type(key, struct signal_key);
	__type(value, struct signal_count);
} counts SEC(".maps");

SEC("tp_btf/signal_generate")
int handle__signal_generate(__u64 *ctx)
{
	__u32 number = ctx[0];
	struct task_struct *task = (struct task_struct *)ctx[2];
	__u32 became = ctx[4];
	struct signal_count *count, fresh = {};
	struct signal_key key = {};

	/* Ignored, or one more of what is pending already: nothing was added. */
	if (became == TRACE_SIGNAL_IGNORED || became == TRACE_SIGNAL_ALREADY_PENDING)
		return 0;
	__sync_fetch_and_add(&sent[number & (SIGNALS - 1)], 1);
	if (!(told & (1ULL << (number & 63))))
		return 0;
	key.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	key.tgid = BPF_CORE_READ(task, tgid);
	key.signal = number;
	count = entry_of(&counts, &key, &fresh);
	if (!count) {
		count_lost(LOST_COUNTS);
		return 0;
	}
	__sync_fetch_and_add(&count->sent, 1);
	return 0;
}
