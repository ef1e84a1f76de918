//! Generated from `bpf/*.bpf.c` by `cargo xtask bpf`; not to be edited.
#![allow(
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::undocumented_unsafe_blocks,
    unreachable_pub,
    missing_docs
)]

pub(super) mod block;
pub(super) mod blocked;
pub(super) mod faults;
pub(super) mod lifecycle;
pub(super) mod oom;
pub(super) mod reclaim;
pub(super) mod scan;
pub(super) mod scheduler;
pub(super) mod signals;
pub(super) mod syscalls;
pub(super) mod tcp;
#[cfg(test)]
pub(super) mod test_buckets;
