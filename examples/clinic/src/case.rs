//! What a case is: a program, what is done to it, and the truth about it.

use serde::{Deserialize, Serialize};

/// What kind of trouble, or of health, a case is about. A model is tested on a family that it never saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Deadlocks of mutexes.
    Mutex,
    /// Deadlocks of read-write locks.
    Rwlock,
    /// Wake-ups that never come.
    Condvar,
    /// Threads that try for ever, and lock owners that only take long.
    Livelock,
    /// Threads that run and get nowhere.
    Spin,
    /// Deadlocks inside a language's runtime.
    Runtime,
    /// Waiting for another machine.
    Peer,
    /// Nothing to do.
    Idle,
    /// At work.
    Busy,
    /// Collecting garbage.
    Gc,
    /// Stopped by a person.
    Stopped,
    /// In the kernel, where no signal reaches.
    Kernel,
}

/// What is true of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It gets on with its work.
    Working,
    /// It waits for work.
    Idle,
    /// Its collector works, and it hardly does.
    Gc,
    /// It waits for an answer.
    WaitingOnPeer,
    /// Somebody stopped it.
    Stopped,
    /// It will never do anything again, or a part of it will not.
    Stuck,
    /// Threads wait for one that takes its time.
    Slow,
    /// It waits in the kernel for something outside of it.
    Kernel,
}

impl State {
    /// The word for it, here and in what a watcher says.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Idle => "idle",
            Self::Gc => "gc",
            Self::WaitingOnPeer => "waiting-on-peer",
            Self::Stopped => "stopped",
            Self::Stuck => "stuck",
            Self::Slow => "slow",
            Self::Kernel => "kernel",
        }
    }
}

/// What should be said of a case, and what may be done to it.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// What it is.
    pub state: State,
    /// Verdicts that are right as well, where the difference cannot be seen from outside.
    pub also: &'static [&'static str],
    /// Kinds of evidence of which one has to be found in time; none where nothing of the kind is visible.
    pub proof: &'static [u8],
    /// Whether ending it would be right.
    pub may_end: bool,
}

/// How a case is made.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// A C program and its mode.
    C(&'static str, &'static [&'static str]),
    /// The same, linked statically with musl.
    Musl(&'static str, &'static [&'static str]),
    /// A mode of the clinic's own program.
    Rust(&'static str),
    /// A Python script.
    Python(&'static str, &'static [&'static str]),
    /// Options of the JVM, a class and its arguments.
    Java(&'static [&'static str], &'static str, &'static [&'static str]),
    /// A script of Node.
    Node(&'static str),
    /// A Go program.
    Go(&'static str),
    /// nginx, with a master and a worker.
    Nginx,
    /// redis.
    Redis,
    /// The C program that writes, on a file system that is then frozen.
    Frozen,
}

/// What clients do to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// There are none.
    None,
    /// They ask so many times a second, and are answered.
    Requests(u32),
    /// `first` of them bring about the case by asking for `path`; `then` so many queue up behind.
    Trigger {
        /// Requests that start it.
        first: usize,
        /// What they ask for.
        path: &'static str,
        /// Clients that are never accepted.
        then: usize,
    },
    /// Somebody sends it SIGSTOP.
    Stop,
}

/// What `/proc` has to show before a case counts as staged, and again at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Each wait that the program told of is in futex(2) on that lock.
    Waits,
    /// The threads it told of, or else all, are not given a time slice.
    Blocked,
    /// It uses hardly any CPU.
    Quiet,
    /// It uses CPU.
    Busy,
    /// Its first thread is in this state of `/proc/PID/stat`.
    InState(char),
    /// Clients wait to be accepted.
    Queued,
    /// Clients are answered.
    Answers,
}

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, on the command line and in tables.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// How it is made.
    pub program: Program,
    /// What is done to it.
    pub traffic: Traffic,
    /// How to see that it is what it claims to be.
    pub conditions: &'static [Condition],
    /// What is true of it.
    pub truth: Truth,
    /// Whether it eats CPU: it then shares a batch with its like, so that the quiet ones stay undisturbed.
    pub loud: bool,
}

impl Case {
    pub(crate) const fn new(
        name: &'static str,
        family: Family,
        program: Program,
        conditions: &'static [Condition],
        truth: Truth,
    ) -> Self {
        Self { name, family, program, traffic: Traffic::None, conditions, truth, loud: false }
    }

    pub(crate) const fn with(mut self, traffic: Traffic) -> Self {
        self.traffic = traffic;
        self
    }

    pub(crate) const fn loud(mut self) -> Self {
        self.loud = true;
        self
    }

    /// Whether a verdict is right.
    pub fn accepts(&self, verdict: &str) -> bool {
        self.truth.state.label() == verdict || self.truth.also.contains(&verdict)
    }
}
