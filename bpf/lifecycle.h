/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/lifecycle/record.rs. */
#ifndef GADGET_LIFECYCLE_H
#define GADGET_LIFECYCLE_H

#define FORKED 1
#define EXECUTED 2
#define EXITED 3
/* Ended, chosen by the OOM killer. */
#define OOM_KILLED 4

/* A process that began, executed a program, or ended. */
struct lifecycle_event {
	/* Since boot, time asleep included. */
	__u64 at_ns;
	__u64 start_ns;
	__u64 cgroup;
	/* Of one that ended: the CPU time of all its threads... */
	__u64 runtime_ns;
	/* ...and how many clock ticks met it in user space and in the kernel, in ms. */
	__u32 user_ms;
	__u32 system_ms;
	__u32 pid;
	__u32 parent;
	/* Of one that ended: the most its last program had resident. */
	__u32 peak_pages;
	/* Of one that ended: as wait(2) has it. */
	__u16 status;
	__u16 what;
	__u8 comm[16];
};

#endif
