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
