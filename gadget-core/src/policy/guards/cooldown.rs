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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use crate::{Policy, Step};

    fn target(left: u64) -> Option<Refusal> {
        Some(Refusal::Cooling { what: Cooling::Target, left: Duration::from_secs(left) })
    }

    fn acted(scene: &Scene, policy: &mut Policy, step: Step, aim: impl Into<Aim>) {
        let plan = scene.act(policy, step, aim);
        scene.end(policy, &plan);
    }

    #[test]
    fn a_ladder_can_be_climbed_at_once_and_not_be_stepped_down() {
        let (scene, mut policy) = (Scene::new(), policy(acting()));
        acted(&scene, &mut policy, RECLAIM, APP);
        assert_eq!(scene.refusal(&mut policy, RECLAIM, APP), target(30));
        acted(&scene, &mut policy, Step::Freeze, APP);
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, APP), target(30));
        acted(&scene, &mut policy, Step::Kill, APP);
        for step in [RECLAIM, Step::Freeze, Step::Kill] {
            assert_eq!(scene.refusal(&mut policy, step, APP), target(30));
        }
    }

    #[test]
    fn a_target_cools_down_from_the_end_of_the_effect() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        let plan = scene.act(&mut policy, Step::Freeze, APP);
        scene.pass(Duration::from_secs(3_700));
        scene.end(&mut policy, &plan);
        scene.pass(Duration::from_secs(29));
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, APP), target(1));
        scene.pass(Duration::from_secs(1));
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, APP), None);
    }

    #[test]
    fn a_kind_that_harms_when_wrong_is_not_repeated_elsewhere_at_once() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        acted(&scene, &mut policy, TERMINATE, LEAK);
        let cooling = Refusal::Cooling { what: Cooling::Kind, left: Duration::from_secs(5) };
        assert_eq!(scene.refusal(&mut policy, TERMINATE, POSTGRES), Some(cooling));
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, DB), None, "another kind");
        scene.pass(Duration::from_secs(5));
        assert_eq!(scene.refusal(&mut policy, TERMINATE, POSTGRES), None);
    }

    #[test]
    fn a_kind_that_nobody_notices_may_be_repeated_elsewhere() {
        let (scene, mut policy) = (Scene::new(), policy(acting()));
        acted(&scene, &mut policy, RECLAIM, APP);
        assert_eq!(scene.refusal(&mut policy, RECLAIM, DB), None);
    }
}
