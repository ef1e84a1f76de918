//! Is the gadget sure enough for this risk?

use super::{Case, Guard};
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Wants the more confidence the more a wrong step would harm.
pub(super) struct Confidence;

impl Guard for Confidence {
    fn name(&self) -> GuardName {
        GuardName::Confidence
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let (confidence, risk) = (case.plan.confidence, case.kind.risk());
        let needed = case.settings.confidence.needed(risk);
        if confidence >= needed {
            return Opinion::Pass;
        }
        Opinion::Refuse(Refusal::Unsure { confidence, needed, risk })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use crate::{Probability, Risk, Step};

    #[test]
    fn the_more_a_wrong_step_would_harm_the_surer_one_has_to_be() {
        for (step, target, risk, needed) in [
            (RECLAIM, Aim::from(APP), Risk::Low, 0.5),
            (Step::Freeze, Aim::from(APP), Risk::Medium, 0.7),
            (TERMINATE, Aim::from(LEAK), Risk::High, 0.85),
        ] {
            let (scene, mut policy) = (Scene::new(), policy(acting()));
            let mut plan = scene.plan(&mut policy, step, target);
            let confidence = Probability::new(needed - 0.01).unwrap();
            let needed = Probability::new(needed).unwrap();
            plan.confidence = confidence;
            let refused = Opinion::Refuse(Refusal::Unsure { confidence, needed, risk });
            let (review, _) = scene.review(&mut policy, &plan);
            assert_eq!(review.decided_by(), Some(&(GuardName::Confidence, refused)));
            plan.confidence = needed;
            assert!(scene.review(&mut policy, &plan).1.is_some());
        }
    }
}
