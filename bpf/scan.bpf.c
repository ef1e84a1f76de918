// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every process in a record: a walk of the kernel's own list where we may take one (Linux 6.4), its iterator of tasks else. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "gadget.h"
#include "scan.h"
#include "walk.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Records in one slice: 0.3 ms in which the processor that walks has no grace period. */
#define SLICE 1024
/* So often is a process looked at again, one of whose threads ended meanwhile and may be counted twice, or not at all. */
#define TRIES 3

/* include/linux/sched.h */
#define PF_KTHREAD 0x00200000
/* include/linux/mm_types_task.h */
#define MM_FILEPAGES 0
#define MM_ANONPAGES 1
#define MM_SWAPENTS 2
#define MM_SHMEMPAGES 3

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLICE); /* one slice, 240 KiB; full: the slice ends and user space asks for the next */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct process_record);
} records SEC(".maps");

SHARED_WITH_RUST(scan_position);

static __always_inline __u32 state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return BPF_CORE_READ((struct task_struct___before_5_14 *)task, state);
}

/* What one thread adds to its process. */
static __always_inline void add_thread(struct process_record *record, struct task_struct *task)
{
	record->runtime_ns += task->se.sum_exec_runtime;
	record->utime_ns += task->utime;
	record->stime_ns += task->stime;
	record->minor_faults += task->min_flt;
	record->major_faults += task->maj_flt;
	record->voluntary += task->nvcsw;
	record->involuntary += task->nivcsw;
	if (bpf_core_field_exists(task->ioac.rchar)) { /* CONFIG_TASK_XACCT */
		record->rchar += task->ioac.rchar;
		record->wchar += task->ioac.wchar;
		record->syscr += task->ioac.syscr;
		record->syscw += task->ioac.syscw;
	}
	if (bpf_core_field_exists(task->ioac.read_bytes)) { /* CONFIG_TASK_IO_ACCOUNTING */
		record->read_bytes += task->ioac.read_bytes;
		record->write_bytes += task->ioac.write_bytes;
	}
	if (bpf_core_field_exists(task->sched_info.last_arrival)) { /* CONFIG_SCHED_INFO */
		__u64 arrived = task->sched_info.last_arrival;

		if (arrived > record->last_ran_ns)
			record->last_ran_ns = arrived;
	}
}

/* What the threads that ended have left. */
static __always_inline void set_ended(struct process_record *record, struct signal_struct *signal)
{
	record->last_ran_ns = 0;
	record->runtime_ns = signal->sum_sched_runtime;
	record->utime_ns = signal->utime;
	record->stime_ns = signal->stime;
	record->minor_faults = signal->min_flt;
	record->major_faults = signal->maj_flt;
	record->voluntary = signal->nvcsw;
	record->involuntary = signal->nivcsw;
	if (bpf_core_field_exists(signal->ioac.rchar)) {
		record->rchar = signal->ioac.rchar;
		record->wchar = signal->ioac.wchar;
		record->syscr = signal->ioac.syscr;
		record->syscw = signal->ioac.syscw;
	}
	if (bpf_core_field_exists(signal->ioac.read_bytes)) {
		record->read_bytes = signal->ioac.read_bytes;
		record->write_bytes = signal->ioac.write_bytes;
	}
}

static __always_inline void set_memory(struct process_record *record, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct mm_struct___before_6_2 *old = (void *)mm;

	/* A thread of the kernel only borrows one; a process that has ended has none. */
	if (!mm || task->flags & PF_KTHREAD) {
		record->vsize_pages = 0;
		record->file_pages = record->anon_pages = record->shmem_pages = record->swap_pages = 0;
		return;
	}
	record->vsize_pages = mm->total_vm;
	if (bpf_core_field_exists(mm->rss_stat[0].count)) {
		record->file_pages = mm->rss_stat[MM_FILEPAGES].count;
		record->anon_pages = mm->rss_stat[MM_ANONPAGES].count;
		record->shmem_pages = mm->rss_stat[MM_SHMEMPAGES].count;
		record->swap_pages = mm->rss_stat[MM_SWAPENTS].count;
	} else {
		record->file_pages = BPF_CORE_READ(old, rss_stat.count[MM_FILEPAGES].counter);
		record->anon_pages = BPF_CORE_READ(old, rss_stat.count[MM_ANONPAGES].counter);
		record->shmem_pages = BPF_CORE_READ(old, rss_stat.count[MM_SHMEMPAGES].counter);
		record->swap_pages = BPF_CORE_READ(old, rss_stat.count[MM_SWAPENTS].counter);
	}
}

