//! BPF providers on this host's kernel. Where it takes no programs from us, each test says so and counts as skipped.
#![cfg(feature = "bpf")]

mod reclaim;
mod support;
mod syscalls;
