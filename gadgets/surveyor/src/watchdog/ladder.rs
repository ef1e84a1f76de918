//! The steps below what the operator asked for.

use std::time::Duration;

use gadget_core::{Telemetry, TelemetryLevel};
use gadget_envelope::State;

/// The last steps read this many times less often.
const SLOWER: u32 = 5;

/// Nothing is read less often than this because of the ladder.
const SLOWEST: Duration = Duration::from_secs(3_600);

/// What the operator asked for, and each step below it.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    rungs: Vec<Telemetry>,
}

impl Ladder {
    pub(super) fn below(base: Telemetry) -> Self {
        let every = base.every.saturating_mul(SLOWER).min(SLOWEST).max(base.every);
        let steps = [
            Telemetry { level: TelemetryLevel::Smart, ..base },
            Telemetry { level: TelemetryLevel::Raw, ..base },
            Telemetry { level: TelemetryLevel::Raw, every, ..base },
            Telemetry { level: TelemetryLevel::Heartbeat, every, ..base },
        ];
        let mut rungs = vec![base];
        for step in steps {
            let last = rungs.last().copied().unwrap_or(base);
            // Of what is sent already nothing is a step; a slower reading of the same is.
            if (step.level, step.every) > (last.level, last.every)
                && last.level != TelemetryLevel::Heartbeat
            {
                rungs.push(step);
            }
        }
        Self { rungs }
    }

    /// Which step `telemetry` is.
    pub(super) fn find(&self, telemetry: Telemetry) -> Option<usize> {
        self.rungs.iter().position(|rung| *rung == telemetry)
    }

    pub(super) fn rung(&self, index: usize) -> Telemetry {
        self.rungs[index.min(self.rungs.len() - 1)]
    }

    /// The step below one; itself, of the last.
    pub(super) fn deeper(&self, index: usize) -> usize {
        (index + 1).min(self.rungs.len() - 1)
    }
}

/// What a step is called where it is sent.
pub(super) fn state(rung: Telemetry, ladder: &Ladder) -> State {
    match rung.level {
        TelemetryLevel::Sketches => State::Sketches,
        TelemetryLevel::Smart => State::Smart,
        TelemetryLevel::Bypass => State::Bypass,
        TelemetryLevel::Raw if rung.every > ladder.rung(0).every => State::RawSlow,
        TelemetryLevel::Raw => State::Raw,
        TelemetryLevel::Heartbeat => State::Heartbeat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(level: TelemetryLevel) -> Vec<String> {
        let ladder = Ladder::below(Telemetry { level, ..Telemetry::default() });
        ladder.rungs.iter().map(|rung| format!("{} {}", rung.level, rung.every.as_secs())).collect()
    }

    #[test]
    fn each_step_is_less_than_the_one_before_and_none_is_above_what_was_asked_for() {
        let all = ["smart+sketch 2", "smart 2", "raw 2", "raw 10", "heartbeat 10"];
        assert_eq!(steps(TelemetryLevel::Sketches), all);
        assert_eq!(steps(TelemetryLevel::Smart), all[1..]);
        assert_eq!(steps(TelemetryLevel::Bypass), ["bypass 2", "raw 2", "raw 10", "heartbeat 10"]);
        assert_eq!(steps(TelemetryLevel::Raw), all[2..]);
        assert_eq!(steps(TelemetryLevel::Heartbeat), ["heartbeat 2"]);
    }

    #[test]
    fn what_is_read_seldom_already_is_not_read_faster_by_a_step_down() {
        let every = Duration::from_secs(7_200);
        let ladder = Ladder::below(Telemetry { every, ..Telemetry::default() });
        assert!(ladder.rungs.iter().all(|rung| rung.every == every));
        assert_eq!(ladder.rungs.len(), 4, "raw, and no slower one");
    }
}
