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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use crate::{Policy, PolicySettings, Step};

    fn strict() -> Policy {
        let sustained = crate::settings::Sustained::default();
        policy(PolicySettings { sustained, ..acting() })
    }

    fn held(scene: &Scene, policy: &mut Policy, deadline: Option<Duration>) -> Option<Refusal> {
        let mut plan = scene.plan(policy, TERMINATE, LEAK);
        plan.deadline = deadline;
        match scene.review(policy, &plan).0.decided_by() {
            Some((GuardName::Sustained, Opinion::Refuse(refusal))) => Some(refusal.clone()),
            other => {
                assert_eq!(other, None);
                None
            }
        }
    }

    #[test]
    fn a_plan_has_to_be_proposed_for_a_while_without_a_break() {
        let (mut scene, mut policy) = (Scene::new(), strict());
        let needed = Duration::from_secs(2);
        let too_soon = |held| Some(Refusal::TooSoon { held: Duration::from_secs(held), needed });
        assert_eq!(held(&scene, &mut policy, None), too_soon(0));
        scene.pass(Duration::from_secs(1));
        assert_eq!(held(&scene, &mut policy, None), too_soon(1));
        scene.pass(Duration::from_secs(10));
        assert_eq!(held(&scene, &mut policy, None), too_soon(0), "it lapsed");
        scene.pass(Duration::from_secs(2));
        assert_eq!(held(&scene, &mut policy, None), None);
    }

    #[test]
    fn what_comes_fast_waits_no_longer_than_a_tenth_of_the_time_left() {
        let (mut scene, mut policy) = (Scene::new(), strict());
        let deadline = Some(Duration::from_secs(5));
        assert!(held(&scene, &mut policy, deadline).is_some());
        scene.pass(Duration::from_millis(500));
        assert_eq!(held(&scene, &mut policy, deadline), None);
    }

    #[test]
    fn a_plan_that_was_never_admitted_has_not_held() {
        let (scene, mut policy) = (Scene::new(), strict());
        let plan = plan(Step::Freeze, crate::Subject::Cgroup(APP), scene.now);
        assert!(scene.review(&mut policy, &plan).1.is_none());
    }
}
