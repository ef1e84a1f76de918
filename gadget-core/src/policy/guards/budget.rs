//! How much was done in this window?

use super::{Case, Guard};
use crate::plan::Risk;
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Stops when the budget of the window is spent.
pub(super) struct Budget;

impl Guard for Budget {
    fn name(&self) -> GuardName {
        GuardName::Budget
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let budget = &case.settings.budget;
        let (steps, high) = case.state.spent(case.now, budget.window);
        let high_risk = case.kind.risk() == Risk::High;
        let (risk, used, allowed) = if steps < budget.steps && high_risk {
            (Some(Risk::High), high, budget.high_risk)
        } else {
            (None, steps, budget.steps)
        };
        if used < allowed {
            return Opinion::Pass;
        }
        Opinion::Refuse(Refusal::Spent { risk, used, allowed, window: budget.window })
    }
}
