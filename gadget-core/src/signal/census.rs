//! Every process at one look, every end of a process, and what the agent itself uses.

mod diff;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Name;
use crate::signal::{Exit, IoCount};
use crate::subject::{CgroupId, ProcessId};
use crate::units::Bytes;

pub use diff::CensusChange;

/// The name that the kernel keeps of a process (`comm`): at most 15 bytes, which may be anything. Held inline.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Comm([u8; 16]);

impl Comm {
    /// The first 15 bytes of `name`, up to a zero byte.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let mut held = [0; 16];
        for (to, &from) in held[..15].iter_mut().zip(name.iter().take_while(|&&byte| byte != 0)) {
            *to = from;
        }
        Self(held)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        &self.0[..end]
    }
}

/// Bytes that are not UTF-8 show as replacement characters.
impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

/// How a census was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CensusSource {
    /// A BPF program walked the kernel's list of processes.
    BpfWalk,
    /// A BPF iterator visited each task.
    BpfIterator,
    /// `/proc/PID/stat` through files that are kept open.
    KeptFiles,
    /// `/proc/PID/stat`, opened each time.
    Files,
}

impl CensusSource {
    /// The name in outputs, metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BpfWalk => "bpf-walk",
            Self::BpfIterator => "bpf-iterator",
            Self::KeptFiles => "kept-files",
            Self::Files => "files",
        }
    }
}

/// Every process of the host at one look: the cheap numbers of all.
///
/// - Shape: one row for each process, sorted by its id, each id once.
/// - Source: as [`CensusSource`] says; `busy` from `/proc/stat`, read right after the rows.
/// - Absent: a process that ended while it was read is in `vanished` and has no row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// How it was taken.
    pub source: CensusSource,
    /// Time since the census before it, by a clock that only goes forward; none for the first.
    pub over: Option<Duration>,
    /// CPU time that taking it cost the agent's thread.
    pub cost: Duration,
    /// Time since boot that the host's processors were not idle, summed over all of them, interrupts included; units of a clock tick.
    pub busy: Duration,
    /// Processes that were listed and gone before they could be read.
    pub vanished: u32,
    /// The processes.
    pub rows: Vec<CensusRow>,
}

/// One process of a [`Census`]. Counts are since it began, its threads summed.
///
/// - Source: as for [`ProcessUsage`](crate::ProcessUsage).
/// - Absent: what needs a walk in the kernel or a costly file, where files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CensusRow {
    /// The process.
    pub id: ProcessId,
    /// Its parent's process id; 0 for one that the kernel began.
    pub parent: u32,
    /// The effective user id; with files that of the owner of `/proc/PID`.
    pub uid: u32,
    /// The name.
    pub comm: Comm,
    /// The state letter of `stat`.
    pub state: char,
    /// True for a thread of the kernel.
    pub kernel_thread: bool,
    /// Threads.
    pub threads: u32,
    /// Counts the programs that it executed, from any number on: another one is another program. None where that is not told.
    pub execs: Option<u64>,
    /// The cgroup, in the hierarchy that the cgroup provider reads; none where it was not read.
    pub cgroup: Option<CgroupId>,
    /// CPU time in user space.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Page faults without IO.
    pub minor_faults: u64,
    /// Page faults with IO.
    pub major_faults: u64,
    /// Switches to other tasks that its threads asked for by waiting.
    pub voluntary_switches: Option<u64>,
    /// Switches that were forced on them.
    pub involuntary_switches: Option<u64>,
    /// Resident memory.
    pub rss: Bytes,
    /// Address space.
    pub virtual_size: Bytes,
    /// Swapped-out memory.
    pub swap: Option<Bytes>,
    /// What reached storage.
    pub io: Option<IoCount>,
}

/// The names of users, by id; sent at the beginning and when they change.
///
/// - Source: `/etc/passwd`, passwd(5).
pub type Users = Vec<(u32, Arc<str>)>;

/// What is costly to know of a process: read only of those that were asked for by name.
///
/// - Source: `/proc/PID/cmdline`, `exe`, `fd`, `smaps_rollup`, `cgroup`.
/// - Absent: what may not be read of a process of another user, or is not there on this kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDetail {
    /// The arguments, joined by spaces; what is not UTF-8 is replaced. At most 4,096 bytes.
    pub command_line: Option<Arc<str>>,
    /// The executable's path.
    pub exe: Option<Arc<str>>,
    /// Open file descriptors.
    pub fds: Option<u32>,
    /// Proportional set size.
    pub pss: Option<Bytes>,
    /// What reached storage, where the census does not say it.
    pub io: Option<IoCount>,
    /// The cgroup, where the census does not say it.
    pub cgroup: Option<CgroupId>,
}

