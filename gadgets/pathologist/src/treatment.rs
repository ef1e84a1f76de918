//! From a proof to a step: look again, capture, then end; once.

use std::time::Duration;

use gadget_core::{Ending, Outcome, StepKind, Timestamp};

use crate::config::PathologistSettings;
use crate::evidence::Finding;

/// How long an ending that is due waits for stacks that nobody may, or can, capture.
const PATIENCE: Duration = Duration::from_secs(15);
/// Proofs have to be confirmed this often, `apart` from each other.
const TWICE: u32 = 2;

/// How far a process's treatment has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Treatment {
    /// What was confirmed last: since when it stands still, how often and when.
    proof: Option<(Timestamp, u32, Timestamp)>,
    captured: Progress,
    ended: Progress,
    /// A restart was tried, and failed.
    restarted: bool,
    /// It was told to end, and did not.
    pub(crate) survived: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Open,
    UnderWay,
    Over,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Capture,
    Restart,
    Terminate,
}

impl Treatment {
    /// Takes in what a look found: a proof, or none.
    pub(crate) fn look(&mut self, at: Timestamp, proof: Option<&Finding>, apart: Duration) {
        let Some(proof) = proof else {
            self.proof = None;
            if self.ended == Progress::Open {
                self.captured = Progress::Open;
            }
            return;
        };
        self.proof = Some(match self.proof {
            Some((still, times, last)) if still == proof.still && at.since(last) >= apart => {
                (still, times.saturating_add(1), at)
            }
            Some(before @ (still, ..)) if still == proof.still => before,
            _ => (proof.still, 1, at),
        });
    }

    /// What is due at `now` for a proof that has held for `held`.
    pub(crate) fn next(
        &self,
        now: Timestamp,
        held: Duration,
        is_service: bool,
        settings: &PathologistSettings,
    ) -> Option<Next> {
        let (still, times, _) = self.proof?;
        if self.survived || self.ended != Progress::Open {
            return None;
        }
        let due = times >= TWICE && held >= settings.sustained;
        let patience_is_over = due && now.since(still) >= settings.sustained + PATIENCE;
        match self.captured {
            Progress::Over => {}
            _ if !settings.capture || patience_is_over => {}
            Progress::Open => return Some(Next::Capture),
            Progress::UnderWay => return None,
        }
        let restart = settings.restart && is_service && !self.restarted;
        due.then_some(if restart { Next::Restart } else { Next::Terminate })
    }

    /// A step of ours was taken.
    pub(crate) fn done(&mut self, kind: StepKind) {
        match kind {
            StepKind::CaptureStacks => self.captured = Progress::UnderWay,
            StepKind::Terminate | StepKind::Restart => self.ended = Progress::UnderWay,
            _ => {}
        }
    }

    /// It came to this.
    pub(crate) fn learn(&mut self, outcome: &Outcome) {
        let failed = matches!(outcome.ending, Ending::Unmet | Ending::Failed);
        match outcome.kind {
            StepKind::CaptureStacks => self.captured = Progress::Over,
            StepKind::Restart => {
                self.restarted |= failed;
                self.ended = if failed { Progress::Open } else { Progress::Over };
            }
            // No signal is stronger: what has survived it is looked at again, and reported.
            StepKind::Terminate => {
                self.survived |= failed;
                self.ended = Progress::Over;
            }
            _ => {}
        }
    }

    /// Something of ours goes on.
    pub(crate) fn is_under_way(&self) -> bool {
        self.captured == Progress::UnderWay || self.ended != Progress::Open || self.survived
    }
}
