/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/oom.rs. */
#ifndef GADGET_OOM_H
#define GADGET_OOM_H

struct oom_event {
	/* When the process began (ns since boot); 0 where the kernel gives only a thread's number. */
	__u64 start_ns;
	/* The process, or the thread where start_ns is 0. */
	__u32 id;
	__u32 unused;
};

#endif
