//! The latest that was seen of every subject.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::plan::{Change, Metric};
use crate::relations::Relations;
use crate::signal::{
    CgroupMemory, HostMemory, ModuleUse, Pressure, ProcessUsage, Reading, Resource, Signal,
};
use crate::subject::{CgroupId, CgroupIdentity, HostFacts, ProcessId, ProcessIdentity, Subject};
use crate::units::{Bytes, MemoryLimit, Timestamp};

/// The most cgroups and the most processes that are kept; what comes beyond is counted in [`World::overflowed`].
const MAX_CGROUPS: usize = 20_000;
const MAX_PROCESSES: usize = 100_000;

/// The latest reading and the identity of every subject, as the signals told it.
///
/// One `World` serves all gadgets and the policy, so that they judge the same host.
#[derive(Debug)]
pub struct World {
    facts: HostFacts,
    host: Host,
    agent: Own,
    cgroups: BTreeMap<CgroupId, Cgroup>,
    processes: HashMap<ProcessId, Process>,
    relations: Relations,
    overflowed: u64,
}

/// What is known of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host {
    /// Its memory.
    pub memory: Option<HostMemory>,
    /// Its memory pressure.
    pub pressure: Option<Pressure>,
    /// When it was last seen.
    pub seen: Timestamp,
}

/// What is known of the agent itself.
#[derive(Debug, Default)]
struct Own {
    used: Option<ModuleUse>,
    seen: Timestamp,
}

/// What is known of one cgroup.
#[derive(Clone, Debug, Default)]
pub struct Cgroup {
    /// What it is.
    pub identity: Option<CgroupIdentity>,
    /// Its memory, from the last reading of any depth.
    pub memory: Option<CgroupMemory>,
    /// Its memory pressure.
    pub pressure: Option<Pressure>,
    /// When it was last seen.
    pub seen: Timestamp,
}

/// What is known of one process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// What it is.
    pub identity: Option<ProcessIdentity>,
    /// Its use of memory and CPU.
    pub usage: Option<ProcessUsage>,
    /// When it was last seen.
    pub seen: Timestamp,
}

impl Cgroup {
    /// Its path, or `?` until its identity is known.
    #[must_use]
    pub fn path(&self) -> &str {
        self.identity.as_ref().map_or("?", |identity| &identity.path)
    }

    /// Memory that reclaim cannot free: the charge less file cache and reclaimable slab, shmem counted as unreclaimable.
    /// `None` until `memory.stat` was read.
    #[must_use]
    pub fn unreclaimable(&self) -> Option<Bytes> {
        let memory = self.memory?;
        let stat = memory.stat?;
        let cache = stat.active_file.saturating_add(stat.inactive_file);
        Some(
            memory
                .current
                .saturating_sub(cache)
                .saturating_sub(stat.slab_reclaimable.unwrap_or_default()),
        )
    }
}

impl Process {
    /// Its `comm`, or `?` until its identity is known.
    #[must_use]
    pub fn comm(&self) -> &str {
        self.identity.as_ref().map_or("?", |identity| &identity.comm)
    }
}

impl World {
    /// A world that has seen nothing yet of the host that `facts` describe.
    #[must_use]
    pub fn new(facts: HostFacts) -> Self {
        Self {
            facts,
            host: Host::default(),
            agent: Own::default(),
            cgroups: BTreeMap::new(),
            processes: HashMap::new(),
            relations: Relations::default(),
            overflowed: 0,
        }
    }

    /// Takes in one signal.
    pub fn observe(&mut self, signal: &Signal) {
        match signal.subject {
            Subject::Host => {
                self.host.seen = signal.at;
                match &signal.reading {
                    Reading::HostMemory(memory) => self.host.memory = Some(*memory),
                    Reading::Pressure(Resource::Memory, pressure) => {
                        self.host.pressure = Some(*pressure)
                    }
                    _ => {}
                }
            }
            Subject::Cgroup(id) => self.observe_cgroup(id, signal),
            Subject::Process(id) => self.observe_process(id, signal),
            Subject::Agent => {
                self.agent.seen = signal.at;
                if let Reading::ModuleUse(used) = &signal.reading
                    && used.module == ModuleUse::WHOLE
                {
                    self.agent.used = Some((**used).clone());
                }
            }
        }
    }

    fn observe_cgroup(&mut self, id: CgroupId, signal: &Signal) {
        if signal.reading.is_the_end() {
            self.remove_cgroup(id);
            return;
        }
        if self.cgroups.len() >= MAX_CGROUPS && !self.cgroups.contains_key(&id) {
            self.overflowed += 1;
            return;
        }
        let cgroup = self.cgroups.entry(id).or_default();
        cgroup.seen = signal.at;
        match &signal.reading {
            Reading::CgroupIdentity(identity) => {
                let before = cgroup.identity.as_ref().and_then(|identity| identity.parent);
                self.relations.hung(id, before, identity.parent);
                cgroup.identity = Some((**identity).clone());
            }
            Reading::CgroupMemory(memory) => {
                let before = cgroup.memory;
                cgroup.memory = Some(CgroupMemory {
                    stat: memory.stat.or(before.and_then(|before| before.stat)),
                    events: memory.events.or(before.and_then(|before| before.events)),
                    ..*memory
                });
            }
            Reading::Pressure(Resource::Memory, pressure) => cgroup.pressure = Some(*pressure),
            _ => {}
        }
    }

