//! From proposals to effects.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use super::effects::OpenEffect;
use super::{Agent, Event, MAX_REMEMBERED, StepReport, append, chain, text_of};
use crate::action::ActionError;
use crate::ledger::{Ending, Entry, Outcome};
use crate::model::{Assessment, Name};
use crate::plan::Plan;
use crate::policy::{Permit, Request, Review, Verdict};
use crate::subject::Subject;
use crate::units::Timestamp;

/// An unchanged subject's assessment is written no more often than this.
const ASSESS_EVERY: Duration = Duration::from_secs(1);

impl Agent {
    pub(super) fn decide(&mut self, now: Timestamp) -> StepReport {
        let mut proposals = std::mem::take(&mut self.scratch.proposals);
        self.policy.arbitrate(&mut proposals);
        let mut report = StepReport { proposed: proposals.len(), ..StepReport::default() };
        for plan in proposals.drain(..) {
            let incapable = self.action.supports(plan.step.kind()).err().map(|error| needs(&error));
            let request = Request { now, world: &self.world, incapable };
            let (review, permit) = self.policy.review(&plan, &request);
            self.tell_review(&review, now);
            report.awaiting += usize::from(review.verdict == Verdict::AwaitsApproval);
            if let Some(permit) = permit {
                report.done += usize::from(self.act(permit, now));
            }
        }
        self.scratch.proposals = proposals;
        report
    }

    pub(super) fn tell_review(&mut self, review: &Review, now: Timestamp) {
        let guard = review.decided_by().map(|(guard, _)| *guard);
        let reviewed = &mut self.scratch.reviewed;
        let before = reviewed.insert(review.plan.id, (review.verdict, guard, now));
        if reviewed.len() > MAX_REMEMBERED {
            forget_oldest(reviewed, |(_, _, at)| *at);
        }
        if before.is_some_and(|(verdict, by, _)| (verdict, by) == (review.verdict, guard)) {
            return;
        }
        (self.on_event)(Event::Reviewed(review), &self.world);
        let entry = Entry::Reviewed(Cow::Borrowed(review));
        append(&mut self.ledger, now, &entry, &mut self.ledger_fails, &mut self.scratch.notes);
    }

    /// Does what is permitted; true if there is an effect now.
    pub(super) fn act(&mut self, permit: Permit, now: Timestamp) -> bool {
        let plan = permit.plan().clone();
        let gadget =
            self.slots.iter().position(|slot| *slot.name() == plan.gadget).unwrap_or(usize::MAX);
        let undo = match self.action.prepare(&plan) {
            Ok(undo) => undo,
            Err(error) => return self.was_not_done(&plan, gadget, &error, now),
        };
        let recorded = match self.ledger.intend(permit, undo.clone(), now) {
            Ok(recorded) => recorded,
            Err(error) => {
                self.note(format!(
                    "plan {} is not done, for it cannot be recorded: {}",
                    plan.id,
                    chain(&error)
                ));
                return false;
            }
        };
        self.policy.opened(&plan, &undo, now);
        match self.action.apply(recorded) {
            Ok(effect) => {
                (self.on_event)(Event::Done(&plan, &effect), &self.world);
                let entry = Entry::Done { plan: plan.id, effect: Cow::Borrowed(&effect) };
                append(
                    &mut self.ledger,
                    now,
                    &entry,
                    &mut self.ledger_fails,
                    &mut self.scratch.notes,
                );
                let notes = &mut self.scratch.notes;
                for (slot, its) in self.slots.iter_mut().zip(0..) {
                    let note = &mut |diagnostic| notes.push(diagnostic);
                    if its == gadget {
                        slot.done(&plan, now, note);
                    } else {
                        slot.witness(&plan, now, note);
                    }
                }
                self.open.push(OpenEffect::new(plan, undo, gadget, now, effect.complete));
                true
            }
            Err(error) => self.was_not_done(&plan, gadget, &error, now),
        }
    }

    pub(super) fn was_not_done(
        &mut self,
        plan: &Plan,
        gadget: usize,
        error: &ActionError,
        now: Timestamp,
    ) -> bool {
        let ending = match error {
            ActionError::Stale { .. } => Ending::Gone,
            ActionError::Yielded { setting, .. } => {
                self.policy.yielded(plan.target.subject, *setting, now);
                Ending::Yielded
            }
            _ => Ending::Failed,
        };
        self.end(Outcome::of(plan, ending, text_of(error)), Some(gadget), now);
        false
    }
}

/// True if an assessment says something else than the last one of this subject that was written.
pub(super) fn is_news(
    assessed: &mut HashMap<(usize, Subject), (Name, u8, Timestamp)>,
    gadget: usize,
    assessment: &Assessment,
) -> bool {
    // Fifths: five levels tell a rising probability without a record for each digit.
    let level = (assessment.probability.get() * 5.0) as u8;
    let key = (gadget, assessment.subject);
    if let Some((class, before, at)) = assessed.get(&key)
        && ((*before == level && *class == assessment.class)
            || assessment.at.since(*at) < ASSESS_EVERY)
    {
        return false;
    }
    assessed.insert(key, (assessment.class.clone(), level, assessment.at));
    if assessed.len() > MAX_REMEMBERED {
        forget_oldest(assessed, |(_, _, at)| *at);
    }
    true
}

/// Drops the older half, so that the cost of forgetting is spread over many insertions.
fn forget_oldest<K: Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    at: impl Fn(&V) -> Timestamp,
) {
    let mut times: Vec<Timestamp> = map.values().map(&at).collect();
    let middle = times.len() / 2;
    let (_, &mut median, _) = times.select_nth_unstable(middle);
    map.retain(|_, value| at(value) > median);
}

/// What a backend lacks, in its own words.
fn needs(error: &ActionError) -> Name {
    match error {
        ActionError::Unsupported { needs, .. } => Cow::Borrowed(needs),
        ActionError::Missing { capability, .. } => Cow::Borrowed(capability),
        other => Cow::Owned(other.to_string()),
    }
}
