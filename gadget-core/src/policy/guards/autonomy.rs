//! What may this gadget do by itself?

use super::{Case, Guard};
use crate::policy::grants::Autonomy;
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Holds a plan at the level that its gadget was granted for this kind of step.
pub(super) struct AutonomyLevel;

impl Guard for AutonomyLevel {
    fn name(&self) -> GuardName {
        GuardName::Autonomy
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        match case.settings.autonomy.level(&case.plan.gadget, case.kind) {
            Autonomy::Observe => Opinion::Observe,
            Autonomy::Advise => Opinion::Advise,
            Autonomy::Approve => match case.standing.and_then(|standing| standing.answer) {
                None => Opinion::Ask,
                Some(true) => Opinion::Pass,
                Some(false) => Opinion::Refuse(Refusal::Declined),
            },
            Autonomy::Act => Opinion::Pass,
        }
    }
}
