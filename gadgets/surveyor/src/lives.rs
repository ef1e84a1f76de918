//! Processes that ended: what they used that no census saw, and those that lived for a short time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{Census, CgroupId, Comm, End, ExitSource, Exits, ProcessId};
use gadget_envelope::{
    AggregateKind, AggregateRow, Delivery, LifecycleSource, Parent, ProcessEphemeralSummary, escape,
};
use gadget_sketch::{Mapping, Sketch};

use crate::settings;
use crate::used::nanos;

/// Processes that were seen, are gone, and whose end was not told yet.
const MAX_AWAITED: usize = 1 << 16;
/// Groups that are told apart while they are counted; any other goes to the rest at once.
const MAX_GROUPS: usize = 1 << 12;
/// Parents that are counted for each group.
const MAX_PARENTS: usize = 16;

/// Ends of a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lives {
    exits: Vec<Arc<Exits>>,
    /// The CPU time that was seen last of whoever is gone: of its own, user and kernel, in nanoseconds.
    awaited: HashMap<ProcessId, (u64, u64)>,
    /// Ends that could not be awaited, as there were too many.
    pub(crate) not_awaited: u64,
}

/// What ended processes used that no row says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unseen {
    count: u64,
    user: u64,
    system: u64,
    most_rss: u64,
}

impl Unseen {
    pub(crate) const fn cpu(&self) -> u64 {
        self.user.saturating_add(self.system)
    }

    /// None if nothing was used.
    pub(crate) fn row(&self) -> Option<AggregateRow> {
        let signed = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        (self.count > 0).then(|| AggregateRow {
            cpu_user_ns: signed(self.user),
            cpu_system_ns: signed(self.system),
            rss_max_bytes: self.most_rss,
            exited: self.count,
            kind: AggregateKind::Ephemeral.into(),
            ..AggregateRow::default()
        })
    }
}

impl Lives {
    pub(crate) fn observe(&mut self, exits: &Arc<Exits>) {
        self.exits.push(Arc::clone(exits));
    }

    /// Every end that was told in this window.
    pub(crate) fn ends(&self) -> impl Iterator<Item = &End> {
        self.exits.iter().flat_map(|exits| &exits.ends)
    }

    /// What whoever ended used and is in no row: of one that was seen before only what came after that. One that is still in the
    /// census, since nobody has waited for it, is charged there.
    pub(crate) fn unseen(&mut self, begin: &Census, end: &Census) -> Unseen {
        let mut unseen = Unseen::default();
        let cpu = |user: Option<Duration>| user.map_or(0, nanos);
        let mut told = std::collections::HashSet::new();
        for ended in self.exits.iter().flat_map(|exits| &exits.ends) {
            told.insert(ended.id);
            if find(end, ended.id).is_some() {
                continue;
            }
            let seen = find(begin, ended.id).map(|row| (nanos(row.user), nanos(row.system)));
            let (user, system) =
                seen.or_else(|| self.awaited.remove(&ended.id)).unwrap_or_default();
            unseen.count += 1;
            unseen.user += cpu(ended.user).saturating_sub(user);
            unseen.system += cpu(ended.system).saturating_sub(system);
            unseen.most_rss = unseen.most_rss.max(ended.exit.peak_rss.map_or(0, |it| it.get()));
        }
        // Whose end was not told within a window will not be told.
        self.awaited.clear();
        for row in &begin.rows {
            if find(end, row.id).is_none() && !told.contains(&row.id) {
                if self.awaited.len() >= MAX_AWAITED {
                    self.not_awaited += 1;
                    continue;
                }
                self.awaited.insert(row.id, (nanos(row.user), nanos(row.system)));
            }
        }
        unseen
    }

