//! What is known of processes besides numbers: users, containers, and the costly fields of those that are sent in full.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gadget_core::{
    CensusRow, CgroupId, CgroupIdentity, ProcessDetail, ProcessId, Reading, Signal, Subject, Users,
};
use gadget_envelope::Container;

/// The most cgroups that are known by name, and the most processes that are known in detail.
const MAX_CGROUPS: usize = 20_000;
const MAX_DETAILS: usize = 4_096;

/// Names, as the signals told them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    users: Arc<Users>,
    cgroups: HashMap<CgroupId, Arc<CgroupIdentity>>,
    details: BTreeMap<ProcessId, ProcessDetail>,
    /// What was not kept, as there was too much.
    pub(crate) overflowed: u64,
}

impl Names {
    pub(crate) fn observe(&mut self, signal: &Signal) {
        match (&signal.reading, signal.subject) {
            (Reading::Users(users), _) => {
                let mut sorted = (**users).clone();
                sorted.sort_by_key(|(id, _)| *id);
                self.users = Arc::new(sorted);
            }
            (Reading::CgroupIdentity(identity), Subject::Cgroup(id)) => {
                if self.cgroups.len() < MAX_CGROUPS || self.cgroups.contains_key(&id) {
                    self.cgroups.insert(id, Arc::new((**identity).clone()));
                } else {
                    self.overflowed += 1;
                }
            }
            (Reading::ProcessDetail(detail), Subject::Process(id)) => {
                if self.details.len() < MAX_DETAILS || self.details.contains_key(&id) {
                    self.details.insert(id, (**detail).clone());
                } else {
                    self.overflowed += 1;
                }
            }
            (reading, Subject::Cgroup(id)) if reading.is_the_end() => {
                self.cgroups.remove(&id);
            }
            _ => {}
        }
    }

    /// Forgets the details of whoever is not asked about any more.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(ProcessId) -> bool) {
        self.details.retain(|&id, _| wanted(id));
    }

    pub(crate) fn user(&self, uid: u32) -> Option<&Arc<str>> {
        let at = self.users.binary_search_by_key(&uid, |(id, _)| *id).ok()?;
        Some(&self.users[at].1)
    }

    pub(crate) fn detail(&self, id: ProcessId) -> Option<&ProcessDetail> {
        self.details.get(&id)
    }

    pub(crate) fn cgroup(&self, row: &CensusRow) -> Option<&CgroupIdentity> {
        let id = row.cgroup.or_else(|| self.detail(row.id)?.cgroup)?;
        self.cgroups.get(&id).map(|it| &**it)
    }

    pub(crate) fn container(&self, row: &CensusRow) -> Option<Container> {
        let identity = self.cgroup(row)?;
        let container = identity.container.as_ref();
        let text = |it: Option<&Arc<str>>| it.map(|it| it.to_string()).unwrap_or_default();
        Some(Container {
            runtime: text(container.map(|it| &it.runtime)),
            id: text(container.map(|it| &it.id)),
            pod: text(container.and_then(|it| it.pod.as_ref())),
            cgroup: identity.path.to_string(),
        })
    }
}
