//! What walks of the kernel's lists share.

/// The functions that `bpf/walk.h` calls.
pub(super) const NEEDS: &[&str] =
    &["bpf_task_from_pid", "bpf_rdonly_cast", "bpf_rcu_read_lock", "bpf_iter_num_new"];
