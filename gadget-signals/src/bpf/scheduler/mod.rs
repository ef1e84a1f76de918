//! How the scheduler treats processes and cgroups.

mod running;

use std::time::Instant;

use gadget_core::{
    CgroupId, CgroupVersion, ProcessId, Reading, Scope, SignalError, SignalProvider, Signals,
    Subject, Timestamp,
};

use super::cost::CostMeter;
use super::kernel::Kernel;
use super::seats::Seats;
use super::targets::{self, TARGETS};
use crate::CgroupLayout;
use running::{GROUPS, Of, Running, Settings, Told};

const NAME: &str = "scheduling";
const SWITCH: &str = "sched_switch";
const TRACEPOINTS: &[&str] = &[SWITCH, "sched_wakeup", "sched_wakeup_new", "sched_process_exit"];

/// Tells how long the tasks of processes and cgroups wait for a processor, and how long for what they wait for themselves.
///
/// - Gives [`Reading::Scheduling`] for each process and each cgroup that a gadget watches ([`Scope::Only`]), whenever it is named:
///   what was added since the time before. The first time begins the count and tells nothing; what is not named for a minute
///   is let go. What was asked for by [`follow`](Self::follow) is told in every sweep as well. A process that has ended is told
///   one last time.
/// - A cgroup is all tasks in it and below, down to 16 levels below the topmost group.
/// - Time is told as a task leaves the processor again: how long it had waited, from leaving the processor until it was woken,
///   and from being ready until it ran. What a task waits for now is not in it yet.
/// - Bound: 64 processes and 256 cgroups at a time. One more is not counted until another is let go; each time that it is
///   asked for is counted as lost in [`Reading::KernelCost`](gadget_core::Reading::KernelCost), as is a task for which there was
///   no memory.
/// - Cost: nothing, not even programs in the kernel, while nobody asks. While somebody does, 65 ns a switch of tasks that nobody
///   asked for and 130 to 145 ns of others, where a switch took 970 ns.
/// - Source: `sched_switch`, `sched_wakeup`, `sched_wakeup_new`, `sched_process_exit` (include/trace/events/sched.h). Without BPF
///   there is [`SchedulerFiles`](crate::SchedulerFiles), which has sums alone.
pub struct SchedulerWatch {
    settings: Settings,
    processes: Seats<ProcessId, Box<Told>>,
    groups: Seats<CgroupId, Box<Told>>,
    /// While somebody asks.
    running: Option<Running>,
    cost: CostMeter,
    /// By programs that ran before.
    lost: u64,
}

