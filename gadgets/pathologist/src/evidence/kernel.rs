//! Evidence 6: a thread sleeps in the kernel where no signal reaches it.

use gadget_core::Wait;

use super::{Finding, Scene};
use crate::graph::{Quoted, TimeOfDay};
use crate::state::EvidenceKind;

/// Where a parent sleeps until its vfork(2) child runs a program or ends.
const VFORK: [&str; 4] = ["kernel_clone", "_do_fork", "do_fork", "wait_for_vfork_done"];

fn channel_of(wait: &Wait) -> Option<&str> {
    match wait {
        Wait::Kernel { channel } => Some(channel),
        _ => None,
    }
}

impl Scene<'_> {
    /// The thread that has slept longest at one place. No signal ends that, so that none is worth sending.
    pub(super) fn uninterruptible(&self) -> Option<Finding> {
        let look = self.look;
        let (thread, channel, still) = look
            .iter()
            .filter_map(|(thread, seen)| Some((thread, channel_of(&thread.wait)?, seen.still)))
            .filter(|(_, channel, _)| !VFORK.contains(channel))
            .min_by_key(|(_, _, still)| *still)?;
        let since = thread.since.map_or(still, |since| since.min(still));
        let held = look.at.since(since);
        let long =
            held >= self.settings.uninterruptible && look.at.since(still) >= self.settings.apart;
        if !long && !self.survived {
            return None;
        }
        let place = if channel.is_empty() {
            "at a place that the kernel hides".to_owned()
        } else {
            format!("in {}", Quoted(channel))
        };
        Some(Finding {
            kind: EvidenceKind::Uninterruptible,
            still: since,
            held,
            sure: false,
            members: 1,
            target: self.process,
            statement: format!(
                "thread {} sleeps {place} since {}, where no signal reaches it",
                thread.tid,
                TimeOfDay(since)
            ),
        })
    }

    /// It sleeps until the child that it has forked runs a program of its own: that is as it should be.
    pub(super) fn parent_of_vfork(&self) -> bool {
        self.look.iter().any(|(thread, _)| {
            channel_of(&thread.wait).is_some_and(|channel| VFORK.contains(&channel))
        })
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::Wait;

    use crate::evidence::stage::Stage;
    use crate::state::{EvidenceKind, State};

    fn sleeps_in(channel: &str) -> Wait {
        Wait::Kernel { channel: channel.into() }
    }

    #[test]
    fn two_minutes_in_one_place_are_reported_with_the_place() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, sleeps_in("percpu_rwsem_wait"));
            stage.thread_mut(10).since = None;
        });
        for second in (0..120).step_by(10) {
            assert_ne!(stage.look_at(second).state, State::Stuck);
        }
        assert!(stage.verdict().suspect && stage.verdict().unreachable);
        let finding = stage.look_at(121).finding.unwrap();
        assert_eq!(finding.kind, EvidenceKind::Uninterruptible);
        assert_eq!(
            finding.statement,
            "thread 10 sleeps in \"percpu_rwsem_wait\" since 00:16:40, where no signal reaches it"
        );
    }

    #[test]
    fn a_disk_that_answers_now_and_then_is_no_evidence() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, sleeps_in("io_schedule"));
            stage.thread_mut(10).since = None;
        });
        for second in 0..60 {
            stage.thread_mut(10).slices += 1;
            assert_ne!(stage.look_at(second * 10).state, State::Stuck);
        }
    }

    #[test]
    fn the_parent_of_a_vfork_is_harmless() {
        let mut stage = Stage::new(|stage| stage.thread(10, sleeps_in("kernel_clone")));
        stage.look_at(0);
        let verdict = stage.look_at(600);
        assert_eq!((verdict.state, verdict.finding), (State::Idle, None));
    }
}
