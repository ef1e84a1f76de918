/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's types around a system call. To be included after kernel.h. */
#ifndef GADGET_KERNEL_CALLS_H
#define GADGET_KERNEL_CALLS_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct thread_info {
	unsigned long flags;
	/* Not on every architecture. */
	__u32 status;
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	__u16 i_mode;
	__u32 i_rdev;
	struct super_block *i_sb;
};

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFCHR 0020000
#define S_IFIFO 0010000

struct file {
	struct inode *f_inode;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

/* The same task_struct, as far as calls need it. */
struct task_struct___calls {
	struct thread_info thread_info;
	struct files_struct *files;
};

/* Registers as a call found them, on x86 and on 64-bit Arm. */
struct pt_regs___x86 {
	unsigned long r10, r9, r8;
	unsigned long dx, si, di;
	unsigned long orig_ax;
	unsigned long sp;
};

struct pt_regs___arm64 {
	__u64 regs[31];
	__u64 sp;
	__u64 orig_x0;
	__s32 syscallno;
};

#pragma clang attribute pop

#endif
