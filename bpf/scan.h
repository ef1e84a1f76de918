/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/scan/record.rs. */
#ifndef GADGET_SCAN_H
#define GADGET_SCAN_H

/* Where a scan is, and how far it came: the program's argument and its answer. */
struct scan_position {
	/* In: the process after which to begin, by id and start; 0 for the beginning. Out: the last one that was written. */
	__u64 start_ns;
	__u32 pid;
	/* In: after so many records or threads the slice ends. Out: records written. */
	__u32 count;
	/* Out: 1 if there may be more. */
	__u32 more;
	__u32 unused;
};

/* A process, or with another pid than tgid what one of its threads adds to it. Counts are since it began. */
struct process_record {
	__u32 pid;
	__u32 tgid;
	__u32 parent;
	__u32 uid;
	__u32 flags;
	__u32 threads;
	__u32 state;
	__u32 exit_state;
	__s32 static_prio;
	__s32 oom_score_adj;
	__u8 comm[16];
	__u64 start_ns;
	/* Programs executed so far, from any number on. */
	__u64 execs;
	__u64 last_ran_ns;
	__u64 cgroup;
	__u64 runtime_ns;
	__u64 utime_ns;
	__u64 stime_ns;
	__u64 minor_faults;
	__u64 major_faults;
	__u64 voluntary;
	__u64 involuntary;
	__u64 vsize_pages;
	/* May be below zero for a moment, as each processor keeps a part of the change to itself. */
	__s64 file_pages;
	__s64 anon_pages;
	__s64 shmem_pages;
	__s64 swap_pages;
	__u64 rchar;
	__u64 wchar;
	__u64 syscr;
	__u64 syscw;
	__u64 read_bytes;
	__u64 write_bytes;
};

#endif
