//! What the threads of a process wait for, and who waits for the process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::subject::{FutexAddress, ThreadId};
use crate::units::Timestamp;

/// One look at the threads of a process.
///
/// - Source: `/proc/PID/task/TID/syscall`, `stat` and `schedstat` (Documentation/filesystems/proc.rst), or a walk over
///   tasks in the kernel; the words at futex addresses by `process_vm_readv(2)`.
/// - Absent: a thread that ended while it was looked at is not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threads {
    /// The threads, by id; as many as the provider's bound allows.
    pub threads: Vec<Thread>,
    /// Threads that were not looked at because of that bound. With any, nothing holds of all threads.
    pub left_out: u32,
    /// What else could wake a thread.
    pub wakers: Wakers,
    /// The sockets on which it listens and has clients waiting, or had at the look before.
    pub listeners: Vec<Listener>,
}

/// What could wake a thread of a process besides its other threads. `None` where that could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wakers {
    /// Timers that send a signal (`timer_create(2)`), or handlers of the signals that the kernel sends by itself: those of
    /// `setitimer(2)`, whose timers are not shown, `SIGIO`, and `SIGCHLD` while there are children.
    pub signal_timers: Option<bool>,
    /// An io_uring instance is open.
    pub io_uring: Option<bool>,
    /// A debugger is attached (`TracerPid` in `status`).
    pub traced: Option<bool>,
    /// The signals that it has handlers for, bit 0 for signal 1 (`SigCgt` in `status`): whoever sends one of them may have
    /// a handler wake a thread.
    pub caught: Option<u64>,
}

/// One thread at one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its thread id in the agent's pid namespace.
    pub tid: u32,
    /// Its `comm`.
    pub name: Arc<str>,
    /// The state letter of `stat`: `R`, `S`, `D`, `T`, `t`, ...
    pub state: char,
    /// CPU time it has used.
    pub cpu: Duration,
    /// Time it has spent on a run queue, ready to run (field 2 of `schedstat`).
    pub ready: Duration,
    /// Time slices it was given (field 3 of `schedstat`). The same number at two looks: it did not run in between.
    pub slices: u64,
    /// When it last left a processor, where the kernel says so; none on a processor.
    pub since: Option<Timestamp>,
    /// What it waits for.
    pub wait: Wait,
}

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Wait {
    /// Nothing: it runs, or is ready to.
    Running,
    /// A word in memory that another thread has to change and wake it for: futex(2).
    Futex(Futex),
    /// Data on a connection, in a system call that reads from it.
    Peer(Peer),
    /// A client: in `accept(2)` of this file descriptor.
    Client {
        /// The file descriptor.
        fd: u32,
    },
    /// Any of several files, in `poll(2)`, `select(2)` or `epoll_wait(2)`.
    Files {
        /// It gives up after a time.
        timed: bool,
    },
    /// Time to pass: `nanosleep(2)` and its like, or any wait with a time out that is not told apart.
    Time,
    /// A child process: `wait4(2)` and its like.
    Child,
    /// A signal: `pause(2)`, `sigsuspend(2)`, `rt_sigtimedwait(2)`.
    Signal,
    /// Stopped, by a signal, a debugger or the freezer of cgroups.
    Stopped,
    /// Something in the kernel that no signal ends (state `D`), with the channel of `wchan`.
    Kernel {
        /// The kernel function it sleeps in, empty where that is hidden.
        channel: Arc<str>,
    },
    /// Another system call, by its number.
    Call {
        /// The number on this architecture.
        number: u32,
    },
    /// It could not be read.
    Unknown,
}

/// A wait on a futex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Futex {
    /// The address of the word.
    pub address: FutexAddress,
    /// It gives up after a time.
    pub timed: bool,
    /// Only threads of the same process can wake it: the operation is private, or the memory is.
    pub private: bool,
    /// The kernel keeps the owner (`FUTEX_LOCK_PI` and its like).
    pub pi: bool,
    /// The word there, where foreign memory is read.
    pub word: Option<u32>,
    /// The lock that lives there, where its layout was recognised.
    pub lock: Option<Lock>,
    /// The sibling whose end it waits for: the word is that thread's id and its address that of its exit futex.
    pub joins: Option<u32>,
}

/// A lock whose layout names its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The layout that was recognised.
    pub kind: LockKind,
    /// The thread that holds it; none where no live thread has that id.
    pub owner: Option<ThreadId>,
    /// Its word says that somebody waits.
    pub contended: bool,
    /// How often the owner has locked it, where the layout counts that.
    pub depth: Option<u32>,
}

/// The layouts of locks that name their owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LockKind {
    /// `pthread_mutex_t` of glibc: normal, error checking, adaptive.
    GlibcMutex,
    /// The same, recursive.
    GlibcRecursive,
    /// `pthread_rwlock_t` of glibc, held by a writer.
    GlibcRwlock,
    /// A robust mutex: the word holds the owner (Documentation/locking/robust-futexes.rst).
    Robust,
    /// A priority-inheritance futex: the word holds the owner (Documentation/locking/pi-futex.rst).
    PriorityInheritance,
    /// `pthread_mutex_t` of musl.
    MuslMutex,
}

/// The other end of a connection that a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its address; none for a socket that is not of the internet.
    pub address: Option<SocketAddr>,
    /// Time since we last sent data; none if none was, or that is not known (`tcpi_last_data_sent`).
    pub sent: Option<Duration>,
    /// Time since data last came; none if none did, or that is not known (`tcpi_last_data_recv`).
    pub received: Option<Duration>,
    /// The socket or the call gives up after a time.
    pub timed: bool,
}

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Connections that wait to be accepted.
    pub queued: u32,
    /// How many may.
    pub limit: u32,
    /// For how long the same connections have waited and none was accepted; zero at the first look.
    pub still: Duration,
}

/// What a runtime says of its own threads when it is asked.
///
/// - Source: the runtime itself; for a JVM the thread dump through its attach socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeReport {
    /// The cycles of threads and monitors it reports: each thread waits for the monitor that the next one holds.
    pub deadlocks: Vec<Vec<MonitorWait>>,
}

/// One thread of a deadlock that a runtime reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorWait {
    /// The runtime's name of the thread.
    pub thread: Arc<str>,
    /// What it waits for, as the runtime names it.
    pub monitor: Arc<str>,
    /// The runtime's name of the thread that holds that.
    pub held_by: Arc<str>,
}
