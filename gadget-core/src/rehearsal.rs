//! An action backend that does nothing, for finding out what would be done.

use crate::action::{Action, ActionError, Effect, Stopped, Summary, Undo, summary};
use crate::ledger::RecordedPermit;
use crate::plan::{Plan, Reach, Step, StepKind};
use crate::subject::Subject;

/// Supports every step and carries out none: what a [`replay`](crate::replay) acts with.
///
/// The signals of a recording do not change by what is rehearsed, so a plan's expected change mostly stays away and its
/// outcome says nothing; its timing, target and guards do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rehearsal;

impl Action for Rehearsal {
    fn supports(&self, _: StepKind) -> Result<(), ActionError> {
        Ok(())
    }

    fn prepare(&mut self, plan: &Plan) -> Result<Undo, ActionError> {
        Ok(undo_of(plan))
    }

    fn apply(&mut self, permit: RecordedPermit) -> Result<Effect, ActionError> {
        let plan = permit.plan();
        let summary = summary(format_args!("would {} {}", plan.step, plan.target.name));
        Ok(Effect { summary, complete: true })
    }

    fn undo(&mut self, undo: &Undo) -> Result<Summary, ActionError> {
        Ok(match undo {
            Undo::Nothing => summary(format_args!("nothing to put back")),
            Undo::Thaw { path, .. } => summary(format_args!("would thaw {path}")),
            Undo::Continue { process, .. } => {
                summary(format_args!("would continue {}", process.pid))
            }
            Undo::Restore { setting, before, .. } => {
                summary(format_args!("would set {setting:?} back to {before}"))
            }
        })
    }
}

/// What would put a step back that needs nothing to be read for that.
pub(crate) fn undo_of(plan: &Plan) -> Undo {
    let reach = plan.target.reach;
    match (&plan.step, plan.target.subject) {
        (Step::Freeze, Subject::Cgroup(cgroup)) => {
            Undo::Thaw { cgroup, path: plan.target.name.clone() }
        }
        (Step::Terminate { .. } | Step::Kill, _) if reach == Reach::Alone => Undo::Nothing,
        (Step::Pause | Step::Terminate { .. } | Step::Kill, Subject::Process(process)) => {
            Undo::Continue { process, reach, stopped: Stopped::new() }
        }
        _ => Undo::Nothing,
    }
}
