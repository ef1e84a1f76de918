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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use std::time::Duration;

    use crate::{Policy, PolicySettings, ProcessId, Step, settings};

    fn tight(steps: u32, high_risk: u32) -> Policy {
        let budget = settings::Budget { window: Duration::from_secs(100), steps, high_risk };
        policy(PolicySettings { budget, ..acting() })
    }

    fn worker(n: u32) -> ProcessId {
        ProcessId { pid: 1_000 + n, start: (1_000 + n).into() }
    }

    #[test]
    fn steps_that_lose_work_have_a_budget_of_their_own() {
        let (mut scene, mut policy) = (Scene::new(), tight(60, 2));
        for n in 0..2 {
            let plan = scene.act(&mut policy, TERMINATE, worker(n));
            scene.end(&mut policy, &plan);
            scene.pass(Duration::from_secs(10));
        }
        let window = Duration::from_secs(100);
        let spent = Refusal::Spent { risk: Some(Risk::High), used: 2, allowed: 2, window };
        assert_eq!(scene.refusal(&mut policy, Step::Kill, worker(2)), Some(spent));
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, APP), None);
        scene.pass(Duration::from_secs(79));
        assert!(scene.refusal(&mut policy, Step::Kill, worker(2)).is_some());
        scene.pass(Duration::from_secs(1));
        assert_eq!(
            scene.refusal(&mut policy, Step::Kill, worker(2)),
            None,
            "the first left the window"
        );
    }

    #[test]
    fn a_permit_that_can_still_be_used_counts() {
        let (mut scene, mut policy) = (Scene::new(), tight(1, 1));
        assert_eq!(scene.refusal(&mut policy, RECLAIM, APP), None);
        let window = Duration::from_secs(100);
        let spent = Refusal::Spent { risk: None, used: 1, allowed: 1, window };
        assert_eq!(scene.refusal(&mut policy, RECLAIM, DB), Some(spent));
        scene.pass(Duration::from_secs(1));
        assert_eq!(scene.refusal(&mut policy, RECLAIM, DB), None, "it expired unused");
    }

    #[test]
    fn a_budget_of_nothing_allows_nothing() {
        let scene = Scene::new();
        assert!(scene.refusal(&mut tight(0, 9), RECLAIM, APP).is_some());
        assert!(scene.refusal(&mut tight(9, 0), TERMINATE, LEAK).is_some());
        assert_eq!(scene.refusal(&mut tight(9, 0), RECLAIM, APP), None);
    }
}
