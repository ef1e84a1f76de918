//! BPF providers on this host's kernel. Where it takes no programs from us, each test says so and counts as skipped.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used)] // All of it is tests.

mod block;
mod blocked;
mod caller;
mod capabilities;
mod faults;
mod lifecycle;
mod oom;
mod places;
mod processes;
mod reclaim;
mod scan;
mod scheduler;
mod signals;
mod support;
mod syscalls;
mod tcp;
