//! The backend for a live Linux host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Action, ActionError, Effect, FlushQueue, Plan, PlanId, ProcessId, Reach, RecordedPermit,
    RuleStates, Setting, Step, StepKind, Subject, Summary, TelemetryCell, Timestamp, Undo,
};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};

use crate::ability::{self, Lack};
use crate::capability::Capabilities;
use crate::capture::Captures;
use crate::cgroup::Hierarchies;
use crate::command::{Argv, Running, TIMEOUT};
use crate::error::unsupported;
use crate::job::Job;
use crate::process::{Ending, MAX_HELD, Means, Pool};
use crate::runtime::Collector;
use crate::service::SYSTEM_BUS;
use crate::telemetry::Sending;

/// The most effects that can be under way at the same time.
pub(crate) const MAX_UNDER_WAY: usize = 64;

/// The backend for the host it runs on.
#[must_use]
pub fn linux() -> Linux {
    Linux::builder().build()
}

/// Carries out steps by system calls on the host it runs on, and undoes them.
///
/// - A process is held by its pidfd, opened before its start time is compared, and signalled through it.
/// - A cgroup's directory is held open, its inode number compared with the [`CgroupId`](gadget_core::CgroupId), and all is
///   written through it. For a plan on a cgroup, [`Target::name`](gadget_core::Target::name) **is** its path below the
///   root of the hierarchy, as in [`CgroupIdentity::path`](gadget_core::CgroupIdentity::path).
/// - What this host or this process cannot do is found when the backend is built.
///
/// No allocation is made while it freezes, sets a memory limit, reclaims or ends processes.
#[derive(Debug)]
pub struct Linux {
    proc: Option<OwnedFd>,
    hierarchies: Option<Hierarchies>,
    capabilities: Capabilities,
    lacks: BTreeMap<StepKind, Lack>,
    settings: Settings,
    under_way: Vec<Work>,
    pool: Pool,
    held: Vec<ProcessId>,
    no_path: Arc<str>,
}

/// An effect that takes time.
#[derive(Debug)]
pub(crate) enum Work {
    Ending(Ending),
    Job(Job),
    Running(Running),
}

impl Work {
    const fn plan(&self) -> PlanId {
        match self {
            Self::Ending(ending) => ending.plan,
            Self::Job(job) => job.plan,
            Self::Running(running) => running.plan,
        }
    }

    /// When to look again; at once, until it was looked at.
    fn next(&self) -> Timestamp {
        match self {
            Self::Ending(ending) => ending.next(),
            Self::Job(job) => job.next(),
            Self::Running(running) => running.next(),
        }
    }
}

/// What the operator configured.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) hooks: BTreeMap<String, Argv>,
    pub(crate) collectors: BTreeMap<String, Collector>,
    pub(crate) restarts: BTreeMap<String, Argv>,
    pub(crate) bus: PathBuf,
    pub(crate) timeout: Duration,
    pub(crate) captures: Captures,
    pub(crate) sending: Option<Sending>,
    pub(crate) rules: Option<RuleStates>,
    pub(crate) flushes: Option<FlushQueue>,
}

/// Builds a [`Linux`].
#[derive(Clone, Debug)]
#[must_use]
pub struct LinuxBuilder {
    proc: PathBuf,
    cgroup: Option<PathBuf>,
    settings: Settings,
}

impl Linux {
    /// Begins with the defaults: the live `/proc`, the cgroup hierarchies that are mounted.
    pub fn builder() -> LinuxBuilder {
        let settings = Settings {
            hooks: BTreeMap::new(),
            collectors: BTreeMap::new(),
            restarts: BTreeMap::new(),
            bus: SYSTEM_BUS.into(),
            timeout: TIMEOUT,
            captures: Captures::default(),
            sending: None,
            rules: None,
            flushes: None,
        };
        LinuxBuilder { proc: "/proc".into(), cgroup: None, settings }
    }

