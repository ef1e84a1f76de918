//! Processes that lived for a short time, summarised by name and cgroup.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gadget_core::{CgroupId, Comm, End, ExitSource, Exits};
use gadget_envelope::{Delivery, LifecycleSource, Parent, ProcessEphemeralSummary};
use gadget_sketch::{Mapping, Sketch};

use crate::names::text;
use crate::settings::Ephemeral as Settings;
use crate::usage::nanos;

/// Parents that are told.
const PARENTS: usize = 3;

/// Parents that are counted for each group: one that began more than one in 17 of it is among them.
const COUNTED_PARENTS: usize = 16;

/// How many times as many groups as are told are counted, so that it is the largest that are told.
const COUNTED_GROUPS: usize = 4;

/// What the sum of all further groups is called.
const OTHER: &str = "other";

/// Those of one name and cgroup.
#[derive(Clone, Debug)]
struct Group {
    execs: u64,
    exits: u64,
    nonzero: u64,
    signals: BTreeMap<u32, u64>,
    oom: u64,
    lifetime: Sketch,
    cpu: u64,
    rss_max: u64,
    parents: Vec<Parent>,
}

impl Group {
    fn new(mapping: Mapping) -> Self {
        Self {
            execs: 0,
            exits: 0,
            nonzero: 0,
            signals: BTreeMap::new(),
            oom: 0,
            lifetime: Sketch::with(mapping),
            cpu: 0,
            rss_max: 0,
            parents: Vec::new(),
        }
    }

    fn add(&mut self, end: &End) {
        self.execs += u64::from(end.execs);
        self.exits += 1;
        self.nonzero += u64::from(end.exit.code.is_some_and(|code| code != 0));
        if let Some(signal) = end.exit.signal {
            *self.signals.entry(signal.into()).or_default() += 1;
        }
        self.oom += u64::from(end.oom);
        self.lifetime.insert(end.exit.lifetime.as_secs_f64());
        let cpu = [end.user, end.system].into_iter().flatten();
        self.cpu = cpu.fold(self.cpu, |sum, time| sum.saturating_add(nanos(time)));
        self.rss_max = self.rss_max.max(end.exit.peak_rss.map_or(0, gadget_core::Bytes::get));
        self.begun_by(end.parent, end.parent_comm, 1);
    }

    /// Counts are exact for as many parents as are counted, and at least so many beyond (Misra and Gries).
    fn begun_by(&mut self, process_id: u32, comm: Option<Comm>, count: u64) {
        if let Some(known) = self.parents.iter_mut().find(|it| it.process_id == process_id) {
            known.count += count;
            if let Some(comm) = comm.filter(|_| known.name.is_empty()) {
                known.name = text(comm);
            }
        } else if self.parents.len() < COUNTED_PARENTS {
            let name = comm.map(text).unwrap_or_default();
            self.parents.push(Parent { process_id, name, count });
        } else {
            for known in &mut self.parents {
                known.count -= 1;
            }
            self.parents.retain(|known| known.count > 0);
        }
    }

    fn merge(&mut self, other: Self) {
        self.execs += other.execs;
        self.exits += other.exits;
        self.nonzero += other.nonzero;
        for (signal, count) in other.signals {
            *self.signals.entry(signal).or_default() += count;
        }
        self.oom += other.oom;
        // They have the same bins, and together fewer values than can be counted.
        let _ = self.lifetime.merge(&other.lifetime);
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.rss_max = self.rss_max.max(other.rss_max);
        for parent in other.parents {
            match self.parents.iter_mut().find(|it| it.process_id == parent.process_id) {
                Some(known) => known.count += parent.count,
                None => self.parents.push(parent),
            }
        }
        self.parents.sort_by_key(|it| (Reverse(it.count), it.process_id));
        self.parents.truncate(COUNTED_PARENTS);
    }
}

/// What ended in a window, and had lived for a short time.
#[derive(Clone, Debug)]
pub(crate) struct Ephemeral {
    mapping: Mapping,
    groups: BTreeMap<(Comm, Option<CgroupId>), Group>,
    other: Option<Group>,
    source: ExitSource,
    delivery: Delivery,
}

impl Ephemeral {
    pub(crate) const fn new(mapping: Mapping) -> Self {
        Self {
            mapping,
            groups: BTreeMap::new(),
            other: None,
            source: ExitSource::Scan,
            delivery: Delivery { produced_events: 0, lost_events: 0 },
        }
    }

    pub(crate) fn observe(&mut self, exits: &Exits, settings: &Settings) {
        self.source = exits.source;
        let delivery = &mut self.delivery;
        delivery.produced_events = delivery.produced_events.saturating_add(exits.produced);
        delivery.lost_events = delivery.lost_events.saturating_add(exits.lost);
        let most = (settings.groups as usize).saturating_mul(COUNTED_GROUPS);
        for end in exits.ends.iter().filter(|end| end.exit.lifetime < settings.under) {
            let key = (end.comm, end.cgroup);
            let full = self.groups.len() >= most && !self.groups.contains_key(&key);
            let new = || Group::new(self.mapping);
            let group = if full {
                self.other.get_or_insert_with(new)
            } else {
                self.groups.entry(key).or_insert_with(new)
            };
            group.add(end);
        }
    }

    /// Gives `send` the largest groups, by name, and the sum of all others; begins anew.
    pub(crate) fn close(
        &mut self,
        mapping: Mapping,
        settings: &Settings,
        send: &mut impl FnMut(ProcessEphemeralSummary),
    ) {
        let ended = std::mem::replace(self, Self { source: self.source, ..Self::new(mapping) });
        let (mut groups, mut other) = (ended.groups, ended.other);
        let most = settings.groups as usize;
        if groups.len() > most {
            let mut sizes: Vec<_> =
                groups.iter().map(|(key, it)| (Reverse(it.exits), *key)).collect();
            sizes.sort_unstable();
            for (_, key) in sizes.drain(most..) {
                if let Some(group) = groups.remove(&key) {
                    other.get_or_insert_with(|| Group::new(ended.mapping)).merge(group);
                }
            }
        }
        let source = match ended.source {
            ExitSource::Bpf => LifecycleSource::Ebpf,
            ExitSource::Netlink => LifecycleSource::Netlink,
            ExitSource::Scan => LifecycleSource::Scan,
        };
        let groups = groups.into_iter().map(|((comm, cgroup), it)| (text(comm), cgroup, it));
        for (process_display_name, cgroup, mut group) in
            groups.chain(other.map(|it| (OTHER.to_owned(), None, it)))
        {
            group.parents.sort_by_key(|it| (Reverse(it.count), it.process_id));
            group.parents.truncate(PARENTS);
            send(ProcessEphemeralSummary {
                process_display_name,
                cgroup_id: cgroup.map_or(0, |id| id.0),
                exec_count: group.execs,
                exit_count: group.exits,
                nonzero_exit_count: group.nonzero,
                signal_exit: group.signals,
                oom_exit_count: group.oom,
                lifetime: Some(group.lifetime.to_proto()),
                cpu_ns: group.cpu,
                rss_max_bytes: group.rss_max,
                parents: group.parents,
                source: source.into(),
                delivery: Some(ended.delivery),
                ..ProcessEphemeralSummary::default()
            });
        }
    }

    /// Forgets what ended.
    pub(crate) fn clear(&mut self, mapping: Mapping) {
        *self = Self { source: self.source, ..Self::new(mapping) };
    }
}
