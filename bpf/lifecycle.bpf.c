// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Processes that begin, execute programs and end, into a ring that wakes nobody; those that are watched for into one that does. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "gadget.h"
#include "lifecycle.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The tracepoint of an exit says itself whether it is that of the last thread (Linux 6.16). */
const volatile bool exit_says_last = false;

/* Wake user space as a ring does by itself: for each event unless the reader is behind. It costs 20 times as much. */
const volatile bool wake = false;

enum lost_what {
	LOST_EVENTS,
	LOST_URGENT,
	LOST_ENDED,
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	/* 26,214 events: 1 s of 8,700 processes a second that fork, execute and exit; full: lost rises. Each page that was used is
	 * resident twice. */
	__uint(max_entries, 2 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024); /* 1,024 of them; full: lost rises, and the event is in the other ring all the same */
} urgent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024); /* as many as user space asks for; full: it is told so when it asks */
	__type(key, __u32);	   /* process id */
	__type(value, __u8);
} watched SEC(".maps");

/* How many are watched: without any, nothing is looked up. */
__u32 watching;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* goes with its task; no memory for it: its exit is told, maybe twice */
	__type(key, int);
	__type(value, __u32);
} ended SEC(".maps");

SHARED_WITH_RUST(lifecycle_event);

static __always_inline void set(struct lifecycle_event *event, __u16 what, struct task_struct *leader, __u32 parent)
{
	event->at_ns = bpf_ktime_get_boot_ns();
	event->start_ns = leader->start_boottime;
	event->cgroup = cgroup_of(leader);
	event->pid = leader->tgid;
	event->parent = parent;
	event->runtime_ns = 0;
	event->user_ms = 0;
	event->system_ms = 0;
	event->peak_pages = 0;
	event->status = 0;
	event->what = what;
	bpf_probe_read_kernel(event->comm, sizeof(event->comm), leader->comm);
}

static __always_inline struct lifecycle_event *begin(__u16 what, struct task_struct *leader, __u32 parent)
{
	struct lifecycle_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (event)
		set(event, what, leader, parent);
	else
		count_lost(LOST_EVENTS);
	return event;
}

static __always_inline void submit(struct lifecycle_event *event)
{
	bpf_ringbuf_submit(event, wake ? 0 : BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sched_process_fork")
int handle__fork(__u64 *ctx)
{
	struct task_struct *child = (void *)ctx[1];
	struct lifecycle_event *event;

	/* A thread. */
	if (child->pid != child->tgid)
		return 0;
	event = begin(FORKED, child, child->real_parent->tgid);
	if (event)
		submit(event);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int handle__exec(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	__u32 parent = task->real_parent->tgid;
	struct lifecycle_event *event = begin(EXECUTED, task, parent);

	if (event)
		submit(event);
	if (!watching || !bpf_map_lookup_elem(&watched, &parent))
		return 0;
	event = bpf_ringbuf_reserve(&urgent, sizeof(*event), 0);
	if (!event) {
		count_lost(LOST_URGENT);
		return 0;
	}
	set(event, EXECUTED, task, parent);
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* True for one thread of those of a process that ended. */
static __always_inline bool is_last(__u64 *ctx, struct task_struct *task, struct signal_struct *signal)
{
	__u32 *told;

	if (exit_says_last)
		return ctx[1] & 1;
	/* Two that end at once may both find that none lives. */
	if (signal->live.counter != 0)
		return false;
	if (signal->nr_threads == 1)
		return true;
	told = bpf_task_storage_get(&ended, task->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!told) {
		count_lost(LOST_ENDED);
		return true;
	}
	return __sync_fetch_and_add(told, 1) == 0;
}

/* Threads of one process that may be ending at the same time; those beyond are not in its CPU time. */
#define MOST_ENDING 64
#define NSEC_PER_MSEC 1000000

/* What the threads used that have been released, and those that have not. */
static __always_inline void set_times(struct lifecycle_event *event, struct task_struct *task, struct signal_struct *signal)
{
	__u64 runtime = signal->sum_sched_runtime, user = signal->utime, system = signal->stime;
	struct list_head *node, *end;
	int i;

	if (signal->nr_threads == 1) {
		runtime += task->se.sum_exec_runtime;
		user += task->utime;
		system += task->stime;
	} else {
		end = &signal->thread_head;
		node = BPF_CORE_READ(signal, thread_head.next);
		for (i = 0; i < MOST_ENDING && node && node != end; i++) {
			struct task_struct *thread =
				(void *)node - bpf_core_field_offset(struct task_struct, thread_node);

			runtime += BPF_CORE_READ(thread, se.sum_exec_runtime);
			user += BPF_CORE_READ(thread, utime);
			system += BPF_CORE_READ(thread, stime);
			node = BPF_CORE_READ(thread, thread_node.next);
		}
	}
	event->runtime_ns = runtime;
	event->user_ms = user / NSEC_PER_MSEC;
	event->system_ms = system / NSEC_PER_MSEC;
}

/* include/linux/mm_types_task.h */
#define MM_FILEPAGES 0
#define MM_ANONPAGES 1
#define MM_SHMEMPAGES 3

/* The most that its last program had resident. signal->maxrss knows also what an exec left, which after a vfork is the parent's
 * memory; but before Linux 6.16 there is nothing else any more when an exit is told. */
static __always_inline __u32 peak_pages(struct task_struct *task, struct signal_struct *signal)
{
	struct mm_struct *mm = task->mm;
	__s64 peak, now;

	if (!mm || !bpf_core_field_exists(mm->rss_stat[0].count))
		return signal->maxrss;
	peak = mm->hiwater_rss;
	now = mm->rss_stat[MM_FILEPAGES].count + mm->rss_stat[MM_ANONPAGES].count + mm->rss_stat[MM_SHMEMPAGES].count;
	return now > peak ? now : peak;
}

SEC("tp_btf/sched_process_exit")
int handle__exit(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct signal_struct *signal = task->signal;
	struct lifecycle_event *event;
	int status;

	if (!is_last(ctx, task, signal))
		return 0;
	event = begin(signal->oom_mm ? OOM_KILLED : EXITED, task->group_leader, task->real_parent->tgid);
	if (!event)
		return 0;
	status = signal->group_exit_code;
	/* Its threads ended one by one. */
	if (!status)
		status = task->group_leader->exit_code;
	event->status = status;
	event->peak_pages = peak_pages(task, signal);
	set_times(event, task, signal);
	submit(event);
	return 0;
}
