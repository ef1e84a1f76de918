//! Ends by two looks at `/proc`.

use std::sync::Arc;
use std::time::Duration;

use gadget_core::{Census, CensusChange, CensusSource, End, Exit, Exits, SignalError};
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

use crate::CensusProvider;

/// Compares each look with the one before.
pub(super) struct ScanDiff {
    census: CensusProvider,
    last: Arc<Census>,
    forks: u64,
}

impl ScanDiff {
    pub(super) fn host() -> Result<Self, SignalError> {
        let mut census = CensusProvider::by(CensusSource::Files)?;
        let last = census.take()?;
        Ok(Self { census, last, forks: forks()? })
    }

    /// Adds whoever is gone, with what was seen of it last, and counts as lost whoever was begun and never seen.
    pub(super) fn look(&mut self, exits: &mut Exits, most: usize) -> Result<(), SignalError> {
        let now = self.census.take()?;
        let (at, tick) = (since_boot(), tick());
        let mut created = 0;
        let last = std::mem::replace(&mut self.last, Arc::clone(&now));
        now.diff(&last, |change| match change {
            CensusChange::Created(_) => created += 1,
            CensusChange::Changed { .. } => exits.execs += 1,
            CensusChange::Terminated(row) => {
                exits.produced += 1;
                if exits.ends.len() >= most {
                    exits.lost += 1;
                    return;
                }
                let parent = last.rows.iter().find(|it| it.id.pid == row.parent);
                let began = tick.saturating_mul(u32::try_from(row.id.start).unwrap_or(u32::MAX));
                exits.ends.push(End {
                    id: row.id,
                    parent: row.parent,
                    parent_comm: parent.map(|it| it.comm),
                    comm: row.comm,
                    cgroup: row.cgroup,
                    exit: Exit {
                        code: None,
                        signal: None,
                        lifetime: at.saturating_sub(began),
                        peak_rss: None,
                    },
                    user: Some(row.user),
                    system: Some(row.system),
                    execs: 0,
                    oom: false,
                });
            }
        });
        exits.forks += created;
        exits.produced += created;
        let begun = forks()?;
        let begun = begun.saturating_sub(std::mem::replace(&mut self.forks, begun));
        exits.lost += begun.saturating_sub(created);
        Ok(())
    }
}

/// Processes and threads begun since boot: `processes` of `/proc/stat`.
pub(super) fn forks() -> Result<u64, SignalError> {
    let path = "/proc/stat";
    let text = std::fs::read_to_string(path)
        .map_err(|source| SignalError::Read { path: path.into(), source })?;
    let line = text.lines().find_map(|line| line.strip_prefix("processes "));
    line.and_then(|count| count.trim().parse().ok()).ok_or_else(|| SignalError::Parse {
        path: path.into(),
        line: 0,
        expected: "a line with `processes`",
        found: String::new(),
    })
}

pub(super) fn tick() -> Duration {
    Duration::from_nanos(1_000_000_000 / clock_ticks_per_second().max(1))
}

fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
