//! What else could wake the threads of a process: timers, and what its file descriptors are.

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::files::Files;
use crate::text::digits;

/// The most file descriptors whose kind is asked for.
const MAX_FILES: usize = 2_048;
/// The most threads whose children are looked for.
const MAX_PARENTS: usize = 256;

/// A set of signals, as in `status`.
const fn set(signals: &[i32]) -> u64 {
    let mut set = 0;
    let mut i = 0;
    while i < signals.len() {
        set |= 1 << (signals[i] - 1);
        i += 1;
    }
    set
}

/// The signals of setitimer(2), of which no file tells whether they are armed, and of files that become ready.
const BY_KERNEL: u64 = set(&[libc::SIGALRM, libc::SIGVTALRM, libc::SIGPROF, libc::SIGIO]);

/// Whether timers, or files and children that change, may send a signal that has a handler.
///
/// A timer of setitimer(2) shows nowhere: a handler of its signal counts as one.
pub(super) fn signal_timers(
    files: &mut Files,
    folder: &OwnedFd,
    tids: &[u32],
    caught: u64,
) -> Option<bool> {
    if caught & BY_KERNEL != 0 {
        return Some(true);
    }
    let has_children = |tid: &u32| {
        files
            .read_all(folder, format_args!("task/{tid}/children"))
            .is_ok_and(|text| !text.is_empty())
    };
    if caught & set(&[libc::SIGCHLD]) != 0 {
        if tids.iter().take(MAX_PARENTS).any(has_children) {
            return Some(true);
        }
        if tids.len() > MAX_PARENTS {
            return None;
        }
    }
    files.read_all(folder, format_args!("timers")).ok().map(has_timers)
}

/// Whether a timer in `/proc/PID/timers` sends anything (`CONFIG_CHECKPOINT_RESTORE`).
fn has_timers(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(b"notify:") && !line.starts_with(b"notify: none"))
}

/// What the file descriptors of a process are.
#[derive(Default)]
pub(super) struct Descriptors {
    /// One is an io_uring; `None` if there are too many, or they may not be read.
    pub(super) io_uring: Option<bool>,
    /// The inodes of the sockets among them.
    pub(super) sockets: Vec<u32>,
}

impl Descriptors {
    pub(super) fn of(files: &mut Files, folder: &OwnedFd) -> Self {
        let mut found = Self { io_uring: Some(false), sockets: Vec::new() };
        let mut fds = Vec::new();
        let listed = files.numbers(folder, format_args!("fd"), |fd, _| {
            fds.push(fd);
            fds.len() <= MAX_FILES
        });
        if listed.is_err() || fds.len() > MAX_FILES {
            found.io_uring = None;
        }
        let mut target = [0; 64];
        for fd in fds {
            match files.link(folder, format_args!("fd/{fd}"), &mut target) {
                Ok(b"anon_inode:[io_uring]") => found.io_uring = Some(true),
                Ok(target) => found.sockets.extend(socket_inode(target)),
                // Closed since.
                Err(Errno::NOENT) => {}
                Err(_) => found.io_uring = found.io_uring.filter(|found| *found),
            }
        }
        found
    }
}

/// The inode of the socket that a link in `/proc/PID/fd` names.
pub(super) fn socket_inode(target: &[u8]) -> Option<u32> {
    let number = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    u32::try_from(digits(number)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_tells_nobody_wakes_nobody() {
        let timer =
            |notify: &str| format!("ID: 0\nsignal: 10/0\nnotify: {notify}/pid.12\nClockID: 1\n");
        assert!(!has_timers(b""));
        assert!(!has_timers(timer("none").as_bytes()));
        assert!(has_timers(timer("signal").as_bytes()));
        assert!(has_timers((timer("none") + &timer("thread")).as_bytes()));
    }
}
