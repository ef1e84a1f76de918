//! What is known of processes that live, for when they end.

use std::collections::HashMap;
use std::time::Duration;

use gadget_core::{Bytes, Census, Comm, End, Exit, ProcessId};

use super::Used;

/// The most processes that are known; of one that is not, its end tells less.
const MOST: usize = 1 << 17;

/// One process that lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) id: ProcessId,
    pub(super) parent: u32,
    pub(super) parent_comm: Option<Comm>,
    pub(super) comm: Comm,
    pub(super) execs: u32,
}

/// Those that live.
#[derive(Debug, Default)]
pub(super) struct Born(HashMap<u32, Known>);

impl Born {
    /// Those that lived before anything was told.
    pub(super) fn of(census: &Census) -> Self {
        let mut born = Self::default();
        for row in &census.rows {
            born.insert(Known {
                id: row.id,
                parent: row.parent,
                parent_comm: None,
                comm: row.comm,
                execs: 0,
            });
        }
        born
    }

    fn insert(&mut self, known: Known) {
        let pid = known.id.pid;
        if self.0.len() < MOST || self.0.contains_key(&pid) {
            self.0.insert(pid, known);
        }
    }

    pub(super) fn forked(&mut self, id: ProcessId, parent: u32, comm: Comm) {
        let parent_comm = self.name(parent).or(Some(comm));
        self.insert(Known { id, parent, parent_comm, comm, execs: 0 });
    }

    pub(super) fn executed(&mut self, pid: u32, comm: Option<Comm>) {
        if let Some(known) = self.0.get_mut(&pid) {
            known.execs = known.execs.saturating_add(1);
            known.comm = comm.unwrap_or(known.comm);
        }
    }

    pub(super) fn ended(&mut self, pid: u32) -> Option<Known> {
        self.0.remove(&pid)
    }

    pub(super) fn name(&self, pid: u32) -> Option<Comm> {
        self.0.get(&pid).map(|it| it.comm)
    }

    /// The end that the proc connector tells, with what taskstats adds; `None` of one that nothing is known of.
    pub(super) fn end(
        &mut self,
        pid: u32,
        at: Duration,
        status: u32,
        tick: Duration,
        used: Option<Used>,
    ) -> Option<End> {
        let known = self.ended(pid)?;
        let [signal, code, ..] = status.to_le_bytes();
        let signal = signal & 0x7f;
        let began = tick.saturating_mul(u32::try_from(known.id.start).unwrap_or(u32::MAX));
        Some(End {
            id: known.id,
            parent: known.parent,
            parent_comm: known.parent_comm.or_else(|| self.name(known.parent)),
            comm: used.map_or(known.comm, |it| it.comm),
            cgroup: None,
            exit: Exit {
                code: (signal == 0).then_some(code),
                signal: (signal != 0).then_some(signal),
                lifetime: used.map_or_else(|| at.saturating_sub(began), |it| it.lifetime),
                peak_rss: used.map(|it| it.peak_rss).filter(|&peak| peak != Bytes::ZERO),
            },
            user: used.map(|it| it.user),
            system: used.map(|it| it.system),
            execs: known.execs,
            oom: false,
        })
    }
}
