/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs here share. To be included after kernel.h and libbpf's headers. */
#ifndef GADGET_H
#define GADGET_H

/*
 * By which cgroup a task is counted: that of the memory controller, where the agent reads cgroups of version 1, or that of
 * the unified hierarchy. User space sets it, as it knows which hierarchy its own readings are of.
 */
const volatile bool by_memory_controller = false;

/* Puts a type that only goes through a ring into the object's BTF, where a test compares it with its twin in Rust. */
#define SHARED_WITH_RUST(type) const struct type *shared_##type __attribute__((unused))

/* Events or entries that had no room, by map or ring; each program says which index means what. */
__u64 lost[4];

static __always_inline void count_lost(__u32 which)
{
	__sync_fetch_and_add(&lost[which & 3], 1);
}

/* The entry of a hash map for a key, made from zeroes if there is none; none where the map is full, which the caller counts. */
static __always_inline void *entry_of(void *map, const void *key, const void *zeroes)
{
	void *entry = bpf_map_lookup_elem(map, key);

	if (entry)
		return entry;
	bpf_map_update_elem(map, key, zeroes, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

/*
 * The id of the cgroup that a task is counted by: the inode number of its folder. The verifier has to know what `task` is, as
 * that of a tracepoint or the current one; then it is four loads and no call.
 */
static __always_inline __u64 cgroup_of(struct task_struct *task)
{
	struct css_set *set = task->cgroups;

	/* Without the controller the index below is not found, and the program would not load. */
	if (by_memory_controller && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return set->subsys[bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) & 15]->cgroup->kn->id;
	return set->dfl_cgrp->kn->id;
}

/* The class of a latency: as Latencies in gadget-core has them, and as many. */
#define LATENCY_BUCKETS 28

static __always_inline __u32 latency_bucket(__u64 ns)
{
	__u64 us = ns / 1000;
	__u32 bucket = 0;

	/* The number of bits of us, by halves: no loop for the verifier. */
	if (us >> 32)
		return LATENCY_BUCKETS - 1;
	if (us >> 16) {
		bucket += 16;
		us >>= 16;
	}
	if (us >> 8) {
		bucket += 8;
		us >>= 8;
	}
	if (us >> 4) {
		bucket += 4;
		us >>= 4;
	}
	if (us >> 2) {
		bucket += 2;
		us >>= 2;
	}
	if (us >> 1) {
		bucket += 1;
		us >>= 1;
	}
	bucket += us;
	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

#endif
