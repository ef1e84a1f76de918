//! The processes without a row, summed.

use std::collections::HashMap;
use std::sync::Arc;

use gadget_core::{Census, CensusRow, Comm};
use gadget_envelope::{AggregateKind, AggregateRow, Io, escape};

use crate::names::Names;
use crate::settings::Tail;
use crate::top::Sums;
use crate::used::Used;

/// Groups that are told apart while they are summed; a process of any other goes to the rest at once.
const MAX_GROUPS: usize = 1 << 14;

/// What the processes of a group share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    name: Comm,
    container: Option<Arc<str>>,
    user: Option<u32>,
}

/// Groups of a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    index: HashMap<Key, usize>,
    sums: Vec<(Key, Sum)>,
    /// Of each row of the census, the group that it is in.
    pub(crate) of: Vec<Option<usize>>,
}

/// A sum over processes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    count: u64,
    user: u64,
    system: u64,
    most_cpu: u64,
    rss: u64,
    most_rss: u64,
    vms: u64,
    threads: u64,
    io: Option<Io>,
    created: u64,
    exited: u64,
    minor_faults: u64,
    major_faults: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, row: &CensusRow, used: &Used) {
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.count, 1);
        add(&mut self.user, used.user);
        add(&mut self.system, used.system);
        add(&mut self.rss, row.rss.get());
        add(&mut self.vms, row.virtual_size.get());
        add(&mut self.threads, row.threads.into());
        add(&mut self.created, used.new.into());
        add(&mut self.minor_faults, used.minor_faults);
        add(&mut self.major_faults, used.major_faults);
        self.most_cpu = self.most_cpu.max(used.cpu());
        self.most_rss = self.most_rss.max(row.rss.get());
        if used.read.is_some() || used.written.is_some() {
            let io = self.io.get_or_insert_default();
            add(&mut io.read_bytes, used.read.unwrap_or(0));
            add(&mut io.write_bytes, used.written.unwrap_or(0));
        }
    }

    fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.count, other.count),
            (&mut self.user, other.user),
            (&mut self.system, other.system),
            (&mut self.rss, other.rss),
            (&mut self.vms, other.vms),
            (&mut self.threads, other.threads),
            (&mut self.created, other.created),
            (&mut self.exited, other.exited),
            (&mut self.minor_faults, other.minor_faults),
            (&mut self.major_faults, other.major_faults),
        ];
        for (to, more) in pairs {
            *to = to.saturating_add(more);
        }
        self.most_cpu = self.most_cpu.max(other.most_cpu);
        self.most_rss = self.most_rss.max(other.most_rss);
        if let Some(more) = other.io {
            let io = self.io.get_or_insert_default();
            io.read_bytes = io.read_bytes.saturating_add(more.read_bytes);
            io.write_bytes = io.write_bytes.saturating_add(more.write_bytes);
        }
    }

    pub(crate) fn row(&self, kind: AggregateKind, length: u64) -> AggregateRow {
        let signed = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        AggregateRow {
            process_count: self.count,
            cpu_user_ns: signed(self.user),
            cpu_system_ns: signed(self.system),
            cpu_percent_max: percent(self.most_cpu, length),
            rss_bytes: signed(self.rss),
            rss_max_bytes: self.most_rss,
            vms_bytes: signed(self.vms),
            thread_count: signed(self.threads),
            io: self.io,
            created: self.created,
            exited: self.exited,
            is_other: kind == AggregateKind::Other,
            kind: kind.into(),
            minor_faults: self.minor_faults,
            major_faults: self.major_faults,
            ..AggregateRow::default()
        }
    }
}

/// CPU time as percent of one processor over `length`, both in nanoseconds; zero over no time.
pub(crate) fn percent(cpu: u64, length: u64) -> f64 {
    if length == 0 { 0.0 } else { 100.0 * cpu as f64 / length as f64 }
}

