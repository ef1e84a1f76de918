//! What may this gadget do by itself?

use super::{Case, Guard};
use crate::policy::grants::Autonomy;
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Holds a plan at the level that its gadget was granted for this kind of step.
pub(super) struct AutonomyLevel;

impl Guard for AutonomyLevel {
    fn name(&self) -> GuardName {
        GuardName::Autonomy
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        match case.settings.autonomy.level(&case.plan.gadget, case.kind) {
            Autonomy::Observe => Opinion::Observe,
            Autonomy::Advise => Opinion::Advise,
            Autonomy::Approve => match case.standing.and_then(|standing| standing.answer) {
                None => Opinion::Ask,
                Some(true) => Opinion::Pass,
                Some(false) => Opinion::Refuse(Refusal::Declined),
            },
            Autonomy::Act => Opinion::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use crate::{Grants, StepKind, Verdict};

    fn verdict(level: Autonomy) -> Verdict {
        let settings = crate::PolicySettings { autonomy: Grants::all(level), ..acting() };
        let (scene, mut policy) = (Scene::new(), policy(settings));
        let plan = scene.plan(&mut policy, TERMINATE, LEAK);
        scene.review(&mut policy, &plan).0.verdict
    }

    #[test]
    fn each_level_has_its_verdict() {
        assert_eq!(verdict(Autonomy::Observe), Verdict::Observed);
        assert_eq!(verdict(Autonomy::Advise), Verdict::Advised);
        assert_eq!(verdict(Autonomy::Approve), Verdict::AwaitsApproval);
        assert_eq!(verdict(Autonomy::Act), Verdict::Permitted);
    }

    fn approving() -> crate::Policy {
        let grants = Grants::all(Autonomy::Act);
        let grants = grants.with_kind("oracle", StepKind::Terminate, Autonomy::Approve);
        let mut settings = crate::PolicySettings { autonomy: grants, ..acting() };
        settings.cooldown.target = std::time::Duration::ZERO;
        settings.cooldown.kind = std::time::Duration::ZERO;
        policy(settings)
    }

    #[test]
    fn a_yes_is_good_for_one_plan_and_used_once() {
        let (mut scene, mut policy) = (Scene::new(), approving());
        let plan = scene.plan(&mut policy, TERMINATE, LEAK);
        assert_eq!(scene.review(&mut policy, &plan).0.verdict, Verdict::AwaitsApproval);
        assert!(policy.decide(plan.id, true));
        assert!(!policy.decide(crate::PlanId(plan.id.0 + 1), true), "there is no such plan");

        scene.pass(std::time::Duration::from_secs(5));
        let again = scene.act(&mut policy, TERMINATE, LEAK);
        assert_eq!(again.id, plan.id, "it went on being proposed");
        scene.end(&mut policy, &again);

        let next = scene.plan(&mut policy, TERMINATE, LEAK);
        assert_ne!(next.id, plan.id, "it was used, so this is another one");
        assert_eq!(scene.review(&mut policy, &next).0.verdict, Verdict::AwaitsApproval);
    }

    #[test]
    fn a_no_holds_for_as_long_as_the_plan_does() {
        let (mut scene, mut policy) = (Scene::new(), approving());
        let plan = scene.plan(&mut policy, TERMINATE, LEAK);
        assert!(policy.decide(plan.id, false));
        scene.pass(std::time::Duration::from_secs(5));
        assert_eq!(scene.refusal(&mut policy, TERMINATE, LEAK), Some(Refusal::Declined));
        scene.pass(std::time::Duration::from_secs(11));
        assert_eq!(scene.refusal(&mut policy, TERMINATE, LEAK), None, "it lapsed");
    }

    #[test]
    fn the_approver_is_asked_only_when_nothing_else_speaks_against_the_plan() {
        let (scene, mut policy) = (Scene::new(), approving());
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = std::sync::Arc::clone(&asked);
        policy.set_approver(Box::new(move |_| {
            let before = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (before > 0).then_some(true)
        }));
        policy.pause("a test");
        let plan = scene.plan(&mut policy, TERMINATE, LEAK);
        scene.review(&mut policy, &plan);
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 0);
        policy.resume();
        assert_eq!(scene.review(&mut policy, &plan).0.verdict, Verdict::AwaitsApproval);
        let (review, permit) = scene.review(&mut policy, &plan);
        assert_eq!(review.verdict, Verdict::Permitted);
        assert!(review.decided_by().is_none() && permit.is_some());
    }
}
