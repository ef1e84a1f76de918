// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What happens to TCP connections, and who listens. */
#include "kernel.h"
#include "kernel_net.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "gadget.h"
#include "tcp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Counts only this network namespace; 0 counts all. */
const volatile __u32 only_namespace = 0;

/* All count up. Each happens a few times in a connection's life, so one cell for all processors will do. */
__u64 retransmits;
__u64 resets_sent;
__u64 resets_received;
__u64 opened;
__u64 closed;
/* Handshakes that were to be repeated: as a full accept queue makes them. */
__u64 repeated;

SHARED_WITH_RUST(tcp_listener);

static __always_inline bool counts_socket(const struct sock *sk)
{
	return !only_namespace || BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) == only_namespace;
}

SEC("tp_btf/tcp_retransmit_skb")
int handle__tcp_retransmit_skb(__u64 *ctx)
{
	if (counts_socket((struct sock *)ctx[0]))
		__sync_fetch_and_add(&retransmits, 1);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int handle__tcp_send_reset(__u64 *ctx)
{
	const struct sock *sk = (struct sock *)ctx[0];
	const struct sk_buff *skb = (struct sk_buff *)ctx[1];

	bool counts = !only_namespace;

	/* For a port that nobody has there is no socket, but then there is what came in. */
	if (sk)
		counts = counts_socket(sk);
	else if (skb && !counts)
		counts = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum) == only_namespace;
	if (counts)
		__sync_fetch_and_add(&resets_sent, 1);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int handle__tcp_receive_reset(__u64 *ctx)
{
	if (counts_socket((struct sock *)ctx[0]))
		__sync_fetch_and_add(&resets_received, 1);
	return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int handle__tcp_retransmit_synack(__u64 *ctx)
{
	if (counts_socket((struct sock *)ctx[0]))
		__sync_fetch_and_add(&repeated, 1);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int handle__inet_sock_set_state(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	int before = ctx[1], after = ctx[2];

	if (after != TCP_ESTABLISHED && after != TCP_CLOSE)
		return 0;
	if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol) != IPPROTO_TCP || !counts_socket(sk))
		return 0;
	if (after == TCP_ESTABLISHED)
		__sync_fetch_and_add(&opened, 1);
	else if (before != TCP_LISTEN && before != TCP_SYN_SENT && before != TCP_SYN_RECV && before != TCP_CLOSE)
		__sync_fetch_and_add(&closed, 1);
	return 0;
}

/* Every listening socket, once for each process that holds it. */
SEC("iter/task_file")
int dump__listeners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tcp_listener listener = {};
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (!task || !file || (file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	socket = file->private_data;
	/* A path that was opened and not connected to is no socket. */
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) || BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	listener.socket = (__u64)sk;
	listener.start_ns = task->group_leader->start_boottime;
	listener.tgid = task->tgid;
	listener.drops = BPF_CORE_READ(sk, sk_drops.counter);
	listener.namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	/* What has no room in one piece is asked for again. */
	bpf_seq_write(ctx->meta->seq, &listener, sizeof(listener));
	return 0;
}
