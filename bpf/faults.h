/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/faults.rs. */
#ifndef GADGET_FAULTS_H
#define GADGET_FAULTS_H

/* Counts up. */
struct fault_count {
	__u64 minor;
	__u64 major;
};

#endif