    fn observe_process(&mut self, id: ProcessId, signal: &Signal) {
        if signal.reading.is_the_end() {
            self.remove_process(id);
            return;
        }
        // A process id is used again only once its holder is gone, so the one that started last has it.
        match self.relations.with_pid(id.pid) {
            Some(holder) if holder.start > id.start => return,
            Some(holder) if holder.start < id.start => self.remove_process(holder),
            _ => {}
        }
        if self.processes.len() >= MAX_PROCESSES && !self.processes.contains_key(&id) {
            self.overflowed += 1;
            return;
        }
        let process = self.processes.entry(id).or_insert_with(|| {
            self.relations.appeared(id);
            Process::default()
        });
        process.seen = signal.at;
        match &signal.reading {
            Reading::ProcessIdentity(identity) => {
                self.relations.identified(id, process.identity.as_ref(), Some(identity));
                process.identity = Some((**identity).clone());
            }
            Reading::ProcessUsage(usage) => process.usage = Some(*usage),
            _ => {}
        }
    }

    fn remove_cgroup(&mut self, id: CgroupId) {
        if let Some(cgroup) = self.cgroups.remove(&id) {
            self.relations.hung(id, cgroup.identity.and_then(|identity| identity.parent), None);
        }
    }

    fn remove_process(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.remove(&id) {
            self.relations.vanished(id, process.identity.as_ref());
        }
    }

