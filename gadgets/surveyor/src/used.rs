//! What each process used between two censuses.

use std::cmp::Ordering;
use std::time::Duration;

use gadget_core::{Census, CensusRow};

/// What one process used in a window: nanoseconds, bytes and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) user: u64,
    pub(crate) system: u64,
    pub(crate) read: Option<u64>,
    pub(crate) written: Option<u64>,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) voluntary: Option<u64>,
    pub(crate) involuntary: Option<u64>,
    /// It was not there at the window's begin.
    pub(crate) new: bool,
    /// Another process had its id then.
    pub(crate) reused: bool,
    /// It executed another program, or has another name or user.
    pub(crate) changed: bool,
}

impl Used {
    pub(crate) const fn cpu(&self) -> u64 {
        self.user.saturating_add(self.system)
    }

    pub(crate) fn io(&self) -> u64 {
        self.read.unwrap_or(0).saturating_add(self.written.unwrap_or(0))
    }

    fn of(before: Option<&CensusRow>, now: &CensusRow, backwards: &mut u64) -> Self {
        let mut less = |now: u64, before: u64| {
            *backwards += u64::from(before > now);
            now.saturating_sub(before)
        };
        // Of one that was not there, all counts from zero on.
        let Some(before) = before else {
            return Self {
                user: nanos(now.user),
                system: nanos(now.system),
                read: now.io.map(|io| io.read.get()),
                written: now.io.map(|io| io.written.get()),
                minor_faults: now.minor_faults,
                major_faults: now.major_faults,
                voluntary: now.voluntary_switches,
                involuntary: now.involuntary_switches,
                new: true,
                ..Self::default()
            };
        };
        let mut both = |now: Option<u64>, before: Option<u64>| Some(less(now?, before?));
        Self {
            read: both(now.io.map(|io| io.read.get()), before.io.map(|io| io.read.get())),
            written: both(now.io.map(|io| io.written.get()), before.io.map(|io| io.written.get())),
            voluntary: both(now.voluntary_switches, before.voluntary_switches),
            involuntary: both(now.involuntary_switches, before.involuntary_switches),
            user: less(nanos(now.user), nanos(before.user)),
            system: less(nanos(now.system), nanos(before.system)),
            minor_faults: less(now.minor_faults, before.minor_faults),
            major_faults: less(now.major_faults, before.major_faults),
            new: false,
            reused: false,
            changed: now.differs(before),
        }
    }
}

/// Writes what each row of `end` used since `begin` to `out`, in the order of its rows, and counts what went backwards.
pub(crate) fn used(begin: &Census, end: &Census, out: &mut Vec<Used>) -> u64 {
    out.clear();
    let (mut backwards, mut old) = (0, begin.rows.iter().peekable());
    for now in &end.rows {
        let (mut before, mut reused) = (None, false);
        while let Some(row) = old.peek() {
            match row.id.cmp(&now.id) {
                Ordering::Less => reused = row.id.pid == now.id.pid,
                Ordering::Equal => before = Some(*row),
                Ordering::Greater => break,
            }
            old.next();
        }
        let used = Used::of(before, now, &mut backwards);
        out.push(Used { reused, ..used });
    }
    backwards
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