    /// `/proc`, for a step that needs it.
    pub(crate) fn proc(&self, kind: StepKind) -> Result<BorrowedFd<'_>, ActionError> {
        self.proc.as_ref().map(|proc| proc.as_fd()).ok_or(unsupported(kind, "/proc"))
    }

    /// `/proc`, for putting something back.
    pub(crate) fn live_proc(&self) -> Result<BorrowedFd<'_>, ActionError> {
        self.proc
            .as_ref()
            .map(|proc| proc.as_fd())
            .ok_or(ActionError::Stale { what: "/proc is not mounted" })
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) const fn hierarchies(&self) -> Option<&Hierarchies> {
        self.hierarchies.as_ref()
    }

    pub(crate) fn has_capability(&self, name: &str) -> bool {
        self.capabilities.has(name)
    }

    /// The empty path, for undos without one; shared, so that it costs no allocation.
    pub(crate) fn no_path(&self) -> Arc<str> {
        Arc::clone(&self.no_path)
    }

    pub(crate) fn means(&mut self, kind: StepKind) -> Result<Means<'_>, ActionError> {
        Ok(Means {
            proc: self.proc.as_ref().ok_or(unsupported(kind, "/proc"))?.as_fd(),
            hierarchies: self.hierarchies.as_ref(),
            pool: &mut self.pool,
            held: &mut self.held,
        })
    }

    /// Keeps work that goes on; [`Self::check_room`] was asked before it began.
    pub(crate) fn begin(&mut self, work: Work, summary: Summary) -> Effect {
        self.under_way.push(work);
        Effect { summary, complete: false }
    }

    fn check_room(&self, kind: StepKind) -> Result<(), ActionError> {
        let takes_time = matches!(
            kind,
            StepKind::Terminate
                | StepKind::Kill
                | StepKind::CollectGarbage
                | StepKind::Restart
                | StepKind::Hook
                | StepKind::DropCaches
                | StepKind::Sync
                | StepKind::CaptureStacks
        );
        if takes_time && self.under_way.len() >= MAX_UNDER_WAY {
            return Err(unsupported(kind, "one of 64 effects under way to complete first"));
        }
        Ok(())
    }

    /// What [`Action::prepare`] does.
    fn look(&mut self, plan: &Plan) -> Result<Undo, ActionError> {
        let kind = plan.step.kind();
        self.supports(kind)?;
        self.check_room(kind)?;
        let reaches = matches!(kind, StepKind::Pause | StepKind::Terminate | StepKind::Kill);
        let tree = plan.target.reach == Reach::Tree;
        if tree && !(reaches && matches!(plan.target.subject, Subject::Process(_))) {
            return Err(unsupported(kind, "a target without its descendants"));
        }
        match (&plan.step, plan.target.subject) {
            (Step::Hook { name }, _) if self.settings.hooks.contains_key(&**name) => {
                Ok(Undo::Nothing)
            }
            (Step::Hook { .. }, _) => Err(unsupported(kind, "a hook of that name")),
            (Step::Restart, _) => self.restart_of(plan).map(|_| Undo::Nothing),
            (Step::CollectGarbage, Subject::Process(id)) => {
                self.prepare_collection(plan, id).map(|()| Undo::Nothing)
            }
            (Step::CaptureStacks, Subject::Process(id)) => {
                self.prepare_capture(plan, id).map(|()| Undo::Nothing)
            }
            (_, Subject::Process(id)) => self.prepare_process(plan, id),
            (_, Subject::Cgroup(id)) => self.prepare_cgroup(plan, id),
            (_, Subject::Host) => self.prepare_host(plan),
            (&Step::SetRule { rule, to }, Subject::Agent) => self.prepare_rule(rule, to),
            (Step::FlushLogs { .. }, Subject::Agent) => self.prepare_flush(),
            (_, Subject::Agent) => self.prepare_telemetry(plan),
            _ => Err(unsupported(kind, "a host, a cgroup, a process or the agent")),
        }
    }

    /// What [`Action::apply`] does.
    pub(crate) fn carry_out(&mut self, plan: &Plan, undo: &Undo) -> Result<Effect, ActionError> {
        let kind = plan.step.kind();
        self.check_room(kind)?;
        match (&plan.step, plan.target.subject) {
            (Step::Hook { name }, _) => self.apply_hook(plan, name),
            (Step::Restart, _) => self.apply_restart(plan),
            (Step::CollectGarbage, Subject::Process(id)) => self.apply_collection(plan, id),
            (Step::CaptureStacks, Subject::Process(id)) => self.apply_capture(plan, id),
            (_, Subject::Process(id)) => self.apply_process(plan, id, undo),
            (_, Subject::Cgroup(id)) => self.apply_cgroup(plan, id, undo),
            (_, Subject::Host) => self.apply_host(plan, undo),
            (&Step::SetRule { rule, .. }, Subject::Agent) => self.apply_rule(rule, undo),
            (Step::FlushLogs { .. }, Subject::Agent) => self.apply_flush(plan),
            (_, Subject::Agent) => self.apply_telemetry(plan, undo),
            _ => Err(unsupported(kind, "a host, a cgroup, a process or the agent")),
        }
    }
}

