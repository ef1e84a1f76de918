/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The block layer's types, as kernel.h has the others. */
#ifndef GADGET_KERNEL_BLOCK_H
#define GADGET_KERNEL_BLOCK_H

enum req_op {
	REQ_OP_ZONE_APPEND = 7,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct gendisk {
	int major;
	int first_minor;
};

struct request_queue {
	struct gendisk *disk;
};

struct blkcg {
	struct cgroup_subsys_state css;
};

struct blkcg_gq {
	struct blkcg *blkcg;
};

struct bio {
	struct blkcg_gq *bi_blkg; /* CONFIG_BLK_CGROUP */
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	struct bio *bio;
};

/* Before Linux 5.17, where a queue does not name its disk. */
struct request___before_5_17 {
	struct gendisk *rq_disk;
};

#pragma clang attribute pop

#endif
