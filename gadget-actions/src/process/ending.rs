//! Ending a process, a tree or a group: what goes on between the first signal and the last sign of life.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{ActionError, CgroupId, Effect, PlanId, ProcessId, Summary, Timestamp, summary};
use rustix::fd::BorrowedFd;
use rustix::process::Signal;

use super::target::Target;
use super::tree;
use crate::cgroup::{self, Group, Hierarchies};

/// How long a process may take to end once it has `SIGKILL`, before we say that it does not.
const DYING: Duration = Duration::from_secs(5);

/// How often to look whether it has ended.
const LOOK: Duration = Duration::from_millis(100);

/// Who is to end.
#[derive(Debug)]
pub(crate) enum Who {
    Process(Target),
    /// The process and its descendants, which [`Pool`] holds.
    Tree(Target),
    /// A group, by its path.
    Group(CgroupId, Arc<str>),
}

/// The processes of trees that are ending, with whose plan they belong to. Bounded by [`tree::MAX_HELD`].
pub(crate) type Pool = Vec<(PlanId, ProcessId)>;

/// What ending needs of the backend.
#[derive(Debug)]
pub(crate) struct Means<'a> {
    pub(crate) proc: BorrowedFd<'a>,
    pub(crate) hierarchies: Option<&'a Hierarchies>,
    pub(crate) pool: &'a mut Pool,
    /// Room for one tree.
    pub(crate) held: &'a mut Vec<ProcessId>,
}

/// An ending under way. Time is the agent's, counted from the first call after the signal.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) plan: PlanId,
    who: Who,
    name: Arc<str>,
    phase: Phase,
    next: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Has `SIGTERM`; the time of grace has not begun to count.
    Asked(Duration),
    Grace {
        until: Timestamp,
    },
    /// Has `SIGKILL`; the time to die has not begun to count.
    Killed,
    Dying {
        until: Timestamp,
    },
}

impl Ending {
    /// Sends `SIGTERM`; `SIGKILL` follows after `grace`. Those in `stopped` stay so if their tree cannot be held.
    pub(crate) fn ask(
        plan: PlanId,
        who: Who,
        name: Arc<str>,
        grace: Duration,
        stopped: &[ProcessId],
        means: &mut Means<'_>,
    ) -> Result<(Self, Summary), ActionError> {
        let seconds = grace.as_secs_f64();
        let line = match &who {
            Who::Process(target) => {
                target.signal(Signal::TERM)?;
                // A stopped process takes the signal only once it runs again.
                if target.stat().is_some_and(|stat| stat.stopped()) {
                    target.signal(Signal::CONT)?;
                }
                let pid = target.id.pid;
                summary(format_args!("SIGTERM to {pid} ({name}), SIGKILL in {seconds:.1} s"))
            }
            Who::Tree(target) => {
                let all = ask_tree(plan, target, stopped, means)?;
                let (pid, rest) = (target.id.pid, all.saturating_sub(1));
                summary(format_args!(
                    "SIGTERM to {pid} ({name}) and {rest} descendants, SIGKILL in {seconds:.1} s"
                ))
            }
            Who::Group(id, path) => {
                let group = means.group(*id, path)?;
                let count = cgroup::signal_all(&group, Signal::TERM);
                summary(format_args!(
                    "SIGTERM to {count} processes of {path}, SIGKILL in {seconds:.1} s"
                ))
            }
        };
        Ok((Self { plan, who, name, phase: Phase::Asked(grace), next: None }, line))
    }

    /// Sends `SIGKILL` and frees the memory at once.
    pub(crate) fn kill(
        plan: PlanId,
        who: Who,
        name: Arc<str>,
        means: &mut Means<'_>,
    ) -> Result<(Self, Summary), ActionError> {
        let mut ending = Self { plan, who, name, phase: Phase::Killed, next: None };
        let line = ending.send_kill(means)?;
        Ok((ending, line))
    }

