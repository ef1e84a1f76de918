/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/reclaim.rs. */
#ifndef GADGET_RECLAIM_H
#define GADGET_RECLAIM_H

/* What the tasks of one cgroup, or of the host, had to reclaim themselves; counts up. */
struct reclaim_count {
	__u64 begun;
	__u64 took_ns;
	__u64 pages;
	/* When user space was last woken for it (ktime). */
	__u64 woken_ns;
};

/* A wake-up. */
struct reclaim_event {
	/* The cgroup, 0 for the host. */
	__u64 cgroup;
	/* When reclaim began (ktime). */
	__u64 at_ns;
};

#endif
