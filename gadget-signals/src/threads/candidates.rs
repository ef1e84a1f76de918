//! Who may be stuck: the cheap question, asked of all processes.

use std::time::Duration;

use gadget_core::{ProcessId, SignalError, Timestamp};

use super::futex::FutexCall;

/// A thread that has not run for a while, and how it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its process.
    pub process: ProcessId,
    /// The thread, by its id in the agent's pid namespace.
    pub tid: u32,
    /// For how long it has not run, at least.
    pub still: Duration,
    /// How it waits.
    pub suspicion: Suspicion,
}

/// How a thread that does not run waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suspicion {
    /// As every other thread of its process: for a futex, without a time out. Said of one thread of the process.
    Closed,
    /// For a futex, without a time out.
    Futex(FutexCall),
    /// In the kernel, uninterruptibly (state `D`).
    Kernel,
    /// It reads from a socket.
    Read {
        /// The file descriptor.
        fd: u32,
    },
}

/// Finds the threads of the host that have not run for a while.
///
/// [`Waits`](super::Waits) asks at each sweep, and then looks itself at the few processes that are worth it. What walks the
/// tasks in the kernel can stand in for the walk over `/proc`, which is [`ProcWalk`](super::ProcWalk).
pub trait Candidates {
    /// Adds those found at `now` to `found`. A walk may take several calls to come by every process; a thread that is
    /// added once need not be added again while it does not run.
    ///
    /// # Errors
    /// If the host cannot be walked at all. A process that cannot be read is left out.
    fn find(&mut self, now: Timestamp, found: &mut Vec<Candidate>) -> Result<(), SignalError>;

    /// One line for a person: how they are found.
    fn describe(&self) -> String;
}
