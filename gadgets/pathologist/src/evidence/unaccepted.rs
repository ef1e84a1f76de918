//! Evidence 4: clients wait, and nobody accepts them.

use std::time::Duration;

use gadget_core::Wait;

use super::{Finding, Scene};
use crate::state::EvidenceKind;

/// Share of the time between two looks that a thread has to want a processor, to spin.
const SPINS: f64 = 0.7;
/// Looks that lie closer do not tell.
const LEAST: Duration = Duration::from_secs(2);

impl Scene<'_> {
    /// Connections are queued, none was accepted for a while, and every thread is frozen or one spins. One that waits for
    /// clients or files would have been woken by those in the queue.
    pub(super) fn unaccepted(&self) -> Option<Finding> {
        let look = self.look;
        let longest = look
            .threads
            .listeners
            .iter()
            .filter(|listener| listener.queued > 0 && listener.still >= self.settings.unaccepted)
            .max_by_key(|listener| (listener.still, listener.queued))?;
        let frozen = look.all_still().is_some_and(|still| {
            look.at.since(still) >= self.settings.apart
                && look.iter().any(|(thread, _)| !is_ready(&thread.wait))
        });
        // On a busy host the time on a run queue is told late: one that was found running each time spins as well.
        let spinning = look.over.filter(|over| *over >= LEAST).and_then(|over| {
            look.iter().filter(|(thread, _)| matches!(thread.wait, Wait::Running)).find(
                |(_, seen)| {
                    seen.wanted.as_secs_f64() >= SPINS * over.as_secs_f64()
                        || look.at.since(seen.running) >= 2 * self.settings.apart
                },
            )
        });
        let why = match spinning {
            Some((thread, _)) => format!("thread {} spins", thread.tid),
            None if frozen => "no thread has run since".to_owned(),
            None => return None,
        };
        let clients = match longest.queued {
            1 => "1 client waits".to_owned(),
            many => format!("{many} clients wait"),
        };
        Some(Finding {
            kind: EvidenceKind::Unaccepted,
            still: look.at - longest.still,
            held: longest.still,
            sure: false,
            members: look.threads.threads.len(),
            target: self.process,
            statement: format!(
                "{clients} at {} and none was accepted for {} s: {why}",
                longest.address,
                longest.still.as_secs()
            ),
        })
    }
}

/// It would have been woken by a client.
const fn is_ready(wait: &Wait) -> bool {
    matches!(wait, Wait::Client { .. } | Wait::Files { .. })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gadget_core::Wait;

    use crate::evidence::stage::{Stage, futex};
    use crate::state::{EvidenceKind, State};

    #[test]
    fn a_loop_that_never_returns_to_its_clients_is_stuck() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, Wait::Running);
            stage.thread(11, Wait::Files { timed: false });
            stage.clients(5, 0);
        });
        stage.look_at(0);
        for second in [10, 20, 31] {
            // Half of the time it had a processor, half of the time it waited for one.
            let spin = stage.thread_mut(10);
            (spin.cpu, spin.ready) =
                (Duration::from_secs(second) / 2, Duration::from_secs(second) / 2);
            spin.slices += 50;
            stage.clients(5, second);
            let verdict = stage.look_at(second);
            assert_eq!(verdict.state == State::Stuck, second >= 30, "{second}");
        }
        let finding = stage.verdict().finding.clone().unwrap();
        assert_eq!(finding.kind, EvidenceKind::Unaccepted);
        assert_eq!(
            finding.statement,
            "5 clients wait at 127.0.0.1:8080 and none was accepted for 31 s: thread 10 spins"
        );
    }

    #[test]
    fn a_frozen_acceptor_with_a_queue_is_stuck() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, futex(0x10));
            stage.thread(11, Wait::Files { timed: false });
            stage.clients(1, 35);
        });
        stage.look_at(0);
        assert_eq!(stage.look_at(12).finding.unwrap().kind, EvidenceKind::Unaccepted);
    }

    #[test]
    fn computation_without_clients_and_a_queue_that_moves_are_no_evidence() {
        let mut stage = Stage::new(|stage| stage.thread(10, Wait::Running));
        for second in 0..10 {
            stage.clients(3, 1);
            stage.thread_mut(10).cpu += Duration::from_secs(10);
            assert_ne!(stage.look_at(10 * second).state, State::Stuck);
        }
        assert_eq!(stage.verdict().state, State::Working);
    }

    #[test]
    fn a_server_that_works_between_looks_is_not_accused_for_a_slow_queue() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, Wait::Running);
            stage.clients(3, 60);
        });
        stage.look_at(0);
        stage.thread_mut(10).cpu += Duration::from_secs(3);
        assert_eq!(stage.look_at(10).finding, None);
        stage.thread_mut(10).cpu += Duration::from_secs(3);
        stage.thread_mut(10).wait = Wait::Files { timed: false };
        assert_eq!(stage.look_at(20).finding, None);
    }

    #[test]
    fn one_that_runs_at_every_look_spins_whatever_the_scheduler_counts() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, Wait::Running);
            stage.clients(3, 40);
        });
        for second in [0, 5, 10, 15] {
            assert_eq!(stage.look_at(second).finding, None);
            stage.thread_mut(10).cpu += Duration::from_millis(100);
            stage.thread_mut(10).slices += 1;
        }
        assert_eq!(stage.look_at(20).finding.unwrap().kind, EvidenceKind::Unaccepted);
    }
}
