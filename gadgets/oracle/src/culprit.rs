//! Who causes the growth: one process, or a tree of them.

use std::sync::Arc;

use gadget_core::{CgroupId, ProcessId, QosClass, Reach, Runtime, Subject, World};

use crate::processes::{Processes, Tracked};

/// A set of processes is one culprit from this many growing members on.
const CROWD: u32 = 4;
/// A tree is the culprit if it holds this share of all growth, and no process alone holds half.
const MOST_GROWTH: f64 = 0.7;
/// A tree is spared as a whole if more of its memory than this is that of members that do not grow.
const BYSTANDERS: f64 = 0.25;
/// A process grows from this many bytes on; less is noise of counting.
const LEAST_GROWTH: f64 = 256.0 * 1024.0;

/// Who causes the growth, and what speaks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Culprit {
    /// The process, or the root of the tree.
    pub process: ProcessId,
    /// Its `comm`.
    pub name: Arc<str>,
    /// Whether it alone grows, or the tree below it: a fork storm is one culprit.
    pub reach: Reach,
    /// It starts those that grow, and has innocents below it too: it can only be held, since its end may be theirs.
    pub source: bool,
    /// What it won since the climb of its group began, in bytes.
    pub growth: f64,
    /// Its share of what all processes of the group won, 0 to 1.
    pub share: f64,
    /// What it holds, in bytes.
    pub size: f64,
    /// How many processes of it were started since the climb began.
    pub born: u32,
    /// Its `oom_score_adj`, where it may be read.
    pub oom_score_adj: Option<i16>,
    /// The runtime that it seems to run on.
    pub runtime: Runtime,
    /// The cgroup below the limited one that holds it and nobody else, if there is one.
    pub own_cgroup: Option<CgroupId>,
    /// When it was last read, in seconds of the Oracle's time.
    pub(crate) read_at: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Member {
    slot: u32,
    above: Option<u32>,
    growth: f64,
    size: f64,
    born: bool,
    tree_growth: f64,
    tree_size: f64,
    tree_idle: f64,
    tree_growing: u32,
    tree_born: u32,
    depth: u32,
}

/// Finds culprits; keeps its memory from search to search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    members: Vec<Member>,
    member_of_slot: Vec<u32>,
}

const NOBODY: u32 = u32::MAX;

impl Search {
    /// Keeps memory for a search among this many processes.
    pub(crate) fn make_room(&mut self, processes: usize) {
        let missing = |capacity: usize| processes.saturating_sub(capacity);
        if missing(self.members.capacity()) > 0 {
            self.members.clear();
            self.members.reserve(2 * processes);
        }
        if missing(self.member_of_slot.capacity()) > 0 {
            self.member_of_slot.clear();
            self.member_of_slot.reserve(2 * processes);
        }
    }

    /// Who won most in `subject` since `since`; `None` if no process that may be touched has grown.
    pub(crate) fn find(
        &mut self,
        subject: Subject,
        since: f64,
        world: &World,
        processes: &Processes,
    ) -> Option<Culprit> {
        self.gather(subject, since, world, processes);
        self.add_trees(processes);
        let total: f64 = self.members.iter().map(|member| member.growth.max(0.0)).sum();
        if total < LEAST_GROWTH {
            return None;
        }
        let agent = world.facts().agent_pid;
        let may = |process: &Tracked| {
            process.id.pid > 1
                && !process.kernel_thread
                && process.oom_score_adj != Some(-1000)
                && !processes.is_agent_or_above(process.id.pid, agent)
        };
        let touchable = |member: &Member| processes.at(member.slot).is_some_and(may);
        let score = |member: &Member| {
            let process = processes.at(member.slot);
            member.growth * process.map_or(0.0, |process| weight(process, world))
        };
        let single = self
            .members
            .iter()
            .filter(|member| member.growth >= LEAST_GROWTH && touchable(member))
            .max_by(|a, b| score(a).total_cmp(&score(b)).then(a.size.total_cmp(&b.size)));
        let crowd = self
            .members
            .iter()
            .filter(|member| {
                member.tree_growing >= CROWD && member.tree_growth >= MOST_GROWTH * total
            })
            .filter(|member| member.tree_idle <= BYSTANDERS * member.tree_size && touchable(member))
            .max_by_key(|member| member.depth);
        let alone = single.map_or(0.0, |single| single.growth / total);
        match (single, crowd) {
            (_, Some(root)) if alone < 0.5 => {
                Some(self.culprit(root, Reach::Tree, total, subject, world, processes))
            }
            // A crowd whose root has innocents below it: the source is stopped, not the tree.
            (Some(single), None) if alone < 0.5 => {
                let source = self.members.iter().filter(|member| {
                    member.tree_born >= CROWD
                        && member.tree_growth >= MOST_GROWTH * total
                        && touchable(member)
                });
                let found = source.max_by_key(|member| member.depth);
                let mut culprit = self.culprit(
                    found.unwrap_or(single),
                    Reach::Alone,
                    total,
                    subject,
                    world,
                    processes,
                );
                if let Some(source) = found {
                    culprit.source = true;
                    (culprit.growth, culprit.share) =
                        (source.tree_growth, source.tree_growth / total);
                }
                Some(culprit)
            }
            (Some(single), _) => {
                Some(self.culprit(single, Reach::Alone, total, subject, world, processes))
            }
            (None, _) => None,
        }
    }

