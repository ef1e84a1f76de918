// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reclaim that tasks have to do themselves, of the host's memory or of a cgroup's: counted, and told as it begins. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "gadget.h"
#include "reclaim.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* User space is not woken more often than this for one cgroup. */
const volatile __u64 wake_every_ns = 50000000;
/* The agent: what it reclaims on purpose, by memory.reclaim, is no sign that memory is short. */
const volatile int agent_tgid = 0;

/* Stands for the whole host: reclaim because it is short of free pages, whoever asked for one. */
#define HOST 0

enum lost_what {
	LOST_COUNTS,
	LOST_BEGUN,
	LOST_EVENTS,
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096); /* full: the group that was quiet for longest is forgotten; a wake-up still names it */
	__type(key, __u64);	   /* cgroup id, or HOST */
	__type(value, struct reclaim_count);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* goes with its task; no memory for it: only the duration is lost */
	__type(key, int);
	__type(value, __u64); /* ktime, ns */
} begun SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024); /* 2,730 wake-ups, at most 20 a second for each cgroup; full: lost rises */
} events SEC(".maps");

SHARED_WITH_RUST(reclaim_event);

static __always_inline void wake(__u64 cgroup, __u64 now)
{
	struct reclaim_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		count_lost(LOST_EVENTS);
		return;
	}
	event->cgroup = cgroup;
	event->at_ns = now;
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
}

static __always_inline int begin(struct task_struct *task, __u64 cgroup)
{
	__u64 now = bpf_ktime_get_ns();
	struct reclaim_count *count, fresh = {};
	__u64 *start, woken;

	if (task->tgid == agent_tgid)
		return 0;
	start = bpf_task_storage_get(&begun, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (start)
		*start = now;
	else
		count_lost(LOST_BEGUN);

	count = entry_of(&counts, &cgroup, &fresh);
	if (!count) {
		count_lost(LOST_COUNTS);
		return 0;
	}
	__sync_fetch_and_add(&count->begun, 1);
	woken = count->woken_ns;
	if (now - woken >= wake_every_ns && __sync_val_compare_and_swap(&count->woken_ns, woken, now) == woken)
		wake(cgroup, now);
	return 0;
}

static __always_inline int end(struct task_struct *task, __u64 cgroup, __u64 pages)
{
	struct reclaim_count *count;
	__u64 *start;

	if (task->tgid == agent_tgid)
		return 0;
	start = bpf_task_storage_get(&begun, task, 0, 0);
	count = bpf_map_lookup_elem(&counts, &cgroup);
	if (count)
		__sync_fetch_and_add(&count->pages, pages);
	if (!start || !*start)
		return 0;
	if (count)
		__sync_fetch_and_add(&count->took_ns, bpf_ktime_get_ns() - *start);
	*start = 0;
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int handle__direct_reclaim_begin(void *ctx)
{
	return begin(bpf_get_current_task_btf(), HOST);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int handle__direct_reclaim_end(__u64 *ctx)
{
	return end(bpf_get_current_task_btf(), HOST, ctx[0]);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int handle__memcg_reclaim_begin(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return begin(task, cgroup_of(task));
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int handle__memcg_reclaim_end(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return end(task, cgroup_of(task), ctx[0]);
}
