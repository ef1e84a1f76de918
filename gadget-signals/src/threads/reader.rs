//! The threads of one process at a time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gadget_core::{ProcessId, SignalError, Thread, Threads, Timestamp, Wait};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

use super::files::Files;
use super::foreign::words_at;
use super::futex::{Blocked, FutexCall, blocked_in};
use super::parse::{SchedStat, SyscallLine, parse_exec_start, parse_schedstat, parse_syscall};
use super::resolve::Look;
use super::sockets::{Listeners, peer_of};
use crate::file::{Trouble, failed, vanished};
use crate::process::{ProcessStat, parse_stat};
use crate::text::below;

/// The most threads of one process that are read.
pub(crate) const MAX_THREADS: usize = 4_096;
/// The most threads whose names are listed; more than the kernel gives one process by default.
const MAX_LISTED: usize = 131_072;
/// The most threads of which names and the like are kept; when there are more, all are read anew.
const MAX_KEPT: usize = 16_384;

/// Reads what the threads of a process wait for, without the process's taking part: no ptrace, no signal.
///
/// - Gives [`Threads`] for a process; the same for all of its threads at one look.
/// - Source: `stat`, `schedstat`, `syscall`, `sched` and `wchan` in `/proc/PID/task/TID`, `status`, `maps`, `timers` and
///   `fd` in `/proc/PID`; process_vm_readv(2) for 64 bytes around a futex; sockets through pidfd_getfd(2) and
///   sock_diag(7).
/// - Absent: without the right to attach to the process (`CAP_SYS_PTRACE`, or the same user) every wait that is
///   blocked in a system call is [`Wait::Unknown`]. `since` needs `CONFIG_SCHED_DEBUG`, and is off by what the
///   hypervisor has taken of the thread's processor more or less than of ours, though never before the last look at which
///   the thread had run less.
/// - Owners of locks are translated from the process's own pid namespace; one in another process is found only where the
///   process has no namespace of its own.
/// - Not seen: a process that shares all memory and is no thread (`CLONE_VM` without `CLONE_THREAD`), `SIGEV_THREAD` of
///   asynchronous IO.
///
/// ```
/// use gadget_core::ProcessId;
/// use gadget_signals::{ThreadReader, parse};
///
/// let text = std::fs::read("/proc/self/stat")?;
/// let stat = parse::process_stat(&text, "stat".as_ref())?;
/// let id = ProcessId { pid: stat.pid, start: stat.start };
/// let threads = ThreadReader::host()?.read(id)?.expect("this process lives");
/// println!("{} threads", threads.threads.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ThreadReader {
    pub(super) root: OwnedFd,
    pub(super) path: PathBuf,
    pub(super) files: Files,
    pub(super) memory: bool,
    pub(super) sockets: bool,
    pub(super) listeners: Listeners,
    most: usize,
    clock_tick_nanos: u64,
    kept: HashMap<u32, Kept>,
}

/// What stays as it is while a thread does not run.
#[derive(Clone)]
struct Kept {
    ran: SchedStat,
    name: Arc<str>,
    since: Option<Timestamp>,
    channel: Arc<str>,
    /// When it was last looked at.
    seen: Option<Timestamp>,
}

/// A thread at a look, before what it waits for is looked at.
pub(super) struct Draft {
    pub(super) thread: Thread,
    pub(super) ran: SchedStat,
    pub(super) futex: Option<FutexCall>,
    pub(super) read: Option<u32>,
    /// Its stack pointer, unless it runs.
    pub(super) stack: Option<u64>,
}

impl ThreadReader {
    /// Of this host, with foreign memory and sockets.
    ///
    /// # Errors
    /// If `/proc` cannot be opened.
    pub fn host() -> Result<Self, SignalError> {
        Ok(Self { memory: true, sockets: true, ..Self::at("/proc")? })
    }

