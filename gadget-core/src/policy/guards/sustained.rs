//! Has it held long enough?

use std::time::Duration;

use super::{Case, Guard};
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Wants a plan to be proposed for some time without a break, but never for more than a tenth of its deadline.
pub(super) struct Sustained;

impl Guard for Sustained {
    fn name(&self) -> GuardName {
        GuardName::Sustained
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let wanted = case.settings.sustained.needed(case.kind.risk());
        let needed = case.plan.deadline.map_or(wanted, |deadline| wanted.min(deadline / 10));
        let held = case.standing.map_or(Duration::ZERO, |standing| case.now.since(standing.since));
        if held >= needed {
            return Opinion::Pass;
        }
        Opinion::Refuse(Refusal::TooSoon { held, needed })
    }
}
