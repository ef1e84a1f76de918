// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a test asks: does latency_bucket() of gadget.h agree with its twin in Rust? */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "gadget.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct question {
	__u64 ns;
	__u64 bucket;
};

SEC("syscall")
int handle__question(struct question *question)
{
	question->bucket = latency_bucket(question->ns);
	return 0;
}