/// An effect that is complete.
pub(crate) const fn done(summary: Summary) -> Effect {
    Effect { summary, complete: true }
}

impl Action for Linux {
    fn supports(&self, kind: StepKind) -> Result<(), ActionError> {
        match self.lacks.get(&kind) {
            None => Ok(()),
            Some(Lack::Needs(needs)) => Err(unsupported(kind, needs)),
            Some(Lack::Capability(capability)) => {
                Err(ActionError::Missing { step: kind, capability })
            }
        }
    }

    fn prepare(&mut self, plan: &Plan) -> Result<Undo, ActionError> {
        self.look(plan)
    }

    fn apply(&mut self, permit: RecordedPermit) -> Result<Effect, ActionError> {
        self.carry_out(permit.plan(), permit.undo())
    }

    fn undo(&mut self, undo: &Undo) -> Result<Summary, ActionError> {
        match undo {
            Undo::Nothing => Ok(gadget_core::summary(format_args!("nothing to put back"))),
            Undo::Thaw { cgroup, path } => self.thaw_cgroup(*cgroup, path),
            Undo::Continue { process, reach: Reach::Alone, .. } => self.continue_process(*process),
            Undo::Continue { process, reach: Reach::Tree, stopped } => {
                self.continue_tree(*process, stopped)
            }
            Undo::Restore { subject, setting, path, before, wrote } => match *subject {
                Subject::Process(id) => self.put_back_attribute(id, *setting, before, wrote),
                Subject::Cgroup(id) => self.put_back_limit(id, *setting, path, (before, wrote)),
                Subject::Host => self.put_back_sysctl(path, (before, wrote)),
                Subject::Agent if *setting == Setting::LearnedRule => {
                    self.put_back_rule(path, (before, wrote))
                }
                Subject::Agent => self.put_back_telemetry(path, (before, wrote)),
                _ => Err(ActionError::Stale { what: "this backend knows no such subject" }),
            },
            _ => Err(ActionError::Stale { what: "this backend knows no such undo" }),
        }
    }

    fn advance(
        &mut self,
        now: Timestamp,
        done: &mut dyn FnMut(PlanId, Result<Effect, ActionError>),
    ) {
        let mut index = 0;
        while index < self.under_way.len() {
            let mut work = self.under_way.swap_remove(index);
            let over = match &mut work {
                Work::Ending(ending) => match self.means(StepKind::Kill) {
                    Ok(mut means) => ending.advance(now, &mut means),
                    Err(error) => Some(Err(error)),
                },
                Work::Running(running) => running.advance(now),
                Work::Job(job) => job.advance(now),
            };
            match over {
                Some(result) => {
                    let plan = work.plan();
                    self.pool.retain(|(of, _)| *of != plan);
                    done(plan, result);
                }
                None => {
                    // Back to where it was: the order stays, and its room is still there.
                    self.under_way.push(work);
                    let last = self.under_way.len() - 1;
                    self.under_way.swap(index, last);
                    index += 1;
                }
            }
        }
    }

