//! The exact answer: what a window held, worked out from the recording alone and by none of the gadget's code.

use std::collections::HashMap;
use std::sync::Arc;

use gadget_core::{Census, CensusRow, ProcessId, Reading, Signal, Timestamp};

/// Every census of a recording, by its time.
#[derive(Default)]
pub(crate) struct Exact {
    censuses: Vec<(Timestamp, Arc<Census>)>,
    /// Ends of processes, with all the CPU time that they had used, in nanoseconds.
    ends: Vec<(Timestamp, ProcessId, u64)>,
}

/// What one window held of the processes that were there at its end.
pub(crate) struct ExactWindow {
    /// CPU time of each process in the window, in nanoseconds, and its resident memory at the end, in bytes.
    pub(crate) of: HashMap<ProcessId, (u64, u64)>,
    /// The window's length, in nanoseconds.
    pub(crate) length: u64,
}

impl Exact {
    /// Takes in what was recorded.
    pub(crate) fn observe(&mut self, signal: &Signal) {
        match &signal.reading {
            Reading::Census(census) => self.censuses.push((signal.at, Arc::clone(census))),
            Reading::Exits(exits) => self.ends.extend(exits.ends.iter().filter_map(|end| {
                Some((signal.at, end.id, nanos(end.user?) + nanos(end.system?)))
            })),
            _ => {}
        }
    }

    /// How many censuses there are, and how many processes the smallest and the largest of them had.
    pub(crate) fn size(&self) -> (usize, usize, usize) {
        let rows = || self.censuses.iter().map(|(_, census)| census.rows.len());
        (self.censuses.len(), rows().min().unwrap_or(0), rows().max().unwrap_or(0))
    }

    /// The window between two censuses; none if there was no census at one of these times.
    pub(crate) fn window(&self, from: Timestamp, to: Timestamp) -> Option<ExactWindow> {
        let at = |time| {
            let index = self.censuses.binary_search_by_key(&time, |(at, _)| *at).ok()?;
            Some(&self.censuses[index].1)
        };
        let (before, after) = (at(from)?, at(to)?);
        let begun: HashMap<_, _> = before.rows.iter().map(|row| (row.id, cpu(row))).collect();
        let of = after.rows.iter().map(|row| {
            let used = cpu(row).saturating_sub(begun.get(&row.id).copied().unwrap_or(0));
            (row.id, (used, row.rss.get()))
        });
        Some(ExactWindow { of: of.collect(), length: nanos(to.since(from)) })
    }
}

/// All the CPU time of a process, in nanoseconds.
fn cpu(row: &CensusRow) -> u64 {
    nanos(row.user) + nanos(row.system)
}

impl Exact {
    /// What all processes together used between two censuses, those that ended included as far as their ends were told: for each
    /// the most that was ever said of it, less what it had at the first census.
    pub(crate) fn used(&self, from: Timestamp, to: Timestamp) -> u64 {
        let mut known: HashMap<ProcessId, (u64, u64)> = HashMap::new();
        for (at, census) in self.censuses.iter().filter(|(at, _)| *at >= from && *at <= to) {
            for row in &census.rows {
                let base = if *at == from { cpu(row) } else { 0 };
                let it = known.entry(row.id).or_insert((base, 0));
                it.1 = it.1.max(cpu(row));
            }
        }
        for (_, id, used) in self.ends.iter().filter(|(at, ..)| *at > from && *at <= to) {
            let it = known.entry(*id).or_insert((0, 0));
            it.1 = it.1.max(*used);
        }
        known.values().map(|(base, last)| last.saturating_sub(*base)).sum()
    }
}

impl ExactWindow {
    /// CPU of every process in percent of one core, sorted.
    pub(crate) fn cpu_percent(&self) -> Vec<f64> {
        sorted(self.of.values().map(|&(cpu, _)| 100.0 * cpu as f64 / self.length as f64))
    }

    /// Resident memory of every process in bytes, sorted.
    pub(crate) fn rss(&self) -> Vec<f64> {
        sorted(self.of.values().map(|&(_, rss)| rss as f64))
    }

    /// The sums over all processes.
    pub(crate) fn sums(&self) -> (u64, u64) {
        self.of.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value of rank `q (n - 1)`, rounded down; none of nothing.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((q * last as f64).floor() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_value_of_its_rank() {
        let values: Vec<f64> = (0..101).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&values, 0.5), Some(50.0));
        assert_eq!(quantile(&values, 1.0), Some(100.0));
        assert_eq!(quantile(&values[..1], 0.99), Some(0.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
