//! For the tests: one process whose threads wait as they are told to.

use std::time::Duration;

use gadget_core::{
    Futex, FutexAddress, Listener, Lock, LockKind, ProcessId, Runtime, RuntimeReport, Thread,
    ThreadId, Threads, Timestamp, Wait, Wakers,
};

use super::{Peers, Reported, Scene, Verdict};
use crate::config::PathologistSettings;
use crate::graph::LockGraph;
use crate::look::Look;

pub(crate) const PROCESS: ProcessId = ProcessId { pid: 10, start: 77 };
/// The time of the first look: 00:16:40.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_000);

pub(crate) struct Stage {
    pub(crate) threads: Threads,
    pub(crate) runtime: Runtime,
    look: Option<Look>,
    reported: Option<Reported>,
    peers: Peers,
    verdict: Verdict,
}

impl Stage {
    pub(crate) fn new(set: impl FnOnce(&mut Self)) -> Self {
        let none = Some(false);
        let wakers = Wakers { signal_timers: none, io_uring: none, traced: none, caught: Some(0) };
        let mut stage = Self {
            threads: Threads { wakers, ..Threads::default() },
            runtime: Runtime::Native,
            look: None,
            reported: None,
            peers: Peers::default(),
            verdict: Verdict::default(),
        };
        set(&mut stage);
        stage
    }

    pub(crate) fn thread(&mut self, tid: u32, wait: Wait) {
        self.named(tid, "worker", wait);
    }

    pub(crate) fn named(&mut self, tid: u32, name: &str, wait: Wait) {
        self.threads.threads.push(Thread {
            tid,
            name: name.into(),
            state: if wait == Wait::Running { 'R' } else { 'S' },
            cpu: Duration::ZERO,
            ready: Duration::ZERO,
            slices: 1,
            since: Some(START),
            wait,
        });
    }

    pub(crate) fn thread_mut(&mut self, tid: u32) -> &mut Thread {
        self.threads.threads.iter_mut().find(|thread| thread.tid == tid).unwrap()
    }

    pub(crate) fn clients(&mut self, queued: u32, still: u64) {
        self.threads.listeners = vec![Listener {
            address: "127.0.0.1:8080".parse().unwrap(),
            queued,
            limit: 128,
            still: Duration::from_secs(still),
        }];
    }

    pub(crate) fn report(&mut self, second: u64, report: &RuntimeReport) {
        let at = START + Duration::from_secs(second);
        self.reported = Reported::next(self.reported.take(), at, report);
    }

    /// Takes a look that many seconds after the start, and judges.
    pub(crate) fn look_at(&mut self, second: u64) -> Verdict {
        let at = START + Duration::from_secs(second);
        let next = match &self.look {
            Some(before) => {
                let next = before.next(at, &self.threads);
                self.peers.learn(before, &next);
                next
            }
            None => Look::first(at, &self.threads),
        };
        let look = &*self.look.insert(next);
        let graph = LockGraph::of(PROCESS, &look.threads);
        let scene = Scene {
            process: PROCESS,
            look,
            group: &[(PROCESS, look)],
            graph: &graph,
            reported: self.reported.as_ref(),
            peers: &self.peers,
            survived: false,
            runtime: self.runtime,
            settings: &PathologistSettings::default(),
        };
        self.verdict = scene.judge();
        self.verdict.clone()
    }

    pub(crate) fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}

pub(crate) fn waits(stage: &Stage) -> Vec<&Wait> {
    stage.threads.threads.iter().map(|thread| &thread.wait).collect()
}

fn wait(address: u64, owner: Option<(u32, LockKind)>) -> Futex {
    Futex {
        address: FutexAddress::Private(address),
        timed: false,
        private: true,
        pi: false,
        word: Some(2),
        lock: owner.map(|(tid, kind)| Lock {
            kind,
            owner: Some(ThreadId { process: PROCESS, tid }),
            contended: true,
            depth: None,
        }),
        joins: None,
    }
}

/// A futex whose owner is not known.
pub(crate) fn futex(address: u64) -> Wait {
    Wait::Futex(wait(address, None))
}

/// The same, for a time.
pub(crate) fn timed(address: u64) -> Wait {
    Wait::Futex(Futex { timed: true, ..wait(address, None) })
}

/// A mutex that this thread holds.
pub(crate) fn lock(address: u64, owner: u32) -> Wait {
    owned(address, owner, LockKind::GlibcMutex)
}

pub(crate) fn owned(address: u64, owner: u32, kind: LockKind) -> Wait {
    Wait::Futex(wait(address, Some((owner, kind))))
}

/// A mutex that this thread holds, for a time.
pub(crate) fn timed_lock(address: u64, owner: u32) -> Wait {
    Wait::Futex(Futex { timed: true, ..wait(address, Some((owner, LockKind::GlibcMutex))) })
}

/// The end of a sibling.
pub(crate) fn joins(sibling: u32) -> Wait {
    Wait::Futex(Futex {
        private: false,
        word: Some(sibling),
        joins: Some(sibling),
        ..wait(0x7000_0000 + u64::from(sibling), None)
    })
}
