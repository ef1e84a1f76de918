//! Who belongs to whom: indexes over the processes and cgroups of a world.

use std::collections::HashMap;

use crate::subject::{CgroupId, ProcessId, ProcessIdentity};

/// Indexes that the identities of all subjects add up to, so that asking for a tree does not read every process.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    by_pid: HashMap<u32, ProcessId>,
    children: HashMap<u32, Vec<ProcessId>>,
    members: HashMap<CgroupId, Vec<ProcessId>>,
    below: HashMap<CgroupId, Vec<CgroupId>>,
    kernel_threads: usize,
}

impl Relations {
    pub(crate) fn with_pid(&self, pid: u32) -> Option<ProcessId> {
        self.by_pid.get(&pid).copied()
    }

    /// Processes whose parent has this pid, of whatever start.
    pub(crate) fn children(&self, pid: u32) -> &[ProcessId] {
        self.children.get(&pid).map_or(&[], Vec::as_slice)
    }

    /// Processes in the cgroup itself.
    pub(crate) fn members(&self, cgroup: CgroupId) -> &[ProcessId] {
        self.members.get(&cgroup).map_or(&[], Vec::as_slice)
    }

    /// Cgroups one level below.
    pub(crate) fn below(&self, cgroup: CgroupId) -> &[CgroupId] {
        self.below.get(&cgroup).map_or(&[], Vec::as_slice)
    }

    pub(crate) const fn kernel_threads(&self) -> usize {
        self.kernel_threads
    }

    pub(crate) fn appeared(&mut self, id: ProcessId) {
        self.by_pid.insert(id.pid, id);
    }

    pub(crate) fn vanished(&mut self, id: ProcessId, identity: Option<&ProcessIdentity>) {
        if self.by_pid.get(&id.pid) == Some(&id) {
            self.by_pid.remove(&id.pid);
        }
        self.identified(id, identity, None);
    }

    pub(crate) fn identified(
        &mut self,
        id: ProcessId,
        before: Option<&ProcessIdentity>,
        now: Option<&ProcessIdentity>,
    ) {
        let kernel = |identity: Option<&ProcessIdentity>| {
            usize::from(identity.is_some_and(|identity| identity.kernel_thread))
        };
        self.kernel_threads = self.kernel_threads + kernel(now) - kernel(before);
        let parent = |identity: &ProcessIdentity| identity.parent;
        moved(&mut self.children, id, before.map(parent), now.map(parent));
        let cgroup = |identity: &ProcessIdentity| identity.cgroup;
        moved(&mut self.members, id, before.and_then(cgroup), now.and_then(cgroup));
    }

    pub(crate) fn hung(&mut self, id: CgroupId, before: Option<CgroupId>, now: Option<CgroupId>) {
        moved(&mut self.below, id, before, now);
    }
}

