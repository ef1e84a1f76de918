//! Does somebody else own the setting?

use super::{Case, Guard};
use crate::action::Setting;
use crate::plan::StepKind;
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Leaves a setting to whoever else has changed it a short while ago, and a thawed group or a continued process to whoever
/// else has let it run.
pub(super) struct Yield;

impl Guard for Yield {
    fn name(&self) -> GuardName {
        GuardName::Yield
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let holds = case.settings.yields.holds;
        let yielded = case.state.yielded_since(case.plan.target.subject, case.kind);
        yielded
            .map(|at| case.now.since(at))
            .filter(|since| *since < holds)
            .map_or(Opinion::Pass, |since| Opinion::Refuse(Refusal::Yielded { since, holds }))
    }
}

/// The kind of step that changes a setting.
pub(in crate::policy) const fn changes(setting: Setting) -> StepKind {
    match setting {
        Setting::MemoryHigh => StepKind::SetMemoryHigh,
        Setting::MemoryMax => StepKind::SetMemoryMax,
        Setting::CpuMax => StepKind::SetCpuMax,
        Setting::CpuWeight => StepKind::SetCpuWeight,
        Setting::IoMax => StepKind::SetIoMax,
        Setting::PidsMax => StepKind::SetPidsMax,
        Setting::Nice => StepKind::SetNice,
        Setting::IoPriority => StepKind::SetIoPriority,
        Setting::Affinity => StepKind::SetAffinity,
        Setting::OomScoreAdj => StepKind::SetOomScoreAdj,
        Setting::Sysctl => StepKind::SetSysctl,
        Setting::Telemetry => StepKind::SetTelemetry,
        Setting::LearnedRule => StepKind::SetRule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use std::time::Duration;

    use crate::{Ending, MemoryLimit, Step, Subject};

    const LIMIT: Step = Step::SetMemoryHigh { to: MemoryLimit::Unlimited };

    #[test]
    fn a_setting_that_somebody_else_changed_is_theirs_for_a_while() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        policy.yielded(Subject::Cgroup(APP), Setting::MemoryHigh, scene.now);
        scene.pass(Duration::from_secs(599));
        let (since, holds) = (Duration::from_secs(599), Duration::from_secs(600));
        assert_eq!(scene.refusal(&mut policy, LIMIT, APP), Some(Refusal::Yielded { since, holds }));
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, APP), None, "another setting");
        assert_eq!(scene.refusal(&mut policy, LIMIT, DB), None, "another target");
        scene.pass(Duration::from_secs(1));
        assert_eq!(scene.refusal(&mut policy, LIMIT, APP), None);
    }

    #[test]
    fn a_group_that_somebody_thawed_is_not_frozen_again() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        let plan = scene.act(&mut policy, Step::Freeze, APP);
        policy.ended(&outcome(&plan, Ending::Yielded), scene.now);
        scene.pass(Duration::from_secs(60));
        let refusal = scene.refusal(&mut policy, Step::Freeze, APP);
        assert!(matches!(refusal, Some(Refusal::Yielded { .. })), "{refusal:?}");
    }
}