impl Groups {
    /// Sums whoever of `census` is no member, by group; whoever may not be one, in one sum.
    pub(crate) fn sum(
        &mut self,
        census: &Census,
        used: &[Used],
        (member, may): (&[bool], &[bool]),
        names: &Names,
        settings: &Tail,
    ) -> (Sum, Sum) {
        self.index.clear();
        self.sums.clear();
        self.of.clear();
        let (mut rest, mut excluded) = (Sum::default(), Sum::default());
        for (at, (row, used)) in census.rows.iter().zip(used).enumerate() {
            let mut group = None;
            if !may[at] {
                excluded.add(row, used);
            } else if !member[at] {
                let key = Key::of(row, names, settings);
                let next = self.sums.len();
                group = match self.index.get(&key) {
                    Some(&index) => Some(index),
                    None if next < MAX_GROUPS => {
                        self.index.insert(key.clone(), next);
                        self.sums.push((key, Sum::default()));
                        Some(next)
                    }
                    None => None,
                };
                group.map_or(&mut rest, |index| &mut self.sums[index].1).add(row, used);
            }
            self.of.push(group);
        }
        (rest, excluded)
    }

    /// Charges an end to the group of its name, if there is one.
    pub(crate) fn ended(&mut self, name: Comm) {
        if let Some(&at) = self.index.get(&Key { name, container: None, user: None }) {
            self.sums[at].1.exited += 1;
        }
    }

    /// One row for each of the largest groups, in the order of their keys, and one for all that is left.
    pub(crate) fn rows(
        &self,
        mut rest: Sum,
        most: u32,
        sums: Sums,
        length: u64,
        names: &Names,
    ) -> Vec<AggregateRow> {
        let mut order: Vec<usize> = (0..self.sums.len()).collect();
        let most = most as usize;
        if order.len() > most {
            let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
            let weight = |at: usize| {
                let sum = &self.sums[at].1;
                share(sum.user.saturating_add(sum.system), sums.cpu) + share(sum.rss, sums.rss)
            };
            let by_weight = |a: &usize, b: &usize| {
                weight(*b)
                    .total_cmp(&weight(*a))
                    .then_with(|| self.sums[*a].0.cmp(&self.sums[*b].0))
            };
            if most > 0 {
                order.select_nth_unstable_by(most - 1, by_weight);
            }
            for at in order.drain(most..) {
                rest.merge(&self.sums[at].1);
            }
        }
        order.sort_by(|a, b| self.sums[*a].0.cmp(&self.sums[*b].0));
        let mut rows: Vec<_> = order.into_iter().map(|at| self.row(at, length, names)).collect();
        if rest.count > 0 {
            rows.push(rest.row(AggregateKind::Other, length));
        }
        rows
    }

    fn row(&self, at: usize, length: u64, names: &Names) -> AggregateRow {
        let (key, sum) = &self.sums[at];
        let mut row = sum.row(AggregateKind::Tail, length);
        row.process_display_name = escape(key.name.as_bytes()).into_owned();
        if let Some(container) = &key.container {
            row.key.insert("container".to_owned(), container.to_string());
        }
        if let Some(uid) = key.user {
            let user = names.user(uid).map_or_else(|| uid.to_string(), |name| name.to_string());
            row.key.insert("user".to_owned(), user);
        }
        row
    }

    /// Groups of at least `least` processes, the first few in the order they were met, with what they are called.
    pub(crate) fn large(
        &self,
        least: u64,
        most: usize,
        names: &Names,
    ) -> Vec<(usize, AggregateRow)> {
        let large = self.sums.iter().enumerate().filter(|(_, (_, sum))| sum.count >= least);
        large.take(most).map(|(at, _)| (at, self.row(at, 0, names))).collect()
    }
}

impl Key {
    fn of(row: &CensusRow, names: &Names, settings: &Tail) -> Self {
        let container = || Some(names.cgroup(row)?.container.as_ref()?.id.clone());
        Self {
            name: row.comm,
            container: if settings.by_container { container() } else { None },
            user: settings.by_user.then_some(row.uid),
        }
    }
}
