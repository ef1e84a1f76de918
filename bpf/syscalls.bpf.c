// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which system calls the processes that a gadget asked for make, and if that is asked for, how long they take. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "kernel_calls.h"
#include "gadget.h"
#include "targets.h"
#include "syscalls.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* How a task in a 32-bit system call is known on this architecture: a bit in thread_info.status, or one in its flags. */
const volatile __u32 compat_status = 0;
const volatile __u64 compat_flags = 0;
/* By number: enum call_kind. */
const volatile __u8 kinds[NUMBERS] = {};

enum lost_what {
	LOST_BEGUN,
};

/*
 * Plain memory that user space has mapped. An atomic addition costs no more than a plain one as long as one thread makes the
 * call.
 */
__u64 counts[TARGETS][NUMBERS];
struct call_times times[TARGETS];

/* A call in progress. */
struct begun {
	__u64 at_ns; /* ktime; 0 for none */
	__u64 kind;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* goes with its task; no memory for it: lost rises */
	__type(key, int);
	__type(value, struct begun);
} begun SEC(".maps");

static __always_inline __u32 number_of(struct task_struct *task, __u64 id)
{
	struct thread_info *info = &((struct task_struct___calls *)task)->thread_info;

	if (id >= OTHER_NUMBER)
		return OTHER_NUMBER;
	if (compat_status && info->status & compat_status)
		return OTHER_NUMBER;
	if (compat_flags && info->flags & compat_flags)
		return OTHER_NUMBER;
	return id;
}

/* Counts the call; the target's index plus one, or 0. */
static __always_inline __u32 count(struct task_struct *task, __u64 id, __u32 *number)
{
	__u32 target = target_of(task->tgid);

	if (!target)
		return 0;
	*number = number_of(task, id);
	__sync_fetch_and_add(&counts[(target - 1) % TARGETS][*number % NUMBERS], 1);
	return target;
}

SEC("tp_btf/sys_enter")
int handle__sys_enter(__u64 *ctx)
{
	__u32 number;

	count(bpf_get_current_task_btf(), ctx[1], &number);
	return 0;
}

static __always_inline bool first_argument(void *regs, __u64 *argument)
{
	struct pt_regs___x86 *x86 = regs;
	struct pt_regs___arm64 *arm64 = regs;

	if (bpf_core_field_exists(x86->di))
		*argument = x86->di;
	else if (bpf_core_field_exists(arm64->regs))
		*argument = arm64->regs[0];
	else
		return false;
	return true;
}

/* The file system of event, timer and signal descriptors. */
#define ANON_INODE_FS_MAGIC 0x09041934
/* The major number of /dev/null, /dev/urandom and the like. */
#define MEMORY_DEVICES 1

/* True for what may have nothing to say until somebody else does something: a socket, a pipe, a terminal. */
static __always_inline bool file_waits(struct task_struct *task, __u64 descriptor)
{
	struct fdtable *table = ((struct task_struct___calls *)task)->files->fdt;
	struct file **files = table->fd, *file = 0;
	struct inode *inode;

	if (descriptor >= table->max_fds)
		return false;
	bpf_probe_read_kernel(&file, sizeof(file), &files[descriptor]);
	inode = BPF_CORE_READ(file, f_inode);
	switch (BPF_CORE_READ(inode, i_mode) & S_IFMT) {
	case S_IFSOCK:
	case S_IFIFO:
		return true;
	case S_IFCHR:
		return BPF_CORE_READ(inode, i_rdev) >> 20 != MEMORY_DEVICES;
	default:
		return BPF_CORE_READ(inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC;
	}
}

static __always_inline __u64 kind_of(struct task_struct *task, __u32 number, void *regs)
{
	__u64 kind = kinds[number % NUMBERS], descriptor;

	if (kind != CALL_BY_FILE)
		return kind;
	return first_argument(regs, &descriptor) && file_waits(task, descriptor) ? CALL_WAITS : CALL_WORKS;
}

SEC("tp_btf/sys_enter")
int handle__sys_enter_timed(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct begun *call;
	__u32 number;

	if (!count(task, ctx[1], &number))
		return 0;
	call = bpf_task_storage_get(&begun, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		count_lost(LOST_BEGUN);
		return 0;
	}
	call->kind = kind_of(task, number, (void *)ctx[0]);
	call->at_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sys_exit")
int handle__sys_exit(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 target = target_of(task->tgid), bucket;
	struct begun *call;

	if (!target)
		return 0;
	call = bpf_task_storage_get(&begun, task, 0, 0);
	if (!call || !call->at_ns)
		return 0;
	bucket = latency_bucket(bpf_ktime_get_ns() - call->at_ns);
	call->at_ns = 0;
	__sync_fetch_and_add(&times[(target - 1) % TARGETS].count[call->kind % 2][bucket % LATENCY_BUCKETS], 1);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int handle__process_exit(__u64 *ctx)
{
	forget_target((struct task_struct *)ctx[0]);
	return 0;
}
