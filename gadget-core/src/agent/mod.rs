//! The agent: signals in, plans through the policy, effects on record, verified, kept or put back.

mod builder;
mod effects;
mod event;
mod run;
mod sampler;
mod slot;
#[cfg(test)]
mod tests;
mod watches;

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

pub use builder::{AgentBuilder, BuildError};
pub use event::Event;
use event::Listener;
pub use run::Stop;
pub use slot::GadgetCost;

use crate::action::{Action, ActionError, Summary, summary};
use crate::clock::Clock;
use crate::ledger::{Diagnostic, Ending, Entry, Ledger, Outcome};
use crate::model::{Assessment, Name};
use crate::plan::{Plan, PlanId, Plans};
use crate::policy::{ApprovalInbox, GuardName, Permit, Policy, Request, Review, Verdict};
use crate::provider::SignalProvider;
use crate::recording::Recorder;
use crate::signal::{Reading, Signal};
use crate::subject::Subject;
use crate::units::Timestamp;
use crate::world::World;
use effects::{Fate, OpenEffect, outcome};
use slot::Slot;
use std::borrow::Cow;
use watches::Watches;

/// Plans and assessments whose last record is remembered, so that repeats are not written again.
const MAX_REMEMBERED: usize = 4_096;

/// An unchanged subject's assessment is written no more often than this.
const ASSESS_EVERY: Duration = Duration::from_secs(1);

/// Stands for the agent itself among those who watch subjects.
const VERIFIER: usize = usize::MAX;

/// The name under which the agent itself appears in diagnostics.
const AGENT: Name = Cow::Borrowed("agent");

/// Runs gadgets: shows them signals, reviews what they propose, does what is permitted, verifies it and puts it back.
///
/// [`run`](Self::run) uses threads of its own; [`step`](Self::step) is for embedders that have theirs, and starts no
/// thread, reads no clock and samples no provider.
pub struct Agent {
    world: World,
    policy: Policy,
    ledger: Ledger,
    action: Box<dyn Action>,
    slots: Vec<Slot>,
    providers: Vec<(Box<dyn SignalProvider>, Duration)>,
    clock: Arc<dyn Clock>,
    on_event: Listener,
    recorder: Option<Recorder>,
    approvals: Option<ApprovalInbox>,
    watches: Watches,
    open: Vec<OpenEffect>,
    /// Ends that the ledger could not take yet.
    unwritten: VecDeque<Outcome>,
    scratch: Scratch,
    max_hold: Duration,
    paused: Option<Arc<str>>,
    ledger_fails: bool,
    /// Plans wait for a person, as of the last step.
    awaiting: bool,
    finished: bool,
}

/// Memory that is kept from step to step.
#[derive(Default)]
struct Scratch {
    plans: Plans,
    proposals: Vec<Plan>,
    notes: Vec<Diagnostic>,
    releases: Vec<PlanId>,
    wanted: Vec<(Subject, Duration)>,
    advanced: Vec<(PlanId, Result<crate::action::Effect, ActionError>)>,
    reviewed: HashMap<PlanId, (Verdict, Option<GuardName>, Timestamp)>,
    assessed: HashMap<(usize, Subject), (Name, u8, Timestamp)>,
}

/// What one step came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepReport {
    /// Plans that gadgets proposed.
    pub proposed: usize,
    /// Plans that were permitted and done.
    pub done: usize,
    /// Effects whose end is not on record.
    pub open: usize,
    /// Plans that wait for a person.
    pub awaiting: usize,
    /// When the next step is due, if no signal comes before.
    pub next: Option<Timestamp>,
}

impl Agent {
    /// Begins to put an agent together.
    pub fn builder() -> AgentBuilder {
        AgentBuilder::default()
    }

    /// Takes in `signals` and does what follows from them at `now`.
    ///
    /// Call it with each batch of readings, and without any when [`StepReport::next`] is due. `now` must not go back.
    pub fn step(&mut self, signals: &[Signal], now: Timestamp) -> StepReport {
        self.record(signals);
        self.write_what_could_not_be_written(now);
        self.look_for_answers();
        self.look_for_pause();
        for signal in signals {
            self.world.observe(signal);
            if matches!(signal.reading, Reading::Gone) {
                self.watches.forget_subject(signal.subject);
            }
        }
        self.ask_gadgets(signals, now);
        self.look_after_effects(now);
        let mut report = self.decide(now);
        self.watch_effects();
        self.awaiting = report.awaiting > 0;
        self.say_notes(now);
        report.open = self.open.len();
        report.next = self.next_step();
        report
    }

