/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared with gadget-signals/src/bpf/scheduler/. */
#ifndef GADGET_SCHEDULER_H
#define GADGET_SCHEDULER_H

/* As many cgroups at a time; user space refuses more. */
#define GROUPS 256

/* How the tasks of one subject were treated; counts up. */
struct sched_count {
	__u64 voluntary;
	__u64 involuntary;
	__u32 run_queue[28];
	__u32 off_cpu[28];
};

#endif
