//! Signal providers: what a Linux host says of its memory, CPU, IO, cgroups and processes.
//!
//! Each provider is a [`SignalProvider`](gadget_core::SignalProvider) that an agent asks; it reads the kernel's files
//! and never changes anything. [`HostProviders`] chooses those that fit the host and says what it decided.
//!
//! ```
//! use gadget_core::{Reading, Scope, SignalProvider, Signals, Timestamp};
//! use gadget_signals::HostMemoryProvider;
//!
//! let now = Timestamp::from_secs(1); // an agent's clock tells it
//! let mut signals = Signals::at(now);
//! HostMemoryProvider::host()?.sample(now, Scope::Everything, &mut signals)?;
//! for signal in &signals {
//!     if let Reading::HostMemory(memory) = &signal.reading {
//!         println!("{} of {} available", memory.available, memory.total);
//!     }
//! }
//! # Ok::<(), gadget_core::SignalError>(())
//! ```
//!
//! Readers are rooted at a path, so that a made-up tree can stand in for `/proc` and `/sys/fs/cgroup`. Files are kept
//! open within a bound and read into kept memory: once warm a sweep allocates nothing. A process or cgroup that vanishes
//! is [`Gone`](gadget_core::Reading::Gone) and no error. The parsers are in [`parse`].

#[cfg(feature = "bpf")]
mod bpf;
mod census;
mod cgroup;
mod container;
mod exits;
mod file;
mod host;
pub mod logs;
mod modules;
mod oom;
pub mod parse;
mod pressure;
mod process;
mod settings;
mod system;
#[cfg(test)]
mod testing;
mod text;
mod threads;

#[cfg(feature = "bpf")]
pub use bpf::{
    BlockWatch, BlockedThread, BlockedThreads, FaultWatch, Kernel, KernelProviders, LifecycleWatch,
    OomVictims, ProcessChange, ProcessEvent, ProcessRecord, ProcessScan, ReclaimWatch, ScanBy,
    SchedulerWatch, SignalWatch, SyscallProfile, TcpWatch,
};
pub use census::{CensusProvider, CensusState, CensusStatus};
pub use cgroup::{Calm, CgroupFiles, CgroupLayout, Cgroups};
pub use container::container_of;
pub use exits::{ExitsProvider, Used, parse_taskstats};
pub use host::{Chosen, HostProviders};
pub use modules::{Here, ModuleHandle, Modules, Watched};
pub use oom::OomWatch;
pub use pressure::{Headroom, PressureProvider, PsiTrigger, StallWatch};
pub use process::{
    ConnectorChange, ConnectorEvent, Namespaces, ProcConnector, ProcessFiles, Processes,
    SchedulerFiles, runtime_of_exe, runtime_of_maps,
};
pub use settings::SettingsWatch;
pub use system::{HostCpuProvider, HostFaults, HostIoProvider, HostMemoryProvider, HostTcp};
pub use threads::{Candidate, Candidates, ProcWalk, Suspicion, ThreadReader, Waits};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