    /// What holds for the host as long as it is up.
    #[must_use]
    pub const fn facts(&self) -> &HostFacts {
        &self.facts
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// One cgroup.
    #[must_use]
    pub fn cgroup(&self, id: CgroupId) -> Option<&Cgroup> {
        self.cgroups.get(&id)
    }

    /// One process.
    #[must_use]
    pub fn process(&self, id: ProcessId) -> Option<&Process> {
        self.processes.get(&id)
    }

    /// Every cgroup, by id.
    pub fn cgroups(&self) -> impl Iterator<Item = (CgroupId, &Cgroup)> {
        self.cgroups.iter().map(|(&id, cgroup)| (id, cgroup))
    }

    /// Every process, in no particular order: whoever decides by it has to sort or to take an extreme.
    pub fn processes(&self) -> impl Iterator<Item = (ProcessId, &Process)> {
        self.processes.iter().map(|(&id, process)| (id, process))
    }

    /// The process that has `pid` now, as far as is known: of several, the one that started last.
    #[must_use]
    pub fn process_with_pid(&self, pid: u32) -> Option<(ProcessId, &Process)> {
        let id = self.relations.with_pid(pid)?;
        Some((id, self.processes.get(&id)?))
    }

    /// How many processes are known that are not threads of the kernel.
    #[must_use]
    pub fn user_processes(&self) -> usize {
        self.processes.len() - self.relations.kernel_threads()
    }

    /// How many cgroups are known.
    #[must_use]
    pub fn cgroup_count(&self) -> usize {
        self.cgroups.len()
    }

    /// Puts a process and all its descendants into `tree`, parents before children. Allocates only to let `tree` grow.
    pub fn process_tree(&self, root: ProcessId, tree: &mut Vec<ProcessId>) {
        tree.clear();
        if !self.processes.contains_key(&root) {
            return;
        }
        tree.push(root);
        let mut next = 0;
        while let Some(&parent) = tree.get(next) {
            next += 1;
            // A child never started before its parent: an older one had another parent of the same pid.
            let children = self.relations.children(parent.pid).iter();
            tree.extend(children.filter(|child| child.start >= parent.start && **child != root));
        }
    }

    /// Puts a cgroup and all those below it into `groups`, parents before children, and the processes in any of them into
    /// `members`. Allocates only to let them grow.
    pub fn cgroup_tree(
        &self,
        root: CgroupId,
        groups: &mut Vec<CgroupId>,
        members: &mut Vec<ProcessId>,
    ) {
        groups.clear();
        members.clear();
        groups.push(root);
        let mut next = 0;
        while let Some(&group) = groups.get(next) {
            next += 1;
            members.extend(self.relations.members(group));
            groups.extend(self.relations.below(group).iter().filter(|&&below| below != root));
        }
    }

    /// True if `inner` is `outer` or below it.
    #[must_use]
    pub fn cgroup_is_within(&self, inner: CgroupId, outer: CgroupId) -> bool {
        let mut at = Some(inner);
        // The kernel allows no deeper tree by default than INT_MAX; a cycle cannot be, but readings are input.
        for _ in 0..64 {
            match at {
                Some(id) if id == outer => return true,
                Some(id) => {
                    at = self
                        .cgroups
                        .get(&id)
                        .and_then(|c| c.identity.as_ref())
                        .and_then(|identity| identity.parent);
                }
                None => return false,
            }
        }
        false
    }

    /// The tightest memory limit that holds for a cgroup: its own or that of a group above it, and whose it is.
    #[must_use]
    pub fn memory_limit(&self, id: CgroupId) -> (MemoryLimit, CgroupId) {
        let (mut limit, mut owner, mut at) = (MemoryLimit::Unlimited, id, Some(id));
        for _ in 0..64 {
            let Some(id) = at else { break };
            let Some(cgroup) = self.cgroups.get(&id) else { break };
            if let Some(memory) = &cgroup.memory {
                let tighter = limit.min(memory.max);
                if tighter != limit {
                    (limit, owner) = (tighter, id);
                }
            }
            at = cgroup.identity.as_ref().and_then(|identity| identity.parent);
        }
        (limit, owner)
    }

    /// The processes in a cgroup and below it.
    pub fn processes_in(&self, cgroup: CgroupId) -> impl Iterator<Item = (ProcessId, &Process)> {
        self.processes().filter(move |(_, process)| {
            let within = process.identity.as_ref().and_then(|identity| identity.cgroup);
            within.is_some_and(|within| self.cgroup_is_within(within, cgroup))
        })
    }

    /// True if `process` is `ancestor` or was started by it or by one of its descendants, as far as is known.
    #[must_use]
    pub fn descends_from(&self, process: ProcessId, ancestor: ProcessId) -> bool {
        let mut at = Some(process);
        // A chain is no longer than there are processes; a cycle cannot be, but readings are input.
        for _ in 0..=self.processes.len() {
            match at {
                Some(id) if id == ancestor => return true,
                Some(id) => {
                    at = self
                        .processes
                        .get(&id)
                        .and_then(|p| p.identity.as_ref())
                        .filter(|identity| identity.parent != 0)
                        .and_then(|identity| self.process_with_pid(identity.parent))
                        .map(|(parent, _)| parent)
                        .filter(|parent| parent.start <= id.start);
                }
                None => return false,
            }
        }
        false
    }

    /// When `subject` was last seen; `None` if it is not known or gone.
    #[must_use]
    pub fn seen(&self, subject: Subject) -> Option<Timestamp> {
        match subject {
            Subject::Host => Some(self.host.seen),
            Subject::Cgroup(id) => self.cgroups.get(&id).map(|cgroup| cgroup.seen),
            Subject::Process(id) => self.processes.get(&id).map(|process| process.seen),
            Subject::Agent => Some(self.agent.seen),
        }
    }

    /// The latest value of `metric` for `subject`; `None` if it was not read or does not apply.
    #[must_use]
    pub fn metric(&self, subject: Subject, metric: Metric) -> Option<f64> {
        let pressure = |pressure: Option<Pressure>| match metric {
            Metric::MemorySome10 => Some(pressure?.some.avg10.get()),
            Metric::MemoryFull10 => Some(pressure?.full?.avg10.get()),
            _ => None,
        };
        match (subject, metric) {
            (Subject::Host, Metric::MemoryUsed) => {
                let memory = self.host.memory?;
                Some(memory.total.saturating_sub(memory.available).as_f64())
            }
            (Subject::Host, _) => pressure(self.host.pressure),
            (Subject::Cgroup(id), Metric::MemoryUsed) => {
                Some(self.cgroup(id)?.memory?.current.as_f64())
            }
            (Subject::Cgroup(id), Metric::MemoryUnreclaimable) => {
                Some(self.cgroup(id)?.unreclaimable()?.as_f64())
            }
            (Subject::Cgroup(id), _) => pressure(self.cgroup(id)?.pressure),
            (Subject::Process(id), Metric::ProcessRss) => {
                Some(self.process(id)?.usage?.rss.as_f64())
            }
            (Subject::Agent, Metric::AgentCpu) => self.agent.used.as_ref()?.cpu_percent(),
            (Subject::Agent, Metric::AgentMemory) => {
                Some(self.agent.used.as_ref()?.memory?.as_f64())
            }
            (Subject::Process(_) | Subject::Agent, _) => None,
        }
    }

    /// Whether `change` has come true for `subject`; `None` while that cannot be told.
    #[must_use]
    pub fn has_changed(&self, subject: Subject, change: Change) -> Option<bool> {
        match change {
            Change::Gone => Some(self.seen(subject).is_none()),
            Change::Nothing => Some(true),
            Change::AtMost(metric, bound) => {
                self.metric(subject, metric).map(|value| value <= bound)
            }
            Change::AtLeast(metric, bound) => {
                self.metric(subject, metric).map(|value| value >= bound)
            }
        }
    }

    /// Forgets what was not seen for `age`; providers that miss an exit do not leak it here.
    pub fn forget_unseen(&mut self, now: Timestamp, age: Duration) {
        let relations = &mut self.relations;
        self.cgroups.retain(|&id, cgroup| {
            let keep = now.since(cgroup.seen) <= age;
            if !keep {
                relations.hung(id, cgroup.identity.as_ref().and_then(|i| i.parent), None);
            }
            keep
        });
        self.processes.retain(|&id, process| {
            let keep = now.since(process.seen) <= age;
            if !keep {
                relations.vanished(id, process.identity.as_ref());
            }
            keep
        });
    }

    /// Readings that were not kept because a bound was reached.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }
}