    fn gather(&mut self, subject: Subject, since: f64, world: &World, processes: &Processes) {
        self.members.clear();
        self.member_of_slot.clear();
        self.member_of_slot.resize(processes.slots(), NOBODY);
        let mut known: Option<(Option<CgroupId>, bool)> = None;
        for (slot, process) in processes.iter() {
            let within = match subject {
                Subject::Cgroup(group) => match known {
                    Some((cgroup, within)) if cgroup == process.cgroup => within,
                    _ => process.cgroup.is_some_and(|cgroup| world.cgroup_is_within(cgroup, group)),
                },
                _ => !process.kernel_thread,
            };
            known = Some((process.cgroup, within));
            if !within || process.read_at().is_none() {
                continue;
            }
            let birth = processes.born(process.id);
            let (growth, size) = (process.growth_since(since, birth), process.size());
            self.member_of_slot[slot as usize] = self.members.len() as u32;
            self.members.push(Member {
                slot,
                growth,
                size,
                born: birth > since,
                ..Member::default()
            });
        }
    }

    /// Adds each member to all those above it.
    fn add_trees(&mut self, processes: &Processes) {
        for at in 0..self.members.len() {
            let slot = self.members[at].slot;
            let parent = processes.at(slot).filter(|process| process.parent != 0);
            let above = parent.and_then(|process| {
                let slot = processes.slot_of_pid(process.parent)?;
                // A reused pid is no parent: it started later than its child.
                processes.at(slot).filter(|parent| parent.id.start <= process.id.start)?;
                Some(self.member_of_slot[slot as usize]).filter(|&member| member != NOBODY)
            });
            self.members[at].above = above.filter(|&above| above as usize != at);
        }
        for at in 0..self.members.len() {
            let member = self.members[at];
            let grows = member.growth >= LEAST_GROWTH;
            let (mut next, mut depth) = (Some(at as u32), 0);
            while let Some(index) = next.filter(|_| depth < 64) {
                let tree = &mut self.members[index as usize];
                tree.tree_growth += member.growth.max(0.0);
                tree.tree_size += member.size;
                tree.tree_growing += u32::from(grows);
                tree.tree_born += u32::from(member.born && index as usize != at);
                if !grows && !member.born && index as usize != at {
                    tree.tree_idle += member.size;
                }
                next = tree.above;
                depth += 1;
            }
            self.members[at].depth = depth;
        }
    }

    fn culprit(
        &self,
        member: &Member,
        reach: Reach,
        total: f64,
        subject: Subject,
        world: &World,
        processes: &Processes,
    ) -> Culprit {
        let index = self.member_of_slot[member.slot as usize];
        let belongs = |other: &Member| match reach {
            Reach::Alone => other.slot == member.slot,
            Reach::Tree => {
                let (mut at, mut steps) = (Some(self.member_of_slot[other.slot as usize]), 0);
                while let Some(next) = at.filter(|&next| next != index && steps < 64) {
                    at = self.members[next as usize].above;
                    steps += 1;
                }
                at == Some(index)
            }
        };
        let tree = reach == Reach::Tree;
        let Some(process) = processes.at(member.slot) else {
            unreachable!("a member's slot is taken while the search runs")
        };
        let cgroup = process.cgroup.filter(|&cgroup| subject != Subject::Cgroup(cgroup));
        let own_cgroup = cgroup.filter(|&cgroup| {
            self.members.iter().all(|other| {
                belongs(other)
                    || processes
                        .at(other.slot)
                        .and_then(|process| process.cgroup)
                        .is_none_or(|within| !world.cgroup_is_within(within, cgroup))
            })
        });
        let read_at = self
            .members
            .iter()
            .filter(|other| belongs(other))
            .filter_map(|other| processes.at(other.slot)?.read_at())
            .fold(0.0, f64::max);
        Culprit {
            process: process.id,
            name: name_of(process.id, world),
            reach,
            source: false,
            growth: if tree { member.tree_growth } else { member.growth },
            share: if tree { member.tree_growth } else { member.growth } / total,
            size: if tree { member.tree_size } else { member.size },
            born: member.tree_born,
            oom_score_adj: process.oom_score_adj,
            runtime: process.runtime,
            own_cgroup,
            read_at,
        }
    }
}

fn name_of(id: ProcessId, world: &World) -> Arc<str> {
    world
        .process(id)
        .and_then(|process| process.identity.as_ref())
        .map_or_else(|| Arc::from("?"), |identity| Arc::clone(&identity.comm))
}

/// How much of a process's growth counts: what its operator and its orchestrator say of its worth.
fn weight(process: &Tracked, world: &World) -> f64 {
    let adjusted = match f64::from(process.oom_score_adj.unwrap_or(0)) {
        below if below < 0.0 => 1.0 + below / 1000.0,
        above => 1.0 + above / 2000.0,
    };
    let qos = process
        .cgroup
        .and_then(|cgroup| world.cgroup(cgroup)?.identity.as_ref()?.container.as_ref()?.qos);
    adjusted
        * match qos {
            Some(QosClass::BestEffort) => 1.2,
            Some(QosClass::Guaranteed) => 0.8,
            Some(QosClass::Burstable) | None => 1.0,
        }
}
