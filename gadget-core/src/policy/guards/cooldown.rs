//! Was the same target or kind acted on a short while ago?

use std::time::Duration;

use super::{Case, Guard};
use crate::plan::Risk;
use crate::policy::review::{Cooling, GuardName, Opinion, Refusal};
use crate::policy::state::Past;

/// Gives an effect time to show before it is repeated.
pub(super) struct Cooldown;

impl Guard for Cooldown {
    fn name(&self) -> GuardName {
        GuardName::Cooldown
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let settings = &case.settings.cooldown;
        let same_target = |past: &Past| {
            past.subject == case.plan.target.subject && past.kind.risk() >= case.kind.risk()
        };
        let same_kind = |past: &Past| past.kind == case.kind && case.kind.risk() > Risk::Low;
        let left = |cooldown: Duration, counts: &dyn Fn(&Past) -> bool| {
            let past = case.state.past().filter(|past| counts(past));
            past.filter_map(|past| cooldown.checked_sub(case.now.since(past.cools_from))).max()
        };
        for (what, left) in [
            (Cooling::Target, left(settings.target, &same_target)),
            (Cooling::Kind, left(settings.kind, &same_kind)),
        ] {
            if let Some(left) = left.filter(|left| !left.is_zero()) {
                return Opinion::Refuse(Refusal::Cooling { what, left });
            }
        }
        Opinion::Pass
    }
}
