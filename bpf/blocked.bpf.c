// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Threads that wait and did not run for a while, each with the system call that it is in. */
#include "kernel.h"
#include "kernel_calls.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "gadget.h"
#include "walk.h"
#include "blocked.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Records in one slice; the rest of a process that has more of them is not told. */
#define SLICE 4096

/* include/linux/sched.h */
#define PF_KTHREAD 0x00200000
#define TASK_WAITS 0x3 /* TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLICE); /* one slice, 416 KiB; full: it ends before the process that did not fit */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct blocked_thread);
} records SEC(".maps");

SHARED_WITH_RUST(blocked_position);

/* True if `descriptor` of the process is a socket. */
static __always_inline bool is_socket(struct task_struct *task, __u64 descriptor)
{
	struct fdtable *table = ((struct task_struct___calls *)task)->files->fdt;
	struct file *file = 0;

	if (descriptor >= table->max_fds)
		return false;
	bpf_probe_read_kernel(&file, sizeof(file), (void *)table->fd + descriptor * sizeof(file));
	return file && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFSOCK;
}

/* The registers that a system call takes its number and arguments from, by the architecture that has them. */
static __always_inline void set_call(struct blocked_thread *record, struct pt_regs *registers)
{
	struct pt_regs___x86 *x86 = (void *)registers;
	struct pt_regs___arm64 *arm64 = (void *)registers;

	if (bpf_core_field_exists(x86->orig_ax)) {
		record->call = x86->orig_ax;
		record->stack = x86->sp;
		record->arguments[0] = x86->di;
		record->arguments[1] = x86->si;
		record->arguments[2] = x86->dx;
		record->arguments[3] = x86->r10;
		record->arguments[4] = x86->r8;
		record->arguments[5] = x86->r9;
	} else if (bpf_core_field_exists(arm64->syscallno)) {
		record->call = arm64->syscallno;
		record->stack = arm64->sp;
		record->arguments[0] = arm64->orig_x0;
		record->arguments[1] = arm64->regs[1];
		record->arguments[2] = arm64->regs[2];
		record->arguments[3] = arm64->regs[3];
		record->arguments[4] = arm64->regs[4];
		record->arguments[5] = arm64->regs[5];
	}
}

static __always_inline bool is_still(struct task_struct *thread, __u64 before)
{
	return (thread->__state & TASK_WAITS) && !thread->exit_state && thread->sched_info.last_arrival <= before;
}

/* Writes the record of a thread; false if it was gone. */
static __always_inline bool set_thread(struct blocked_thread *record, struct task_struct *thread, __u32 threads)
{
	/* Only of a task that is held may registers be asked for. */
	struct task_struct *held = bpf_task_from_pid(thread->pid);

	if (!held)
		return false;
	record->pid = held->tgid;
	record->tid = held->pid;
	record->threads = threads;
	record->state = held->__state;
	record->start_ns = held->group_leader->start_boottime;
	record->switches = held->nvcsw + held->nivcsw;
	set_call(record, (struct pt_regs *)bpf_task_pt_regs(held));
	record->socket = is_socket(thread, record->arguments[0]);
	bpf_task_release(held);
	return true;
}

SEC("syscall")
int handle__blocked(struct blocked_position *at)
{
	struct task_struct *task;
	__u32 index = 0, walked = 0, most = at->count;
	/* The scheduler's clock when we were last given a processor, a moment ago. */
	__u64 now = bpf_get_current_task_btf()->sched_info.last_arrival;
	__u64 before = now > at->still_ns ? now - at->still_ns : 0;
	bool skip;
	int i, j;

	at->count = 0;
	at->more = 0;
	bpf_rcu_read_lock();
	task = first_after(at->pid, at->start_ns, &skip);
	bpf_for(i, 0, MOST_TASKS) {
		struct signal_struct *signal;
		struct list_head *node;
		__u32 first = index, threads;
		bool full = false;

		if (is_end(task))
			break;
		if (task->flags & PF_KTHREAD || (skip && task->start_boottime <= at->start_ns)) {
			task = next_process(task);
			continue;
		}
		skip = false;
		if (walked >= most) {
			at->more = 1;
			break;
		}
		signal = task->signal;
		threads = signal->nr_threads;
		node = signal->thread_head.next;
		bpf_for(j, 0, MOST_TASKS) {
			struct task_struct *thread = thread_at(node);
			struct blocked_thread *record;

			if (node == &signal->thread_head)
				break;
			node = thread->thread_node.next;
			walked++;
			if (!is_still(thread, before))
				continue;
			record = bpf_map_lookup_elem(&records, &index);
			if (!record) {
				full = true;
				break;
			}
			if (set_thread(record, thread, threads))
				index++;
		}
		if (full && first) {
			index = first;
			at->more = 1;
			break;
		}
		at->pid = task->pid;
		at->start_ns = task->start_boottime;
		task = next_process(task);
	}
	bpf_rcu_read_unlock();
	at->count = index;
	return 0;
}
