//! What becomes of effects: looked after until their end is on record.

use std::borrow::Cow;
use std::time::Duration;

use super::effects::{Fate, OpenEffect};
use super::slot::Slot;
use super::{Agent, Event, MAX_REMEMBERED, VERIFIER, append, chain, text_of};
use crate::action::{ActionError, summary};
use crate::ledger::{Ending, Entry, Outcome};
use crate::plan::PlanId;
use crate::units::Timestamp;

/// What could not be done in time is tried again this much later.
const AGAIN: Duration = Duration::from_millis(250);

impl Agent {
    pub(super) fn look_after_effects(&mut self, now: Timestamp) {
        if self.paused.is_none() {
            let advanced = &mut self.scratch.advanced;
            self.action.advance(now, &mut |plan, result| advanced.push((plan, result)));
        }
        while let Some((id, result)) = self.scratch.advanced.pop() {
            self.went_on(id, result, now);
        }
        let releases = std::mem::take(&mut self.scratch.releases);
        let mut index = 0;
        while let Some(effect) = self.open.get_mut(index) {
            let mut fate = effect.judge(now, &self.world, self.max_hold);
            let orphaned = self.slots.get(effect.gadget).is_none_or(Slot::is_down);
            if fate == Fate::Stays && (releases.contains(&effect.id()) || orphaned) {
                fate = Fate::PutBack(effect.ending_when_released());
            }
            index += usize::from(!self.carry_out(index, fate, now));
        }
        self.scratch.releases = releases;
        self.scratch.releases.clear();
    }

    /// Does with an open effect what is to become of it; true if it is over.
    pub(super) fn carry_out(&mut self, index: usize, fate: Fate, now: Timestamp) -> bool {
        let Some(effect) = self.open.get(index) else { return false };
        let gadget = effect.gadget;
        let outcome = match fate {
            Fate::Stays => return false,
            Fate::Over(ending) => {
                let text = if ending == Ending::Met {
                    "the expected change came"
                } else {
                    "the expected change did not come in time"
                };
                effect.outcome(ending, summary(format_args!("{text}")))
            }
            Fate::PutBack(_) if !effect.reversible() => return false,
            Fate::PutBack(ending) => match effect.put_back(&mut *self.action, ending) {
                Ok(outcome) => outcome,
                Err(error) => {
                    let text = format!("cannot put back plan {}: {}", effect.id(), chain(&error));
                    if let Some(effect) = self.open.get_mut(index)
                        && !std::mem::replace(&mut effect.resists, true)
                    {
                        self.note(text);
                    }
                    return false;
                }
            },
        };
        self.open.swap_remove(index);
        self.end(outcome, Some(gadget), now);
        true
    }

    /// An effect that takes time has gone on.
    pub(super) fn went_on(
        &mut self,
        id: PlanId,
        result: Result<crate::action::Effect, ActionError>,
        now: Timestamp,
    ) {
        let Some(index) = self.open.iter().position(|effect| effect.id() == id) else { return };
        match result {
            Ok(effect) => {
                let open = &mut self.open[index];
                open.complete = effect.complete;
                (self.on_event)(Event::Done(&open.plan, &effect), &self.world);
                let entry = Entry::Done { plan: id, effect: Cow::Borrowed(&effect) };
                append(
                    &mut self.ledger,
                    now,
                    &entry,
                    &mut self.ledger_fails,
                    &mut self.scratch.notes,
                );
            }
            Err(error) => {
                let effect = self.open.swap_remove(index);
                let outcome = effect.outcome(Ending::Failed, text_of(&error));
                self.end(outcome, Some(effect.gadget), now);
            }
        }
    }

    /// Puts the end of a plan on record and tells everybody. `gadget` is who learns from it.
    pub(super) fn end(&mut self, outcome: Outcome, gadget: Option<usize>, now: Timestamp) {
        self.policy.ended(&outcome, now);
        if let Some(slot) = gadget.and_then(|gadget| self.slots.get_mut(gadget)) {
            let notes = &mut self.scratch.notes;
            slot.learn(&outcome, now, &mut |diagnostic| notes.push(diagnostic));
        }
        (self.on_event)(Event::Ended(&outcome), &self.world);
        let entry = Entry::Ended(Cow::Borrowed(&outcome));
        if !append(&mut self.ledger, now, &entry, &mut self.ledger_fails, &mut self.scratch.notes)
            && self.unwritten.len() < MAX_REMEMBERED
        {
            self.unwritten.push_back(outcome);
        }
    }

    /// An end that the ledger could not take is written as soon as it can.
    pub(super) fn write_what_could_not_be_written(&mut self, now: Timestamp) {
        while let Some(outcome) = self.unwritten.front() {
            let entry = Entry::Ended(Cow::Borrowed(outcome));
            if !append(
                &mut self.ledger,
                now,
                &entry,
                &mut self.ledger_fails,
                &mut self.scratch.notes,
            ) {
                break;
            }
            self.unwritten.pop_front();
        }
    }

    /// Whether an expected change comes is for the agent to see, whatever its gadget wants to.
    pub(super) fn watch_effects(&mut self) {
        let wanted = &mut self.scratch.wanted;
        wanted.clear();
        wanted.extend(self.open.iter().flat_map(OpenEffect::wants_to_see));
        self.watches.replace(VERIFIER, wanted);
    }

    /// When the next step is due. What is due already could not be done in this one, as in a pause: it has to wait a
    /// little, or the agent would spin.
    pub(super) fn next_step(&self, now: Timestamp) -> Option<Timestamp> {
        let looks = self.open.iter().map(|effect| effect.next_look(self.max_hold));
        let due = looks.chain(self.action.next_advance());
        due.map(|due| if due > now { due } else { now + AGAIN }).min()
    }
}
