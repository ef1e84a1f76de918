//! The walk over `/proc` that finds threads that do not run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadget_core::{ProcessId, SignalError, Timestamp};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::candidates::{Candidate, Candidates, Suspicion};
use super::files::Files;
use super::futex::{Blocked, FutexCall, blocked_in};
use super::parse::{SyscallLine, parse_schedstat, parse_syscall};
use super::reader::MAX_THREADS;
use super::wakers::socket_inode;
use crate::file::failed;
use crate::process::parse_stat;

/// A thread that has not run for so long is looked at.
const STILL: Duration = Duration::from_secs(5);
/// The most processes that are known at a time.
const MAX_PROCESSES: usize = 131_072;
/// The most threads that are known at a time, of all processes.
const MAX_KNOWN: usize = 131_072;

/// Finds threads that do not run by the files in `/proc`.
///
/// - Each call reads `schedstat` of as many threads as [`threads_per_look`](Self::threads_per_look) allows and goes on
///   from there at the next. Whoever has the same numbers as before did not run; of those alone `stat` and `syscall` are
///   read, once for each time they fall asleep.
/// - Threads of the kernel are skipped.
/// - Bounds: 131,072 processes and as many threads are known; of one process 4,096 threads. What is beyond is never a
///   candidate.
pub struct ProcWalk {
    path: PathBuf,
    root: OwnedFd,
    files: Files,
    table: HashMap<u32, Process>,
    listing: Vec<(u32, u64)>,
    tids: Vec<u32>,
    /// Where the next look begins.
    next: u32,
    look: u64,
    threads: usize,
    threads_per_look: usize,
}

struct Process {
    /// The inode of its folder: while it stays, the process is the same. It may change without that.
    inode: u64,
    /// None for what has no threads of a program: threads of the kernel, and the dead.
    start: Option<u64>,
    /// All its threads are known.
    whole: bool,
    /// Links of its `task` folder: two and one for each thread.
    links: u64,
    threads: Vec<Known>,
    look: u64,
}

/// A thread at its last look.
struct Known {
    tid: u32,
    slices: u64,
    cpu: Duration,
    /// When it was first seen with these numbers.
    since: Timestamp,
    wait: Kind,
}

/// How a thread waits that does not run.
enum Kind {
    /// Not looked at, since it runs.
    Unread,
    Futex(Box<FutexCall>),
    Kernel,
    Socket(u32),
    /// It has ended, and the process has not.
    Ended,
    Other,
}

impl ProcWalk {
    /// Of this host.
    ///
    /// # Errors
    /// If `/proc` cannot be opened.
    pub fn host() -> Result<Self, SignalError> {
        Self::at("/proc")
    }

    /// Of the host whose `/proc` is at `proc`.
    ///
    /// # Errors
    /// If `proc` cannot be opened.
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        let path = proc.as_ref().to_owned();
        let root = Files::root(&path).map_err(|error| failed(path.as_path(), error, "procfs"))?;
        Ok(Self {
            path,
            root,
            files: Files::default(),
            table: HashMap::new(),
            listing: Vec::new(),
            tids: Vec::new(),
            next: 0,
            look: 0,
            threads: 0,
            threads_per_look: 4_096,
        })
    }

    /// How many threads one look reads, about. Default 4,096, for which a core needs some 20 ms. With more threads than
    /// that it takes several looks to come by all of them.
    #[must_use]
    pub fn threads_per_look(mut self, threads: usize) -> Self {
        self.threads_per_look = threads.max(1);
        self
    }

    /// Reads the processes that are there, in the order of their ids, beginning where the last look ended.
    fn list(&mut self) -> Result<(), Errno> {
        let Self { files, root, listing, .. } = self;
        listing.clear();
        files.numbers(root, format_args!("."), |pid, inode| {
            listing.push((pid, inode));
            listing.len() < MAX_PROCESSES
        })?;
        listing.sort_unstable();
        let first = listing.partition_point(|(pid, _)| *pid < self.next);
        listing.rotate_left(first);
        Ok(())
    }

    /// Looks at one process; how many threads were read.
    fn visit(&mut self, pid: u32, now: Timestamp, found: &mut Vec<Candidate>) -> Option<usize> {
        let process = self.table.get_mut(&pid)?;
        let id = ProcessId { pid, start: process.start? };
        let task = format_args!("{pid}/task");
        let links = self.files.links(&self.root, task).ok()?;
        if links != process.links {
            let tids = &mut self.tids;
            tids.clear();
            self.files
                .numbers(&self.root, task, |tid, _| {
                    tids.push(tid);
                    tids.len() <= MAX_THREADS
                })
                .ok()?;
            tids.sort_unstable();
            process.whole = tids.len() <= MAX_THREADS;
            tids.truncate(MAX_THREADS);
            process.links = links;
            let before = process.threads.len();
            process.threads.retain(|known| tids.binary_search(&known.tid).is_ok());
            process.threads.sort_unstable_by_key(|known| known.tid);
            let old = process.threads.len();
            for &tid in tids.iter() {
                let new =
                    process.threads[..old].binary_search_by_key(&tid, |known| known.tid).is_err();
                if new && self.threads + process.threads.len() < MAX_KNOWN + before {
                    process.threads.push(Known::new(tid, now));
                }
            }
            process.whole &= process.threads.len() == tids.len();
            self.threads = self.threads + process.threads.len() - before;
        }
        let mut closed = process.whole && !process.threads.is_empty();
        let first = found.len();
        let mut least = Duration::MAX;
        for known in &mut process.threads {
            let Some(still) = known.look(&mut self.files, &self.root, pid, now) else {
                // It has ended: the threads are listed again next time.
                process.links = 0;
                continue;
            };
            let suspicion = match &known.wait {
                Kind::Ended => continue,
                Kind::Futex(call) if !call.timed => Suspicion::Futex(**call),
                other => {
                    closed = false;
                    match other {
                        Kind::Kernel => Suspicion::Kernel,
                        Kind::Socket(fd) => Suspicion::Read { fd: *fd },
                        _ => continue,
                    }
                }
            };
            least = least.min(still);
            found.push(Candidate { process: id, tid: known.tid, still, suspicion });
        }
        if closed && process.links != 0 {
            found.truncate(first);
            let suspicion = Suspicion::Closed;
            found.push(Candidate { process: id, tid: pid, still: least, suspicion });
        }
        Some(process.threads.len())
    }

    /// Makes sure that the process is known, and that it is the one that was.
    fn meet(&mut self, pid: u32, inode: u64) {
        if let Some(process) = self.table.get_mut(&pid)
            && process.inode == inode
        {
            process.look = self.look;
            return;
        }
        let text = self.files.read(&self.root, format_args!("{pid}/stat"));
        let Some(stat) = text.ok().and_then(|text| parse_stat(text, Path::new("stat")).ok()) else {
            return;
        };
        // A first thread that has ended does not end the others.
        let program = !stat.kernel_thread && (stat.state != 'Z' || stat.threads > 1);
        let start = program.then_some(stat.start);
        let look = self.look;
        match self.table.get_mut(&pid) {
            Some(process) if process.start == start => {
                (process.inode, process.look) = (inode, look)
            }
            _ => {
                let threads = Vec::new();
                let new = Process { inode, start, whole: false, links: 0, threads, look };
                let old = self.table.insert(pid, new);
                self.threads -= old.map_or(0, |old| old.threads.len());
            }
        }
    }
}

