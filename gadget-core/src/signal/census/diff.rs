//! What one census says that the one before it did not.

use std::cmp::Ordering;

use super::{Census, CensusRow};

/// One difference of two censuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CensusChange<'c> {
    /// A process that was not there before. An id that is used again is another process.
    Created(&'c CensusRow),
    /// A process that is still there and of which something has changed besides what it uses: its program, name, user,
    /// cgroup or parent.
    Changed {
        /// What it was.
        before: &'c CensusRow,
        /// What it is.
        now: &'c CensusRow,
    },
    /// A process that is no longer there, as it was last seen.
    Terminated(&'c CensusRow),
}

impl Census {
    /// Gives `each` every difference from the census `before` this one, in the order of process ids: none is left out, and nothing
    /// is kept. What only one of the two tells, for they were taken in different ways, is no difference.
    ///
    /// - Cost: one pass over both.
    pub fn diff<'c>(&'c self, before: &'c Self, mut each: impl FnMut(CensusChange<'c>)) {
        let (mut old, mut new) = (before.rows.iter().peekable(), self.rows.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some(before), Some(now)) => before.id.cmp(&now.id),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return,
            };
            // Taken from both where both are at the same process.
            let before = if order.is_le() { old.next() } else { None };
            let now = if order.is_ge() { new.next() } else { None };
            match (before, now) {
                (Some(before), Some(now)) if now.differs(before) => {
                    each(CensusChange::Changed { before, now });
                }
                (None, Some(now)) => each(CensusChange::Created(now)),
                (Some(before), None) => each(CensusChange::Terminated(before)),
                _ => {}
            }
        }
    }
}

impl CensusRow {
    /// True if this is no longer the program, name, user, cgroup or parent of `before`.
    #[must_use]
    pub fn differs(&self, before: &Self) -> bool {
        self.comm != before.comm
            || self.uid != before.uid
            || self.parent != before.parent
            || told(self.execs, before.execs)
            || told(self.cgroup, before.cgroup)
    }
}

/// True if both are told and are not the same.
fn told<T: PartialEq>(now: Option<T>, before: Option<T>) -> bool {
    now.zip(before).is_some_and(|(now, before)| now != before)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::{CensusSource, Comm};
    use super::*;
    use crate::subject::{CgroupId, ProcessId};
    use crate::units::Bytes;

    fn row(pid: u32, start: u64) -> CensusRow {
        CensusRow {
            id: ProcessId { pid, start },
            parent: 1,
            uid: 0,
            comm: Comm::new(b"worker"),
            state: 'S',
            kernel_thread: false,
            threads: 1,
            execs: Some(1),
            cgroup: Some(CgroupId(1)),
            user: Duration::ZERO,
            system: Duration::ZERO,
            minor_faults: 0,
            major_faults: 0,
            voluntary_switches: None,
            involuntary_switches: None,
            rss: Bytes::ZERO,
            virtual_size: Bytes::ZERO,
            swap: None,
            io: None,
        }
    }

    fn census(rows: Vec<CensusRow>) -> Census {
        Census {
            source: CensusSource::Files,
            over: None,
            cost: Duration::ZERO,
            busy: Duration::ZERO,
            vanished: 0,
            rows,
        }
    }

    fn changes<'c>(now: &'c Census, before: &'c Census) -> Vec<CensusChange<'c>> {
        let mut changes = Vec::new();
        now.diff(before, |change| changes.push(change));
        changes
    }

    #[test]
    fn an_id_that_is_used_again_is_one_end_and_one_beginning() {
        let (before, now) = (census(vec![row(5, 10)]), census(vec![row(5, 20)]));
        let [CensusChange::Terminated(ended), CensusChange::Created(begun)] =
            changes(&now, &before)[..]
        else {
            panic!("{:?}", changes(&now, &before))
        };
        assert_eq!((ended.id.start, begun.id.start), (10, 20));
    }

    #[test]
    fn what_a_process_uses_is_no_change_and_what_it_is_is_one() {
        let before = census(vec![row(5, 10)]);
        let with = |change: fn(&mut CensusRow)| {
            let mut row = row(5, 10);
            change(&mut row);
            changes(&census(vec![row]), &before).len()
        };
        assert_eq!(with(|_| {}), 0);
        assert_eq!(with(|row| row.user = Duration::from_secs(1)), 0);
        assert_eq!(with(|row| row.state = 'R'), 0);
        assert_eq!(with(|row| row.comm = Comm::new(b"other")), 1);
        assert_eq!(with(|row| row.execs = Some(2)), 1);
        assert_eq!(with(|row| row.uid = 7), 1);
        assert_eq!(with(|row| row.parent = 2), 1);
        assert_eq!(with(|row| row.cgroup = Some(CgroupId(2))), 1);
        assert_eq!(with(|row| (row.cgroup, row.execs) = (None, None)), 0, "not told is no change");
    }

    /// Of few ids, so that two censuses have many in common.
    fn censuses() -> impl Strategy<Value = Census> {
        let process = (0_u32..40, 0_u64..3, 0_u32..2, 0_u32..2, any::<bool>(), 0_u64..2);
        proptest::collection::vec(process, 0..60).prop_map(|mut processes| {
            processes.sort_unstable();
            processes.dedup_by_key(|(pid, ..)| *pid);
            let rows = processes.into_iter().map(|(pid, start, parent, uid, renamed, execs)| {
                let comm = Comm::new(if renamed { b"a" } else { b"b" });
                let execs = Some(execs);
                CensusRow { parent, uid, comm, execs, ..row(pid, start) }
            });
            census(rows.collect())
        })
    }

    proptest! {
        #[test]
        fn the_changes_made_to_the_one_before_give_the_one_after(
            before in censuses(),
            after in censuses(),
        ) {
            let mut held: BTreeMap<_, _> = before.rows.iter().map(|row| (row.id, *row)).collect();
            let mut last = None;
            after.diff(&before, |change| {
                let (id, was) = match change {
                    CensusChange::Created(now) => (now.id, held.insert(now.id, *now).is_none()),
                    CensusChange::Terminated(before) => {
                        (before.id, held.remove(&before.id) == Some(*before))
                    }
                    CensusChange::Changed { before, now } => {
                        let was = held.insert(now.id, *now) == Some(*before);
                        (now.id, was && before != now)
                    }
                };
                assert!(was, "{change:?}");
                assert!(last < Some(id), "{change:?} after {last:?}");
                last = Some(id);
            });
            prop_assert!(held.into_values().eq(after.rows.iter().copied()));
            prop_assert!(changes(&after, &after).is_empty());
        }
    }
}
