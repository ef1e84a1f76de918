//! Effects that are in place or under way: verified, then kept or put back.

use std::time::Duration;

use crate::action::{Action, ActionError, Summary, Undo, summary};
use crate::ledger::{Ending, Outcome};
use crate::plan::{Plan, PlanId};
use crate::subject::Subject;
use crate::units::Timestamp;
use crate::world::World;

/// An expected change is looked for a twentieth of its time apart, within these bounds.
const SOONEST_LOOK: Duration = Duration::from_millis(50);
const LATEST_LOOK: Duration = Duration::from_secs(1);

/// One effect whose end is not on record.
#[derive(Debug)]
pub(super) struct OpenEffect {
    pub(super) plan: Plan,
    pub(super) undo: Undo,
    pub(super) gadget: usize,
    since: Timestamp,
    /// The expected change was seen.
    met: bool,
    /// The effect itself is complete; false between `SIGTERM` and the end of the process.
    pub(super) complete: bool,
    /// It could not be put back, which was said; it is tried again all the same.
    pub(super) resists: bool,
}

/// What is to become of an open effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays as it is.
    Stays,
    /// It is over, and nothing is to be put back.
    Over(Ending),
    /// It is to be put back.
    PutBack(Ending),
}

impl OpenEffect {
    pub(super) const fn new(
        plan: Plan,
        undo: Undo,
        gadget: usize,
        since: Timestamp,
        complete: bool,
    ) -> Self {
        Self { plan, undo, gadget, since, met: false, complete, resists: false }
    }

    /// False for an effect whose undo only says what to do after a crash in the middle of it.
    pub(super) fn reversible(&self) -> bool {
        self.plan.step.kind().reversible() && self.undo != Undo::Nothing
    }

    /// What has to be read, and how often, to see in time whether the expected change comes; nothing once it has.
    pub(super) fn wants_to_see(&self) -> impl Iterator<Item = (Subject, Duration)> {
        let every = (self.plan.expects.within / 20).clamp(SOONEST_LOOK, LATEST_LOOK);
        let subjects = [self.plan.expects.subject, self.plan.target.subject];
        subjects.into_iter().filter(|_| !self.met).map(move |subject| (subject, every))
    }

    /// When this effect has to be looked at again, if nothing happens before.
    pub(super) fn next_look(&self, max_hold: Duration) -> Timestamp {
        let wait = if self.met { max_hold } else { self.plan.expects.within };
        self.since + wait
    }

    /// Looks at the world and says what is to become of the effect.
    pub(super) fn judge(&mut self, now: Timestamp, world: &World, max_hold: Duration) -> Fate {
        let expects = &self.plan.expects;
        if !self.met && world.has_changed(expects.subject, expects.change) == Some(true) {
            self.met = true;
        }
        if self.met && !self.reversible() && self.complete {
            return Fate::Over(Ending::Met);
        }
        if self.reversible() && world.seen(self.plan.target.subject).is_none() {
            return Fate::PutBack(Ending::Gone);
        }
        let age = now.since(self.since);
        if !self.met && age > expects.within {
            return match (self.reversible(), self.complete) {
                (true, _) => Fate::PutBack(Ending::Unmet),
                (false, true) => Fate::Over(Ending::Unmet),
                (false, false) => Fate::Stays,
            };
        }
        if self.met && self.reversible() && age > max_hold {
            return Fate::PutBack(Ending::Met);
        }
        Fate::Stays
    }

    /// How it ended so far, for an effect that is put back because it is no longer needed.
    pub(super) const fn ending_when_released(&self) -> Ending {
        if self.met { Ending::Met } else { Ending::Unmet }
    }

    /// Puts the effect back. `None` if that failed and is to be tried again.
    pub(super) fn put_back(
        &self,
        action: &mut dyn Action,
        ending: Ending,
    ) -> Result<Outcome, ActionError> {
        if !self.reversible() {
            let text = if self.complete { "it cannot be put back" } else { "it was under way" };
            return Ok(self.outcome(ending, summary(format_args!("{text}"))));
        }
        match action.undo(&self.undo) {
            Ok(text) => Ok(self.outcome(ending, text)),
            Err(ActionError::Stale { what }) => {
                Ok(self.outcome(Ending::Gone, summary(format_args!("nothing to put back: {what}"))))
            }
            Err(error @ ActionError::Yielded { .. }) => {
                Ok(self.outcome(Ending::Yielded, summary(format_args!("{error}"))))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn outcome(&self, ending: Ending, summary: Summary) -> Outcome {
        Outcome::of(&self.plan, ending, summary)
    }

    pub(super) const fn id(&self) -> PlanId {
        self.plan.id
    }
}
