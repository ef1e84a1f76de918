//! The cases and the truth about each.

use crate::case::Condition::{Answers, Blocked, Busy, InState, Queued, Quiet, Waits};
use crate::case::Program::{C, Frozen, Go, Java, Musl, Nginx, Node, Python, Redis, Rust};
use crate::case::{Case, Family, State, Traffic, Truth};

/// Clients that queue in front of a server which accepts no more.
pub(crate) const QUEUE: usize = 12;
/// Requests a second to a busy server.
const BUSY: u32 = 150;

/// A deadlock whose locks, or whose closed set of waits, the kernel shows.
const PROVABLE: Truth = Truth { state: State::Stuck, also: &[], proof: &[1, 2], may_end: true };
/// A part of the process is deadlocked: no closed set, only the owners prove it.
const PROVABLE_BY_OWNER: Truth = Truth { proof: &[2], ..PROVABLE };
/// The set of waits is closed, but the locks name no owner.
const PROVABLE_AS_A_WHOLE: Truth = Truth { proof: &[1], ..PROVABLE };
/// Stuck, and only a runtime, the clients or the behaviour could tell. Only the first of them would allow an end.
const HIDDEN: Truth = Truth { state: State::Stuck, also: &["unknown"], proof: &[], may_end: false };

const fn alive(state: State, also: &'static [&'static str]) -> Truth {
    Truth { state, also, proof: &[], may_end: false }
}

const IDLE: Truth = alive(State::Idle, &[]);
const WORKING: Truth = alive(State::Working, &[]);
/// Few requests a second look like idling, and are.
const SERVING: Truth = alive(State::Working, &["idle"]);
const GC: Truth = alive(State::Gc, &[]);
const PEER: Truth = alive(State::WaitingOnPeer, &[]);
const SLOW: Truth = alive(State::Slow, &["unknown"]);
const KERNEL: Truth = alive(State::Kernel, &["stuck", "unknown"]);

const fn trigger(first: usize, path: &'static str, then: usize) -> Traffic {
    Traffic::Trigger { first, path, then }
}

const fn collector(name: &'static str) -> [&'static str; 6] {
    [
        "-Xmx96m",
        "-Xms96m",
        "-XX:-UseGCOverheadLimit",
        "-XX:ParallelGCThreads=2",
        "-XX:ConcGCThreads=1",
        name,
    ]
}

const G1: [&str; 6] = collector("-XX:+UseG1GC");
const PARALLEL: [&str; 6] = collector("-XX:+UseParallelGC");
const SMALL: &[&str] = &["-Xmx64m", "-XX:+UseSerialGC"];

