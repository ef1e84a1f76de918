//! Does somebody else own the setting?

use super::{Case, Guard};
use crate::action::Setting;
use crate::plan::StepKind;
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Leaves a setting to whoever else has changed it a short while ago.
pub(super) struct Yield;

impl Guard for Yield {
    fn name(&self) -> GuardName {
        GuardName::Yield
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let holds = case.settings.yields.holds;
        setting(case.kind)
            .and_then(|setting| case.state.yielded_since(case.plan.target.subject, setting))
            .map(|at| case.now.since(at))
            .filter(|since| *since < holds)
            .map_or(Opinion::Pass, |since| Opinion::Refuse(Refusal::Yielded { since, holds }))
    }
}

/// The setting that a kind of step changes.
pub(in crate::policy) const fn setting(kind: StepKind) -> Option<Setting> {
    Some(match kind {
        StepKind::SetMemoryHigh => Setting::MemoryHigh,
        StepKind::SetMemoryMax => Setting::MemoryMax,
        StepKind::SetCpuMax => Setting::CpuMax,
        StepKind::SetCpuWeight => Setting::CpuWeight,
        StepKind::SetIoMax => Setting::IoMax,
        StepKind::SetPidsMax => Setting::PidsMax,
        StepKind::SetNice => Setting::Nice,
        StepKind::SetIoPriority => Setting::IoPriority,
        StepKind::SetAffinity => Setting::Affinity,
        StepKind::SetOomScoreAdj => Setting::OomScoreAdj,
        StepKind::SetSysctl => Setting::Sysctl,
        StepKind::Reclaim
        | StepKind::DropCaches
        | StepKind::CollectGarbage
        | StepKind::Freeze
        | StepKind::Pause
        | StepKind::Terminate
        | StepKind::Kill
        | StepKind::Restart
        | StepKind::Sync
        | StepKind::Hook => return None,
    })
}
