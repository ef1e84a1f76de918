// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Page faults by cgroup. The kernel counts them by task already, minor and major rightly told apart once each has been
 * handled; so the tracepoints only tell when to look at these counts.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "gadget.h"
#include "faults.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A task's counts are looked at once in this many of its faults, and as it ends; a power of two. */
#define EVERY 16

enum lost_what {
	LOST_COUNTS,
	LOST_SEEN,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096); /* cgroups; user space removes what is quiet; full: lost rises */
	__type(key, __u64);	   /* cgroup id */
	__type(value, struct fault_count);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* goes with its task; no memory for it: lost rises */
	__type(key, int);
	__type(value, struct fault_count);
} seen SEC(".maps");

static __always_inline void look(struct task_struct *task, bool begin)
{
	struct fault_count now = { .minor = task->min_flt, .major = task->maj_flt };
	struct fault_count *before, *count, fresh = {};
	__u64 cgroup;

	before = bpf_task_storage_get(&seen, task, 0, 0);
	if (!before) {
		/* A new task comes here with its first fault; an older one's faults until now are not of our time. */
		if (begin && !bpf_task_storage_get(&seen, task, &now, BPF_LOCAL_STORAGE_GET_F_CREATE))
			count_lost(LOST_SEEN);
		return;
	}
	cgroup = cgroup_of(task);
	count = entry_of(&counts, &cgroup, &fresh);
	if (count) {
		__sync_fetch_and_add(&count->minor, now.minor - before->minor);
		__sync_fetch_and_add(&count->major, now.major - before->major);
	} else {
		count_lost(LOST_COUNTS);
	}
	*before = now;
}

static __always_inline int fault(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!((task->min_flt + task->maj_flt) & (EVERY - 1)))
		look(task, true);
	return 0;
}

SEC("tp_btf/page_fault_user")
int handle__page_fault_user(void *ctx)
{
	return fault();
}

SEC("tp_btf/page_fault_kernel")
int handle__page_fault_kernel(void *ctx)
{
	return fault();
}

SEC("tp_btf/sched_process_exit")
int handle__sched_process_exit(void *ctx)
{
	look(bpf_get_current_task_btf(), false);
	return 0;
}
