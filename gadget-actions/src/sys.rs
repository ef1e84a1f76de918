//! System calls that `rustix` lacks, and what is done between fork and exec.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fd::{AsRawFd as _, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, Result};

/// Frees the memory of a dying process at once, on this thread (process_mrelease(2), Linux 5.15).
pub(crate) fn process_mrelease(pidfd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: two integers, no memory; `pidfd` is open for the length of the call.
    check(unsafe { libc::syscall(libc::SYS_process_mrelease, pidfd.as_raw_fd(), 0) }).map(drop)
}

/// `IOPRIO_WHO_PROCESS`: one thread.
const ONE_THREAD: libc::c_int = 1;

/// The IO priority of one thread: the class above bit 13, the level below.
pub(crate) fn ioprio_get(tid: i32) -> Result<u16> {
    // SAFETY: two integers, no memory.
    let got = check(unsafe { libc::syscall(libc::SYS_ioprio_get, ONE_THREAD, tid) })?;
    u16::try_from(got).map_err(|_| Errno::RANGE)
}

/// Sets the IO priority of one thread.
pub(crate) fn ioprio_set(tid: i32, priority: u16) -> Result<()> {
    let priority = libc::c_int::from(priority);
    // SAFETY: three integers, no memory.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, ONE_THREAD, tid, priority) }).map(drop)
}

/// The result of a system call, or `errno` right after it.
fn check(result: libc::c_long) -> Result<libc::c_long> {
    if result < 0 { Err(errno()) } else { Ok(result) }
}

fn errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Makes `command` start with the `oom_score_adj` and the nice value that this process had before
/// [`survive`](crate::survive) lowered them, so that what we start is neither as protected nor as urgent as we are. Does
/// nothing where nothing was lowered.
pub(crate) fn give_back_what_survives(command: &mut Command) {
    let adj = crate::survive::lowered_from().map(|value| value.to_string());
    let nice = crate::survive::nice_lowered_from();
    if adj.is_none() && nice.is_none() {
        return;
    }
    let give_back = move || {
        if let Some(text) = &adj {
            let file = openat(
                CWD,
                c"/proc/self/oom_score_adj",
                OFlags::WRONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            rustix::io::write(&file, text.as_bytes())?;
        }
        if let Some(nice) = nice {
            rustix::process::setpriority_process(None, nice)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls may be made: this opens a path that is a constant C
    // string, writes memory that was allocated before, closes, and makes one more system call; it neither allocates nor
    // locks.
    unsafe { command.pre_exec(give_back) };
}
