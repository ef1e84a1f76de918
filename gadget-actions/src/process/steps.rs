//! Steps on a process.

use gadget_core::{
    ActionError, Effect, Plan, ProcessId, Reach, Setting, Step, Summary, Undo, Value, summary,
};
use rustix::process::Signal;

use super::attribute::{self, OfThreads, OomScoreAdj};
use super::ending::{Ending, Who};
use super::{Target, tree};
use crate::error::unsupported;
use crate::linux::{Linux, Work, done};
use crate::setting::{self, Knob};

impl Linux {
    pub(crate) fn prepare_process(&self, plan: &Plan, id: ProcessId) -> Result<Undo, ActionError> {
        let kind = plan.step.kind();
        let proc = self.proc(kind)?;
        let target = Target::open(proc, id)?;
        if let Some(wanted) = attribute::wanted(&plan.step) {
            let (setting, wrote) = wanted?;
            return self.prepare_attribute(plan, target, setting, wrote);
        }
        match plan.step {
            Step::Terminate { .. } | Step::Kill | Step::Pause if id.pid == 1 => {
                Err(unsupported(kind, "another process than the first"))
            }
            Step::Terminate { .. } | Step::Kill
                if plan.target.reach == Reach::Tree && tree::holds_us(proc, id.pid) =>
            {
                Err(unsupported(kind, "a tree without the agent in it"))
            }
            Step::Terminate { .. } | Step::Kill | Step::Pause if id.pid == std::process::id() => {
                Err(unsupported(kind, "another process than the agent"))
            }
            Step::Terminate { .. } | Step::Kill => Ok(Undo::Nothing),
            // What somebody else has stopped is not ours to continue.
            Step::Pause if target.stat().is_some_and(|stat| stat.stopped()) => Ok(Undo::Nothing),
            Step::Pause => Ok(Undo::Continue { process: id }),
            _ => Err(unsupported(kind, "another target than a process")),
        }
    }

    fn prepare_attribute(
        &self,
        plan: &Plan,
        target: Target,
        setting: Setting,
        wrote: Value,
    ) -> Result<Undo, ActionError> {
        let kind = plan.step.kind();
        let read = |knob: &dyn Knob| {
            knob.read()
                .map_err(|errno| crate::error::system("read the attribute of the process", errno))
        };
        let before = if setting == Setting::OomScoreAdj {
            read(&OomScoreAdj(target))?
        } else {
            let knob = OfThreads::new(target, setting)
                .ok_or(unsupported(kind, "an attribute of a process"))?;
            if knob.ambiguous(&wrote) {
                return Err(unsupported(kind, "threads that do not have that value by themselves"));
            }
            read(&knob)?
        };
        if let Some(capability) = attribute::lowering_needs(&plan.step, &before)
            && !self.has_capability(capability)
        {
            return Err(ActionError::Missing { step: kind, capability });
        }
        Ok(Undo::Restore {
            subject: plan.target.subject,
            setting,
            path: self.no_path(),
            before,
            wrote,
        })
    }

    pub(crate) fn apply_process(
        &mut self,
        plan: &Plan,
        id: ProcessId,
        undo: &Undo,
    ) -> Result<Effect, ActionError> {
        let kind = plan.step.kind();
        let target = Target::open(self.proc(kind)?, id)?;
        let name = &plan.target.name;
        match plan.step {
            Step::Terminate { grace } => {
                let who = self.who(target, plan.target.reach);
                let (ending, line) =
                    Ending::ask(plan.id, who, name.clone(), grace, &mut self.means(kind)?)?;
                Ok(self.begin(Work::Ending(ending), line))
            }
            Step::Kill => {
                let who = self.who(target, plan.target.reach);
                let (ending, line) =
                    Ending::kill(plan.id, who, name.clone(), &mut self.means(kind)?)?;
                Ok(self.begin(Work::Ending(ending), line))
            }
            Step::Pause if *undo == Undo::Nothing => Ok(done(summary(format_args!(
                "{} ({name}) was stopped already, left as it is",
                id.pid
            )))),
            Step::Pause => {
                target.signal(Signal::STOP)?;
                Ok(done(summary(format_args!("SIGSTOP to {} ({name})", id.pid))))
            }
            _ => match undo {
                Undo::Restore { setting, before, wrote, .. } => {
                    let label = summary(format_args!("{} ({name})", id.pid));
                    with_attribute(target, *setting, |knob| {
                        setting::set(knob, *setting, &label, before, wrote)
                    })
                    .map(done)
                }
                _ => Err(unsupported(kind, "another target than a process")),
            },
        }
    }

    fn who(&self, target: Target, reach: Reach) -> Who {
        if reach == Reach::Tree { Who::Tree(target) } else { Who::Process(target) }
    }

    pub(crate) fn put_back_attribute(
        &self,
        id: ProcessId,
        setting: Setting,
        before: &str,
        wrote: &str,
    ) -> Result<Summary, ActionError> {
        let target = Target::open(self.live_proc()?, id)?;
        let label = summary(format_args!("{}", id.pid));
        with_attribute(target, setting, |knob| {
            setting::put_back(knob, setting, &label, before, wrote)
        })
    }

    pub(crate) fn continue_process(&self, id: ProcessId) -> Result<Summary, ActionError> {
        let target = Target::open(self.live_proc()?, id)?;
        let stopped = target.stat().is_some_and(|stat| stat.stopped());
        // In any case: a frozen process has not taken its SIGSTOP yet, and this takes it away.
        target.signal(Signal::CONT)?;
        let already = if stopped { "" } else { ", which ran already" };
        Ok(summary(format_args!("SIGCONT to {}{already}", id.pid)))
    }
}

fn with_attribute<R>(
    target: Target,
    setting: Setting,
    f: impl FnOnce(&dyn Knob) -> Result<R, ActionError>,
) -> Result<R, ActionError> {
    if setting == Setting::OomScoreAdj {
        return f(&OomScoreAdj(target));
    }
    match OfThreads::new(target, setting) {
        Some(knob) => f(&knob),
        None => Err(ActionError::Stale { what: "a process has no such setting" }),
    }
}
