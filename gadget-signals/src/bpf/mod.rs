//! Watching the kernel by BPF programs that count where things happen.
//!
//! The programs are in `bpf/` of the repository; their skeletons are checked in, so that building this needs no clang.
//! Every provider probes the kernel, decides in plain code what it will use, says so in its `describe`, and loads only
//! programs that this kernel takes. What is aggregated is read on a timer; only what calls for action wakes anybody.

mod block;
mod blocked;
#[cfg(test)]
mod buckets;
mod cost;
mod faults;
mod kernel;
mod lifecycle;
mod mapped;
mod oom;
mod program;
mod providers;
mod reclaim;
mod record;
mod ring;
mod scan;
mod scheduler;
mod seats;
mod signals;
mod skel;
mod subject;
mod syscalls;
mod tally;
mod targets;
mod tcp;
mod walk;

pub use block::BlockWatch;
pub use blocked::{BlockedThread, BlockedThreads};
pub use faults::FaultWatch;
pub use kernel::Kernel;
pub use lifecycle::{LifecycleWatch, ProcessChange, ProcessEvent};
pub use oom::OomVictims;
pub(crate) use program::give_memory_back;
pub use providers::KernelProviders;
pub use reclaim::ReclaimWatch;
pub use scan::{ProcessRecord, ProcessScan, ScanBy};
pub use scheduler::SchedulerWatch;
pub use signals::SignalWatch;
pub use syscalls::SyscallProfile;
pub use tcp::TcpWatch;
