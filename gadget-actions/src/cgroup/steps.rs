//! Steps on a cgroup.

use std::sync::Arc;

use gadget_core::{ActionError, CgroupId, Effect, Plan, Setting, Step, Summary, Undo, summary};

use super::{Frozen, Group, Limit, device_in, freeze, freeze::Freezer, reclaim, thaw, wanted};
use crate::error::{system, unsupported};
use crate::linux::{Linux, Work, done};
use crate::process::{Ending, Who};
use crate::setting::{self, Knob as _};

impl Linux {
    pub(crate) fn prepare_cgroup(&self, plan: &Plan, id: CgroupId) -> Result<Undo, ActionError> {
        let kind = plan.step.kind();
        let path = &plan.target.name;
        let group = self.group(id, path)?;
        if group.is_root() {
            return Err(unsupported(kind, "a group below the root of the hierarchy"));
        }
        if let Some(wanted) = wanted(&plan.step, group.hierarchies().version) {
            let (setting, wrote) = wanted?;
            let limit = Limit::of(&group, setting, kind, device_in(&wrote))?;
            let before =
                limit.read().map_err(|errno| system("read the setting of the cgroup", errno))?;
            return Ok(Undo::Restore {
                subject: plan.target.subject,
                setting,
                path: path.clone(),
                before,
                wrote,
            });
        }
        match plan.step {
            Step::Reclaim { .. } => Ok(Undo::Nothing),
            Step::Freeze | Step::Terminate { .. } | Step::Kill if group.holds_us() => {
                Err(unsupported(kind, "a group without the agent in it"))
            }
            Step::Terminate { .. } | Step::Kill => Ok(Undo::Nothing),
            Step::Freeze => {
                let freezer = Freezer::of(&group).ok_or(unsupported(kind, NO_FREEZER))?;
                // What somebody else has frozen is not ours to thaw.
                match freezer
                    .state()
                    .map_err(|errno| system("read the state of the cgroup", errno))?
                {
                    Frozen::No => Ok(Undo::Thaw { cgroup: id, path: path.clone() }),
                    Frozen::Soon | Frozen::Yes => Ok(Undo::Nothing),
                }
            }
            _ => Err(unsupported(kind, "another target than a cgroup")),
        }
    }

    pub(crate) fn apply_cgroup(
        &mut self,
        plan: &Plan,
        id: CgroupId,
        undo: &Undo,
    ) -> Result<Effect, ActionError> {
        let kind = plan.step.kind();
        let path = &plan.target.name;
        // Also verifies the identity anew for what follows.
        let group = self.group(id, path)?;
        match plan.step {
            Step::Reclaim { amount } => {
                let fell = reclaim(&group, amount)?;
                Ok(done(summary(format_args!("reclaimed {fell} of {amount} asked from {path}"))))
            }
            Step::Freeze if *undo == Undo::Nothing => {
                Ok(done(summary(format_args!("{path} was frozen already, left as it is"))))
            }
            Step::Freeze => {
                let freezer = Freezer::of(&group).ok_or(unsupported(kind, NO_FREEZER))?;
                let state = match freeze(&freezer)? {
                    Frozen::Yes => "frozen",
                    Frozen::No | Frozen::Soon => "freezing",
                };
                Ok(done(summary(format_args!("{path} {state}"))))
            }
            Step::Terminate { grace } => {
                let who = Who::Group(id, path.clone());
                let (ending, line) =
                    Ending::ask(plan.id, who, path.clone(), grace, &[], &mut self.means(kind)?)?;
                Ok(self.begin(Work::Ending(ending), line))
            }
            Step::Kill => {
                let who = Who::Group(id, path.clone());
                let (ending, line) =
                    Ending::kill(plan.id, who, path.clone(), &mut self.means(kind)?)?;
                Ok(self.begin(Work::Ending(ending), line))
            }
            _ => match undo {
                Undo::Restore { setting, before, wrote, .. } => {
                    let limit = Limit::of(&group, *setting, kind, device_in(wrote))?;
                    setting::set(&limit, *setting, path, before, wrote).map(done)
                }
                _ => Err(unsupported(kind, "another target than a cgroup")),
            },
        }
    }

    pub(crate) fn put_back_limit(
        &self,
        id: CgroupId,
        setting: Setting,
        path: &str,
        (before, wrote): (&str, &str),
    ) -> Result<Summary, ActionError> {
        let group = self.group(id, path)?;
        let stale = |_| ActionError::Stale { what: "the cgroup has no such setting any more" };
        let limit =
            Limit::of(&group, setting, gadget_core::StepKind::SetMemoryMax, device_in(wrote))
                .map_err(stale)?;
        setting::put_back(&limit, setting, path, before, wrote)
    }

    pub(crate) fn thaw_cgroup(
        &self,
        id: CgroupId,
        path: &Arc<str>,
    ) -> Result<Summary, ActionError> {
        let thawed = thaw(&self.group(id, path)?)?;
        Ok(summary(format_args!("{path} {}", if thawed { "thawed" } else { "was not frozen" })))
    }

    fn group<'a>(&'a self, id: CgroupId, path: &'a str) -> Result<Group<'a>, ActionError> {
        let hierarchies = self
            .hierarchies()
            .ok_or(ActionError::Stale { what: "no cgroup hierarchy is mounted" })?;
        Group::open(hierarchies, self.live_proc()?, id, path)
    }
}

const NO_FREEZER: &str = "cgroup.freeze or the v1 freezer with the same group";