/// How ends of processes are learnt of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitSource {
    /// BPF programs on `sched_process_fork`, `sched_process_exec` and `sched_process_exit`.
    Bpf,
    /// The netlink proc connector, with what taskstats adds.
    Netlink,
    /// Two scans compared: what lived in between is not seen at all.
    Scan,
}

impl ExitSource {
    /// The name in outputs, metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Netlink => "netlink",
            Self::Scan => "scan",
        }
    }
}

/// Every process that ended since the last such reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exits {
    /// How they were learnt of.
    pub source: ExitSource,
    /// Processes begun.
    pub forks: u64,
    /// Programs executed.
    pub execs: u64,
    /// Events, of any of the three kinds, that were delivered.
    pub produced: u64,
    /// Events known to be lost: for a full ring or socket buffer, or for more ends than a reading may hold.
    pub lost: u64,
    /// The ends, in the order they came.
    pub ends: Vec<End>,
}

/// The end of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The process.
    pub id: ProcessId,
    /// Its parent's process id.
    pub parent: u32,
    /// Its parent's name, where it was known when the process began.
    pub parent_comm: Option<Comm>,
    /// Its last name.
    pub comm: Comm,
    /// Its cgroup, in the hierarchy that the cgroup provider reads.
    pub cgroup: Option<CgroupId>,
    /// How it ended, how long it lived and the most memory it had.
    pub exit: Exit,
    /// CPU time that its threads used, in user space...
    pub user: Option<Duration>,
    /// ...and in the kernel.
    pub system: Option<Duration>,
    /// Programs it executed.
    pub execs: u32,
    /// True if the kernel's OOM killer had chosen it.
    pub oom: bool,
}

/// What one part of the agent used of late.
///
/// - Source: thread CPU clocks and `/proc/self/{statm,fd}`; memory of a part where an accounting allocator is installed.
/// - Absent: what is only known of the agent as a whole, for its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleUse {
    /// The part; [`WHOLE`](Self::WHOLE) for the agent.
    pub module: Name,
    /// CPU time of its threads...
    pub cpu: Duration,
    /// ...over this time, which is that of several pieces of work.
    pub over: Duration,
    /// Memory it keeps.
    pub memory: Option<Bytes>,
    /// Open file descriptors.
    pub fds: Option<u32>,
    /// How long ago it last said that it is alive; none for one that does not.
    pub silent: Option<Duration>,
}

impl ModuleUse {
    /// The module that stands for the whole agent.
    pub const WHOLE: &str = "agent";

    /// CPU time as a share of one core, in percent; none over no time.
    #[must_use]
    pub fn cpu_percent(&self) -> Option<f64> {
        (!self.over.is_zero()).then(|| 100.0 * self.cpu.as_secs_f64() / self.over.as_secs_f64())
    }
}

/// Settings that an operator has given a gadget, to take effect now: whole or not at all, as the gadget decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsText {
    /// The gadget.
    pub gadget: Name,
    /// Where they come from: a file's path, or the control socket.
    pub from: Arc<str>,
    /// TOML.
    pub text: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_any_bytes_and_is_cut_at_fifteen() {
        assert_eq!(Comm::new(b"kworker/0:1").as_bytes(), b"kworker/0:1");
        assert_eq!(Comm::new(b"0123456789abcdefg").as_bytes(), b"0123456789abcde");
        assert_eq!(Comm::new(b"a\0b").as_bytes(), b"a");
        assert_eq!(Comm::new(b"\xff\xfe").to_string(), "\u{fffd}\u{fffd}");
        assert_eq!(Comm::default().as_bytes(), b"");
    }

    #[test]
    fn a_share_of_no_time_is_not_known() {
        let mut used = ModuleUse {
            module: ModuleUse::WHOLE.into(),
            cpu: Duration::from_millis(20),
            over: Duration::from_secs(2),
            memory: None,
            fds: None,
            silent: None,
        };
        assert_eq!(used.cpu_percent(), Some(1.0));
        used.over = Duration::ZERO;
        assert_eq!(used.cpu_percent(), None);
    }
}