/* All but what is summed over threads. */
static __always_inline void set_process(struct process_record *record, struct task_struct *task, struct signal_struct *signal)
{
	record->pid = task->pid;
	record->tgid = task->tgid;
	record->parent = task->real_parent->tgid;
	record->uid = task->cred->euid.val;
	record->flags = task->flags;
	record->threads = signal->nr_threads;
	record->state = state_of(task);
	record->exit_state = task->exit_state;
	record->static_prio = task->static_prio;
	record->oom_score_adj = signal->oom_score_adj;
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), task->comm);
	record->start_ns = task->start_boottime;
	record->execs = task->self_exec_id;
	record->cgroup = cgroup_of(task);
	set_memory(record, task);
}

static __always_inline __u32 ended_threads(struct signal_struct *signal)
{
	return bpf_core_field_exists(signal->stats_lock.seqcount.seqcount.sequence) ?
		       signal->stats_lock.seqcount.seqcount.sequence :
		       0;
}

/* Sums over the threads; says how many were looked at. */
static __always_inline __u32 sum_threads(struct process_record *record, struct task_struct *task, struct signal_struct *signal)
{
	struct list_head *node;
	__u32 seen = 0, before;
	int try, i;

	if (signal->nr_threads == 1) {
		set_ended(record, signal);
		add_thread(record, task);
		return 1;
	}
	bpf_for(try, 0, TRIES) {
		before = ended_threads(signal);
		set_ended(record, signal);
		node = signal->thread_head.next;
		bpf_for(i, 0, MOST_TASKS) {
			struct task_struct *thread = thread_at(node);

			if (node == &signal->thread_head)
				break;
			add_thread(record, thread);
			seen++;
			node = thread->thread_node.next;
		}
		if (!(before & 1) && ended_threads(signal) == before)
			break;
	}
	return seen;
}

SEC("syscall")
int handle__scan(struct scan_position *at)
{
	struct process_record *record;
	struct signal_struct *signal;
	struct task_struct *task;
	__u32 index = 0, walked = 0, most = at->count;
	bool skip;
	int i;

	at->count = 0;
	at->more = 0;
	bpf_rcu_read_lock();
	task = first_after(at->pid, at->start_ns, &skip);
	bpf_for(i, 0, MOST_TASKS) {
		if (is_end(task))
			break;
		if (skip && task->start_boottime <= at->start_ns) {
			task = next_process(task);
			continue;
		}
		skip = false;
		record = bpf_map_lookup_elem(&records, &index);
		if (!record || walked >= most) {
			at->more = 1;
			break;
		}
		signal = task->signal;
		set_process(record, task, signal);
		walked += sum_threads(record, task, signal);
		at->pid = record->pid;
		at->start_ns = record->start_ns;
		index++;
		task = next_process(task);
	}
	bpf_rcu_read_unlock();
	at->count = index;
	return 0;
}

/* Gives every thread; user space adds up those of one process. */
SEC("iter/task")
int handle__task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct process_record record = {};

	if (!task)
		return 0;
	if (task->pid == task->tgid) {
		set_process(&record, task, task->signal);
		set_ended(&record, task->signal);
	} else {
		record.pid = task->pid;
		record.tgid = task->tgid;
	}
	add_thread(&record, task);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}
