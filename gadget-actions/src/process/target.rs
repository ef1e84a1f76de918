//! One process, held by its pidfd.

use arrayvec::ArrayString;
use gadget_core::{ActionError, ProcessId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fmt::Write as _;

use crate::error::{GONE, system};
use crate::{file, sys};

/// A process that is the one that was judged: its pidfd was opened first, then its start time compared.
///
/// Signals go through the pidfd, files through the open `/proc/PID`; both fail once the process is gone, whoever has its
/// number by then.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) id: ProcessId,
    pub(crate) dir: OwnedFd,
    pidfd: OwnedFd,
}

/// What the kernel says of a process in `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Field 3: `R`, `S`, `D`, `T` and so on.
    pub(crate) state: u8,
    /// Field 4.
    pub(crate) parent: u32,
    /// Field 22, in clock ticks since boot.
    pub(crate) start: u64,
}

impl Stat {
    /// From the text of `stat`; `comm` may hold anything, so the fields count from the last `)`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let mut fields =
            text.get(close + 1..)?.split(|&byte| byte == b' ').filter(|f| !f.is_empty());
        let state = *fields.next()?.first()?;
        let parent = number(fields.next()?)?;
        // Field 5 comes next, field 22 is the eighteenth from here.
        let start = number(fields.nth(17)?)?;
        // A field that nothing follows may be cut.
        fields.next()?;
        Some(Self { state, parent: u32::try_from(parent).ok()?, start })
    }

    /// Stopped by a signal, or about to be reaped: it runs no more of its own code.
    pub(crate) const fn stands_still(self) -> bool {
        matches!(self.state, b'T' | b't' | b'Z' | b'X' | b'x')
    }

    /// Stopped by a signal.
    pub(crate) const fn stopped(self) -> bool {
        self.state == b'T'
    }

    /// Reads it of any process.
    pub(crate) fn of(proc: BorrowedFd<'_>, pid: u32) -> Option<Self> {
        let mut buffer = [0; 1024];
        Self::parse(file::read_into(proc, &pid_path(pid, "/stat"), &mut buffer).ok()?)
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.trim_end().parse().ok()
}

/// `PID` and what follows.
pub(crate) fn pid_path(pid: u32, rest: &str) -> ArrayString<64> {
    let mut path = ArrayString::new();
    // The longest `rest` in this crate has 16 bytes, a process id ten digits.
    let _ = write!(path, "{pid}{rest}");
    path
}

impl Target {
    /// Takes hold of the process that `id` names.
    pub(crate) fn open(proc: BorrowedFd<'_>, id: ProcessId) -> Result<Self, ActionError> {
        let target = Self::open_any(proc, id.pid)?;
        if target.id.start != id.start {
            return Err(ActionError::Stale { what: "another process has this id by now" });
        }
        Ok(target)
    }

    /// Takes hold of whoever has this process id now.
    pub(crate) fn open_any(proc: BorrowedFd<'_>, pid: u32) -> Result<Self, ActionError> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(GONE)?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty()).map_err(|errno| match errno {
            Errno::SRCH | Errno::INVAL | Errno::NOENT => GONE,
            errno => system("open a pidfd", errno),
        })?;
        let dir = file::open_dir(proc, &pid_path(pid, "")).map_err(|_| GONE)?;
        let mut buffer = [0; 1024];
        let stat = file::read_into(dir.as_fd(), "stat", &mut buffer).map_err(|_| GONE)?;
        let start = Stat::parse(stat).ok_or(GONE)?.start;
        let target = Self { id: ProcessId { pid, start }, dir, pidfd };
        if target.exited() { Err(GONE) } else { Ok(target) }
    }

    /// True once all of its threads have ended; a zombie has.
    pub(crate) fn exited(&self) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// What its `stat` says now; none once it is gone.
    pub(crate) fn stat(&self) -> Option<Stat> {
        let mut buffer = [0; 1024];
        Stat::parse(file::read_into(self.dir.as_fd(), "stat", &mut buffer).ok()?)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), ActionError> {
        file::crash_point();
        let sent = pidfd_send_signal(&self.pidfd, signal);
        file::crash_point();
        sent.map_err(|errno| match errno {
            Errno::SRCH => GONE,
            errno => system("send a signal", errno),
        })
    }

    /// Frees the memory of the dying process; false if the kernel would not: it is gone already, shares its memory with a
    /// living one, or the kernel is older than 5.15. Then it frees its memory itself.
    pub(crate) fn release_memory(&self) -> bool {
        sys::process_mrelease(self.pidfd.as_fd()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Child, proc};

    #[test]
    fn a_comm_full_of_traps_is_no_trap() {
        let text = b"4127 (a) R 1 (b\n) S 17 4127 4127 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654321 0 0\n";
        assert_eq!(Stat::parse(text), Some(Stat { state: b'S', parent: 17, start: 987_654_321 }));
        for cut in 0..text.len() - 5 {
            assert_eq!(Stat::parse(&text[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_process_with_another_start_time_is_refused() {
        let child = Child::sleeping();
        let id = child.id();
        assert!(Target::open(proc(), id).is_ok());
        let other = ProcessId { start: id.start + 1, ..id };
        assert!(matches!(Target::open(proc(), other), Err(ActionError::Stale { .. })));
    }

    #[test]
    fn a_zombie_has_ended_already() {
        let mut child = Child::sleeping();
        let held = Target::open(proc(), child.id()).unwrap();
        child.kill_without_reaping();
        assert_eq!(held.stat().unwrap().state, b'Z');
        assert!(held.exited());
        assert!(matches!(Target::open(proc(), child.id()), Err(ActionError::Stale { .. })));
    }

    #[test]
    fn the_pidfd_of_a_reaped_process_reaches_nobody() {
        let child = Child::sleeping();
        let held = Target::open(proc(), child.id()).unwrap();
        drop(child);
        assert!(matches!(held.signal(Signal::TERM), Err(ActionError::Stale { .. })));
        assert_eq!(held.stat(), None);
    }

    #[test]
    fn a_thread_is_not_a_process() {
        let (send, receive) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            send.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            stopped.recv().unwrap_err();
        });
        let tid = u32::try_from(receive.recv().unwrap()).unwrap();
        assert!(matches!(Target::open_any(proc(), tid), Err(ActionError::Stale { .. })));
        drop(stop);
        thread.join().unwrap();
    }
}
