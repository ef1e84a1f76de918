//! What a signal is about, and what is known of it besides numbers.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The identity of one process: its id and when it started, so that a reused id is another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process (thread group) id in the agent's pid namespace.
    pub pid: u32,
    /// Start time in clock ticks since boot: field 22 of `/proc/PID/stat`.
    pub start: u64,
}

/// One thread, of which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ThreadId {
    /// The process it belongs to.
    pub process: ProcessId,
    /// Its thread id in the agent's pid namespace.
    pub tid: u32,
}

/// Where a futex lives: the same for all that can wake each other on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FutexAddress {
    /// An address in memory that only this process has.
    Private(u64),
    /// A place in a file or in shared memory that several processes may have mapped.
    Shared {
        /// The device.
        device: u64,
        /// The inode.
        inode: u64,
        /// The offset in it.
        offset: u64,
    },
}

/// The identity of one cgroup: its inode number in the cgroup file system, which is the kernel's cgroup id.
///
/// Valid within one boot and one hierarchy; the kernel gives a removed group's number to no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CgroupId(pub u64);

/// What a signal, an assessment or a plan is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Subject {
    /// The whole host.
    Host,
    /// One cgroup and everything below it.
    Cgroup(CgroupId),
    /// One process.
    Process(ProcessId),
    /// The agent itself: what it uses, and what it sends.
    Agent,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Cgroup(id) => write!(f, "cgroup {}", id.0),
            Self::Process(id) => write!(f, "process {}", id.pid),
            Self::Agent => f.write_str("agent"),
        }
    }
}

/// Which cgroup interface a group belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CgroupVersion {
    /// One hierarchy per controller (Documentation/admin-guide/cgroup-v1/).
    V1,
    /// The unified hierarchy (Documentation/admin-guide/cgroup-v2.rst).
    V2,
}

/// What stays the same of a cgroup while it lives. Sent once when it is first seen, and again if it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupIdentity {
    /// Path below the hierarchy's root, `/` for the root itself.
    pub path: Arc<str>,
    /// The group above, unless this is the root.
    pub parent: Option<CgroupId>,
    /// Which interface its files follow.
    pub version: CgroupVersion,
    /// The container that the path names, if it names one.
    pub container: Option<Container>,
    /// `memory.oom.group`: the kernel kills all of it or none. False where the file does not exist (v1).
    pub oom_group: bool,
}

/// The container that a cgroup path names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// `docker`, `containerd`, `cri-o`, `podman`, or `kubepods` where the runtime is not named.
    pub runtime: Arc<str>,
    /// The container id as it stands in the path.
    pub id: Arc<str>,
    /// The pod's uid, under Kubernetes.
    pub pod: Option<Arc<str>>,
    /// The pod's quality of service, under Kubernetes.
    pub qos: Option<QosClass>,
}

/// Kubernetes quality of service: who is evicted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum QosClass {
    /// No requests and no limits: first to go.
    BestEffort,
    /// Requests below limits.
    Burstable,
    /// Requests equal limits: last to go.
    Guaranteed,
}

/// What stays the same of a process between two `execve` calls. Sent when it is first seen, and again if it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The parent's process id; 0 for the first process of a pid namespace.
    pub parent: u32,
    /// `comm`: at most 15 bytes, may be anything.
    pub comm: Arc<str>,
    /// The executable's path; none for kernel threads and where it may not be read.
    pub exe: Option<Arc<str>>,
    /// The effective user id.
    pub uid: u32,
    /// The cgroup it is in, in the hierarchy that the cgroup provider reads.
    pub cgroup: Option<CgroupId>,
    /// That cgroup's path, as [`CgroupIdentity::path`].
    pub cgroup_path: Option<Arc<str>>,
    /// `oom_score_adj`, -1000 to 1000, where it may be read.
    pub oom_score_adj: Option<i16>,
    /// True for a thread of the kernel (`PF_KTHREAD` in field 9 of `stat`).
    pub kernel_thread: bool,
    /// The runtime that it seems to run on.
    pub runtime: Runtime,
}

/// A guess at a process's language runtime, from its executable and its mappings' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Runtime {
    /// Machine code, or not known.
    #[default]
    Native,
    /// A Java virtual machine.
    Jvm,
    /// CPython.
    Python,
    /// Node.js.
    Node,
    /// Ruby.
    Ruby,
    /// .NET.
    DotNet,
    /// Perl.
    Perl,
    /// PHP.
    Php,
}

/// What holds for a host as long as it is up. The first record of every ledger and recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// `/proc/sys/kernel/random/boot_id`: process and cgroup identities are valid within one boot.
    pub boot_id: Arc<str>,
    /// `uname -r`.
    pub kernel: Arc<str>,
    /// The agent's own process id.
    pub agent_pid: u32,
    /// Processors that are online.
    pub cpus: u32,
}

impl HostFacts {
    /// Reads them from `/proc` below `root` (`/proc` itself on a live host).
    ///
    /// # Errors
    /// Any error of reading `sys/kernel/random/boot_id` or `sys/kernel/osrelease`.
    pub fn read(proc: &std::path::Path) -> std::io::Result<Self> {
        let line =
            |path| std::fs::read_to_string(proc.join(path)).map(|text| Arc::from(text.trim()));
        Ok(Self {
            boot_id: line("sys/kernel/random/boot_id")?,
            kernel: line("sys/kernel/osrelease")?,
            agent_pid: std::process::id(),
            cpus: std::thread::available_parallelism()
                .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        })
    }
}
