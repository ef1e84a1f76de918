//! An action backend that moves nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::action::{Action, ActionError, Effect, Setting, Summary, Undo, Value, summary};
use crate::ledger::RecordedPermit;
use crate::plan::{Plan, PlanId, Step, StepKind};
use crate::units::Timestamp;

type Answer<T> = Box<dyn FnMut(&T) -> Result<(), ActionError> + Send>;

/// Supports every step, moves nothing, and remembers what it was asked. Clones share one memory, so that a test keeps one
/// and the agent gets the other.
///
/// ```
/// # use gadget_core::{Action, ActionError, StepKind, testing::RecordingActions};
/// let actions = RecordingActions::default();
/// actions.lacks(StepKind::Freeze);
/// assert!(matches!(actions.clone().supports(StepKind::Freeze), Err(ActionError::Unsupported { .. })));
/// actions.when_applying(|_| Err(ActionError::Stale { what: "the test says so" }));
/// assert!(actions.applied().is_empty());
/// ```
#[derive(Clone, Default)]
pub struct RecordingActions(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    lacking: BTreeSet<StepKind>,
    preparing: Option<Answer<Plan>>,
    applying: Option<Answer<Plan>>,
    undoing: Option<Answer<Undo>>,
    duration: Duration,
    prepared: Vec<Plan>,
    applied: Vec<Plan>,
    undone: Vec<Undo>,
    /// What goes on, and until when once [`Action::advance`] has told the time.
    under_way: Vec<(PlanId, Option<Timestamp>)>,
}

impl RecordingActions {
    /// From now on steps of this kind are not supported.
    pub fn lacks(&self, kind: StepKind) {
        self.0.lock().lacking.insert(kind);
    }

    /// Lets `answer` decide how each preparation goes.
    pub fn when_preparing(
        &self,
        answer: impl FnMut(&Plan) -> Result<(), ActionError> + Send + 'static,
    ) {
        self.0.lock().preparing = Some(Box::new(answer));
    }

    /// Lets `answer` decide how each application goes.
    pub fn when_applying(
        &self,
        answer: impl FnMut(&Plan) -> Result<(), ActionError> + Send + 'static,
    ) {
        self.0.lock().applying = Some(Box::new(answer));
    }

    /// Lets `answer` decide how each undo goes.
    pub fn when_undoing(
        &self,
        answer: impl FnMut(&Undo) -> Result<(), ActionError> + Send + 'static,
    ) {
        self.0.lock().undoing = Some(Box::new(answer));
    }

    /// Lets effects take this long; zero, the default, completes them at once.
    pub fn take(&self, duration: Duration) {
        self.0.lock().duration = duration;
    }

    /// Every plan that was prepared, also those that failed.
    #[must_use]
    pub fn prepared(&self) -> Vec<Plan> {
        self.0.lock().prepared.clone()
    }

    /// Every plan that was applied, in order; not those that failed.
    #[must_use]
    pub fn applied(&self) -> Vec<Plan> {
        self.0.lock().applied.clone()
    }

    /// Everything that was undone, in order; not what failed.
    #[must_use]
    pub fn undone(&self) -> Vec<Undo> {
        self.0.lock().undone.clone()
    }
}

impl Action for RecordingActions {
    fn supports(&self, kind: StepKind) -> Result<(), ActionError> {
        if self.0.lock().lacking.contains(&kind) {
            return Err(ActionError::Unsupported { step: kind, needs: "what the test took away" });
        }
        Ok(())
    }

    fn prepare(&mut self, plan: &Plan) -> Result<Undo, ActionError> {
        let mut inner = self.0.lock();
        inner.prepared.push(plan.clone());
        ask(&mut inner.preparing, plan)?;
        Ok(undo_of(plan))
    }

    fn apply(&mut self, permit: RecordedPermit) -> Result<Effect, ActionError> {
        let mut inner = self.0.lock();
        ask(&mut inner.applying, permit.plan())?;
        let plan = permit.plan();
        inner.applied.push(plan.clone());
        let complete = inner.duration.is_zero();
        if !complete {
            inner.under_way.push((plan.id, None));
        }
        let summary = summary(format_args!("{} on {}", plan.step, plan.target.name));
        Ok(Effect { summary, complete })
    }

    fn undo(&mut self, undo: &Undo) -> Result<Summary, ActionError> {
        let mut inner = self.0.lock();
        ask(&mut inner.undoing, undo)?;
        inner.undone.push(undo.clone());
        Ok(summary(format_args!("put back")))
    }

    fn advance(
        &mut self,
        now: Timestamp,
        done: &mut dyn FnMut(PlanId, Result<Effect, ActionError>),
    ) {
        let mut inner = self.0.lock();
        let duration = inner.duration;
        inner.under_way.retain_mut(|(plan, until)| {
            let over = now >= *until.get_or_insert(now + duration);
            if over {
                let summary = summary(format_args!("complete"));
                done(*plan, Ok(Effect { summary, complete: true }));
            }
            !over
        });
    }

    fn next_advance(&self) -> Option<Timestamp> {
        let inner = self.0.lock();
        inner.under_way.iter().map(|(_, until)| until.unwrap_or(Timestamp::EPOCH)).min()
    }
}

fn ask<T>(answer: &mut Option<Answer<T>>, about: &T) -> Result<(), ActionError> {
    answer.as_mut().map_or(Ok(()), |answer| answer(about))
}

/// What would put the step back, with made-up values.
fn undo_of(plan: &Plan) -> Undo {
    let setting = match plan.step {
        Step::SetMemoryHigh { .. } => Setting::MemoryHigh,
        Step::SetMemoryMax { .. } => Setting::MemoryMax,
        Step::SetCpuMax { .. } => Setting::CpuMax,
        Step::SetCpuWeight { .. } => Setting::CpuWeight,
        Step::SetIoMax { .. } => Setting::IoMax,
        Step::SetPidsMax { .. } => Setting::PidsMax,
        Step::SetNice { .. } => Setting::Nice,
        Step::SetIoPriority { .. } => Setting::IoPriority,
        Step::SetAffinity { .. } => Setting::Affinity,
        Step::SetOomScoreAdj { .. } => Setting::OomScoreAdj,
        Step::SetSysctl { .. } => Setting::Sysctl,
        Step::SetTelemetry { .. } => Setting::Telemetry,
        Step::SetRule { .. } => Setting::LearnedRule,
        _ => return crate::rehearsal::undo_of(plan),
    };
    let value = |text: &str| Value::from(text).unwrap_or_default();
    Undo::Restore {
        subject: plan.target.subject,
        setting,
        path: plan.target.name.clone(),
        before: value("before"),
        wrote: value("after"),
    }
}

impl fmt::Debug for RecordingActions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.0.lock();
        f.debug_struct("RecordingActions")
            .field("applied", &inner.applied)
            .field("undone", &inner.undone)
            .finish_non_exhaustive()
    }
}
