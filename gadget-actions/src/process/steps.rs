//! Steps on a process.

use gadget_core::{
    ActionError, Effect, Plan, ProcessId, Reach, Setting, Step, StepKind, Stopped, Summary, Undo,
    Value, summary,
};
use rustix::process::Signal;

use super::Target;
use super::attribute::{self, OfThreads, OomScoreAdj};
use super::ending::{Ending, Who};
use super::target::Stat;
use super::tree::{self, Walk};
use crate::error::unsupported;
use crate::linux::{Linux, Work, done};
use crate::setting::{self, Knob};

impl Linux {
    pub(crate) fn prepare_process(
        &mut self,
        plan: &Plan,
        id: ProcessId,
    ) -> Result<Undo, ActionError> {
        let kind = plan.step.kind();
        let tree = plan.target.reach == Reach::Tree;
        let proc = self.proc(kind)?;
        let target = Target::open(proc, id)?;
        if let Some(wanted) = attribute::wanted(&plan.step) {
            let (setting, wrote) = wanted?;
            return self.prepare_attribute(plan, target, setting, wrote);
        }
        if matches!(plan.step, Step::Terminate { .. } | Step::Kill | Step::Pause) {
            if id.pid == 1 {
                return Err(unsupported(kind, "another process than the first"));
            }
            if tree && tree::holds_us(proc, id.pid) {
                return Err(unsupported(kind, "a tree without the agent in it"));
            }
            if id.pid == std::process::id() {
                return Err(unsupported(kind, "another process than the agent"));
            }
            if tree {
                return self.prepare_tree(kind, id);
            }
        }
        match plan.step {
            Step::Terminate { .. } | Step::Kill => Ok(Undo::Nothing),
            // What somebody else has stopped is not ours to continue.
            Step::Pause if target.stat().is_some_and(|stat| stat.stopped()) => Ok(Undo::Nothing),
            Step::Pause => {
                Ok(Undo::Continue { process: id, reach: Reach::Alone, stopped: Stopped::new() })
            }
            _ => Err(unsupported(kind, "another target than a process")),
        }
    }

    /// Ending a tree stops it first, so both need to know what somebody else has stopped.
    fn prepare_tree(&mut self, kind: StepKind, id: ProcessId) -> Result<Undo, ActionError> {
        let mut means = self.means(kind)?;
        let (proc, held) = means.tree_of(id);
        tree::find(proc, held, 1);
        let mut stopped = Stopped::new();
        let over = held
            .iter()
            .filter(|id| Stat::of(proc, id.pid).is_some_and(Stat::stopped))
            .any(|id| stopped.try_push(*id).is_err());
        // What is paused will be continued for sure, what is ended only after a crash.
        if over && kind == StepKind::Pause {
            return Err(unsupported(kind, "a tree with at most 16 processes stopped before"));
        }
        Ok(Undo::Continue { process: id, reach: Reach::Tree, stopped })
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
        let stopped = match undo {
            Undo::Continue { stopped, .. } => stopped.as_slice(),
            _ => &[],
        };
        match plan.step {
            Step::Terminate { grace } => {
                let who = self.who(target, plan.target.reach);
                let (ending, line) = Ending::ask(
                    plan.id,
                    who,
                    name.clone(),
                    grace,
                    stopped,
                    &mut self.means(kind)?,
                )?;
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
            Step::Pause if plan.target.reach == Reach::Tree => {
                let mut means = self.means(kind)?;
                let (proc, held) = means.tree_of(id);
                let yet = match tree::stop(proc, held) {
                    Walk::Held => "",
                    Walk::Restless => ", some of which do not stand still yet",
                    Walk::Full => {
                        tree::let_go(proc, held, stopped);
                        return Err(tree::too_large());
                    }
                };
                let (pid, rest) = (id.pid, held.len() - 1);
                Ok(done(summary(format_args!(
                    "SIGSTOP to {pid} ({name}) and {rest} descendants{yet}"
                ))))
            }
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

    pub(crate) fn continue_tree(
        &mut self,
        id: ProcessId,
        stay: &[ProcessId],
    ) -> Result<Summary, ActionError> {
        Target::open(self.live_proc()?, id)?;
        let mut means = self.means(StepKind::Pause)?;
        let (proc, held) = means.tree_of(id);
        let full = tree::find(proc, held, tree::MAX_PASSES) == Walk::Full;
        let more = if full { ", more remain" } else { "" };
        let stopped = tree::let_go(proc, held, stay);
        let (pid, rest) = (id.pid, held.len() - 1);
        Ok(summary(format_args!(
            "SIGCONT to {pid} and {rest} descendants{more}; {stopped} of them were stopped"
        )))
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
