//! Evidence 2: threads wait in a ring for locks that they hold.

use std::cmp::Reverse;

use gadget_core::ProcessId;

use super::{Finding, Scene};
use crate::graph::Cycle;
use crate::look::Look;
use crate::state::EvidenceKind;

impl Scene<'_> {
    /// The cycle through this process that has stood longest: none of its threads has run, and none gives up. The rest of
    /// the process may be as healthy as it likes.
    pub(super) fn owner_cycle(&self) -> Option<Finding> {
        let through_here =
            |cycle: &Cycle<'_>| cycle.threads().any(|thread| thread.process == self.process);
        self.graph
            .cycles()
            .filter(|cycle| cycle.is_for_good() && through_here(cycle))
            .filter_map(|cycle| self.finding(&cycle))
            .max_by_key(|finding| (finding.held, Reverse(finding.still)))
    }

    fn finding(&self, cycle: &Cycle<'_>) -> Option<Finding> {
        let (mut still, mut until, mut queued) = (None, None, 0_u32);
        let mut processes: Vec<ProcessId> = Vec::new();
        for thread in cycle.threads() {
            let look = self.look_of(thread.process)?;
            let (_, seen) = look.thread(thread.tid)?;
            // A debugger may let a thread go on in any way.
            if look.threads.wakers.traced == Some(true) {
                return None;
            }
            still = still.max(Some(seen.still));
            until = Some(until.map_or(look.at, |until: gadget_core::Timestamp| until.min(look.at)));
            if !processes.contains(&thread.process) {
                processes.push(thread.process);
                queued = queued.saturating_add(look.queued());
            }
        }
        let (still, until) = (still?, until?);
        // Looks at several processes are not taken at once: there must be a time at which all of them stood still.
        if still > until {
            return None;
        }
        Some(Finding {
            kind: EvidenceKind::OwnerCycle,
            still,
            held: until.since(still),
            sure: true,
            members: cycle.len(),
            // Of several processes the one that started last: it holds the least.
            target: processes.into_iter().max_by_key(|process| (process.start, process.pid))?,
            statement: cycle.sentence(Some(still), queued),
        })
    }

    fn look_of(&self, process: ProcessId) -> Option<&Look> {
        self.group.iter().find(|(id, _)| *id == process).map(|(_, look)| *look)
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::{LockKind, Wait};

    use crate::evidence::stage::{Stage, futex, lock, owned, timed_lock};
    use crate::state::{EvidenceKind, State};

    /// Two threads that wait for each other in a server whose port answers.
    fn pair() -> Stage {
        Stage::new(|stage| {
            stage.thread(10, Wait::Client { fd: 3 });
            stage.thread(11, lock(0xa0, 12));
            stage.thread(12, lock(0x60, 11));
        })
    }

    #[test]
    fn a_deadlocked_pair_behind_a_healthy_port_is_stuck() {
        let mut stage = pair();
        stage.look_at(0);
        stage.thread_mut(10).slices += 40;
        let verdict = stage.look_at(10);
        let finding = verdict.finding.expect("a cycle that stood for ten seconds");
        assert_eq!((verdict.state, finding.kind), (State::Stuck, EvidenceKind::OwnerCycle));
        assert_eq!((finding.members, finding.sure), (2, true));
    }

    #[test]
    fn a_thread_that_waits_for_itself_is_a_cycle() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, lock(0x60, 10));
            stage.clients(4, 20);
        });
        stage.look_at(0);
        let finding = stage.look_at(11).finding.unwrap();
        assert_eq!(
            finding.statement,
            "thread 10 waits for the lock at 0x60 held by itself, since 00:16:40; 4 clients are queued"
        );
    }

    #[test]
    fn a_cycle_whose_threads_run_in_between_is_none() {
        let mut stage = pair();
        for second in 0..10 {
            stage.thread_mut(12).slices += 1;
            let verdict = stage.look_at(second * 10);
            assert_ne!(verdict.state, State::Stuck);
        }
    }

    #[test]
    fn another_owner_is_another_wait() {
        let mut stage = pair();
        stage.thread(13, futex(0x70));
        stage.look_at(0);
        stage.thread_mut(11).wait = lock(0xa0, 13);
        stage.look_at(10);
        stage.thread_mut(11).wait = lock(0xa0, 12);
        assert_eq!(stage.look_at(20).finding, None, "they were seen in a cycle once only");
        assert!(stage.look_at(30).finding.is_some());
    }

    #[test]
    fn locks_that_are_given_up_after_a_time_prove_nothing() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, timed_lock(0xa0, 11));
            stage.thread(11, lock(0x60, 10));
        });
        stage.look_at(0);
        assert_eq!(stage.look_at(20).state, State::Slow);
    }

    #[test]
    fn an_owner_that_is_no_live_thread_and_a_word_without_contention_are_no_edge() {
        let state = |change: fn(&mut gadget_core::Lock)| {
            let mut stage = pair();
            if let Wait::Futex(futex) = &mut stage.thread_mut(11).wait {
                change(futex.lock.as_mut().unwrap());
            }
            stage.look_at(0);
            stage.look_at(20).state
        };
        assert_eq!(state(|_| {}), State::Stuck);
        assert_ne!(state(|lock| lock.owner.as_mut().unwrap().tid = 99), State::Stuck);
        assert_ne!(state(|lock| lock.owner = None), State::Stuck);
        assert_ne!(state(|lock| lock.contended = false), State::Stuck);
    }

    #[test]
    fn nobody_blocks_on_a_recursive_lock_of_his_own() {
        for kind in [LockKind::GlibcRecursive, LockKind::PriorityInheritance] {
            let mut stage = Stage::new(|stage| {
                stage.thread(9, Wait::Client { fd: 3 });
                stage.thread(10, owned(0x60, 10, kind));
            });
            stage.look_at(0);
            assert_ne!(stage.look_at(20).state, State::Stuck);
        }
    }

    #[test]
    fn under_a_debugger_nothing_is_proved() {
        let mut stage = pair();
        stage.threads.wakers.traced = Some(true);
        stage.look_at(0);
        assert_ne!(stage.look_at(20).state, State::Stuck);
    }
}
