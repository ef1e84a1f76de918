//! Evidence 1: every thread waits, for good, for a futex that only one of them could wake.

use std::fmt::Write as _;

use gadget_core::{Futex, Runtime, Wait};

use super::{Finding, Scene};
use crate::graph::{Lock, TimeOfDay, push_queued};
use crate::look::Look;
use crate::state::EvidenceKind;

/// The most threads that the sentence names.
const MOST_NAMED: usize = 4;
/// The word of a lock on which somebody waits, in glibc, musl and Rust alike. That of a parked thread or of a semaphore is
/// another.
const CONTENDED: u32 = 2;
/// Signals whose handlers wake nobody: faults, `SIGABRT`, `SIGPIPE` and `SIGXFSZ`, and the two that the C library keeps for
/// itself.
const WAKE_NOBODY: u64 = set(&[4, 5, 6, 7, 8, 11, 13, 25, 31, 32, 33]);
/// `SIGINT`, which every Python has a handler for: it interrupts the main thread alone, and lets go of no lock.
const INTERRUPT: u64 = set(&[2]);

const fn set(signals: &[u32]) -> u64 {
    let (mut set, mut at) = (0, 0);
    while at < signals.len() {
        set |= 1 << (signals[at] - 1);
        at += 1;
    }
    set
}

impl Scene<'_> {
    /// Every thread waits without a time limit, in private memory or for the end of a sibling: none is left to wake another.
    pub(super) fn closed_set(&self) -> Option<Finding> {
        let look = self.look;
        let wakers = look.threads.wakers;
        let others = [wakers.signal_timers, wakers.io_uring, wakers.traced];
        if look.threads.left_out > 0 || others.contains(&Some(true)) {
            return None;
        }
        let mut waits = Vec::with_capacity(look.threads.threads.len());
        for (thread, _) in look.iter() {
            match &thread.wait {
                Wait::Futex(futex) if !futex.timed && self.is_inside(futex) => {
                    waits.push((thread, futex));
                }
                _ => return None,
            }
        }
        let still = look.all_still()?;
        let cycle = self.graph.cycles().find(|cycle| cycle.is_for_good());
        // A handler may post a semaphore, which gets everybody going; it may not let go of a lock.
        let is_lock = |futex: &Futex| {
            futex.joins.is_some() || futex.lock.is_some() || futex.word == Some(CONTENDED)
        };
        if !waits.iter().all(|(_, futex)| is_lock(futex)) && self.may_be_signalled(waits.len()) {
            return None;
        }
        let statement = match cycle {
            Some(cycle) => cycle.sentence(Some(still), look.queued()),
            None => {
                let mut text = match waits.len() {
                    1 => "the only thread waits for a futex that only it could wake: ".to_owned(),
                    count => {
                        format!("all {count} threads wait for futexes that only they could wake: ")
                    }
                };
                for (at, (thread, futex)) in waits.iter().take(MOST_NAMED).enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    let _ = write!(text, "{comma}{} {}", thread.tid, Awaits(futex));
                }
                if waits.len() > MOST_NAMED {
                    let _ = write!(text, ", and {} more", waits.len() - MOST_NAMED);
                }
                let since = waits.iter().map(|(thread, _)| thread.since).max().flatten();
                let _ = write!(text, ", since {}", TimeOfDay(since.unwrap_or(still)));
                push_queued(&mut text, look.queued());
                text
            }
        };
        Some(Finding {
            kind: EvidenceKind::ClosedSet,
            still,
            held: look.at.since(still),
            sure: wakers.caught.is_some() && others.iter().all(|other| *other == Some(false)),
            members: waits.len(),
            target: self.process,
            statement,
        })
    }

    /// It has a handler that may wake one of its threads.
    fn may_be_signalled(&self, threads: usize) -> bool {
        let caught = self.look.threads.wakers.caught.unwrap_or_default() & !WAKE_NOBODY;
        let only_main = self.runtime == Runtime::Python && threads > 1;
        caught & !if only_main { INTERRUPT } else { 0 } != 0
    }

    /// Only a thread of this process can wake it.
    fn is_inside(&self, futex: &Futex) -> bool {
        match futex.joins {
            Some(sibling) => self.look.thread(sibling).is_some(),
            None => futex.private,
        }
    }
}

/// A timer, a handler or another process may wake one of its threads.
pub(crate) fn may_be_woken(look: &Look) -> bool {
    let wakers = look.threads.wakers;
    let handlers = wakers.caught.unwrap_or_default() & !WAKE_NOBODY & !INTERRUPT;
    let shared = |wait: &Wait| match wait {
        Wait::Futex(futex) => !futex.private && futex.joins.is_none() && futex.lock.is_none(),
        _ => false,
    };
    wakers.signal_timers == Some(true)
        || wakers.io_uring == Some(true)
        || handlers != 0
        || look.iter().any(|(thread, _)| shared(&thread.wait))
}

struct Awaits<'a>(&'a Futex);

