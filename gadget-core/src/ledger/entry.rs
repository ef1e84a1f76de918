//! What a ledger holds.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::action::{Effect, Summary, Undo};
use crate::model::{Assessment, Name};
use crate::plan::{Plan, PlanId, StepKind, Target};
use crate::policy::Review;
use crate::subject::HostFacts;
use crate::units::Timestamp;

/// One record: its place, its time, and what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record<'a> {
    /// Counts up by one from record to record, over all files of a ledger.
    pub seq: u64,
    /// When, by the agent's clock.
    pub at: Timestamp,
    /// What happened.
    pub entry: Entry<'a>,
}

/// What happened. Borrowed when written, owned when read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "boxing would allocate on the path from forecast to action"
)]
pub enum Entry<'a> {
    /// An agent began to write.
    Opened {
        /// The host that it runs on.
        host: Cow<'a, HostFacts>,
        /// The version of this crate.
        version: Name,
    },
    /// A gadget changed its mind about a subject.
    Assessed(Cow<'a, Assessment>),
    /// A plan was reviewed: what was decided and what every guard said. Repeats are counted, not written again.
    Reviewed(Cow<'a, Review>),
    /// A plan is about to be done. Written before the effect.
    Intended {
        /// The plan.
        plan: Cow<'a, Plan>,
        /// What will put it back.
        undo: Cow<'a, Undo>,
    },
    /// An effect happened, or went on.
    Done {
        /// Whose effect.
        plan: PlanId,
        /// What it did.
        effect: Cow<'a, Effect>,
    },
    /// A plan's effect, and that of its undo, is over.
    Ended(Cow<'a, Outcome>),
    /// Something about the agent itself: a breaker opened, a provider failed, effects were paused.
    Noted(Cow<'a, Diagnostic>),
    /// At the start of a new file: what is still of consequence from files that may be deleted.
    Carried(Cow<'a, Carried>),
}

/// How a plan ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The plan.
    pub plan: PlanId,
    /// The gadget that proposed it.
    pub gadget: Name,
    /// What kind of step it was.
    pub kind: StepKind,
    /// What it was done to.
    pub target: Target,
    /// How it ended.
    pub ending: Ending,
    /// One line for people.
    pub summary: Summary,
}

impl Outcome {
    /// The outcome of `plan`.
    #[must_use]
    pub fn of(plan: &Plan, ending: Ending, summary: Summary) -> Self {
        Self {
            plan: plan.id,
            gadget: plan.gadget.clone(),
            kind: plan.step.kind(),
            target: plan.target.clone(),
            ending,
            summary,
        }
    }
}

/// How a plan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// The expected change came; an irreversible effect stands, a reversible one was put back when it was no longer
    /// needed.
    Met,
    /// The expected change did not come in time; a reversible effect was put back.
    Unmet,
    /// The effect could not be made.
    Failed,
    /// The target vanished, or a reboot took the effect with it.
    Gone,
    /// Somebody else had changed the value; it was left to them.
    Yielded,
    /// The agent died with the effect in place; the next start put it back.
    Recovered,
    /// The agent shut down with the effect in place, and put it back.
    Shutdown,
}

/// Something about the agent itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Which part: a provider, a gadget, the ledger.
    pub part: Name,
    /// What happened, for people.
    pub text: Cow<'static, str>,
}

/// An effect of the past that cooldowns and budgets still count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastEffect {
    /// When it happened.
    pub at: Timestamp,
    /// The plan.
    pub plan: PlanId,
    /// The gadget that proposed it.
    pub gadget: Name,
    /// What kind of step it was.
    pub kind: StepKind,
    /// What it was done to.
    pub target: Target,
}

/// An effect whose end is not on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    /// When it was intended.
    pub at: Timestamp,
    /// The plan.
    pub plan: Plan,
    /// What puts it back.
    pub undo: Undo,
}

/// What the past means for the present: kept while a ledger is open, and carried from file to file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// The highest plan id used.
    pub last_plan: PlanId,
    /// The boot in which the unfinished effects were made.
    pub boot_id: String,
    /// Effects of the last day, at most [`Carried::MAX_EFFECTS`], oldest first.
    pub effects: Vec<PastEffect>,
    /// Effects whose end is not on record.
    pub unfinished: Vec<Unfinished>,
}

impl Carried {
    /// The most past effects that are kept.
    pub const MAX_EFFECTS: usize = 1_000;
    /// The most effects that can be unfinished at once; the next intent has to wait.
    pub const MAX_UNFINISHED: usize = 256;
}

/// A permit whose plan and undo are in the ledger: what an action takes.
///
/// Only [`Ledger::intend`](crate::Ledger::intend) makes one, from a [`Permit`](crate::Permit) that has not expired. It
/// cannot be cloned, and applying it consumes it.
#[derive(Debug)]
#[must_use = "a permit that is not used has no effect"]
pub struct RecordedPermit {
    plan: Plan,
    undo: Undo,
}

impl RecordedPermit {
    pub(super) const fn new(plan: Plan, undo: Undo) -> Self {
        Self { plan, undo }
    }

    /// The plan that it allows.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the ledger says will put it back.
    #[must_use]
    pub const fn undo(&self) -> &Undo {
        &self.undo
    }
}
