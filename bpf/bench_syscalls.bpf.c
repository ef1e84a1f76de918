// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What benches/benches/syscalls compares the counting of system calls with; no part of the library. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What everybody on this hook pays: the kernel leaves its fast path, and runs a program. */
SEC("tp_btf/sys_enter")
int handle__empty(void *ctx)
{
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240); /* full: the call goes uncounted */
	__type(key, __u32);	    /* thread id */
	__type(value, __u64);	    /* ktime, ns */
} began SEC(".maps");

struct call {
	__u32 tgid;
	__u32 number;
};

struct total {
	__u64 count;
	__u64 took_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240); /* full: the call goes uncounted */
	__type(key, struct call);
	__type(value, struct total);
} totals SEC(".maps");

/* As tools do that join the beginning and the end of each call by a hash on its thread. */
SEC("tp_btf/sys_enter")
int handle__pair_enter(void *ctx)
{
	__u32 thread = bpf_get_current_pid_tgid();
	__u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&began, &thread, &now, BPF_ANY);
	return 0;
}

struct pt_regs___orig {
	unsigned long orig_ax;
} __attribute__((preserve_access_index));

SEC("tp_btf/sys_exit")
int handle__pair_exit(__u64 *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), *at;
	struct total *total, fresh = {};
	__u32 thread = id;
	struct call call = { .tgid = id >> 32 };

	at = bpf_map_lookup_elem(&began, &thread);
	if (!at)
		return 0;
	call.number = ((struct pt_regs___orig *)ctx[0])->orig_ax;
	total = bpf_map_lookup_elem(&totals, &call);
	if (!total) {
		bpf_map_update_elem(&totals, &call, &fresh, BPF_NOEXIST);
		total = bpf_map_lookup_elem(&totals, &call);
	}
	if (total) {
		__sync_fetch_and_add(&total->count, 1);
		__sync_fetch_and_add(&total->took_ns, bpf_ktime_get_ns() - *at);
	}
	bpf_map_delete_elem(&began, &thread);
	return 0;
}