impl std::fmt::Display for Awaits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.joins {
            Some(sibling) => write!(f, "for the end of {sibling}"),
            None => write!(f, "at {}", Lock(self.0.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::{Runtime, Wait, Wakers};

    use crate::evidence::stage::{Stage, futex, joins, lock, timed, waits};
    use crate::state::{EvidenceKind, State};

    #[test]
    fn threads_that_only_they_could_wake_are_stuck_at_the_second_look() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, joins(11));
            stage.thread(11, futex(0x1000));
            stage.thread(12, futex(0x2000));
        });
        assert_eq!(stage.look_at(0).state, State::Unknown);
        assert!(stage.look_at(0).suspect);
        assert_eq!(stage.look_at(9).state, State::Idle);
        let verdict = stage.look_at(10);
        let finding = verdict.finding.expect("they were seen twice");
        assert_eq!((verdict.state, finding.kind), (State::Stuck, EvidenceKind::ClosedSet));
        assert!(finding.sure);
        assert_eq!(
            finding.statement,
            "all 3 threads wait for futexes that only they could wake: 10 for the end of 11, 11 at 0x1000, \
             12 at 0x2000, since 00:16:40"
        );
    }

    #[test]
    fn one_time_slice_in_between_acquits() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, futex(0x1000));
            stage.thread(11, futex(0x2000));
        });
        stage.look_at(0);
        stage.thread_mut(11).slices += 1;
        assert_eq!(stage.look_at(12).finding, None);
        assert!(stage.look_at(22).finding.is_some(), "it has not run since");
    }

    #[test]
    fn whatever_else_could_wake_one_of_them_acquits() {
        let with = |change: fn(&mut Stage)| {
            let mut stage = Stage::new(|stage| {
                stage.thread(10, futex(0x1000));
                stage.thread(11, futex(0x2000));
            });
            change(&mut stage);
            stage.look_at(0);
            stage.look_at(20).finding
        };
        assert!(with(|_| {}).is_some());
        assert_eq!(with(|stage| stage.threads.wakers.signal_timers = Some(true)), None);
        assert_eq!(with(|stage| stage.threads.wakers.io_uring = Some(true)), None);
        assert_eq!(with(|stage| stage.threads.wakers.traced = Some(true)), None);
        assert_eq!(with(|stage| stage.threads.left_out = 1), None);
        assert_eq!(with(|stage| stage.thread(12, timed(0x3000))), None);
        assert_eq!(with(|stage| stage.thread(12, Wait::Signal)), None);
        assert_eq!(with(|stage| stage.thread(12, Wait::Files { timed: false })), None);
        assert_eq!(with(|stage| stage.thread(12, joins(99))), None, "no such sibling");
        let shared = |stage: &mut Stage| {
            let mut wait = futex(0x3000);
            if let Wait::Futex(futex) = &mut wait {
                futex.private = false;
            }
            stage.thread(12, wait);
        };
        assert_eq!(with(shared), None, "another process may wake it");
    }

    #[test]
    fn what_could_not_be_read_leaves_a_doubt() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, futex(0x1000));
            stage.thread(11, futex(0x2000));
            stage.threads.wakers = Wakers { io_uring: None, ..stage.threads.wakers };
        });
        stage.look_at(0);
        assert!(!stage.look_at(20).finding.unwrap().sure);
    }

    #[test]
    fn a_handler_may_wake_what_waits_for_no_lock() {
        let found = |caught: u64, word: u32, threads: u32, runtime: Runtime| {
            let mut stage = Stage::new(|stage| {
                for tid in 10..10 + threads {
                    let mut wait = futex(u64::from(tid));
                    if let Wait::Futex(futex) = &mut wait {
                        futex.word = Some(word);
                    }
                    stage.thread(tid, wait);
                }
                stage.threads.wakers.caught = Some(caught);
                stage.runtime = runtime;
            });
            stage.look_at(0);
            stage.look_at(20).finding.is_some_and(|finding| finding.sure)
        };
        let (int, term, segv) = (1 << 1, 1 << 14, 1 << 10);
        assert!(found(0, 0, 4, Runtime::Native) && found(segv, 0, 1, Runtime::Native));
        assert!(!found(term, 0, 4, Runtime::Native) && !found(int, 0, 4, Runtime::Native));
        assert!(found(int, 0, 4, Runtime::Python), "it interrupts the main thread alone");
        assert!(!found(int, 0, 1, Runtime::Python), "which is all there is");
        assert!(!found(int | term, 0, 4, Runtime::Python));
        assert!(found(int | term, 2, 4, Runtime::Native), "no handler lets go of a lock");
    }

    #[test]
    fn a_cycle_in_it_gives_the_sentence() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, joins(11));
            stage.thread(11, lock(0xa0, 12));
            stage.thread(12, lock(0x60, 11));
            stage.clients(12, 0);
        });
        stage.look_at(0);
        let finding = stage.look_at(10).finding.unwrap();
        assert_eq!(finding.kind, EvidenceKind::ClosedSet);
        assert_eq!(
            finding.statement,
            "thread 11 waits for the lock at 0xa0 held by 12, which waits for 0x60 held by 11, since 00:16:40; \
             12 clients are queued"
        );
        assert_eq!(waits(&stage).len(), 3);
    }
}
