//! What a process does, and what says so.

use std::fmt;

/// What a process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum State {
    /// It uses a processor.
    Working,
    /// It waits for something to do.
    Idle,
    /// Its runtime collects garbage, and little else happens.
    Gc,
    /// It has asked a peer and got no answer for longer than that one ever took.
    WaitingOnPeer,
    /// An operator has stopped it, or a debugger.
    Stopped,
    /// It lives and does not work.
    Stuck,
    /// Some of its threads wait long for a lock whose owner may yet let go.
    Slow,
    /// Too little was seen of it.
    #[default]
    Unknown,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Working,
        Self::Idle,
        Self::Gc,
        Self::WaitingOnPeer,
        Self::Stopped,
        Self::Stuck,
        Self::Slow,
        Self::Unknown,
    ];

    /// The name that assessments carry as their class.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Idle => "idle",
            Self::Gc => "gc",
            Self::WaitingOnPeer => "waiting-on-peer",
            Self::Stopped => "stopped",
            Self::Stuck => "stuck",
            Self::Slow => "slow",
            Self::Unknown => "unknown",
        }
    }

    /// True if a person wants to hear of it. That a process works or idles is no news, unless it did not before.
    #[must_use]
    pub const fn is_notable(self) -> bool {
        !matches!(self, Self::Working | Self::Idle | Self::Unknown)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What says that a process is stuck or waits, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EvidenceKind {
    /// Every thread waits, without a time limit, for a futex that only one of them could wake.
    ClosedSet = 1,
    /// Threads wait in a ring for locks that they hold.
    OwnerCycle = 2,
    /// The runtime says so when it is asked.
    RuntimeReport = 3,
    /// Clients wait, nobody accepts them, and the process's threads are frozen or spin.
    Unaccepted = 4,
    /// A peer was asked and did not answer.
    Unanswered = 5,
    /// A thread has slept in the kernel where no signal reaches it.
    Uninterruptible = 6,
    /// What it does differs from what it used to do.
    Behaviour = 7,
}

impl EvidenceKind {
    /// The number that assessments and plans carry as `evidence`.
    #[must_use]
    pub fn number(self) -> f64 {
        f64::from(self as u8)
    }

    /// True if it proves a deadlock, so that a process may be ended for it.
    #[must_use]
    pub const fn is_proof(self) -> bool {
        matches!(self, Self::ClosedSet | Self::OwnerCycle | Self::RuntimeReport)
    }
}
