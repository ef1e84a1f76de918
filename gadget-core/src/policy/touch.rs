//! How much of a host a plan would touch.

use arrayvec::ArrayVec;

use crate::plan::{Plan, Reach, Risk};
use crate::subject::{CgroupId, ProcessId, Subject};
use crate::units::Bytes;
use crate::world::World;

/// How much of the host a step touches. Nothing for steps of low risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Touch {
    pub(super) processes: usize,
    pub(super) cgroups: usize,
    /// Zero for a target that cannot be touched in part.
    pub(super) memory: Bytes,
}

/// What is inside a target: memory that is used again from review to review.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// The process itself, the tree, or all that is in the cgroup or below it.
    pub(super) processes: Vec<ProcessId>,
    /// The cgroup and those below it.
    pub(super) cgroups: Vec<CgroupId>,
    /// The agent's own process id and those of its ancestors.
    pub(super) ours: ArrayVec<u32, 64>,
}

impl Inside {
    pub(super) fn look(&mut self, plan: &Plan, world: &World) {
        self.processes.clear();
        self.cgroups.clear();
        self.ours.clear();
        let mut next = Some(world.facts().agent_pid);
        while let Some(pid) = next.filter(|&pid| pid != 0 && !self.ours.is_full()) {
            self.ours.push(pid);
            let process =
                world.process_with_pid(pid).and_then(|(_, process)| process.identity.as_ref());
            next = process.map(|identity| identity.parent);
        }
        match plan.target.subject {
            Subject::Host | Subject::Agent => {}
            Subject::Cgroup(id) => world.cgroup_tree(id, &mut self.cgroups, &mut self.processes),
            Subject::Process(id) => match plan.target.reach {
                Reach::Alone => self.processes.extend(world.process(id).map(|_| id)),
                Reach::Tree => world.process_tree(id, &mut self.processes),
            },
        }
    }

    pub(super) fn touch(&self, plan: &Plan, world: &World) -> Touch {
        if plan.step.kind().risk() == Risk::Low {
            return Touch::default();
        }
        let (cgroups, processes) = (self.cgroups.len(), self.processes.len());
        match plan.target.subject {
            Subject::Cgroup(id) if processes > 1 => {
                let charged = world.cgroup(id).and_then(|cgroup| cgroup.memory);
                let memory = charged.map_or_else(|| self.resident(world), |memory| memory.current);
                Touch { processes, cgroups, memory }
            }
            Subject::Process(_) if plan.target.reach == Reach::Tree => {
                Touch { processes: self.programs(world), cgroups, memory: Bytes::ZERO }
            }
            _ => Touch { processes, cgroups, memory: Bytes::ZERO },
        }
    }

    /// How many executables run inside; where one is not known its `comm` stands for it. Beyond 32 each process counts.
    fn programs(&self, world: &World) -> usize {
        let mut seen = ArrayVec::<&str, 32>::new();
        let mut beyond = 0;
        for identity in self.processes.iter().filter_map(|&id| world.process(id)?.identity.as_ref())
        {
            let program = identity.exe.as_deref().unwrap_or(&identity.comm);
            if !seen.contains(&program) && seen.try_push(program).is_err() {
                beyond += 1;
            }
        }
        seen.len() + beyond
    }

    fn resident(&self, world: &World) -> Bytes {
        let usages = self.processes.iter().filter_map(|&id| world.process(id)?.usage);
        usages.fold(Bytes::ZERO, |sum, usage| sum.saturating_add(usage.rss))
    }
}
