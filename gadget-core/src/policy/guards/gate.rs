//! Can it be done at all, and may anything be done now?

use std::sync::Arc;

use super::{Case, Guard};
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Refuses what the backend cannot do.
pub(super) struct Capability;

impl Guard for Capability {
    fn name(&self) -> GuardName {
        GuardName::Capability
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        case.incapable.map_or(Opinion::Pass, |needs| {
            Opinion::Refuse(Refusal::Incapable { needs: needs.clone() })
        })
    }
}

/// Refuses everything while effects are paused.
pub(super) struct Pause;

impl Guard for Pause {
    fn name(&self) -> GuardName {
        GuardName::Pause
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        case.paused
            .map_or(Opinion::Pass, |by| Opinion::Refuse(Refusal::Paused { by: Arc::clone(by) }))
    }
}
