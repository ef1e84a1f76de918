//! Watching the kernel by BPF programs that count where things happen.
//!
//! The programs are in `bpf/` of the repository; their skeletons are checked in, so that building this needs no clang.
//! Every provider probes the kernel, decides in plain code what it will use, says so in its `describe`, and loads only
//! programs that this kernel takes. What is aggregated is read on a timer; only what calls for action wakes anybody.

mod cost;
mod kernel;
mod mapped;
mod program;
mod reclaim;
mod record;
mod ring;
mod scan;
mod seats;
mod skel;
mod syscalls;
mod targets;

pub use kernel::Kernel;
pub use reclaim::ReclaimWatch;
pub use scan::{ProcessRecord, ProcessScan, ScanBy};
pub use syscalls::SyscallProfile;