impl SchedulerWatch {
    /// For this host, whose cgroups are those of `layout`; without one, of the unified hierarchy. Nothing is loaded before
    /// somebody asks.
    ///
    /// # Errors
    /// What BPF programs need and is missing here; [`SignalError::Unsupported`] in a pid namespace of our own as well.
    pub fn host(layout: Option<&CgroupLayout>) -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_tracepoints(TRACEPOINTS)?;
        kernel.needs_host_namespaces()?;
        let settings = Settings {
            by_memory_controller: layout.is_some_and(|it| it.version() == CgroupVersion::V1),
            has_prev_state: kernel.arguments_of(SWITCH).is_some_and(|count| count >= 4),
        };
        Ok(Self {
            settings,
            processes: Seats::new(TARGETS),
            groups: Seats::new(GROUPS),
            running: None,
            cost: CostMeter::default(),
            lost: 0,
        })
    }

    /// Counts a process or a cgroup until [`unfollow`](Self::unfollow). False if the process is gone, if there is no room for one
    /// more, and for the host, which nobody counts.
    ///
    /// # Errors
    /// [`SignalError::Program`] if the kernel refuses the programs.
    pub fn follow(&mut self, subject: Subject) -> Result<bool, SignalError> {
        match subject {
            Subject::Process(id) if let Some(index) = self.processes.find(id) => {
                self.processes.keep(index);
            }
            Subject::Cgroup(id) if let Some(index) = self.groups.find(id) => {
                self.groups.keep(index);
            }
            _ => return self.begin(subject, None),
        }
        Ok(true)
    }

    /// Lets go of a process or a cgroup.
    ///
    /// # Errors
    /// [`SignalError::Program`] if the kernel does not let go of the cgroup.
    pub fn unfollow(&mut self, subject: Subject) -> Result<(), SignalError> {
        match subject {
            Subject::Process(id) => {
                if let Some(index) = self.processes.find(id) {
                    self.release_process(index);
                }
            }
            Subject::Cgroup(id) => {
                if let Some(index) = self.groups.find(id) {
                    self.release_group(index)?;
                }
            }
            _ => {}
        }
        self.rest();
        Ok(())
    }

    /// How many processes and how many cgroups are counted.
    #[must_use]
    pub fn following(&self) -> (usize, usize) {
        (self.processes.count(), self.groups.count())
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        let (processes, groups) = self.following();
        let state = if self.settings.has_prev_state { "told" } else { "read from the task" };
        format!(
            "BPF on {} tracepoints of the scheduler, states {state}, {processes} of at most {TARGETS} processes and {groups} of \
             {GROUPS} cgroups, detached while nobody asks",
            TRACEPOINTS.len()
        )
    }

    fn begin(&mut self, subject: Subject, named: Option<Instant>) -> Result<bool, SignalError> {
        let index = match subject {
            Subject::Process(_) => self.processes.free(),
            Subject::Cgroup(_) => self.groups.free(),
            _ => None,
        };
        let Some(index) = index else { return Ok(false) };
        if self.running.is_none() {
            self.running = Some(Running::start(&self.settings)?);
        }
        let Some(running) = &mut self.running else { return Ok(false) };
        match subject {
            Subject::Process(id) => {
                let told = Told::now(running.count(Of::Process(index))?);
                if !running.table.set(id, targets::number(index)) {
                    return Ok(false);
                }
                self.processes.take(index, id, told, named);
            }
            Subject::Cgroup(id) => {
                let told = Told::now(running.count(Of::Group(index))?);
                running.ask(id, index)?;
                self.groups.take(index, id, told, named);
                running.set_asked(self.groups.count())?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn release_process(&mut self, index: usize) {
        if let (Some(seat), Some(running)) = (self.processes.release(index), &self.running)
            && running.table.get(seat.key.pid) == targets::number(index)
        {
            running.table.clear(seat.key.pid);
        }
    }

    fn release_group(&mut self, index: usize) -> Result<(), SignalError> {
        if let (Some(seat), Some(running)) = (self.groups.release(index), &mut self.running) {
            running.forget(seat.key)?;
            running.set_asked(self.groups.count())?;
        }
        Ok(())
    }

    /// Unloads everything once nobody asks.
    fn rest(&mut self) {
        if self.following() == (0, 0)
            && let Some(running) = self.running.take()
        {
            self.lost += running.lost();
        }
    }

    fn sample_named(&mut self, subjects: &[Subject], out: &mut Signals) -> Result<(), SignalError> {
        let now = Instant::now();
        for subject in subjects {
            let found = match *subject {
                Subject::Process(id) => {
                    self.processes.name(id, now).map(|(index, told)| (Of::Process(index), told))
                }
                Subject::Cgroup(id) => {
                    self.groups.name(id, now).map(|(index, told)| (Of::Group(index), told))
                }
                _ => continue,
            };
            match found.zip(self.running.as_ref()) {
                Some(((of, told), running)) => {
                    let scheduling = told.since(running.count(of)?);
                    out.push(*subject, Reading::Scheduling(Box::new(scheduling)));
                }
                None => drop(self.begin(*subject, Some(now))?),
            }
        }
        Ok(())
    }

    fn sample_kept(&mut self, out: &mut Signals) -> Result<(), SignalError> {
        let Some(running) = &self.running else { return Ok(()) };
        let now = Instant::now();
        let (mut processes, mut groups) = (Vec::new(), Vec::new());
        for (index, seat) in self.processes.iter_mut() {
            // What has ended is told, and let go, below.
            if seat.stays() && running.table.get(seat.key.pid) == targets::number(index) {
                let scheduling = seat.told.since(running.count(Of::Process(index))?);
                out.push(Subject::Process(seat.key), Reading::Scheduling(Box::new(scheduling)));
            } else if seat.is_stale(now) {
                processes.push(index);
            }
        }
        for (index, seat) in self.groups.iter_mut() {
            if seat.stays() {
                let scheduling = seat.told.since(running.count(Of::Group(index))?);
                out.push(Subject::Cgroup(seat.key), Reading::Scheduling(Box::new(scheduling)));
            } else if seat.is_stale(now) {
                groups.push(index);
            }
        }
        processes.into_iter().for_each(|index| self.release_process(index));
        groups.into_iter().try_for_each(|index| self.release_group(index))
    }

    /// Tells one last time of processes that have ended, and lets them go.
    fn sample_ended(&mut self, out: &mut Signals) -> Result<(), SignalError> {
        let Some(running) = &self.running else { return Ok(()) };
        let ended = self
            .processes
            .iter_mut()
            .filter(|(index, seat)| running.table.get(seat.key.pid) != targets::number(*index));
        for index in ended.map(|(index, _)| index).collect::<Vec<_>>() {
            let Some(mut seat) = self.processes.release(index) else { continue };
            let last = seat.told.since(running.count(Of::Process(index))?);
            if last.voluntary + last.involuntary > 0 {
                out.push(Subject::Process(seat.key), Reading::Scheduling(Box::new(last)));
            }
        }
        Ok(())
    }
}

impl SignalProvider for SchedulerWatch {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        let sampled = match scope {
            Scope::Everything => self.sample_kept(out),
            Scope::Only(subjects) => self.sample_named(subjects, out),
        };
        let sampled = sampled.and_then(|()| self.sample_ended(out));
        if let Some(running) = &self.running {
            let refused = self.processes.refused + self.groups.refused;
            self.cost.sample(&running.programs, self.lost + refused + running.lost(), out);
        }
        self.rest();
        sampled
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bpf::seats::KEPT;
    use crate::bpf::targets::process;
    use crate::testing::readings;

    #[test]
    fn nothing_is_loaded_unless_somebody_asks_and_nobody_is_followed_for_ever() {
        let Ok(mut watch) = SchedulerWatch::host(None) else {
            println!("SKIPPED: this host takes no BPF programs from us");
            return;
        };
        assert!(watch.running.is_none() && readings(&mut watch).is_empty());
        assert!(!watch.follow(Subject::Host).unwrap() && watch.running.is_none());
        let (process, group) = (process(std::process::id()).unwrap(), CgroupId(u64::MAX));
        let both = [Subject::Process(process), Subject::Cgroup(group)];
        for subject in both {
            assert!(watch.follow(subject).unwrap() && watch.running.is_some());
        }
        assert_eq!(readings(&mut watch).len(), 2);
        both.into_iter().for_each(|subject| watch.unfollow(subject).unwrap());
        assert!(watch.running.is_none());

        let long_ago = Instant::now().checked_sub(KEPT + Duration::from_secs(1)).unwrap();
        for subject in both {
            assert!(watch.begin(subject, Some(long_ago)).unwrap());
        }
        readings(&mut watch);
        assert!(watch.running.is_none(), "nobody has named them for long");
    }

    #[test]
    fn a_cgroup_too_many_is_refused_and_counted() {
        let Ok(mut watch) = SchedulerWatch::host(None) else {
            println!("SKIPPED: this host takes no BPF programs from us");
            return;
        };
        let taken = |watch: &mut SchedulerWatch, id: u64| {
            watch.follow(Subject::Cgroup(CgroupId(u64::MAX - id))).unwrap()
        };
        assert!((0..GROUPS as u64).all(|id| taken(&mut watch, id)));
        assert!(!taken(&mut watch, GROUPS as u64));
        assert_eq!((watch.groups.refused, watch.following()), (1, (0, GROUPS)));
        watch.unfollow(Subject::Cgroup(CgroupId(u64::MAX))).unwrap();
        assert!(taken(&mut watch, GROUPS as u64), "one that was let go made room");
    }
}