    fn send_kill(&mut self, means: &mut Means<'_>) -> Result<Summary, ActionError> {
        let name = &self.name;
        let line = match &self.who {
            Who::Process(target) => {
                let pid = target.id.pid;
                target.signal(Signal::KILL)?;
                let thawed = thaw(means, pid);
                let released = if target.release_memory() { ", memory released" } else { "" };
                summary(format_args!("SIGKILL to {pid} ({name}){released}{thawed}"))
            }
            Who::Tree(target) => {
                let pid = target.id.pid;
                means.tree_of(target.id);
                let plan = self.plan;
                let ours = means.pool.iter().filter(|(of, id)| *of == plan && *id != target.id);
                means.held.extend(ours.map(|(_, id)| *id).take(tree::MAX_HELD - 1));
                let walk = tree::kill(means.proc, means.held);
                let thawed = thaw(means, pid);
                means.pool.retain(|(of, _)| *of != plan);
                let room = tree::MAX_HELD - means.pool.len();
                means.pool.extend(means.held.iter().take(room).map(|id| (plan, *id)));
                let rest = means.held.len() - 1;
                let more = if walk == tree::Walk::Full { ", more remain" } else { "" };
                summary(format_args!(
                    "SIGKILL to {pid} ({name}) and {rest} descendants{more}{thawed}"
                ))
            }
            Who::Group(id, path) => match cgroup::kill(&means.group(*id, path)?) {
                cgroup::Killed::AtOnce => summary(format_args!("cgroup.kill of {path}")),
                cgroup::Killed::OneByOne(count) => {
                    summary(format_args!("SIGKILL to {count} processes of {path}"))
                }
            },
        };
        self.phase = Phase::Killed;
        Ok(line)
    }

    /// Carries on; the result once it is over.
    pub(crate) fn advance(
        &mut self,
        now: Timestamp,
        means: &mut Means<'_>,
    ) -> Option<Result<Effect, ActionError>> {
        if self.ended(means) {
            let by = if matches!(self.phase, Phase::Asked(_) | Phase::Grace { .. }) {
                "SIGTERM"
            } else {
                "SIGKILL"
            };
            return Some(Ok(self.effect(format_args!("ended on {by}"))));
        }
        match self.phase {
            Phase::Asked(grace) => self.phase = Phase::Grace { until: now + grace },
            Phase::Grace { until } if now >= until => match self.send_kill(means) {
                Ok(_) => self.phase = Phase::Dying { until: now + DYING },
                Err(ActionError::Stale { .. }) => {
                    return Some(Ok(self.effect(format_args!("ended on SIGTERM"))));
                }
                Err(error) => return Some(Err(error)),
            },
            Phase::Grace { .. } => {}
            Phase::Killed => self.phase = Phase::Dying { until: now + DYING },
            Phase::Dying { until } if now >= until => return Some(Err(self.does_not_die())),
            Phase::Dying { .. } => {
                // What was forked while the group was killed one by one.
                if let Who::Group(id, path) = &self.who
                    && let Ok(group) = means.group(*id, path)
                {
                    cgroup::signal_all(&group, Signal::KILL);
                }
            }
        }
        self.next = Some(match self.phase {
            Phase::Grace { until } | Phase::Dying { until } => until.min(now + LOOK),
            Phase::Asked(_) | Phase::Killed => now,
        });
        None
    }

    /// When to call [`advance`](Self::advance) next; at once, if it was not called yet.
    pub(crate) fn next(&self) -> Timestamp {
        self.next.unwrap_or(Timestamp::EPOCH)
    }

    /// True once all of it has ended.
    pub(crate) fn ended(&self, means: &Means<'_>) -> bool {
        match &self.who {
            Who::Process(target) => target.exited(),
            Who::Tree(target) => {
                let mut ours = means.pool.iter().filter(|(plan, _)| *plan == self.plan);
                target.exited() && ours.all(|(_, id)| Target::open(means.proc, *id).is_err())
            }
            Who::Group(id, path) => {
                !means.group(*id, path).is_ok_and(|group| cgroup::populated(&group))
            }
        }
    }

