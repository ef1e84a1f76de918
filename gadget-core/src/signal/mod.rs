//! The signal vocabulary: every reading a gadget can be given.
//!
//! Readings hold plain numbers and are cheap to copy; names and paths travel once, in the identity readings. What this
//! kernel does not offer, or what was not read this time, is `None` and never zero.

mod census;
mod kernel;
mod logs;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::subject::{CgroupIdentity, ProcessIdentity, Subject};
use crate::units::{Bytes, MemoryLimit, Percent, Timestamp};

pub use census::{
    Census, CensusChange, CensusRow, CensusSource, Comm, End, ExitSource, Exits, ModuleUse,
    ProcessDetail, SettingsText, Users,
};
pub use kernel::{
    BlockLatency, BlockOperation, Exit, KernelCost, LATENCY_BUCKETS, Latencies, Lifecycle,
    PageFaults, Reclaim, Scheduling, Syscalls, Tcp,
};
pub use logs::{CaptureCall, LogActivity, LogTemplate, RuleReport, ServiceLogs, SpanStats};
pub use threads::{
    Futex, Listener, Lock, LockKind, MonitorWait, Peer, RuntimeReport, Thread, Threads, Wait,
    Wakers,
};

/// One typed observation: when, about what, and what was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// When the reading was taken.
    pub at: Timestamp,
    /// What it is about.
    pub subject: Subject,
    /// What was read.
    pub reading: Reading,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reading {
    /// The host's memory.
    HostMemory(HostMemory),
    /// The host's processors.
    HostCpu(HostCpu),
    /// Pressure stall information of the host or of a cgroup.
    Pressure(Resource, Pressure),
    /// A cgroup's memory.
    CgroupMemory(CgroupMemory),
    /// A cgroup's CPU time and throttling.
    CgroupCpu(CgroupCpu),
    /// A cgroup's IO, summed over devices.
    CgroupIo(IoCount),
    /// A cgroup's processes.
    CgroupPids(CgroupPids),
    /// What a cgroup is; sent when first seen and when it changes.
    CgroupIdentity(Box<CgroupIdentity>),
    /// A process's use of memory and CPU.
    ProcessUsage(ProcessUsage),
    /// A process's IO.
    ProcessIo(IoCount),
    /// What a process is; sent when first seen and when it changes.
    ProcessIdentity(Box<ProcessIdentity>),
    /// The subject is gone: the process exited, the cgroup was removed.
    Gone,
    /// A PSI trigger fired, or a stall crossed its threshold: read this subject now.
    StallTrigger(Resource),
    /// The kernel's OOM killer has killed this many processes since the last such reading.
    OomKill(u64),
    /// The host's block IO, summed over devices.
    HostIo(IoCount),
    /// What the threads of a process wait for, at one look.
    Threads(Box<Threads>),
    /// What a process's runtime says of its own threads.
    RuntimeReport(Box<RuntimeReport>),
    /// Processes that began and ended on the host.
    Lifecycle(Lifecycle),
    /// A process has ended, and how. It is gone.
    Exited(Exit),
    /// The system calls of a process.
    Syscalls(Box<Syscalls>),
    /// How the scheduler treated a cgroup or a process.
    Scheduling(Box<Scheduling>),
    /// Requests to a block device, of a cgroup or of the host.
    BlockLatency(Box<BlockLatency>),
    /// Page faults of a cgroup or of the host.
    PageFaults(PageFaults),
    /// TCP connections of the host.
    Tcp(Tcp),
    /// A process's listen queue was full: this many connections were turned away since the last such reading.
    ListenOverflow(u64),
    /// The kernel's OOM killer has chosen this process.
    OomVictim,
    /// A process was sent this signal, this often since the last such reading.
    Signalled {
        /// The signal's number.
        signal: u8,
        /// How often.
        count: u64,
    },
    /// Tasks of a cgroup, or of the host, had to reclaim memory themselves: read this subject now.
    Reclaim(Reclaim),
    /// What a provider costs the kernel.
    KernelCost(Box<KernelCost>),
    /// Every process of the host at one look.
    Census(Arc<Census>),
    /// Every process of the host that ended since the last such reading.
    Exits(Arc<Exits>),
    /// The names of the host's users.
    Users(Arc<Users>),
    /// What is costly to know of a process.
    ProcessDetail(Box<ProcessDetail>),
    /// What a part of the agent uses.
    ModuleUse(Box<ModuleUse>),
    /// Settings that an operator has given a gadget.
    Settings(Box<SettingsText>),
    /// What every service has logged since the last such reading.
    LogActivity(Arc<LogActivity>),
    /// A service has logged a line of a template that it never logged before.
    LogTemplate(Box<LogTemplate>),
    /// The requests that a service answered of late.
    SpanStats(Box<SpanStats>),
    /// Somebody asks for what was logged of late.
    CaptureCall(Box<CaptureCall>),
    /// How a learned rule of redaction does.
    RuleReport(Box<RuleReport>),
}

