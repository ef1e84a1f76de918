//! Which subjects gadgets want to see more often.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::subject::Subject;

/// The most subjects that are watched at once; further requests are refused and counted.
const MAX_WATCHES: usize = 4_096;

/// No subject is sampled more often than this.
const FASTEST: Duration = Duration::from_millis(10);

/// For each subject the interval that each gadget asked for; the shortest one holds.
#[derive(Debug, Default)]
pub(super) struct Watches {
    wanted: BTreeMap<(Subject, usize), Duration>,
    changed: bool,
    refused: u64,
}

impl Watches {
    /// Sets or gives back what `gadget` wants of `subject`.
    pub(super) fn set(&mut self, gadget: usize, subject: Subject, every: Option<Duration>) {
        let key = (subject, gadget);
        let before = self.wanted.get(&key).copied();
        let every = every.map(|every| every.max(FASTEST));
        if before == every {
            return;
        }
        match every {
            None => drop(self.wanted.remove(&key)),
            Some(_) if before.is_none() && self.wanted.len() >= MAX_WATCHES => {
                self.refused += 1;
                return;
            }
            Some(every) => drop(self.wanted.insert(key, every)),
        }
        self.changed = true;
    }

    /// Gives back all that `gadget` wanted.
    pub(super) fn forget_gadget(&mut self, gadget: usize) {
        let before = self.wanted.len();
        self.wanted.retain(|(_, by), _| *by != gadget);
        self.changed |= self.wanted.len() != before;
    }

    /// Makes `wanted` all that `gadget` wants.
    pub(super) fn replace(&mut self, gadget: usize, wanted: &[(Subject, Duration)]) {
        let before = self.wanted.len();
        self.wanted.retain(|(subject, by), _| {
            *by != gadget || wanted.iter().any(|(other, _)| other == subject)
        });
        self.changed |= self.wanted.len() != before;
        for &(subject, every) in wanted {
            self.set(gadget, subject, Some(every));
        }
    }

    /// Gives back all that anybody wanted of `subject`.
    pub(super) fn forget_subject(&mut self, subject: Subject) {
        while let Some((&key, _)) = self.wanted.range((subject, 0)..=(subject, usize::MAX)).next() {
            self.wanted.remove(&key);
            self.changed = true;
        }
    }

    /// True once after something has changed.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Every watched subject with its interval, sorted by subject.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Subject, Duration)> {
        let mut rest =
            self.wanted.iter().map(|(&(subject, _), &every)| (subject, every)).peekable();
        std::iter::from_fn(move || {
            let (subject, mut every) = rest.next()?;
            while let Some((_, other)) = rest.next_if(|(next, _)| *next == subject) {
                every = every.min(other);
            }
            Some((subject, every))
        })
    }

    /// Requests that were refused because the bound was reached.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::CgroupId;

    const A: Subject = Subject::Cgroup(CgroupId(1));
    const B: Subject = Subject::Cgroup(CgroupId(2));

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_most_eager_gadget_sets_the_pace_and_gives_it_back() {
        let mut watches = Watches::default();
        watches.set(0, A, Some(millis(500)));
        watches.set(1, A, Some(millis(100)));
        watches.set(1, B, Some(millis(1)));
        assert!(watches.take_changed());
        assert_eq!(watches.iter().collect::<Vec<_>>(), [(A, millis(100)), (B, FASTEST)]);
        watches.set(1, A, Some(millis(100)));
        assert!(!watches.take_changed());
        watches.set(1, A, None);
        watches.forget_subject(B);
        assert_eq!(watches.iter().collect::<Vec<_>>(), [(A, millis(500))]);
    }

    #[test]
    fn requests_beyond_the_bound_are_counted() {
        let mut watches = Watches::default();
        for id in 0..=MAX_WATCHES as u64 {
            watches.set(0, Subject::Cgroup(CgroupId(id)), Some(millis(100)));
        }
        assert_eq!((watches.iter().count(), watches.refused()), (MAX_WATCHES, 1));
    }
}