    /// Of the host whose `/proc` is at `proc`, from its files alone.
    ///
    /// # Errors
    /// If `proc` cannot be opened.
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        let path = proc.as_ref().to_owned();
        let root = Files::root(&path).map_err(|error| failed(path.as_path(), error, "procfs"))?;
        Ok(Self {
            root,
            path,
            files: Files::default(),
            memory: false,
            sockets: false,
            listeners: Listeners::default(),
            most: MAX_THREADS,
            clock_tick_nanos: 1_000_000_000 / clock_ticks_per_second().max(1),
            kept: HashMap::new(),
        })
    }

    /// Whether the words at futexes are read from the memory of processes. Without them no lock, no owner and no join is
    /// known. On by default for [`host`](Self::host); never for a `/proc` that is not this host's.
    #[must_use]
    pub fn foreign_memory(mut self, read: bool) -> Self {
        self.memory = read;
        self
    }

    /// Whether sockets are asked for their peers and queues. On by default for [`host`](Self::host); never for a `/proc`
    /// that is not this host's.
    #[must_use]
    pub fn sockets(mut self, ask: bool) -> Self {
        self.sockets = ask;
        self
    }

    /// The most threads of a process that are read; the others are counted in [`Threads::left_out`]. Default and maximum
    /// 4,096.
    #[must_use]
    pub fn most_threads(mut self, most: usize) -> Self {
        self.most = most.min(MAX_THREADS);
        self
    }

    /// What the threads of `id` wait for. `None` if it is gone or another process has its number, and for a thread of the
    /// kernel.
    ///
    /// # Errors
    /// If a file of the process cannot be read, or says what it should not.
    pub fn read(&mut self, id: ProcessId) -> Result<Option<Threads>, SignalError> {
        let read = self.look(id);
        match read {
            Err(Trouble::Gone) => Ok(None),
            Err(Trouble::Signal(error)) => Err(below(&self.path.join(id.pid.to_string()), error)),
            Ok(threads) => Ok(Some(threads)),
        }
    }

    fn look(&mut self, id: ProcessId) -> Result<Threads, Trouble> {
        let folder = self.files.folder(&self.root, format_args!("{}", id.pid))?;
        self.confirm(&folder, id)?;
        let mut tids = Vec::new();
        self.files.numbers(&folder, format_args!("task"), |tid, _| {
            tids.push(tid);
            tids.len() < MAX_LISTED
        })?;
        tids.sort_unstable();
        let clock = self.clock(id);
        let mut drafts = Vec::with_capacity(tids.len().min(self.most));
        let mut dead = Vec::new();
        for &tid in tids.iter().take(self.most) {
            match self.draft(&folder, tid, clock)? {
                Some(draft) => drafts.push(draft),
                None => dead.push(tid),
            }
        }
        let left_out = tids.len().saturating_sub(self.most) as u32;
        if drafts.is_empty() && left_out == 0 {
            return Err(Trouble::Gone);
        }
        tids.retain(|tid| dead.binary_search(tid).is_err());
        let mut look = Look::new(self, id, &folder, tids);
        let wakers = look.wakers();
        look.resolve(&mut drafts);
        let listeners = look.listeners();
        let threads = drafts.into_iter().map(|draft| draft.thread).collect();
        // Memory and sockets are found by number: all of it was of this process if it lives still.
        self.confirm(&folder, id)?;
        Ok(Threads { threads, left_out, wakers, listeners })
    }

    /// An error unless the folder is that of `id`, a process that lives.
    fn confirm(&mut self, folder: &OwnedFd, id: ProcessId) -> Result<(), Trouble> {
        let text = self.files.read(folder, format_args!("stat"))?;
        let stat = parse_stat(text, Path::new("stat"))?;
        let right = stat.start == id.start && !stat.kernel_thread;
        right.then_some(()).ok_or(Trouble::Gone)
    }

    /// Reads a thread; none once it has ended.
    fn draft(
        &mut self,
        folder: &OwnedFd,
        tid: u32,
        clock: Option<Clock>,
    ) -> Result<Option<Draft>, Trouble> {
        // First: if it runs before the rest is read, the next look finds other numbers.
        let Some(ran) = gone_as_none(self.ran(folder, tid))? else { return Ok(None) };
        let line = match self.files.read(folder, format_args!("task/{tid}/syscall")) {
            Ok(text) => Some(parse_syscall(text, Path::new("syscall"))?),
            Err(Errno::PERM | Errno::ACCESS) => None,
            Err(error) if vanished(error) => None,
            Err(error) => return Err(Trouble::reading("syscall", error)),
        };
        let text = match self.files.read(folder, format_args!("task/{tid}/stat")) {
            Err(error) if vanished(error) => return Ok(None),
            text => text?,
        };
        let ProcessStat { comm, state, .. } = parse_stat(text, Path::new("stat"))?;
        if matches!(state, 'Z' | 'X') {
            return Ok(None);
        }
        let kept = match self.kept.get_mut(&tid) {
            Some(kept) if kept.ran == ran && kept.name.as_bytes() == comm => {
                kept.seen = clock.map(|clock| clock.now);
                kept.clone()
            }
            _ => {
                let name = String::from_utf8_lossy(comm).into();
                self.meet(folder, tid, ran, name, clock)
            }
        };
        let running = line == Some(SyscallLine::Running) || state == 'R';
        let (mut futex, mut read, mut stack) = (None, None, None);
        let wait = match line {
            _ if running => Wait::Running,
            _ if matches!(state, 'T' | 't') || is_freezer(&kept.channel) => Wait::Stopped,
            Some(SyscallLine::Blocked(call)) => {
                stack = Some(call.stack);
                match blocked_in(&call) {
                    blocked if state == 'D' && blocked.is_interruptible() => Wait::Stopped,
                    _ if state == 'D' => Wait::Kernel { channel: kept.channel },
                    Blocked::Futex(call) => {
                        futex = Some(call);
                        Wait::Unknown
                    }
                    Blocked::Read { fd } => {
                        read = Some(fd);
                        Wait::Call { number: call.number }
                    }
                    Blocked::Other(wait) => wait,
                }
            }
            _ if state == 'D' => Wait::Kernel { channel: kept.channel },
            _ => Wait::Unknown,
        };
        let thread = Thread {
            tid,
            name: kept.name,
            state: if running { 'R' } else { state },
            cpu: ran.cpu,
            ready: ran.ready,
            slices: ran.slices,
            since: kept.since.filter(|_| !running),
            wait,
        };
        Ok(Some(Draft { thread, ran, futex, read, stack }))
    }

    /// True if what is at the address that `tid` waits for looks like a lock; whose it is has not been looked at.
    pub(super) fn may_be_lock(&self, tid: u32, call: &FutexCall) -> bool {
        let words = if self.memory { words_at(tid, call.address) } else { Ok(None) };
        matches!(words, Ok(Some(words)) if words.recognise(call).is_some())
    }

    /// True if `fd` is a connection on which something was sent.
    pub(super) fn has_asked(&self, pid: u32, fd: u32) -> bool {
        self.sockets && peer_of(pid, fd).is_ok_and(|peer| peer.sent.is_some())
    }

    /// How much a thread has run.
    pub(super) fn ran(&mut self, folder: &OwnedFd, tid: u32) -> Result<SchedStat, Trouble> {
        let text = self.files.read(folder, format_args!("task/{tid}/schedstat"))?;
        Ok(parse_schedstat(text, Path::new("schedstat"))?)
    }

    /// Reads what stays as it is while a thread does not run.
    fn meet(
        &mut self,
        folder: &OwnedFd,
        tid: u32,
        ran: SchedStat,
        name: Arc<str>,
        clock: Option<Clock>,
    ) -> Kept {
        let channel = match self.files.read(folder, format_args!("task/{tid}/wchan")) {
            Ok(b"0") | Err(_) => "".into(),
            Ok(text) => String::from_utf8_lossy(text).trim_end().into(),
        };
        let since = clock.and_then(|clock| {
            let text = self.files.read(folder, format_args!("task/{tid}/sched")).ok()?;
            let since = clock.time(parse_exec_start(text, Path::new("sched")).ok()?);
            // It has run since it was last seen, and not before its process began.
            let seen = self.kept.get(&tid).and_then(|kept| kept.seen);
            Some(since.max(clock.started).max(seen.unwrap_or_default()))
        });
        let seen = clock.map(|clock| clock.now);
        let kept = Kept { ran, name, since, channel, seen };
        if self.kept.len() >= MAX_KEPT {
            self.kept.clear();
        }
        if ran.slices > 0 {
            self.kept.insert(tid, kept.clone());
        }
        kept
    }

    /// What the clocks say now: this very thread was accounted for just before.
    fn clock(&mut self, id: ProcessId) -> Option<Clock> {
        let text = self.files.read(&self.root, format_args!("thread-self/sched")).ok()?;
        let task = parse_exec_start(text, Path::new("sched")).ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let now = Timestamp::from_nanos(u64::try_from(now.as_nanos()).ok()?);
        let up = Duration::try_from(clock_gettime(ClockId::Boottime)).ok()?;
        let began = Duration::from_nanos(id.start.checked_mul(self.clock_tick_nanos)?);
        Some(Clock { now, task, started: now - up.saturating_sub(began) })
    }
}

/// The time, by two clocks.
#[derive(Clone, Copy)]
struct Clock {
    now: Timestamp,
    /// The scheduler's.
    task: Duration,
    /// When the process that is read began.
    started: Timestamp,
}

impl Clock {
    /// The time of day when the scheduler's clock showed `task`.
    fn time(&self, task: Duration) -> Timestamp {
        self.now - self.task.saturating_sub(task)
    }
}

/// True if a thread that sleeps in `channel` was put there by the freezer of cgroups. The trap of version 2 is often a part
/// of the function that handles signals, in which nobody sleeps otherwise that is not stopped.
fn is_freezer(channel: &str) -> bool {
    matches!(channel, "do_freezer_trap" | "get_signal" | "__refrigerator")
}

fn gone_as_none<T>(read: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(Trouble::Gone) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}