impl Reading {
    /// True if the subject is gone, however that is told.
    #[must_use]
    pub const fn is_the_end(&self) -> bool {
        matches!(self, Self::Gone | Self::Exited(_))
    }
}

/// What tasks can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Resource {
    /// Memory: reclaim, refaults, swap-in.
    Memory,
    /// Processors.
    Cpu,
    /// Block IO.
    Io,
}

/// The host's memory.
///
/// - Source: `/proc/meminfo` and `/proc/vmstat`, Documentation/filesystems/proc.rst.
/// - Absent: `swap` and `counters` fields by kernel version and configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMemory {
    /// `MemTotal`.
    pub total: Bytes,
    /// `MemFree`.
    pub free: Bytes,
    /// `MemAvailable`: the kernel's own estimate of what can be had without swapping.
    pub available: Bytes,
    /// `AnonPages`.
    pub anon: Bytes,
    /// `Active(file)`.
    pub active_file: Bytes,
    /// `Inactive(file)`.
    pub inactive_file: Bytes,
    /// `Shmem`: tmpfs and shared memory; it cannot be reclaimed without swap.
    pub shmem: Bytes,
    /// `SReclaimable`.
    pub slab_reclaimable: Bytes,
    /// `SwapTotal`; zero where there is no swap.
    pub swap_total: Bytes,
    /// `SwapFree`.
    pub swap_free: Bytes,
    /// Counters of paging.
    pub paging: Paging,
    /// `oom_kill`: processes killed by the OOM killer since boot (Linux 4.13).
    pub oom_kills: Option<u64>,
}

/// Counters of paging since boot, or since the cgroup was made. Units: pages, except faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paging {
    /// Pages scanned by reclaim (`pgscan`, or the sum of its parts).
    pub scanned: Option<u64>,
    /// Pages reclaimed (`pgsteal`, or the sum of its parts).
    pub stolen: Option<u64>,
    /// Refaults of file pages that were evicted a short while ago (`workingset_refault_file`).
    pub refaulted_file: Option<u64>,
    /// Refaults of anonymous pages (`workingset_refault_anon`).
    pub refaulted_anon: Option<u64>,
    /// Page faults that needed IO (`pgmajfault`).
    pub major_faults: Option<u64>,
    /// Pages swapped in (`pswpin`).
    pub swapped_in: Option<u64>,
    /// Pages swapped out (`pswpout`).
    pub swapped_out: Option<u64>,
}

/// The host's processors: time since boot, summed over all of them.
///
/// - Source: `/proc/stat` and `/proc/loadavg`, Documentation/filesystems/proc.rst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostCpu {
    /// Running in user space, nice included.
    pub user: Duration,
    /// Running in the kernel, interrupts included.
    pub system: Duration,
    /// Idle.
    pub idle: Duration,
    /// Idle with IO outstanding.
    pub iowait: Duration,
    /// Taken by the hypervisor.
    pub steal: Duration,
    /// Runnable tasks now.
    pub running: Option<u32>,
    /// Load average over one minute.
    pub load1: Option<f64>,
    /// Forks since boot.
    pub forks: Option<u64>,
}

/// One line of a pressure file.
///
/// - Source: Documentation/accounting/psi.rst; Linux 4.20.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// Share of wall time stalled over the last 10 s.
    pub avg10: Percent,
    /// The same over 60 s.
    pub avg60: Percent,
    /// The same over 300 s.
    pub avg300: Percent,
    /// Stalled time since boot, or since the cgroup was made.
    pub total: Duration,
}

/// Pressure of one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// At least one task was stalled.
    pub some: Stall,
    /// All non-idle tasks were stalled. Absent for CPU before Linux 5.13.
    pub full: Option<Stall>,
}

