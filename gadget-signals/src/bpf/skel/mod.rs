//! Generated from `bpf/*.bpf.c` by `cargo xtask bpf`; not to be edited.
#![allow(
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::undocumented_unsafe_blocks,
    unreachable_pub,
    missing_docs
)]

pub(super) mod reclaim;
pub(super) mod scan;
pub(super) mod syscalls;