/// Moves `item` from one holder to another; a holder of nothing is dropped.
fn moved<K: Eq + std::hash::Hash + Copy, V: PartialEq>(
    holders: &mut HashMap<K, Vec<V>>,
    item: V,
    before: Option<K>,
    now: Option<K>,
) {
    if before == now {
        return;
    }
    if let Some(before) = before
        && let Some(held) = holders.get_mut(&before)
    {
        if let Some(at) = held.iter().position(|held| *held == item) {
            held.swap_remove(at);
        }
        if held.is_empty() {
            holders.remove(&before);
        }
    }
    if let Some(now) = now {
        holders.entry(now).or_default().push(item);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::*;

    fn process(pid: u32, start: u64, parent: u32, cgroup: Option<u64>) -> Signal {
        let identity = ProcessIdentity {
            parent,
            comm: "some".into(),
            exe: None,
            uid: 0,
            cgroup: cgroup.map(CgroupId),
            cgroup_path: None,
            oom_score_adj: None,
            kernel_thread: pid.is_multiple_of(5),
            runtime: Runtime::Native,
        };
        let reading = Reading::ProcessIdentity(Box::new(identity));
        tell(Subject::Process(ProcessId { pid, start }), reading)
    }

    fn group(id: u64, parent: Option<u64>) -> Signal {
        let identity = CgroupIdentity {
            path: "/some".into(),
            parent: parent.map(CgroupId),
            version: CgroupVersion::V2,
            container: None,
            oom_group: false,
        };
        tell(Subject::Cgroup(CgroupId(id)), Reading::CgroupIdentity(Box::new(identity)))
    }

    fn tell(subject: Subject, reading: Reading) -> Signal {
        Signal { at: Timestamp::from_secs(100), subject, reading }
    }

    fn world(signals: &[Signal]) -> World {
        let facts = HostFacts { boot_id: "b".into(), kernel: "k".into(), agent_pid: 0, cpus: 1 };
        let mut world = World::new(facts);
        signals.iter().for_each(|signal| world.observe(signal));
        world
    }

    fn tree(world: &World, pid: u32, start: u64) -> Vec<u32> {
        let mut tree = Vec::new();
        world.process_tree(ProcessId { pid, start }, &mut tree);
        tree.iter().map(|id| id.pid).collect()
    }

    #[test]
    fn a_tree_has_parents_before_children_and_no_strangers() {
        let mut world = world(&[
            process(10, 10, 1, None),
            process(11, 11, 10, None),
            process(12, 12, 11, None),
            process(13, 13, 1, None),
            // Its parent of that pid has exited: it is older than the one that has the pid now.
            process(14, 5, 10, None),
        ]);
        assert_eq!(tree(&world, 10, 10), [10, 11, 12]);
        world.observe(&process(12, 12, 1, None));
        assert_eq!(tree(&world, 10, 10), [10, 11]);
        assert_eq!(tree(&world, 10, 9), [0; 0], "another start is another process");
    }

    #[test]
    fn a_chain_of_any_length_is_one_tree() {
        let chain: Vec<Signal> = (1..5_000).map(|n| process(n, n.into(), n - 1, None)).collect();
        let world = world(&chain);
        assert_eq!(tree(&world, 1, 1).len(), 4_999);
        let [first, last] = [1, 4_999].map(|n| ProcessId { pid: n, start: n.into() });
        assert!(world.descends_from(last, first) && !world.descends_from(first, last));
    }

    #[test]
    fn a_cycle_ends() {
        let world = world(&[
            process(10, 1, 11, None),
            process(11, 1, 10, None),
            group(1, Some(2)),
            group(2, Some(1)),
        ]);
        assert_eq!(tree(&world, 10, 1), [10, 11]);
        let (mut groups, mut members) = (Vec::new(), Vec::new());
        world.cgroup_tree(CgroupId(1), &mut groups, &mut members);
        assert_eq!(groups, [CgroupId(1), CgroupId(2)]);
    }

    #[test]
    fn the_last_to_start_has_the_pid() {
        let mut world = world(&[process(10, 10, 1, Some(7)), process(10, 20, 1, Some(7))]);
        let (old, new) = (ProcessId { pid: 10, start: 10 }, ProcessId { pid: 10, start: 20 });
        assert!(world.process(old).is_none() && world.process(new).is_some());
        // A late word of the old one does not bring it back.
        world.observe(&process(10, 10, 1, Some(7)));
        assert_eq!(world.process_with_pid(10).unwrap().0, new);
        world.observe(&tell(Subject::Process(old), Reading::Gone));
        assert_eq!(world.process_with_pid(10).unwrap().0, new);
        world.forget_unseen(Timestamp::from_secs(200), Duration::from_secs(50));
        assert!(world.process_with_pid(10).is_none());
        assert_eq!(world.processes_in(CgroupId(7)).count(), 0);
    }

    proptest! {
        #[test]
        fn the_indexes_agree_with_a_search_of_everything(
            steps in proptest::collection::vec((0..5_u8, 1..12_u32, 0..3_u64, 0..12_u32), 1..80)
        ) {
            let mut world = world(&[]);
            for (what, pid, start, other) in steps {
                let id = ProcessId { pid, start };
                world.observe(&match what {
                    0 | 1 => process(pid, start, other, (other > 0).then_some(other.into())),
                    2 => tell(Subject::Process(id), Reading::Gone),
                    3 => group(pid.into(), (other > pid).then_some(other.into())),
                    _ => tell(Subject::Cgroup(CgroupId(pid.into())), Reading::Gone),
                });
            }
            let all: Vec<ProcessId> = world.processes().map(|(id, _)| id).collect();
            let pids: BTreeSet<u32> = all.iter().map(|id| id.pid).collect();
            prop_assert_eq!(pids.len(), all.len());
            let kernel = world.processes().filter(|(_, p)| p.identity.as_ref().unwrap().kernel_thread);
            prop_assert_eq!(world.user_processes(), all.len() - kernel.count());
            for &root in &all {
                prop_assert_eq!(world.process_with_pid(root.pid).unwrap().0, root);
                let mut tree = Vec::new();
                world.process_tree(root, &mut tree);
                let found: BTreeSet<ProcessId> = tree.iter().copied().collect();
                prop_assert_eq!(found.len(), tree.len());
                let searched = all.iter().copied().filter(|&id| world.descends_from(id, root)).collect();
                prop_assert_eq!(found, searched);
            }
            for (root, _) in world.cgroups() {
                let (mut groups, mut members) = (Vec::new(), Vec::new());
                world.cgroup_tree(root, &mut groups, &mut members);
                let searched: BTreeSet<CgroupId> = world
                    .cgroups()
                    .map(|(id, _)| id)
                    .filter(|&id| world.cgroup_is_within(id, root))
                    .collect();
                prop_assert_eq!(groups.into_iter().collect::<BTreeSet<_>>(), searched);
            }
        }
    }
}