impl Known {
    fn new(tid: u32, now: Timestamp) -> Self {
        // No thread has had so many slices: the first look is one after it has run.
        Self { tid, slices: u64::MAX, cpu: Duration::ZERO, since: now, wait: Kind::Unread }
    }

    /// Looks whether it has run. For how long it has not; `None` once it has ended.
    fn look(
        &mut self,
        files: &mut Files,
        root: &OwnedFd,
        pid: u32,
        now: Timestamp,
    ) -> Option<Duration> {
        let tid = self.tid;
        let text = files.read(root, format_args!("{pid}/task/{tid}/schedstat")).ok()?;
        let ran = parse_schedstat(text, Path::new("schedstat")).ok()?;
        if (ran.slices, ran.cpu) != (self.slices, self.cpu) {
            (self.slices, self.cpu, self.since) = (ran.slices, ran.cpu, now);
            self.wait = Kind::Unread;
        }
        let still = now.since(self.since);
        if matches!(self.wait, Kind::Unread) && still >= STILL {
            self.wait = kind(files, root, pid, tid)?;
        }
        Some(still)
    }
}

/// How a thread waits.
fn kind(files: &mut Files, root: &OwnedFd, pid: u32, tid: u32) -> Option<Kind> {
    let text = files.read(root, format_args!("{pid}/task/{tid}/stat")).ok()?;
    let state = parse_stat(text, Path::new("stat")).ok()?.state;
    match state {
        // It waits for a processor.
        'R' => return Some(Kind::Unread),
        'Z' | 'X' => return Some(Kind::Ended),
        'S' | 'D' => {}
        _ => return Some(Kind::Other),
    }
    let text = files.read(root, format_args!("{pid}/task/{tid}/syscall"));
    let line = text.ok().and_then(|text| parse_syscall(text, Path::new("syscall")).ok());
    Some(match line {
        Some(SyscallLine::Running) => Kind::Unread,
        Some(SyscallLine::Blocked(call)) => match blocked_in(&call) {
            // What is frozen is nobody's trouble.
            blocked if state == 'D' && blocked.is_interruptible() => Kind::Other,
            _ if state == 'D' => Kind::Kernel,
            Blocked::Futex(call) => Kind::Futex(Box::new(call)),
            Blocked::Read { fd } => {
                let mut target = [0; 64];
                let target = files.link(root, format_args!("{pid}/fd/{fd}"), &mut target);
                match target.ok().and_then(socket_inode) {
                    Some(_) => Kind::Socket(fd),
                    None => Kind::Other,
                }
            }
            Blocked::Other(_) => Kind::Other,
        },
        Some(SyscallLine::Outside) | None if state == 'D' => Kind::Kernel,
        Some(SyscallLine::Outside) | None => Kind::Other,
    })
}

impl Candidates for ProcWalk {
    fn find(&mut self, now: Timestamp, found: &mut Vec<Candidate>) -> Result<(), SignalError> {
        self.list().map_err(|error| failed(self.path.as_path(), error, "procfs"))?;
        self.look += 1;
        let mut left = self.threads_per_look;
        // Every process is met, so that it is told from one that takes its number; as many are looked at as there is
        // time for.
        let listing = std::mem::take(&mut self.listing);
        let mut looked = true;
        for &(pid, inode) in &listing {
            self.meet(pid, inode);
            if looked {
                left = left.saturating_sub(self.visit(pid, now, found).unwrap_or(0));
                looked = left > 0;
                self.next = pid.wrapping_add(1);
            }
        }
        self.listing = listing;
        if self.table.len() > self.listing.len() {
            let (look, threads) = (self.look, &mut self.threads);
            self.table.retain(|_, process| {
                let there = process.look == look;
                *threads -= if there { 0 } else { process.threads.len() };
                there
            });
        }
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{}: {} threads at each look", self.path.display(), self.threads_per_look)
    }
}

#[cfg(test)]
mod tests;