    fn next_advance(&self) -> Option<Timestamp> {
        self.under_way.iter().map(Work::next).min()
    }
}

impl LinuxBuilder {
    pub(crate) const fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Reads processes below `root`. Default `/proc`; another is for tests, and for an agent in a container that has the
    /// host's elsewhere (their process ids must be those of its own pid namespace all the same).
    pub fn proc_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.proc = root.into();
        self
    }

    /// Finds cgroups below `root`: the root of cgroup v2, or a directory with one per controller and `unified`. Default:
    /// the hierarchies in `/proc/self/mountinfo`.
    pub fn cgroup_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.cgroup = Some(root.into());
        self
    }

    /// Runs `argv` for a plan of [`Step::Hook`] with this name.
    pub fn hook(mut self, name: impl Into<String>, argv: Argv) -> Self {
        self.settings.hooks.insert(name.into(), argv);
        self
    }

    /// Asks processes of the executable with this file name to collect garbage so. JVMs (`java`) need no setting.
    pub fn collector(mut self, executable: impl Into<String>, how: Collector) -> Self {
        self.settings.collectors.insert(executable.into(), how);
        self
    }

    /// Runs `argv` to restart a service: a unit like `nginx.service` that the target's cgroup path names, or the name of the
    /// target itself.
    pub fn restart(mut self, service: impl Into<String>, argv: Argv) -> Self {
        self.settings.restarts.insert(service.into(), argv);
        self
    }

    /// Reaches systemd at this socket. Default `/run/dbus/system_bus_socket`.
    pub fn system_bus(mut self, socket: impl Into<PathBuf>) -> Self {
        self.settings.bus = socket.into();
        self
    }

    /// Changes what the agent sends in this cell, which whoever sends reads. Without it nothing is changed.
    pub fn telemetry(mut self, cell: TelemetryCell) -> Self {
        self.settings.sending = Some(Sending::new(cell));
        self
    }

    /// Adopts and retires learned rules of redaction here, where whoever redacts looks. Without it none is.
    pub fn learned_rules(mut self, rules: RuleStates) -> Self {
        self.settings.rules = Some(rules);
        self
    }

    /// Asks here for what was logged to be sent. Without it nothing is.
    pub fn log_flushes(mut self, queue: FlushQueue) -> Self {
        self.settings.flushes = Some(queue);
        self
    }

    /// How long a restart through systemd, or a configured program, may take; a program
    /// is killed then, with its process group. Default 30 s; zero kills it the
    /// next time that it is looked at; slow services want more.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Looks what this host and this process can do, and makes room for all that is to be done.
    pub fn build(self) -> Linux {
        // Before Linux 6.4 the first call reads a file into memory that it allocates: not while memory is being freed.
        let _ = rustix::param::page_size();
        let open = |path| {
            rustix::fs::open(
                path,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        let proc = open(&self.proc).ok();
        let hierarchies = match &self.cgroup {
            Some(root) => Hierarchies::at(root),
            None => Hierarchies::detect(&self.proc),
        };
        let hierarchies = hierarchies.ok();
        let capabilities = Capabilities::ours();
        let host = ability::Host {
            proc: proc.as_ref(),
            hierarchies: hierarchies.as_ref(),
            capabilities,
            settings: &self.settings,
        };
        let lacks =
            StepKind::ALL.iter().filter_map(|&kind| Some((kind, host.can(kind).err()?))).collect();
        Linux {
            proc,
            hierarchies,
            capabilities,
            lacks,
            settings: self.settings,
            under_way: Vec::with_capacity(MAX_UNDER_WAY),
            pool: Vec::with_capacity(MAX_HELD),
            held: Vec::with_capacity(MAX_HELD),
            no_path: Arc::from(""),
        }
    }
}
