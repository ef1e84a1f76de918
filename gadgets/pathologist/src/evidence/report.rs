//! Evidence 3: the runtime names a deadlock when it is asked.

use std::time::Duration;

use gadget_core::{MonitorWait, RuntimeReport, Timestamp};

use super::{Finding, Scene};
use crate::graph::{Quoted, TimeOfDay, push_queued};
use crate::state::EvidenceKind;

/// A report that is older says nothing of now.
const FRESH: Duration = Duration::from_secs(300);
/// The most waits that the sentence names.
const MOST_NAMED: usize = 8;

/// The deadlocks that a runtime reported last.
#[derive(Clone, Debug)]
pub(crate) struct Reported {
    /// The report in which the first cycle appeared first, and has been in every one since.
    first: Timestamp,
    last: Timestamp,
    cycle: Vec<MonitorWait>,
}

impl Reported {
    /// What is known after one more report; none if it names no deadlock.
    pub(crate) fn next(
        before: Option<Self>,
        at: Timestamp,
        report: &RuntimeReport,
    ) -> Option<Self> {
        let known = before.and_then(|before| {
            let same = report.deadlocks.iter().any(|cycle| is_same(cycle, &before.cycle));
            same.then_some(before)
        });
        match known {
            Some(known) => Some(Self { last: at, ..known }),
            None => {
                let cycle = report.deadlocks.iter().find(|cycle| !cycle.is_empty())?.clone();
                Some(Self { first: at, last: at, cycle })
            }
        }
    }
}

/// The same threads in the same ring, wherever it begins.
fn is_same(one: &[MonitorWait], other: &[MonitorWait]) -> bool {
    one.len() == other.len() && one.iter().all(|wait| other.contains(wait))
}

impl Scene<'_> {
    /// The runtime has named the same deadlock in every report since.
    pub(super) fn runtime_report(&self) -> Option<Finding> {
        let reported = self.reported?;
        if self.look.at.since(reported.last) > FRESH
            || self.look.threads.wakers.traced == Some(true)
        {
            return None;
        }
        let mut text = String::from("the runtime reports: ");
        for (at, wait) in reported.cycle.iter().take(MOST_NAMED).enumerate() {
            let (monitor, owner) = (Quoted(&wait.monitor), Quoted(&wait.held_by));
            text += &match at {
                0 => format!("thread {} waits for {monitor} held by {owner}", Quoted(&wait.thread)),
                _ => format!(", which waits for {monitor} held by {owner}"),
            };
        }
        if reported.cycle.len() > MOST_NAMED {
            text += &format!(", and {} more", reported.cycle.len() - MOST_NAMED);
        }
        text += &format!(", since before {}", TimeOfDay(reported.first));
        push_queued(&mut text, self.look.queued());
        Some(Finding {
            kind: EvidenceKind::RuntimeReport,
            still: reported.first,
            held: reported.last.since(reported.first),
            sure: true,
            members: reported.cycle.len(),
            target: self.process,
            statement: text,
        })
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::{MonitorWait, RuntimeReport, Wait};

    use crate::evidence::stage::Stage;
    use crate::state::{EvidenceKind, State};

    fn wait(thread: &str, monitor: &str, held_by: &str) -> MonitorWait {
        MonitorWait { thread: thread.into(), monitor: monitor.into(), held_by: held_by.into() }
    }

    fn report(turned: bool) -> RuntimeReport {
        let mut cycle = vec![wait("T1", "A", "T2"), wait("T2", "B", "T1")];
        if turned {
            cycle.reverse();
        }
        RuntimeReport { deadlocks: vec![cycle] }
    }

    fn jvm() -> Stage {
        Stage::new(|stage| stage.thread(10, Wait::Files { timed: true }))
    }

    #[test]
    fn two_reports_of_the_same_deadlock_prove_it() {
        let mut stage = jvm();
        stage.report(0, &report(false));
        assert_ne!(stage.look_at(1).state, State::Stuck, "one report is none");
        stage.report(12, &report(true));
        let verdict = stage.look_at(13);
        let finding = verdict.finding.unwrap();
        assert_eq!((verdict.state, finding.kind), (State::Stuck, EvidenceKind::RuntimeReport));
        assert_eq!(
            finding.statement,
            "the runtime reports: thread \"T1\" waits for \"A\" held by \"T2\", which waits for \"B\" held by \"T1\", \
             since before 00:16:40"
        );
    }

    #[test]
    fn a_report_without_it_acquits_and_an_old_one_says_nothing() {
        let mut stage = jvm();
        stage.report(0, &report(false));
        stage.report(20, &RuntimeReport::default());
        stage.report(40, &report(false));
        assert_ne!(stage.look_at(41).state, State::Stuck);
        stage.report(60, &report(false));
        assert_eq!(stage.look_at(61).state, State::Stuck);
        assert_ne!(stage.look_at(400).state, State::Stuck);
    }
}
