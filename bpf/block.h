/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/block.rs. */
#ifndef GADGET_BLOCK_H
#define GADGET_BLOCK_H

#include "gadget.h"

enum block_operation {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,
	BLOCK_OTHER, /* commands and zone management: not counted */
};

struct block_key {
	/* For whom, 0 where that is not known. */
	__u64 cgroup;
	__u32 major;
	__u32 minor;
	/* enum block_operation */
	__u32 operation;
	__u32 unused;
};

/* Counts up. */
struct block_count {
	__u64 bytes;
	__u32 took[LATENCY_BUCKETS];
};

#endif
