//! The right to do one plan once.

use crate::plan::Plan;
use crate::units::Timestamp;

/// The right to do one plan once, on the target that was judged, until it expires.
///
/// Only [`Policy::review`](crate::Policy::review) makes one. It cannot be cloned or built, and using it consumes it: an
/// action without a review does not compile. By itself it is not enough; [`Ledger::intend`](crate::Ledger::intend)
/// turns it into a [`RecordedPermit`](crate::RecordedPermit), which is what an action takes.
#[derive(Debug)]
#[must_use = "a permit that is not used has no effect"]
pub struct Permit {
    plan: Plan,
    expires: Timestamp,
}

impl Permit {
    pub(super) const fn new(plan: Plan, expires: Timestamp) -> Self {
        Self { plan, expires }
    }

    /// The plan that it allows.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When it ends.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    pub(crate) fn into_plan(self) -> Plan {
        self.plan
    }
}
