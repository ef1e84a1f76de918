//! Is there an open plan on the target, or a better one?

use super::{Case, Guard};
use crate::plan::{Reach, Risk};
use crate::policy::review::{GuardName, Opinion, Refusal};
use crate::policy::state::{Hold, MAX_OPEN};
use crate::subject::Subject;
use crate::world::World;

/// Allows one hand at a time on a target.
///
/// A permit holds its target from the moment it is given. Two plans are on one target if they name the same subject, if one
/// has to put back what belongs to the other's, or if both lose work and one lies inside the other.
pub(super) struct OnePlan;

impl Guard for OnePlan {
    fn name(&self) -> GuardName {
        GuardName::OnePlan
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let holds = case.state.holds();
        if let Some(hold) = holds.iter().find(|hold| meet(case, hold)) {
            // The agent reviews the plans of one moment in the order of their merit.
            let outbid = hold.since == case.now && hold.plan != case.plan.id;
            return Opinion::Refuse(if outbid {
                Refusal::Outbid { by: hold.plan, gadget: hold.gadget.clone() }
            } else {
                Refusal::Busy { with: hold.plan }
            });
        }
        if holds.len() >= MAX_OPEN {
            return Opinion::Refuse(Refusal::TooMany { open: holds.len() });
        }
        Opinion::Pass
    }
}

fn meet(case: &Case<'_>, hold: &Hold) -> bool {
    let target = &case.plan.target;
    if hold.subject == target.subject || hold.changes == Some(target.subject) {
        return true;
    }
    let work_is_lost = case.kind.risk() == Risk::High && hold.kind.risk() == Risk::High;
    work_is_lost
        && (lies_in(case.world, target.subject, hold.subject, hold.reach)
            || lies_in(case.world, hold.subject, target.subject, target.reach))
}

fn lies_in(world: &World, inner: Subject, outer: Subject, reach: Reach) -> bool {
    let cgroup_of = |id| world.process(id)?.identity.as_ref()?.cgroup;
    match (inner, outer) {
        (Subject::Process(inner), Subject::Process(outer)) => {
            reach == Reach::Tree && world.descends_from(inner, outer)
        }
        (Subject::Process(inner), Subject::Cgroup(outer)) => {
            cgroup_of(inner).is_some_and(|within| world.cgroup_is_within(within, outer))
        }
        (Subject::Cgroup(inner), Subject::Cgroup(outer)) => world.cgroup_is_within(inner, outer),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use std::time::Duration;

    use crate::{Step, Undo};

    #[test]
    fn a_target_is_busy_until_its_plan_ends() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        let open = scene.act(&mut policy, RECLAIM, APP);
        scene.pass(Duration::from_secs(100));
        assert_eq!(
            scene.refusal(&mut policy, Step::Freeze, APP),
            Some(Refusal::Busy { with: open.id })
        );
        scene.end(&mut policy, &open);
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, APP), None);
    }

    #[test]
    fn the_better_plan_of_one_moment_outbids_the_other() {
        let (scene, mut policy) = (Scene::new(), policy(acting()));
        let [mut a, mut b] = [Step::Freeze, RECLAIM].map(|step| scene.plan(&mut policy, step, APP));
        (a.merit, b.merit) = (1.0, 2.0);
        b.gadget = "tuner".into();
        policy.admit(&mut b);
        let mut plans = [a, b];
        policy.arbitrate(&mut plans);
        assert!(scene.review(&mut policy, &plans[0]).1.is_some());
        let (review, _) = scene.review(&mut policy, &plans[1]);
        let outbid = Refusal::Outbid { by: plans[0].id, gadget: "tuner".into() };
        assert_eq!(review.decided_by(), Some(&(GuardName::OnePlan, Opinion::Refuse(outbid))));
    }

    #[test]
    fn there_are_never_two_permits_for_one_plan() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        let plan = scene.plan(&mut policy, RECLAIM, APP);
        let permit = scene.review(&mut policy, &plan).1.unwrap();
        assert!(scene.review(&mut policy, &plan).1.is_none());
        scene.pass(Duration::from_millis(999));
        assert!(scene.now < permit.expires());
        assert!(scene.review(&mut policy, &plan).1.is_none());
        scene.pass(Duration::from_millis(1));
        assert!(scene.now >= permit.expires());
        assert!(scene.review(&mut policy, &plan).1.is_some());
    }

    #[test]
    fn a_frozen_group_does_not_keep_its_leaker_from_being_ended() {
        let (scene, mut policy) = (Scene::new(), policy(acting()));
        scene.act(&mut policy, Step::Freeze, APP);
        assert_eq!(scene.refusal(&mut policy, TERMINATE, LEAK), None);
    }

    #[test]
    fn what_is_being_ended_is_not_ended_again_from_outside_or_inside() {
        for (first, second) in [
            (Aim::from(APP), Aim::from(LEAK)),
            (Aim::from(LEAK), Aim::from(APP)),
            (tree(LEAK), Aim::from(HELPER)),
            (Aim::from(HELPER), tree(LEAK)),
        ] {
            let (mut scene, mut policy) = (Scene::new(), policy(acting()));
            let open = scene.act(&mut policy, Step::Kill, first);
            scene.pass(Duration::from_secs(100));
            assert_eq!(
                scene.refusal(&mut policy, Step::Kill, second),
                Some(Refusal::Busy { with: open.id })
            );
        }
    }

    #[test]
    fn what_an_undo_will_put_back_is_taken_too() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        let plan = scene.plan(&mut policy, Step::Pause, LEAK);
        let _permit = scene.review(&mut policy, &plan).1.unwrap();
        policy.opened(&plan, &Undo::Thaw { cgroup: APP, path: "/app".into() }, scene.now);
        scene.pass(Duration::from_secs(100));
        assert_eq!(scene.refusal(&mut policy, RECLAIM, APP), Some(Refusal::Busy { with: plan.id }));
    }

    #[test]
    fn no_more_plans_are_open_than_may_be() {
        let mut settings = acting();
        settings.budget.steps = 1_000;
        let (mut scene, mut policy) = (Scene::new(), policy(settings));
        for n in 0..MAX_OPEN {
            let pid = 3_000 + u32::try_from(n).unwrap();
            let id = scene.spawn(pid, 1, "many", DB.0);
            scene.act(&mut policy, Step::SetNice { to: 5 }, id);
        }
        let refusal = scene.refusal(&mut policy, RECLAIM, APP);
        assert_eq!(refusal, Some(Refusal::TooMany { open: MAX_OPEN }));
    }
}
