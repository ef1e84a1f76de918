/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Walking the kernel's list of processes and their threads in slices.
 *
 * The open-coded iterator of tasks (Linux 6.7) always begins at the first one: to go on where the last slice ended it would
 * have to pass all before it again. So its steps are taken here, from any process on: within bpf_rcu_read_lock() the lists
 * stay walkable, and a pointer that was read is looked through with bpf_rdonly_cast(), which no value of it can make unsafe.
 * Processes are in the order in which they began: one that is gone is passed by looking for the first that began later.
 */
#ifndef GADGET_WALK_H
#define GADGET_WALK_H

/* Each is there from this version on; user space asks before it loads a program that walks. */
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym __weak;			/* 6.2 */
extern void bpf_task_release(struct task_struct *task) __ksym __weak;			/* 6.1 */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;		/* 6.2 */
extern void bpf_rcu_read_lock(void) __ksym __weak;					/* 6.2 */
extern void bpf_rcu_read_unlock(void) __ksym __weak;					/* 6.2 */
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym __weak; /* 6.4 */
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym __weak;			/* 6.4 */
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym __weak;		/* 6.4 */

#define container(pointer, type, member)                                                                                          \
	((struct type *)bpf_rdonly_cast((void *)(pointer)-bpf_core_field_offset(struct type, member),                             \
					bpf_core_type_id_kernel(struct type)))

static __always_inline struct task_struct *task_at(__u64 address)
{
	return bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct task_struct));
}

static __always_inline struct task_struct *next_process(struct task_struct *task)
{
	return container(task->tasks.next, task_struct, tasks);
}

/* No process has more threads, and no kernel more processes: PID_MAX_LIMIT of include/linux/threads.h. */
#define MOST_TASKS (4 << 20)

/* Where the list begins and ends: the first idle task, which is no process. Found from our own, once. */
__u64 list_head;

static __always_inline bool is_end(struct task_struct *task)
{
	return (__u64)task == list_head;
}

static __always_inline void find_list_head(void)
{
	struct task_struct *task = task_at((__u64)bpf_get_current_task_btf()->group_leader);
	int i;

	bpf_for(i, 0, MOST_TASKS) {
		if (task->pid == 0) {
			list_head = (__u64)task;
			break;
		}
		task = next_process(task);
	}
}

/*
 * The first process after that with `pid` and `start_ns`, or of all without a `pid`. If that one is gone, it is the first
 * again and `skip` is true: those that did not begin later are to be passed.
 */
static __always_inline struct task_struct *first_after(__s32 pid, __u64 start_ns, bool *skip)
{
	struct task_struct *task;

	*skip = false;
	if (!list_head)
		find_list_head();
	if (pid) {
		task = bpf_task_from_pid(pid);
		if (task) {
			/* Within the read section it stays where it is. */
			struct task_struct *same = task_at((__u64)task);

			bpf_task_release(task);
			if (same->start_boottime == start_ns && same->pid == same->tgid)
				return next_process(same);
		}
		*skip = true;
	}
	return next_process(task_at(list_head));
}

/* The threads of a process, from signal->thread_head.next until that is met again. */
static __always_inline struct task_struct *thread_at(struct list_head *node)
{
	return container(node, task_struct, thread_node);
}

#endif
