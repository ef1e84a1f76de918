/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The processes that a gadget asked for. To be included after gadget.h. */
#ifndef GADGET_TARGETS_H
#define GADGET_TARGETS_H

/* As many processes at a time; user space refuses more. */
#define TARGETS 64

/* For four process ids in a row the number of the target, from 1 on; 0 for none. */
struct targets {
	__u16 of[4];
};

/*
 * User space writes and reads it through its own mapping. 16 bits for each process id: no lookup of a hash, and so a third of
 * its cost, in what runs at every system call.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* user space: pid_max / 4; a process id beyond it is no target */
	__type(key, __u32);
	__type(value, struct targets);
} targets SEC(".maps");

/* The target's index plus one, 0 for a process that nobody asked for. */
static __always_inline __u32 target_of(__u32 tgid)
{
	__u32 key = tgid / 4;
	struct targets *found = bpf_map_lookup_elem(&targets, &key);

	return found ? found->of[tgid % 4] : 0;
}

/* The process id may go to a stranger from now on. */
static __always_inline void forget_target(struct task_struct *task)
{
	__u32 tgid = task->tgid, key = tgid / 4;
	struct targets *found = bpf_map_lookup_elem(&targets, &key);

	/* Its threads share the id until the last of them is gone. */
	if (found && found->of[tgid % 4] && !task->signal->live.counter)
		found->of[tgid % 4] = 0;
}

#endif
