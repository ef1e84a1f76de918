//! All that have no row of their own, summed by name.
//!
//! Groups are runs of a sorted list, so that any number of them takes a few bytes for each process and no more; the largest are kept
//! apart and all others are one sum.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;
use std::sync::Arc;

use gadget_core::{Comm, World};
use gadget_envelope::{AggregateKind, AggregateRow};

use crate::names::{UserNames, cgroup, group_name, text};
use crate::settings::Tail as Settings;
use crate::usage::{Sum, Usage};
use crate::window::Window;

/// What those of a group share: the name, the container by its place in a list, and the user.
type Group = (Comm, u32, u32);

/// A group that is kept apart.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Where its processes are in the list of members.
    pub(crate) range: Range<usize>,
    pub(crate) row: AggregateRow,
}

/// Sums by group. What it works with is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    /// Each process that has no row: its group, and its place among the usages.
    members: Vec<(Group, u32)>,
    /// The best groups: score, which run it is by its first, and its end.
    best: BinaryHeap<Reverse<(u64, Reverse<usize>, usize)>>,
    containers: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, u32>,
}

impl Tail {
    /// Sums all of `usages` that are not `chosen`: by group, of which one that used nothing and holds nothing is not kept apart, and what is not kept apart, to which `other` is added, and what
    /// settings leave out.
    pub(crate) fn sum(
        &mut self,
        (usages, chosen): (&[Usage], &[u32]),
        window: &Window,
        settings: &Settings,
        (users, world): (&UserNames, &World),
        mut other: Sum,
    ) -> (Vec<Kept>, Vec<AggregateRow>) {
        let excluded = self.gather(usages, chosen, window, settings, world);
        self.best.clear();
        let mut begin = 0;
        let most = settings.groups.max(1) as usize;
        for run in self.members.chunk_by(|a, b| a.0 == b.0) {
            let end = begin + run.len();
            let idle = |usage: &Usage| usage.cpu() == 0 && usage.rss == 0 && usage.io_bytes() == 0;
            if run.iter().all(|&(_, at)| idle(&usages[at as usize])) {
                begin = end;
                continue;
            }
            let score: f64 = run.iter().map(|&(_, at)| usages[at as usize].score).sum();
            let entry = (score.to_bits(), Reverse(begin), end);
            if self.best.len() < most {
                self.best.push(Reverse(entry));
            } else if let Some(mut worst) = self.best.peek_mut()
                && entry > worst.0
            {
                *worst = Reverse(entry);
            }
            begin = end;
        }
        let mut kept: Vec<Range<usize>> =
            self.best.drain().map(|Reverse((_, Reverse(begin), end))| begin..end).collect();
        kept.sort_unstable_by_key(|range| range.start);
        let add = |sum: &mut Sum, range: Range<usize>| {
            for &(_, at) in &self.members[range] {
                let usage = &usages[at as usize];
                sum.add(usage, window.row(usage));
            }
        };
        let (length, mut at) = (window.length(), 0);
        let mut groups = Vec::with_capacity(kept.len());
        for range in kept {
            add(&mut other, at..range.start);
            at = range.end;
            let mut sum = Sum::default();
            add(&mut sum, range.clone());
            let (comm, container, uid) = self.members[range.start].0;
            let mut row = sum.row(AggregateKind::Tail, length);
            row.process_display_name = text(comm);
            if settings.by_container {
                let id = self.containers.get(container as usize).map_or("", |id| id);
                row.key.insert("container".into(), id.into());
            }
            if settings.by_user {
                row.key.insert("user".into(), users.name(uid));
            }
            groups.push(Kept { range, row });
        }
        add(&mut other, at..self.members.len());
        let more = [(other, AggregateKind::Other), (excluded, AggregateKind::Excluded)];
        let more = more.iter().filter(|(sum, _)| !sum.is_nothing());
        (groups, more.map(|(sum, kind)| sum.row(*kind, length)).collect())
    }

    /// The usages of a group that was kept apart.
    pub(crate) fn members<'u>(
        &self,
        range: Range<usize>,
        usages: &'u [Usage],
    ) -> impl Iterator<Item = &'u Usage> {
        self.members[range].iter().map(|&(_, at)| &usages[at as usize])
    }

    fn gather(
        &mut self,
        usages: &[Usage],
        chosen: &[u32],
        window: &Window,
        settings: &Settings,
        world: &World,
    ) -> Sum {
        let mut excluded = Sum::default();
        self.members.clear();
        self.containers.clear();
        self.numbers.clear();
        self.containers.push("".into());
        // The chosen are few, or all.
        let mut chosen = chosen.to_vec();
        chosen.sort_unstable();
        let mut chosen = chosen.into_iter().peekable();
        for (at, usage) in usages.iter().enumerate() {
            if chosen.next_if_eq(&(at as u32)).is_some() {
                continue;
            }
            let row = window.row(usage);
            if !usage.eligible {
                excluded.add(usage, row);
                continue;
            }
            let container = if settings.by_container {
                let id = cgroup(world, row.cgroup).and_then(|it| it.container.as_ref());
                id.map_or(0, |container| self.number(&container.id))
            } else {
                0
            };
            let user = if settings.by_user { row.uid } else { 0 };
            self.members.push(((group_name(row), container, user), at as u32));
        }
        self.members.sort_unstable();
        excluded
    }

    fn number(&mut self, container: &Arc<str>) -> u32 {
        if let Some(&number) = self.numbers.get(container) {
            return number;
        }
        let number = self.containers.len() as u32;
        self.containers.push(Arc::clone(container));
        self.numbers.insert(Arc::clone(container), number);
        number
    }
}