    /// Summaries of those that lived for a short time, in the order of names and cgroups; then the window's ends are forgotten.
    pub(crate) fn summaries(
        &mut self,
        settings: &settings::Ephemeral,
    ) -> Vec<ProcessEphemeralSummary> {
        let mut groups: BTreeMap<(Comm, Option<CgroupId>), Summary> = BTreeMap::new();
        let mut rest: Option<Summary> = None;
        let (mut produced, mut lost, mut source) = (0_u64, 0_u64, ExitSource::Bpf);
        for exits in &self.exits {
            (produced, lost) = (produced + exits.produced, lost + exits.lost);
            source = source.max(exits.source);
        }
        for ended in self.exits.iter().flat_map(|exits| &exits.ends) {
            if ended.exit.lifetime >= settings.under {
                continue;
            }
            let (key, full) = ((ended.comm, ended.cgroup), groups.len() >= MAX_GROUPS);
            let group = match groups.get_mut(&key) {
                Some(group) => group,
                None if full => rest.get_or_insert_with(Summary::default),
                None => groups.entry(key).or_default(),
            };
            group.add(ended);
        }
        self.exits.clear();
        let most = settings.groups as usize;
        if groups.len() > most {
            let mut counts: Vec<_> = groups.iter().map(|(key, it)| (it.exits, *key)).collect();
            counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            for (_, key) in counts.drain(most..) {
                if let Some(group) = groups.remove(&key) {
                    rest.get_or_insert_with(Summary::default).merge(group);
                }
            }
        }
        let named = groups.into_iter().map(|((name, cgroup), it)| (Some(name), cgroup, it));
        let all = named.chain(rest.map(|it| (None, None, it)));
        let source = match source {
            ExitSource::Bpf => LifecycleSource::Ebpf,
            ExitSource::Netlink => LifecycleSource::Netlink,
            ExitSource::Scan => LifecycleSource::Scan,
        };
        all.map(|(name, cgroup, it)| ProcessEphemeralSummary {
            process_display_name: name
                .map_or_else(|| "other".to_owned(), |it| escape(it.as_bytes()).into_owned()),
            cgroup_id: cgroup.map_or(0, |it| it.0),
            source: source.into(),
            delivery: Some(Delivery { produced_events: produced, lost_events: lost }),
            ..it.message()
        })
        .collect()
    }
}

fn find(census: &Census, id: ProcessId) -> Option<&gadget_core::CensusRow> {
    let at = census.rows.binary_search_by_key(&id, |row| row.id).ok()?;
    Some(&census.rows[at])
}

/// Ends of one group.
#[derive(Clone, Debug)]
struct Summary {
    execs: u64,
    exits: u64,
    nonzero: u64,
    by_signal: BTreeMap<u32, u64>,
    oom: u64,
    lifetime: Sketch,
    cpu: u64,
    most_rss: u64,
    parents: BTreeMap<u32, (u64, Comm)>,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            execs: 0,
            exits: 0,
            nonzero: 0,
            by_signal: BTreeMap::new(),
            oom: 0,
            lifetime: Sketch::with(Mapping::CONTRACT),
            cpu: 0,
            most_rss: 0,
            parents: BTreeMap::new(),
        }
    }
}

impl Summary {
    fn add(&mut self, ended: &End) {
        self.execs += u64::from(ended.execs);
        self.exits += 1;
        self.nonzero += u64::from(ended.exit.code.is_some_and(|code| code != 0));
        if let Some(signal) = ended.exit.signal {
            *self.by_signal.entry(signal.into()).or_default() += 1;
        }
        self.oom += u64::from(ended.oom);
        self.lifetime.insert(ended.exit.lifetime.as_secs_f64());
        for part in [ended.user, ended.system].into_iter().flatten() {
            self.cpu = self.cpu.saturating_add(nanos(part));
        }
        self.most_rss = self.most_rss.max(ended.exit.peak_rss.map_or(0, |it| it.get()));
        let room = self.parents.len() < MAX_PARENTS || self.parents.contains_key(&ended.parent);
        if room && ended.parent != 0 {
            let comm = ended.parent_comm.unwrap_or_default();
            self.parents.entry(ended.parent).or_insert((0, comm)).0 += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.execs += other.execs;
        self.exits += other.exits;
        self.nonzero += other.nonzero;
        for (signal, count) in other.by_signal {
            *self.by_signal.entry(signal).or_default() += count;
        }
        self.oom += other.oom;
        // Both have the same mapping.
        let _ = self.lifetime.merge(&other.lifetime);
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.most_rss = self.most_rss.max(other.most_rss);
        for (parent, (count, comm)) in other.parents {
            if self.parents.len() < MAX_PARENTS || self.parents.contains_key(&parent) {
                self.parents.entry(parent).or_insert((0, comm)).0 += count;
            }
        }
    }

    fn message(self) -> ProcessEphemeralSummary {
        let mut parents: Vec<_> = self.parents.into_iter().collect();
        parents.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(&b.0)));
        let parent = |(process_id, (count, comm)): (u32, (u64, Comm))| Parent {
            process_id,
            name: escape(comm.as_bytes()).into_owned(),
            count,
        };
        ProcessEphemeralSummary {
            exec_count: self.execs,
            exit_count: self.exits,
            nonzero_exit_count: self.nonzero,
            signal_exit: self.by_signal,
            oom_exit_count: self.oom,
            lifetime: Some(self.lifetime.to_proto()),
            cpu_ns: self.cpu,
            rss_max_bytes: self.most_rss,
            parents: parents.into_iter().take(3).map(parent).collect(),
            ..ProcessEphemeralSummary::default()
        }
    }
}