    fn effect(&self, how: std::fmt::Arguments<'_>) -> Effect {
        let name = &self.name;
        let summary = match &self.who {
            Who::Process(target) => summary(format_args!("{} ({name}) {how}", target.id.pid)),
            Who::Tree(target) => {
                summary(format_args!("{} ({name}) and its descendants {how}", target.id.pid))
            }
            Who::Group(_, path) => summary(format_args!("all of {path} {how}")),
        };
        Effect { summary, complete: true }
    }

    /// It is reported and not tried again: a process in uninterruptible sleep ends when its wait does.
    fn does_not_die(&self) -> ActionError {
        let state = match &self.who {
            Who::Process(target) | Who::Tree(target) => target.stat().map(|stat| stat.state),
            Who::Group(..) => None,
        };
        let attempt = match state {
            Some(b'D') => "end the process: 5 s after SIGKILL it is still in uninterruptible sleep",
            _ => "end all of it: some of it is still there 5 s after SIGKILL",
        };
        ActionError::System { attempt, source: io::ErrorKind::TimedOut.into() }
    }
}

impl Means<'_> {
    /// `/proc`, and room for the tree of `root`, which it begins with.
    pub(crate) fn tree_of(&mut self, root: ProcessId) -> (BorrowedFd<'_>, &mut Vec<ProcessId>) {
        self.held.clear();
        self.held.push(root);
        (self.proc, self.held)
    }

    fn group<'b>(&'b self, id: CgroupId, path: &'b str) -> Result<Group<'b>, ActionError> {
        let hierarchies = self
            .hierarchies
            .ok_or(ActionError::Stale { what: "no cgroup hierarchy is mounted" })?;
        Group::open(hierarchies, self.proc, id, path)
    }
}

/// The v1 freezer keeps even the killed.
fn thaw(means: &Means<'_>, pid: u32) -> &'static str {
    let thawed = means
        .hierarchies
        .is_some_and(|hierarchies| cgroup::thaw_around(hierarchies, means.proc, pid));
    if thawed { ", its cgroup thawed so that it can end" } else { "" }
}

/// Asks a whole tree at once: stopped first, so that none forks meanwhile. Returns how many.
fn ask_tree(
    plan: PlanId,
    root: &Target,
    stopped: &[ProcessId],
    means: &mut Means<'_>,
) -> Result<usize, ActionError> {
    let (proc, held) = means.tree_of(root.id);
    let walk = tree::stop(proc, held);
    let room = tree::MAX_HELD - means.pool.len();
    let fits = walk != tree::Walk::Full && means.held.len() <= room;
    if !fits {
        tree::let_go(means.proc, means.held, stopped);
        return Err(tree::too_large());
    }
    for &id in &*means.held {
        tree::signal(means.proc, id, Signal::TERM);
    }
    // Also what was stopped before: it takes the signal only once it runs again.
    tree::let_go(means.proc, means.held, &[]);
    means.pool.extend(means.held.iter().map(|id| (plan, *id)));
    Ok(means.held.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Child, proc};

    #[test]
    fn what_does_not_die_is_reported_once_and_not_waited_for_any_longer() {
        let child = Child::sleeping();
        let who = Who::Process(Target::open(proc(), child.id()).unwrap());
        // As if it had its signal, which it would die of.
        let mut ending = Ending {
            plan: PlanId(1),
            who,
            name: "stubborn".into(),
            phase: Phase::Killed,
            next: None,
        };
        let (mut pool, mut held) = (Pool::new(), Vec::new());
        let mut means = Means { proc: proc(), hierarchies: None, pool: &mut pool, held: &mut held };
        let start = Timestamp::from_secs(1_000);
        for passed in [0, 1, 4] {
            assert!(ending.advance(start + Duration::from_secs(passed), &mut means).is_none());
        }
        let over = ending.advance(start + DYING, &mut means).unwrap();
        let Err(ActionError::System { attempt, source }) = over else { panic!("{over:?}") };
        assert!(attempt.contains("still there 5 s after SIGKILL"), "{attempt}");
        assert_eq!(source.kind(), io::ErrorKind::TimedOut);
    }
}
