// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long tasks of the processes and cgroups that a gadget asked for wait for a processor, and for what they wait for
 * themselves.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "gadget.h"
#include "targets.h"
#include "scheduler.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The tracepoint tells the state that the task leaves in: since Linux 5.18. */
const volatile bool has_prev_state = false;

/* A group deeper than this counts only for the groups next above it. */
#define MOST_LEVELS 16

enum lost_what {
	LOST_TASKS,
};

/* Plain memory that user space has mapped. */
struct sched_count by_process[TARGETS];
struct sched_count by_group[GROUPS];
/* How many groups there are to look for; user space sets it. */
__u32 groups_asked;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GROUPS); /* user space alone puts entries in, and refuses more */
	__type(key, __u64);	     /* cgroup id */
	__type(value, __u32);	     /* index among the groups */
} groups SEC(".maps");

enum task_is {
	TASK_RUNS,
	/* It has left the processor and waits to be woken. */
	TASK_WAITS,
	/* It could run. */
	TASK_READY,
};

/* What a task does now, and what is not yet counted: that is done as it leaves the processor. */
struct wait {
	__u64 since_ns; /* ktime */
	__u64 off_ns;
	__u64 ready_ns;
	__u32 is;
	__u8 was_off;
	__u8 was_ready;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* goes with its task; no memory for it: lost rises */
	__type(key, int);
	__type(value, struct wait);
} waits SEC(".maps");

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* As in kernel.h, with what leads upwards. */
struct cgroup___tree;

struct cgroup_subsys_state___tree {
	struct cgroup___tree *cgroup;
	struct cgroup_subsys_state___tree *parent;
};

struct cgroup___tree {
	struct cgroup_subsys_state___tree self;
	struct kernfs_node *kn;
};

struct css_set___tree {
	struct cgroup_subsys_state___tree *subsys[16];
	struct cgroup___tree *dfl_cgrp;
};

#pragma clang attribute pop

static __always_inline struct cgroup_subsys_state___tree *group_of(struct task_struct *task)
{
	struct css_set___tree *set = (void *)task->cgroups;

	if (by_memory_controller && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id)) {
		int index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);

		return set->subsys[index & 15];
	}
	return &set->dfl_cgrp->self;
}

enum left_by {
	LEFT_NOT, /* Only looks whether anybody asks. */
	LEFT_TO_WAIT,
	LEFT_PREEMPTED,
};

/* A task that leaves the processor. */
struct leaving {
	enum left_by left;
	/* Somebody asks for it; looked for is its storage only then, as for most tasks nobody does. */
	bool asked;
	struct wait *wait;
};

static __always_inline void add(struct task_struct *task, struct leaving *it, struct sched_count *count)
{
	struct wait *wait;

	if (!it->asked) {
		it->asked = true;
		it->wait = it->left == LEFT_NOT ? 0 : bpf_task_storage_get(&waits, task, 0, 0);
	}
	wait = it->wait;
	if (it->left == LEFT_TO_WAIT)
		__sync_fetch_and_add(&count->voluntary, 1);
	else if (it->left == LEFT_PREEMPTED)
		__sync_fetch_and_add(&count->involuntary, 1);
	if (!wait)
		return;
	if (wait->was_off)
		__sync_fetch_and_add(&count->off_cpu[latency_bucket(wait->off_ns) % LATENCY_BUCKETS], 1);
	if (wait->was_ready)
		__sync_fetch_and_add(&count->run_queue[latency_bucket(wait->ready_ns) % LATENCY_BUCKETS], 1);
}

/* Adds to all that asked for the task. */
static __always_inline void add_for_all(struct task_struct *task, struct leaving *it)
{
	__u32 target = target_of(task->tgid), *group;
	struct cgroup_subsys_state___tree *state;
	__u64 id;

	if (target)
		add(task, it, &by_process[(target - 1) % TARGETS]);
	if (!groups_asked)
		return;
	state = group_of(task);
	for (int level = 0; level < MOST_LEVELS && state; level++) {
		id = state->cgroup->kn->id;
		group = bpf_map_lookup_elem(&groups, &id);
		if (group)
			add(task, it, &by_group[*group % GROUPS]);
		state = state->parent;
	}
}

static __always_inline void begin(struct task_struct *task, struct wait *wait, enum task_is is, __u64 now)
{
	if (!wait)
		wait = bpf_task_storage_get(&waits, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!wait) {
		count_lost(LOST_TASKS);
		return;
	}
	wait->since_ns = now;
	wait->is = is;
	wait->was_off = 0;
	wait->was_ready = 0;
}

static __always_inline __u64 state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return ((struct task_struct___before_5_14 *)task)->state;
}

SEC("tp_btf/sched_switch")
int handle__sched_switch(__u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	struct leaving it = {};
	struct wait *wait;
	__u64 now = 0;

	if (prev->pid) {
		__u64 state = has_prev_state ? ctx[3] : state_of(prev);

		it.left = !ctx[0] && state ? LEFT_TO_WAIT : LEFT_PREEMPTED;
		add_for_all(prev, &it);
		if (it.asked) {
			now = bpf_ktime_get_ns();
			begin(prev, it.wait, it.left == LEFT_TO_WAIT ? TASK_WAITS : TASK_READY, now);
		}
	}
	if (!next->pid)
		return 0;
	wait = bpf_task_storage_get(&waits, next, 0, 0);
	if (wait && wait->is != TASK_RUNS) {
		/* One that was about to wait and was not, as a signal came, has been ready all the time. */
		wait->ready_ns = (now ? now : bpf_ktime_get_ns()) - wait->since_ns;
		wait->was_ready = 1;
		wait->is = TASK_RUNS;
	}
	return 0;
}

SEC("tp_btf/sched_wakeup")
int handle__sched_wakeup(__u64 *ctx)
{
	struct wait *wait = bpf_task_storage_get(&waits, (struct task_struct *)ctx[0], 0, 0);
	__u64 now;

	if (!wait || wait->is != TASK_WAITS)
		return 0;
	now = bpf_ktime_get_ns();
	wait->off_ns = now - wait->since_ns;
	wait->was_off = 1;
	wait->since_ns = now;
	wait->is = TASK_READY;
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int handle__sched_wakeup_new(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct leaving it = { .left = LEFT_NOT };

	add_for_all(task, &it);
	if (it.asked)
		begin(task, 0, TASK_READY, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/sched_process_exit")
int handle__process_exit(__u64 *ctx)
{
	forget_target((struct task_struct *)ctx[0]);
	return 0;
}
