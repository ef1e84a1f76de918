// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How long requests to block devices take, from issue to completion, by device, operation and cgroup. */
#include "kernel.h"
#include "kernel_block.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "gadget.h"
#include "block.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define REQ_OP_MASK 0xff
#define PF_KTHREAD 0x00200000

enum lost_what {
	LOST_STARTED,
	LOST_COUNTS,
};

struct start {
	__u64 at_ns; /* ktime */
	__u64 cgroup;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240); /* requests in flight at once; full: one is not timed and lost rises */
	__type(key, __u64);	    /* the request's address */
	__type(value, struct start);
} started SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048); /* user space removes what is quiet; full: a request is not counted and lost rises */
	__type(key, struct block_key);
	__type(value, struct block_count);
} counts SEC(".maps");

/* By whom: the bio knows it where its group is of the same hierarchy as ours; else the task that issues, if it is of user space. */
static __always_inline __u64 cgroup_of_request(struct request *rq)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bio *bio = BPF_CORE_READ(rq, bio);

	if (!by_memory_controller && bio && bpf_core_field_exists(bio->bi_blkg)) {
		struct blkcg_gq *blkg = BPF_CORE_READ(bio, bi_blkg);

		if (blkg)
			return BPF_CORE_READ(blkg, blkcg, css.cgroup, kn, id);
	}
	return task->flags & PF_KTHREAD ? 0 : cgroup_of(task);
}

static __always_inline int issue(struct request *rq)
{
	__u64 key = (__u64)rq;
	struct start start = {
		.at_ns = bpf_ktime_get_ns(),
		.cgroup = cgroup_of_request(rq),
	};

	if (bpf_map_update_elem(&started, &key, &start, BPF_ANY))
		count_lost(LOST_STARTED);
	return 0;
}

SEC("tp_btf/block_rq_issue")
int handle__block_rq_issue(__u64 *ctx)
{
	return issue((struct request *)ctx[0]);
}

/* Before Linux 5.11 the queue comes first. */
SEC("tp_btf/block_rq_issue")
int handle__block_rq_issue_queue(__u64 *ctx)
{
	return issue((struct request *)ctx[1]);
}

static __always_inline __u32 operation_of(struct request *rq)
{
	__u32 op = BPF_CORE_READ(rq, cmd_flags) & REQ_OP_MASK;

	switch (op) {
	case 0:
		return BLOCK_READ;
	case 1:
		return BLOCK_WRITE;
	case 2:
		return BLOCK_FLUSH;
	case 3: /* REQ_OP_DISCARD */
	case 5: /* REQ_OP_SECURE_ERASE */
	case 9: /* REQ_OP_WRITE_ZEROES */
		return BLOCK_DISCARD;
	}
	/* Its number has changed. */
	if (bpf_core_enum_value_exists(enum req_op, REQ_OP_ZONE_APPEND) &&
	    op == bpf_core_enum_value(enum req_op, REQ_OP_ZONE_APPEND))
		return BLOCK_WRITE;
	return BLOCK_OTHER;
}

static __always_inline struct gendisk *disk_of(struct request *rq)
{
	struct request___before_5_17 *before = (void *)rq;

	if (bpf_core_field_exists(before->rq_disk))
		return BPF_CORE_READ(before, rq_disk);
	return BPF_CORE_READ(rq, q, disk);
}

SEC("tp_btf/block_rq_complete")
int handle__block_rq_complete(__u64 *ctx)
{
	struct request *rq = (struct request *)ctx[0];
	__u32 bytes = ctx[2];
	__u64 address = (__u64)rq;
	struct block_count *count, fresh = {};
	struct block_key key = {};
	struct gendisk *disk;
	struct start *start;
	bool whole;

	start = bpf_map_lookup_elem(&started, &address);
	/* It was issued before we looked. */
	if (!start)
		return 0;
	/* A request may complete in parts. */
	whole = bytes >= BPF_CORE_READ(rq, __data_len);
	key.operation = operation_of(rq);
	disk = disk_of(rq);
	if (key.operation != BLOCK_OTHER && disk) {
		key.cgroup = start->cgroup;
		key.major = BPF_CORE_READ(disk, major);
		key.minor = BPF_CORE_READ(disk, first_minor);
		count = entry_of(&counts, &key, &fresh);
		if (count) {
			__u32 bucket = latency_bucket(bpf_ktime_get_ns() - start->at_ns);

			__sync_fetch_and_add(&count->bytes, bytes);
			if (whole && bucket < LATENCY_BUCKETS)
				__sync_fetch_and_add(&count->took[bucket], 1);
		} else {
			count_lost(LOST_COUNTS);
		}
	}
	if (whole)
		bpf_map_delete_elem(&started, &address);
	return 0;
}
