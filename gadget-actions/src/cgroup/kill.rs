//! Signals to all processes of a group: `cgroup.kill` (Linux 5.14), or one by one.

use gadget_core::CgroupVersion;
use rustix::fd::AsFd as _;
use rustix::process::Signal;

use super::freeze::thaw;
use super::group::{Group, for_each_process};
use crate::file;
use crate::process::Target;

/// The most rounds of killing one by one: each ends all that were there when it began, so that only what was forked
/// meanwhile is left for the next.
const MAX_ROUNDS: usize = 20;

/// How a group was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Killed {
    /// By the kernel, all at once.
    AtOnce,
    /// One by one; this many were there.
    OneByOne(usize),
}

/// Ends every process in the group and below it, and frees their memory.
///
/// A frozen v1 group is thawed: killed processes stay in it until then.
pub(crate) fn kill(group: &Group<'_>) -> Killed {
    let dir = match group.hierarchies().version {
        CgroupVersion::V2 => group.dir.try_clone().ok(),
        CgroupVersion::V1 => {
            group.hierarchies().unified.as_ref().and_then(|mount| group.companion(mount))
        }
    };
    let at_once = dir.is_some_and(|dir| file::write(dir.as_fd(), "cgroup.kill", "1").is_ok());
    let mut signalled = 0;
    // On hybrid hosts a process can be in the judged group and not in its companion.
    if !at_once || group.hierarchies().version == CgroupVersion::V1 {
        signalled = signal_all(group, Signal::KILL);
        let _ = thaw(group);
        for _ in 1..MAX_ROUNDS {
            std::thread::yield_now();
            if signal_all(group, Signal::KILL) == 0 {
                break;
            }
        }
    }
    let _ = for_each_process(group.dir.as_fd(), &mut |pid| {
        if let Ok(target) = Target::open_any(group.proc(), pid)
            && group.holds(pid)
        {
            target.release_memory();
        }
    });
    if at_once { Killed::AtOnce } else { Killed::OneByOne(signalled) }
}

/// Sends `signal` to every process in the group and below it; returns how many got it.
pub(crate) fn signal_all(group: &Group<'_>, signal: Signal) -> usize {
    let mut count = 0;
    let _ = for_each_process(group.dir.as_fd(), &mut |pid| {
        // Held by its pidfd first, found in the group then: a recycled id is in it by itself, or is not signalled.
        if let Ok(target) = Target::open_any(group.proc(), pid)
            && group.holds(pid)
            && target.signal(signal).is_ok()
        {
            count += 1;
        }
    });
    count
}

/// True while a process of the group or below it has not ended. Zombies have.
pub(crate) fn populated(group: &Group<'_>) -> bool {
    let mut any = false;
    let _ = for_each_process(group.dir.as_fd(), &mut |pid| {
        any |= Target::open_any(group.proc(), pid).is_ok()
    });
    any
}
