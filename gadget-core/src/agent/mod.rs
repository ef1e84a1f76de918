//! The agent: signals in, plans through the policy, effects on record, verified, kept or put back.

mod aftermath;
mod builder;
mod decide;
mod effects;
mod event;
mod run;
mod sampler;
mod slot;
#[cfg(test)]
mod tests;
mod watches;

use std::borrow::Cow;
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
use crate::model::Name;
use crate::plan::{Plan, PlanId, Plans};
use crate::policy::{ApprovalInbox, GuardName, Policy, Verdict};
use crate::provider::SignalProvider;
use crate::recording::Recorder;
use crate::signal::Signal;
use crate::subject::Subject;
use crate::units::Timestamp;
use crate::world::World;
use decide::is_news;
use effects::OpenEffect;
use slot::Slot;
use watches::Watches;

/// Plans and assessments whose last record is remembered, so that repeats are not written again.
const MAX_REMEMBERED: usize = 4_096;

/// When an agent says that it is alive.
const FIRST_SIGN: Duration = Duration::from_secs(5);
const SIGN_EVERY: Duration = Duration::from_secs(60);

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
    sign_due: Option<Timestamp>,
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
            if signal.reading.is_the_end() {
                self.watches.forget_subject(signal.subject);
            }
        }
        self.ask_gadgets(signals, now);
        self.look_after_effects(now);
        let mut report = self.decide(now);
        self.watch_effects();
        self.give_sign_of_life(now);
        self.awaiting = report.awaiting > 0;
        self.say_notes(now);
        report.open = self.open.len();
        report.next = self.next_step(now);
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
            let stated = plans.assessments.drain(..).map(|it| (it, false));
            for (mut assessment, always) in
                stated.chain(plans.records.drain(..).map(|it| (it, true)))
            {
                assessment.gadget = slot.name().clone();
                assessment.at = now;
                assessment.evidence.retain(|(_, value)| value.is_finite());
                (self.on_event)(Event::Assessed(&assessment), &self.world);
                if always || is_news(assessed, index, &assessment) {
                    let entry = Entry::Assessed(Cow::Borrowed(&assessment));
                    append(&mut self.ledger, now, &entry, &mut self.ledger_fails, notes);
                }
            }
        }
    }

    fn give_sign_of_life(&mut self, now: Timestamp) {
        let due = *self.sign_due.get_or_insert(now + FIRST_SIGN);
        if now >= due {
            self.sign_due = Some(now + SIGN_EVERY);
            (self.on_event)(Event::Alive, &self.world);
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
