//! What the agent itself sends: a cell in memory, changed only if it still holds what was read.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gadget_core::{
    ActionError, Effect, Plan, Setting, Step, StepKind, Subject, Summary, Telemetry, TelemetryCell,
    Undo, Value, summary,
};

use crate::error::unsupported;
use crate::linux::{Linux, done};

/// The cell, and which life of the agent it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    cell: TelemetryCell,
    /// In the undo's path: what another life of the agent left on record, nothing is left of.
    life: Arc<str>,
}

impl Sending {
    pub(crate) fn new(cell: TelemetryCell) -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let life = format!("{}@{}", std::process::id(), since.as_nanos());
        Self { cell, life: life.into() }
    }
}

impl Linux {
    pub(crate) fn prepare_telemetry(&self, plan: &Plan) -> Result<Undo, ActionError> {
        let (kind, Step::SetTelemetry { to }) = (plan.step.kind(), &plan.step) else {
            return Err(unsupported(plan.step.kind(), "another target than the agent"));
        };
        if to.every < Duration::from_millis(1) || to.every.subsec_nanos() % 1_000_000 != 0 {
            return Err(unsupported(kind, "a whole number of milliseconds"));
        }
        let sending = self.sending(kind)?;
        Ok(Undo::Restore {
            subject: Subject::Agent,
            setting: Setting::Telemetry,
            path: Arc::clone(&sending.life),
            before: value(sending.cell.get()),
            wrote: value(*to),
        })
    }

    pub(crate) fn apply_telemetry(&self, plan: &Plan, undo: &Undo) -> Result<Effect, ActionError> {
        let kind = plan.step.kind();
        let (
            Step::SetTelemetry { to },
            Undo::Restore { setting: Setting::Telemetry, before, wrote, .. },
        ) = (&plan.step, undo)
        else {
            return Err(unsupported(kind, "another target than the agent"));
        };
        let read = parsed(before)?;
        self.sending(kind)?.cell.exchange(read, *to).map_err(yielded)?;
        Ok(done(summary(format_args!("telemetry {before} -> {wrote}"))))
    }

    pub(crate) fn put_back_telemetry(
        &self,
        path: &str,
        (before, wrote): (&str, &str),
    ) -> Result<Summary, ActionError> {
        let sending = self.settings().sending.as_ref();
        let sending = sending
            .filter(|sending| *sending.life == *path)
            .ok_or(ActionError::Stale { what: "the agent that sent that has ended" })?;
        let (back, ours) = (parsed(before)?, parsed(wrote)?);
        match sending.cell.exchange(ours, back) {
            Ok(()) => Ok(summary(format_args!("telemetry {wrote} -> {before}"))),
            Err(found) if found == back => {
                Ok(summary(format_args!("telemetry was {before} already")))
            }
            Err(found) => Err(yielded(found)),
        }
    }

    fn sending(&self, kind: StepKind) -> Result<&Sending, ActionError> {
        self.settings().sending.as_ref().ok_or(unsupported(kind, NEEDS))
    }
}

/// What is missing of a backend that was built without a cell.
pub(crate) const NEEDS: &str = "a program that sends what it sees";

fn yielded(found: Telemetry) -> ActionError {
    ActionError::Yielded { setting: Setting::Telemetry, found: value(found) }
}

/// The longest that a telemetry prints as fits: three numbers and five words.
fn value(telemetry: Telemetry) -> Value {
    let mut value = Value::new();
    let _ = std::fmt::Write::write_fmt(&mut value, format_args!("{telemetry}"));
    value
}

fn parsed(text: &str) -> Result<Telemetry, ActionError> {
    text.parse().map_err(|_| ActionError::Stale { what: "what was sent before is not on record" })
}
