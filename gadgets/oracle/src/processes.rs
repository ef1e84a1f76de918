//! What every process's own memory did.

use std::collections::HashMap;

use gadget_core::{CgroupId, ProcessId, ProcessIdentity, ProcessUsage, Runtime};

use crate::series::{Point, Series};

/// The most processes that are followed; what comes beyond is counted.
const MOST: usize = 20_000;
/// Units of a process's start time per second: `USER_HZ`, 100 on every architecture that Rust's Linux targets have.
const TICKS: f64 = 100.0;

/// One process.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) id: ProcessId,
    pub(crate) parent: u32,
    pub(crate) cgroup: Option<CgroupId>,
    pub(crate) oom_score_adj: Option<i16>,
    pub(crate) kernel_thread: bool,
    pub(crate) runtime: Runtime,
    /// Its own memory, in bytes: resident less shared, plus swapped out.
    series: Series<16>,
}

impl Tracked {
    pub(crate) fn size(&self) -> f64 {
        self.series.last().map_or(0.0, |last| last.level)
    }

    /// When it was last read, in seconds; `None` if never.
    pub(crate) fn read_at(&self) -> Option<f64> {
        self.series.last().map(|last| last.time)
    }

    /// Bytes won since `time`; all that it has if it was born after.
    pub(crate) fn growth_since(&self, time: f64, born: f64) -> f64 {
        let before = if born > time { 0.0 } else { self.series.level_at(time).unwrap_or(0.0) };
        self.size() - before
    }
}

/// All processes, in slots that stay the same while a process lives: the order is that of the signals alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes {
    slots: Vec<Option<Tracked>>,
    free: Vec<u32>,
    by_id: HashMap<ProcessId, u32>,
    by_pid: HashMap<u32, u32>,
    /// The least difference seen between reading a process and its start, which nears the time of boot.
    boot: Option<f64>,
    /// Processes that were not followed because there were too many.
    pub(crate) refused: u64,
}

impl Processes {
    pub(crate) fn read(&mut self, id: ProcessId, usage: &ProcessUsage, time: f64) {
        let boot = time - id.start as f64 / TICKS;
        if self.boot.is_none_or(|known| boot < known) {
            self.boot = Some(boot);
        }
        let own = usage.rss.saturating_sub(usage.shared.unwrap_or_default());
        let level = own.saturating_add(usage.swap.unwrap_or_default()).as_f64();
        let Some(process) = self.entry(id) else { return };
        if process.series.last().is_none_or(|last| time > last.time) {
            process.series.push(Point { time, level });
        }
    }

    pub(crate) fn identify(&mut self, id: ProcessId, identity: &ProcessIdentity) {
        let Some(process) = self.entry(id) else { return };
        process.parent = identity.parent;
        process.cgroup = identity.cgroup;
        process.oom_score_adj = identity.oom_score_adj;
        process.kernel_thread = identity.kernel_thread;
        process.runtime = identity.runtime;
    }

    pub(crate) fn gone(&mut self, id: ProcessId) {
        if let Some(slot) = self.by_id.remove(&id) {
            self.slots[slot as usize] = None;
            self.free.push(slot);
            if self.by_pid.get(&id.pid) == Some(&slot) {
                self.by_pid.remove(&id.pid);
            }
        }
    }

    fn entry(&mut self, id: ProcessId) -> Option<&mut Tracked> {
        let slot = match self.by_id.get(&id) {
            Some(&slot) => slot,
            None if self.by_id.len() >= MOST => {
                self.refused += 1;
                return None;
            }
            None => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.slots.push(None);
                    // Room to note every end, when memory is short.
                    self.free.reserve(self.slots.len());
                    self.slots.len() as u32 - 1
                });
                self.slots[slot as usize] = Some(Tracked {
                    id,
                    parent: 0,
                    cgroup: None,
                    oom_score_adj: None,
                    kernel_thread: false,
                    runtime: Runtime::Native,
                    series: Series::new(),
                });
                self.by_id.insert(id, slot);
                // Of two with one pid the later one lives.
                let known = self.by_pid.get(&id.pid).and_then(|&other| self.at(other));
                if known.is_none_or(|other| other.id.start <= id.start) {
                    self.by_pid.insert(id.pid, slot);
                }
                slot
            }
        };
        self.slots[slot as usize].as_mut()
    }

    pub(crate) fn at(&self, slot: u32) -> Option<&Tracked> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn slot_of_pid(&self, pid: u32) -> Option<u32> {
        self.by_pid.get(&pid).copied()
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Each process with its slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Tracked)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(slot, process)| Some((slot as u32, process.as_ref()?)))
    }

    /// When a process was started, in seconds, at most one reading late.
    pub(crate) fn born(&self, id: ProcessId) -> f64 {
        id.start as f64 / TICKS + self.boot.unwrap_or(0.0)
    }

    /// True if `pid` is the agent's or that of one above it.
    pub(crate) fn is_agent_or_above(&self, pid: u32, agent: u32) -> bool {
        let mut at = agent;
        for _ in 0..64 {
            if at == pid {
                return true;
            }
            match self.slot_of_pid(at).and_then(|slot| self.at(slot)) {
                Some(process) if process.parent != 0 => at = process.parent,
                _ => return false,
            }
        }
        false
    }
}
