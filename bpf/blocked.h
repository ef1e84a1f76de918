/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/blocked/record.rs. */
#ifndef GADGET_BLOCKED_H
#define GADGET_BLOCKED_H

/* Where a walk is, and how far it came: the program's argument and its answer. */
struct blocked_position {
	/* In: the process after which to begin, by id and start; 0 for the beginning. Out: the last one that was walked. */
	__u64 start_ns;
	/* In: threads that did not run for this long. */
	__u64 still_ns;
	__u32 pid;
	/* In: after so many threads the slice ends. Out: records written. */
	__u32 count;
	/* Out: 1 if there may be more. */
	__u32 more;
	__u32 unused;
};

/* A thread that waits and did not run for a while. */
struct blocked_thread {
	__u32 pid;
	__u32 tid;
	/* Threads of its process. */
	__u32 threads;
	__u32 state;
	__u64 start_ns;
	/* Times it was switched away from, asked for or not. */
	__u64 switches;
	/* The system call it is in, as user space entered the kernel; below 0 for none. */
	__s32 call;
	/* 1 if the first argument is the descriptor of a socket. */
	__u32 socket;
	__u64 arguments[6];
	__u64 stack;
};

#endif
