/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/tcp/mod.rs. */
#ifndef GADGET_TCP_H
#define GADGET_TCP_H

/* One process's hold on a listening socket. */
struct tcp_listener {
	/* Tells sockets apart. */
	__u64 socket;
	/* When the process began (ns since boot). */
	__u64 start_ns;
	__u32 tgid;
	/* Connections and segments that it turned away since it listens. */
	__u32 drops;
	/* The network namespace. */
	__u32 namespace;
	__u32 unused;
};

#endif
