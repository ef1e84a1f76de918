//! Staying alive under the pressure that the agent treats.

use std::fmt;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::fs::CWD;
use rustix::io::{Errno, Result};
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{getpriority_process, setpriority_process};

use crate::file;

/// What [`survive`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survival {
    /// What is locked into memory, so that no page of it has to be read back from a disk that is slow by then.
    pub locked: Locked,
    /// `oom_score_adj` as it is now; none if it could not be read.
    pub oom_score_adj: Option<i16>,
    /// The nice value of this thread, and of those it starts from now on: -20 with `CAP_SYS_NICE`.
    pub nice: i32,
}

/// How much of this process is locked into memory (mlockall(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// All that is and will be in memory, each page when it is first used.
    All,
    /// All that was there when it was asked for.
    Present,
    /// Nothing: it takes `CAP_IPC_LOCK`, or a larger `RLIMIT_MEMLOCK`.
    Nothing,
}

impl fmt::Display for Survival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.locked {
            Locked::All => "memory is locked",
            Locked::Present => "memory is locked as far as it was there",
            Locked::Nothing => "memory is not locked (CAP_IPC_LOCK)",
        })?;
        match self.oom_score_adj {
            Some(value) => write!(f, ", oom_score_adj is {value}")?,
            None => f.write_str(", oom_score_adj is not known")?,
        }
        write!(f, ", nice is {}", self.nice)
    }
}

/// The best that there is short of -1000, with which the kernel would never kill us, whatever we do.
const BEST: i32 = -999;

/// Locks this process into memory, lowers its `oom_score_adj` and puts it first in line for a processor, each as far as it
/// is allowed; never fails. For agents that act when memory runs out; calling it again is harmless. To be called before
/// the agent runs: its threads inherit the nice value of the one that starts them.
///
/// On two processors with four busy processes, the time from a stall to the system call of an action had a 99th percentile
/// of 247 ms at nice 0 and of 19 ms at nice -20: an agent at rest costs next to nothing, and is wanted at once.
///
/// What [`Linux`](crate::Linux) starts gets the old `oom_score_adj` and nice value back.
pub fn survive() -> Survival {
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let present = MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT;
    let locked = if mlockall(all).is_ok() {
        Locked::All
    } else if mlockall(present).is_ok() {
        Locked::Present
    } else {
        Locked::Nothing
    };
    Survival {
        locked,
        oom_score_adj: lower_oom_score_adj().and_then(|value| value.try_into().ok()),
        nice: come_first(),
    }
}

/// The nice value that is first in line.
const FIRST: i32 = -20;

/// Lowers this thread's nice value if it may, and returns what it is.
fn come_first() -> i32 {
    let before = getpriority_process(None).unwrap_or(0);
    if before > FIRST && setpriority_process(None, FIRST).is_ok() {
        let _ =
            NICE_BEFORE.compare_exchange(NOT_LOWERED, before, Ordering::Relaxed, Ordering::Relaxed);
    }
    getpriority_process(None).unwrap_or(before)
}

/// Lowers it to the lowest value that the kernel lets us have, and returns that.
///
/// Without `CAP_SYS_RESOURCE` there is a floor that cannot be read: the lowest value that somebody with it has set.
fn lower_oom_score_adj() -> Option<i32> {
    let before = read().ok()?;
    let mut high = before;
    let mut low = BEST;
    // Writes succeed at the floor and above it; the last that succeeded is in `high`.
    let mut next = low;
    while low <= high && next < high {
        match write(next) {
            Ok(()) => high = next,
            Err(_) => low = next + 1,
        }
        next = low + (high - low) / 2;
    }
    let now = read().ok()?;
    if now < before {
        let _ = BEFORE.compare_exchange(NOT_LOWERED, before, Ordering::Relaxed, Ordering::Relaxed);
    }
    Some(now)
}

const NOT_LOWERED: i32 = i32::MIN;

/// What it was before we lowered it for the first time.
static BEFORE: AtomicI32 = AtomicI32::new(NOT_LOWERED);

/// The nice value from before we lowered it for the first time.
static NICE_BEFORE: AtomicI32 = AtomicI32::new(NOT_LOWERED);

/// The nice value from before [`survive`] lowered it, if it did.
pub(crate) fn nice_lowered_from() -> Option<i32> {
    Some(NICE_BEFORE.load(Ordering::Relaxed)).filter(|&before| before != NOT_LOWERED)
}

/// The `oom_score_adj` from before [`survive`] lowered it, if it did.
pub(crate) fn lowered_from() -> Option<i32> {
    Some(BEFORE.load(Ordering::Relaxed)).filter(|&before| before != NOT_LOWERED)
}

const FILE: &str = "self/oom_score_adj";

fn proc() -> Result<rustix::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, openat};
    openat(CWD, c"/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn read() -> Result<i32> {
    use rustix::fd::AsFd as _;
    file::read_value(proc()?.as_fd(), FILE)?.parse().map_err(|_| Errno::RANGE)
}

fn write(value: i32) -> Result<()> {
    use rustix::fd::AsFd as _;
    let mut text = arrayvec::ArrayString::<8>::new();
    let _ = fmt::Write::write_fmt(&mut text, format_args!("{value}"));
    file::write(proc()?.as_fd(), FILE, &text)
}