/// A cgroup's memory.
///
/// - Source: v2 `memory.current`, `memory.max`, `memory.high`, `memory.stat`, `memory.events`
///   (Documentation/admin-guide/cgroup-v2.rst); v1 `memory.usage_in_bytes`, `memory.limit_in_bytes`, `memory.stat`,
///   `memory.oom_control` (Documentation/admin-guide/cgroup-v1/memory.rst).
/// - Absent: `stat` and `events` when only the cheap files were read this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupMemory {
    /// Charged memory, page cache included.
    pub current: Bytes,
    /// The hard limit of this group itself.
    pub max: MemoryLimit,
    /// The throttling limit. `Unlimited` on v1, which has none.
    pub high: MemoryLimit,
    /// What the memory is used for.
    pub stat: Option<CgroupMemoryStat>,
    /// How often limits were met.
    pub events: Option<CgroupMemoryEvents>,
}

/// `memory.stat` of a cgroup, in bytes; hierarchical (on v1 the `total_` fields).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupMemoryStat {
    /// Anonymous memory (`anon`; v1 `total_rss`).
    pub anon: Bytes,
    /// Page cache, shmem included (`file`; v1 `total_cache`).
    pub file: Bytes,
    /// `inactive_file`.
    pub inactive_file: Bytes,
    /// `active_file`.
    pub active_file: Bytes,
    /// tmpfs and shared memory (`shmem`; v1 `total_shmem`).
    pub shmem: Bytes,
    /// Page cache not yet written back: reclaim has to wait for it (`file_dirty` and `file_writeback`).
    pub dirty: Bytes,
    /// `slab_reclaimable`; unknown on v1.
    pub slab_reclaimable: Option<Bytes>,
    /// Kernel memory (`kernel`, Linux 5.18; v1 `memory.kmem.usage_in_bytes`).
    pub kernel: Option<Bytes>,
    /// Swap in use (`memory.swap.current`; v1 `total_swap`).
    pub swap: Option<Bytes>,
    /// Counters of paging.
    pub paging: Paging,
}

/// How often a cgroup's limits were met, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupMemoryEvents {
    /// Throttled at `memory.high`. Unknown on v1.
    pub high: Option<u64>,
    /// Met the hard limit and went to reclaim (`max`; v1 `memory.failcnt`).
    pub max: Option<u64>,
    /// Reclaim at the hard limit failed (`oom`). Unknown on v1.
    pub oom: Option<u64>,
    /// Processes killed by the kernel's OOM killer (`oom_kill`).
    pub oom_kill: Option<u64>,
}

/// A cgroup's CPU time.
///
/// - Source: v2 `cpu.stat`; v1 `cpuacct.usage` and `cpu.stat`.
/// - Absent: throttling without a quota or without the controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupCpu {
    /// CPU time used.
    pub usage: Duration,
    /// Enforcement periods that passed.
    pub periods: Option<u64>,
    /// Periods in which it was throttled.
    pub throttled_periods: Option<u64>,
    /// Time throttled, summed over tasks' CPUs.
    pub throttled: Option<Duration>,
}

/// Block IO since the subject began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoCount {
    /// Bytes read from storage.
    pub read: Bytes,
    /// Bytes written to storage.
    pub written: Bytes,
}

/// A cgroup's processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPids {
    /// Tasks in it and below.
    pub current: u64,
    /// The limit; none for `max`.
    pub max: Option<u64>,
}

/// A process's use of memory and CPU.
///
/// - Source: `/proc/PID/stat` and `statm`, Documentation/filesystems/proc.rst; `smaps_rollup` on demand.
/// - Absent: `shared` when only `stat` was read, `pss` and `swap` unless asked for, switches unless tasks are walked in the
///   kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessUsage {
    /// Resident memory.
    pub rss: Bytes,
    /// The part of it that is backed by files or shared memory (field 3 of `statm`).
    pub shared: Option<Bytes>,
    /// Proportional set size.
    pub pss: Option<Bytes>,
    /// Swapped-out memory.
    pub swap: Option<Bytes>,
    /// CPU time used, user and kernel.
    pub cpu: Duration,
    /// Page faults without IO.
    pub minor_faults: u64,
    /// Page faults with IO.
    pub major_faults: u64,
    /// Threads.
    pub threads: u32,
    /// The state letter of `stat`: `R`, `S`, `D`, `T`, `Z`, ...
    pub state: char,
    /// Switches to other tasks that its threads asked for by waiting, where that was read.
    pub voluntary_switches: Option<u64>,
    /// Switches that were forced on them.
    pub involuntary_switches: Option<u64>,
}
