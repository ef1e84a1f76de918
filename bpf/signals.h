/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/signals.rs. */
#ifndef GADGET_SIGNALS_H
#define GADGET_SIGNALS_H

struct signal_key {
	/* When the process began (ns since boot). */
	__u64 start_ns;
	__u32 tgid;
	__u32 signal;
};

/* Counts up. */
struct signal_count {
	__u64 sent;
};

#endif