    /// Stops all effects until [`resume`](Self::resume); `by` says who wants it. What is in place can still be put back.
    pub fn pause(&mut self, by: &str) {
        self.policy.pause(by);
    }

    /// Ends a [`pause`](Self::pause); pause files go on counting.
    pub fn resume(&mut self) {
        self.policy.resume();
    }

    /// A person's answer to a plan that awaits approval. False if no such plan stands.
    pub fn approve(&mut self, plan: PlanId, yes: bool) -> bool {
        self.policy.decide(plan, yes)
    }

    /// What was last seen of every subject.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Everything that is on record.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What each gadget has cost so far.
    pub fn costs(&self) -> impl Iterator<Item = GadgetCost> {
        self.slots.iter().map(Slot::cost)
    }

    /// The subjects that gadgets want to see more often, and how often; sorted by subject.
    pub fn watched(&self) -> impl Iterator<Item = (Subject, Duration)> {
        self.watches.iter()
    }

    /// Requests for faster sampling that were refused because too many subjects are watched.
    #[must_use]
    pub const fn refused_watches(&self) -> u64 {
        self.watches.refused()
    }

    /// Puts back every reversible effect, writes how all ended, and waits until it is on storage. Also done on drop.
    pub fn finish(&mut self, now: Timestamp) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        while let Some(effect) = self.open.pop() {
            match effect.put_back(&mut *self.action, Ending::Shutdown) {
                Ok(outcome) => self.end(outcome, None, now),
                // Left as unfinished in the ledger: the next start tries again.
                Err(error) => {
                    self.note(format!("cannot put back plan {}: {}", effect.id(), chain(&error)))
                }
            }
        }
        self.write_what_could_not_be_written(now);
        self.say_notes(now);
        if let Err(error) = self.ledger.sync() {
            self.note(format!("the ledger is not on storage: {}", chain(&error)));
            self.say_notes(now);
        }
        if let Some(recorder) = self.recorder.take()
            && let Err(error) = recorder.finish()
        {
            self.note(format!("the recording is incomplete: {}", chain(&error)));
            self.say_notes(now);
        }
    }

    fn record(&mut self, signals: &[Signal]) {
        let Some(recorder) = &mut self.recorder else { return };
        if signals.is_empty() {
            return;
        }
        if let Err(error) = recorder.write(signals) {
            self.note(format!("recording ends: {}", chain(&error)));
            self.recorder = None;
        }
    }

    /// Takes in what people answered. An inbox that fails is looked at no more: nothing it holds can be trusted.
    fn look_for_answers(&mut self) {
        let Some(inbox) = self.approvals.as_mut().filter(|_| self.awaiting) else { return };
        match inbox.poll() {
            Ok(answers) => {
                for (plan, yes) in answers {
                    if !self.policy.decide(plan, yes) {
                        self.note(format!("an answer to plan {plan} came too late"));
                    }
                }
            }
            Err(error) => {
                self.approvals = None;
                self.note(format!("answers are no longer looked for: {}", chain(&error)));
            }
        }
    }

    fn look_for_pause(&mut self) {
        let paused = self.policy.paused();
        if paused != self.paused {
            match &paused {
                Some(by) => self.note(format!("effects are paused by {by}")),
                None => self.note("effects are no longer paused".to_owned()),
            }
            self.paused = paused;
        }
    }

    fn ask_gadgets(&mut self, signals: &[Signal], now: Timestamp) {
        let Scratch { plans, proposals, notes, releases, assessed, .. } = &mut self.scratch;
        proposals.clear();
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            plans.clear();
            slot.run(signals, now, &self.world, plans, &mut |diagnostic| notes.push(diagnostic));
            if slot.is_down() {
                self.watches.forget_gadget(index);
                continue;
            }
            let slowdown = slot.slowdown();
            for &(subject, every) in &plans.watches {
                self.watches.set(index, subject, every.map(|every| every * slowdown));
            }
            releases.append(&mut plans.releases);
            for mut plan in plans.proposals.drain(..) {
                plan.gadget = slot.name().clone();
                plan.at = now;
                plan.evidence.retain(|(_, value)| value.is_finite());
                plan.merit = if plan.merit.is_finite() { plan.merit } else { 0.0 };
                self.policy.admit(&mut plan);
                proposals.push(plan);
            }
            for mut assessment in plans.assessments.drain(..) {
                assessment.gadget = slot.name().clone();
                assessment.at = now;
                assessment.evidence.retain(|(_, value)| value.is_finite());
                (self.on_event)(Event::Assessed(&assessment), &self.world);
                if is_news(assessed, index, &assessment) {
                    let entry = Entry::Assessed(Cow::Borrowed(&assessment));
                    append(&mut self.ledger, now, &entry, &mut self.ledger_fails, notes);
                }
            }
        }
    }

    fn look_after_effects(&mut self, now: Timestamp) {
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
    fn carry_out(&mut self, index: usize, fate: Fate, now: Timestamp) -> bool {
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
            Fate::PutBack(_) if effect.undo == crate::action::Undo::Nothing => return false,
            Fate::PutBack(ending) => match effect.put_back(&mut *self.action, ending) {
                Ok(outcome) => outcome,
                Err(error) => {
                    self.note(format!("cannot put back plan {}: {}", effect.id(), chain(&error)));
                    return false;
                }
            },
        };
        self.open.swap_remove(index);
        self.end(outcome, Some(gadget), now);
        true
    }

    /// An effect that takes time has gone on.
    fn went_on(
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

    fn decide(&mut self, now: Timestamp) -> StepReport {
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

    fn tell_review(&mut self, review: &Review, now: Timestamp) {
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
    fn act(&mut self, permit: Permit, now: Timestamp) -> bool {
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
                if let Some(slot) = self.slots.get_mut(gadget) {
                    let notes = &mut self.scratch.notes;
                    slot.done(&plan, now, &mut |diagnostic| notes.push(diagnostic));
                }
                self.open.push(OpenEffect::new(plan, undo, gadget, now, effect.complete));
                true
            }
            Err(error) => self.was_not_done(&plan, gadget, &error, now),
        }
    }

    fn was_not_done(
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
        self.end(outcome(plan, ending, text_of(error)), Some(gadget), now);
        false
    }

    /// Puts the end of a plan on record and tells everybody. `gadget` is who learns from it.
    fn end(&mut self, outcome: Outcome, gadget: Option<usize>, now: Timestamp) {
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
    fn write_what_could_not_be_written(&mut self, now: Timestamp) {
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

    fn note(&mut self, text: String) {
        self.scratch.notes.push(Diagnostic { part: AGENT, text: text.into() });
    }

    fn say_notes(&mut self, now: Timestamp) {
        let mut notes = std::mem::take(&mut self.scratch.notes);
        let mut failures = Vec::new();
        for diagnostic in notes.drain(..) {
            (self.on_event)(Event::Noted(&diagnostic), &self.world);
            let entry = Entry::Noted(Cow::Owned(diagnostic));
            append(&mut self.ledger, now, &entry, &mut self.ledger_fails, &mut failures);
        }
        for diagnostic in &failures {
            (self.on_event)(Event::Noted(diagnostic), &self.world);
        }
        self.scratch.notes = notes;
    }

    /// Whether an expected change comes is for the agent to see, whatever its gadget wants to.
    fn watch_effects(&mut self) {
        let wanted = &mut self.scratch.wanted;
        wanted.clear();
        wanted.extend(self.open.iter().flat_map(OpenEffect::wants_to_see));
        self.watches.replace(VERIFIER, wanted);
    }

    fn next_step(&self) -> Option<Timestamp> {
        let looks = self.open.iter().map(|effect| effect.next_look(self.max_hold));
        looks.chain(self.action.next_advance()).min()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.finish(self.clock.now());
    }
}

/// Appends to the ledger; when that begins to fail it is said once, and the agent goes on observing.
fn append(
    ledger: &mut Ledger,
    now: Timestamp,
    entry: &Entry<'_>,
    fails: &mut bool,
    notes: &mut Vec<Diagnostic>,
) -> bool {
    match ledger.append(now, entry) {
        Ok(_) => {
            if std::mem::take(fails) {
                notes.push(Diagnostic {
                    part: AGENT,
                    text: "the ledger can be written again".into(),
                });
            }
            true
        }
        Err(error) => {
            if !std::mem::replace(fails, true) {
                let text = format!(
                    "the ledger cannot be written, nothing will be done: {}",
                    chain(&error)
                );
                notes.push(Diagnostic { part: AGENT, text: text.into() });
            }
            false
        }
    }
}

/// True if an assessment says something else than the last one of this subject that was written.
fn is_news(
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

fn text_of(error: &ActionError) -> Summary {
    match error.source() {
        Some(source) => summary(format_args!("{error}: {source}")),
        None => summary(format_args!("{error}")),
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
