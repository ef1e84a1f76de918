/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/syscalls/. */
#ifndef GADGET_SYSCALLS_H
#define GADGET_SYSCALLS_H

/* System calls are told apart up to this number, which stands for all others: higher ones, and those of a 32-bit program. */
#define OTHER_NUMBER 511
#define NUMBERS (OTHER_NUMBER + 1)

/* What a call does with its time. */
enum call_kind {
	CALL_WORKS,
	CALL_WAITS,
	/* It waits if its first argument is a socket, a pipe or a terminal, and works if that is a file of a disk. */
	CALL_BY_FILE,
};

/* Of one target, in two rows: by call_kind, the first two. */
struct call_times {
	__u32 count[2][28];
};

#endif
