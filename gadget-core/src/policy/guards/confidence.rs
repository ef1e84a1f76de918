//! Is the gadget sure enough for this risk?

use super::{Case, Guard};
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Wants the more confidence the more a wrong step would harm.
pub(super) struct Confidence;

impl Guard for Confidence {
    fn name(&self) -> GuardName {
        GuardName::Confidence
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let (confidence, risk) = (case.plan.confidence, case.kind.risk());
        let needed = case.settings.confidence.needed(risk);
        if confidence >= needed {
            return Opinion::Pass;
        }
        Opinion::Refuse(Refusal::Unsure { confidence, needed, risk })
    }
}