/// All of them, by family.
pub const CASES: &[Case] = &[
    Case::new("abba", Family::Mutex, C("locks", &["abba"]), &[Waits, Blocked], PROVABLE),
    Case::new("relock", Family::Mutex, C("locks", &["relock"]), &[Waits, Blocked], PROVABLE),
    Case::new("cycle-3", Family::Mutex, C("locks", &["cycle", "3"]), &[Waits, Blocked], PROVABLE),
    Case::new("cycle-5", Family::Mutex, C("locks", &["cycle", "5"]), &[Waits, Blocked], PROVABLE),
    Case::new("recursive", Family::Mutex, C("locks", &["recursive"]), &[Waits, Blocked], PROVABLE),
    Case::new("robust", Family::Mutex, C("locks", &["robust"]), &[Waits, Blocked], PROVABLE),
    Case::new("inherit", Family::Mutex, C("locks", &["inherit"]), &[Blocked], PROVABLE),
    Case::new("cross-process", Family::Mutex, C("locks", &["shared"]), &[Waits, Blocked], PROVABLE),
    Case::new("static-musl", Family::Mutex, Musl("locks", &["abba"]), &[Waits, Blocked], PROVABLE),
    Case::new("rust-mutex", Family::Mutex, Rust("mutex"), &[Blocked], PROVABLE_AS_A_WHOLE),
    Case::new(
        "behind-port",
        Family::Mutex,
        C("server", &["behind-port"]),
        &[Waits, Answers],
        PROVABLE_BY_OWNER,
    )
    .with(Traffic::Requests(1)),
    Case::new(
        "abba-server",
        Family::Mutex,
        C("server", &["abba-server"]),
        &[Waits, Blocked, Queued],
        PROVABLE,
    )
    .with(trigger(2, "/", QUEUE)),
    Case::new(
        "relock-server",
        Family::Mutex,
        C("server", &["relock-server"]),
        &[Waits, Queued],
        PROVABLE,
    )
    .with(trigger(1, "/", 4)),
    Case::new("rwlock", Family::Rwlock, C("locks", &["rwlock"]), &[Waits, Blocked], PROVABLE),
    Case::new(
        "rwlock-upgrade",
        Family::Rwlock,
        C("locks", &["upgrade"]),
        &[Blocked],
        PROVABLE_AS_A_WHOLE,
    ),
    Case::new(
        "lost-wakeup",
        Family::Condvar,
        C("waits", &["lost-wakeup"]),
        &[Blocked],
        PROVABLE_AS_A_WHOLE,
    ),
    Case::new(
        "semaphore",
        Family::Condvar,
        C("waits", &["semaphore"]),
        &[Blocked],
        PROVABLE_AS_A_WHOLE,
    ),
    Case::new(
        "timed-livelock",
        Family::Livelock,
        C("waits", &["timed-livelock"]),
        &[Quiet],
        Truth { also: &["slow", "unknown"], ..HIDDEN },
    ),
    Case::new("lock-sleeper", Family::Livelock, C("waits", &["lock-sleeper"]), &[Blocked], SLOW),
    Case::new(
        "spin-lock",
        Family::Spin,
        C("spin", &["spin-lock"]),
        &[Busy],
        Truth { also: &["working", "unknown"], ..HIDDEN },
    )
    .loud(),
    Case::new(
        "yield-spin",
        Family::Spin,
        C("spin", &["yield-spin"]),
        &[InState('R')],
        Truth { also: &["working", "unknown"], ..HIDDEN },
    )
    .loud(),
    Case::new("spin-server", Family::Spin, C("server", &["spin-server"]), &[Busy, Queued], HIDDEN)
        .with(trigger(1, "/", 5))
        .loud(),
    Case::new("node-loop", Family::Spin, Node("server.js"), &[Busy, Queued], HIDDEN)
        .with(trigger(1, "/loop", 5))
        .loud(),
    Case::new(
        "python-threads",
        Family::Runtime,
        Python("deadlock.py", &[]),
        &[Blocked],
        PROVABLE_AS_A_WHOLE,
    ),
    // A runtime that names its monitors may be ended; whether it was asked is the watcher's setting.
    Case::new(
        "java-monitors",
        Family::Runtime,
        Java(SMALL, "Monitors", &[]),
        &[Quiet],
        Truth { may_end: true, also: &["idle", "unknown"], ..HIDDEN },
    ),
    Case::new(
        "go-channels",
        Family::Runtime,
        Go("channel"),
        &[Quiet, Answers],
        Truth { also: &["idle", "unknown"], ..HIDDEN },
    )
    .with(Traffic::Requests(1)),
    Case::new(
        "client-no-timeout",
        Family::Peer,
        C("server", &["client", "{backend}"]),
        &[Blocked],
        PEER,
    ),
    Case::new(
        "dead-backend",
        Family::Peer,
        Python("pool.py", &["{backend}"]),
        &[Blocked, Answers],
        PEER,
    )
    .with(Traffic::Requests(1)),
    Case::new(
        "node-unanswered",
        Family::Peer,
        Node("server.js"),
        &[Quiet],
        alive(State::Idle, &["waiting-on-peer"]),
    )
    .with(trigger(3, "/never", 0)),
    Case::new("idle-c", Family::Idle, C("server", &["serve"]), &[Blocked], IDLE),
    Case::new("idle-pool", Family::Idle, C("server", &["idle-pool"]), &[Blocked], IDLE),
    Case::new("signal-waiter", Family::Idle, C("waits", &["signal-waiter"]), &[Blocked], IDLE),
    Case::new("signal-pool", Family::Idle, C("waits", &["signal-pool"]), &[Blocked], IDLE),
    Case::new("alarm-waiter", Family::Idle, C("waits", &["alarm-waiter"]), &[Blocked], IDLE),
    Case::new("shared-worker", Family::Idle, C("waits", &["shared-worker"]), &[Blocked], IDLE),
    Case::new("idle-python", Family::Idle, Python("http_server.py", &[]), &[Quiet], IDLE),
    Case::new("daemon-python", Family::Idle, Python("daemon.py", &[]), &[Blocked], IDLE),
    Case::new("idle-java", Family::Idle, Java(SMALL, "Server", &[]), &[Quiet], IDLE),
    Case::new("idle-node", Family::Idle, Node("server.js"), &[Quiet], IDLE),
    Case::new("idle-nginx", Family::Idle, Nginx, &[Quiet], IDLE),
    Case::new("idle-redis", Family::Idle, Redis, &[Quiet], IDLE),
    Case::new("busy-c", Family::Busy, C("server", &["serve"]), &[Answers], SERVING)
        .with(Traffic::Requests(BUSY))
        .loud(),
    Case::new("busy-python", Family::Busy, Python("http_server.py", &[]), &[Answers], SERVING)
        .with(Traffic::Requests(BUSY / 3))
        .loud(),
    Case::new("busy-java", Family::Busy, Java(SMALL, "Server", &[]), &[Answers], SERVING)
        .with(Traffic::Requests(BUSY))
        .loud(),
    Case::new("busy-node", Family::Busy, Node("server.js"), &[Answers], SERVING)
        .with(Traffic::Requests(BUSY))
        .loud(),
    Case::new("busy-nginx", Family::Busy, Nginx, &[Answers], SERVING)
        .with(Traffic::Requests(BUSY))
        .loud(),
    Case::new("busy-redis", Family::Busy, Redis, &[Answers], SERVING)
        .with(Traffic::Requests(BUSY))
        .loud(),
    Case::new("compute-c", Family::Busy, C("spin", &["compute"]), &[Busy], WORKING).loud(),
    Case::new("compute-python", Family::Busy, Python("compute.py", &[]), &[Busy], WORKING).loud(),
    Case::new(
        "lock-holder",
        Family::Busy,
        C("waits", &["lock-holder"]),
        &[Busy, Blocked],
        Truth { also: &["slow"], ..WORKING },
    )
    .loud(),
    Case::new("convoy", Family::Busy, C("waits", &["convoy"]), &[Busy], WORKING).loud(),
    Case::new("gc-parallel", Family::Gc, Java(&PARALLEL, "Thrash", &["88"]), &[Busy], GC).loud(),
    Case::new("gc-g1", Family::Gc, Java(&G1, "Thrash", &["88"]), &[Busy], GC).loud(),
    Case::new(
        "sigstop",
        Family::Stopped,
        Python("http_server.py", &[]),
        &[InState('T'), Blocked],
        alive(State::Stopped, &[]),
    )
    .with(Traffic::Stop),
    Case::new(
        "sigstop-deadlock",
        Family::Stopped,
        C("locks", &["abba"]),
        &[InState('T'), Blocked],
        alive(State::Stopped, &[]),
    )
    .with(Traffic::Stop),
    Case::new(
        "vfork-parent",
        Family::Kernel,
        C("spin", &["vfork-parent"]),
        &[InState('D'), Blocked],
        Truth { also: &["stuck", "idle", "unknown"], ..KERNEL },
    ),
    Case::new("frozen-writer", Family::Kernel, Frozen, &[InState('D'), Blocked], KERNEL),
];

/// The case of that name.
pub fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_cases_have_one_name() {
        let names: HashSet<_> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
    }

    #[test]
    fn only_what_is_stuck_may_be_ended_or_proved() {
        for case in CASES {
            let stuck = case.truth.state == State::Stuck;
            assert!(stuck || !case.truth.may_end, "{}", case.name);
            assert!(stuck || case.truth.proof.is_empty(), "{}", case.name);
            assert!(case.truth.may_end || case.truth.proof.is_empty(), "{}", case.name);
        }
    }

    #[test]
    fn every_case_is_checked_against_the_kernel() {
        for case in CASES {
            assert!(!case.conditions.is_empty(), "{}", case.name);
            let answered = case.conditions.contains(&Answers);
            assert_eq!(answered, matches!(case.traffic, Traffic::Requests(_)), "{}", case.name);
        }
    }
}
