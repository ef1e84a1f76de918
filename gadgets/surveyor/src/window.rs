//! One window: from one census to another, with all that came between.
//!
//! What a process used is the difference of the last census and the first, so that those between are only looked at for who came,
//! went and changed: one pass over two sorted lists.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{Census, CensusChange, CensusRow, End, Exits, ProcessId, Timestamp};

use crate::usage::{Cpu, Oddities, Place, Room, Sum, Usage, changed_program, nanos, used};

/// The most processes of which is known, one by one, that they ended in a window; what they used is summed beyond.
const MAX_ENDED: usize = 16_384;

/// The most ends that are known of processes that the latest census has still.
const MAX_FINALS: usize = 65_536;

/// A process that ended in this window.
#[derive(Clone, Debug)]
struct Ended {
    /// As it was last seen.
    row: CensusRow,
    /// What it used in all, where that was told.
    last: Option<Cpu>,
}

/// What the window counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Scans after the one that it began with.
    pub(crate) scans: u32,
    /// CPU time that they took, nanoseconds.
    pub(crate) cost: u64,
    pub(crate) created: u64,
    pub(crate) changed: u64,
    pub(crate) terminated: u64,
    /// Of those that ended, how many are only in a sum.
    pub(crate) overflow: u64,
    /// Gone before they could be read.
    pub(crate) vanished: u64,
}

/// From one census to another.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// When the first census of all was taken.
    first: Timestamp,
    begin: Arc<Census>,
    began: Timestamp,
    latest: Arc<Census>,
    at: Timestamp,
    /// Time that passed between censuses by their own account.
    over: Duration,
    pub(crate) counts: Counts,
    pub(crate) odd: Oddities,
    ended: Vec<Ended>,
    /// Where each of them is.
    ended_at: HashMap<ProcessId, u32>,
    /// What ended and was more than could be kept.
    beyond: Sum,
    /// What those used in all that ended and are in the latest census.
    finals: HashMap<ProcessId, Cpu>,
    /// Whose end was told since the latest census, that had not seen it: charged as nobody's, unless the next one does.
    unseen: HashMap<ProcessId, Cpu>,
    /// Who ended in the window before and was not told of, as last seen.
    late: BTreeMap<ProcessId, CensusRow>,
    /// What lived between two censuses, and what the late ones used after they were last seen.
    pub(crate) ephemeral: Sum,
}

impl Window {
    /// Begins with the first census of all.
    pub(crate) fn new(census: Arc<Census>, at: Timestamp) -> Self {
        Self {
            first: at,
            begin: Arc::clone(&census),
            began: at,
            latest: census,
            at,
            over: Duration::ZERO,
            counts: Counts::default(),
            odd: Oddities::default(),
            ended: Vec::new(),
            ended_at: HashMap::new(),
            beyond: Sum::default(),
            finals: HashMap::new(),
            unseen: HashMap::new(),
            late: BTreeMap::new(),
            ephemeral: Sum::default(),
        }
    }

    /// When it began, and when its last census was taken.
    pub(crate) fn span(&self) -> (Timestamp, Timestamp) {
        (self.began, self.at.max(self.began))
    }

    /// How long it is, nanoseconds.
    pub(crate) fn length(&self) -> u64 {
        match nanos(self.at.since(self.began)) {
            0 => nanos(self.over),
            length => length,
        }
    }

    pub(crate) fn latest(&self) -> &Census {
        &self.latest
    }

    /// The row that `usage` is of.
    pub(crate) fn row(&self, usage: &Usage) -> &CensusRow {
        match usage.place {
            Place::Alive(at) => &self.latest.rows[at as usize],
            Place::Ended(at) => &self.ended[at as usize].row,
        }
    }

    /// Whether the process id of `usage` was that of another process before, in this window.
    pub(crate) fn reused(&self, usage: &Usage) -> bool {
        let id = self.row(usage).id;
        // They are sorted when a window ends.
        let from = self.ended.partition_point(|it| it.row.id.pid < id.pid);
        usage.new
            && self.ended.get(from).is_some_and(|it| it.row.id.pid == id.pid && it.row.id != id)
    }

    /// Takes in the next census.
    pub(crate) fn take(&mut self, census: Arc<Census>, at: Timestamp) {
        let before = std::mem::replace(&mut self.latest, census);
        let now = Arc::clone(&self.latest);
        now.diff(&before, |change| match change {
            CensusChange::Created(row) => self.came(row),
            CensusChange::Terminated(row) => self.went(row),
            CensusChange::Changed { before, now } => {
                let renamed = !now.kernel_thread && before.comm != now.comm;
                let other = renamed || before.uid != now.uid || changed_program(now, before);
                self.counts.changed += u64::from(other);
            }
        });
        self.unseen.clear();
        self.over += now.over.unwrap_or_default();
        self.at = self.at.max(at);
        self.counts.scans += 1;
        self.counts.cost = self.counts.cost.saturating_add(nanos(now.cost));
        self.counts.vanished += u64::from(now.vanished);
    }

    fn came(&mut self, row: &CensusRow) {
        match self.ended_at.remove(&row.id) {
            // It could not be read for once.
            Some(at) => {
                self.counts.terminated -= 1;
                self.ended.swap_remove(at as usize);
                if let Some(moved) = self.ended.get(at as usize) {
                    self.ended_at.insert(moved.row.id, at);
                }
            }
            None if self.late.contains_key(&row.id) => {}
            None => self.counts.created += 1,
        }
        // It has ended, and nobody has waited for it: it is charged where it is seen.
        if let Some(cpu) = self.unseen.remove(&row.id) {
            self.ephemeral.user = self.ephemeral.user.saturating_sub(cpu.user);
            self.ephemeral.system = self.ephemeral.system.saturating_sub(cpu.system);
            self.ephemeral.exited = self.ephemeral.exited.saturating_sub(1);
            self.finals.insert(row.id, cpu);
        }
    }

    fn went(&mut self, row: &CensusRow) {
        self.counts.terminated += 1;
        let last = self.finals.remove(&row.id);
        if self.ended.len() < MAX_ENDED {
            self.ended_at.insert(row.id, self.ended.len() as u32);
            self.ended.push(Ended { row: *row, last });
            return;
        }
        self.counts.overflow += 1;
        let base = find(&self.begin, row.id).or_else(|| self.late.get(&row.id));
        let usage = used(row, base, last, Place::Ended(0), &mut self.odd);
        self.beyond.add(&usage, row);
    }

    /// Takes in ends of processes.
    pub(crate) fn ends(&mut self, exits: &Exits, at: Timestamp) {
        for end in &exits.ends {
            self.end(end, at);
        }
    }

    fn end(&mut self, end: &End, at: Timestamp) {
        let told = end.user.is_some() || end.system.is_some();
        let nanos_of = |time: Option<Duration>| time.map_or(0, nanos);
        let cpu = Cpu { user: nanos_of(end.user), system: nanos_of(end.system) };
        if let Some(&place) = self.ended_at.get(&end.id) {
            self.ended[place as usize].last = told.then_some(cpu);
        } else if find(&self.latest, end.id).is_some() {
            if told && self.finals.len() < MAX_FINALS {
                self.finals.insert(end.id, cpu);
            }
        } else if let Some(row) = self.late.remove(&end.id) {
            let unseen = cpu.since(Cpu::of(&row));
            self.ephemeral.user = self.ephemeral.user.saturating_add(unseen.user);
            self.ephemeral.system = self.ephemeral.system.saturating_add(unseen.system);
        } else if end.exit.lifetime <= at.since(self.first) {
            // One that is older ended before anybody looked.
            if self.unseen.len() < MAX_FINALS {
                self.unseen.insert(end.id, cpu);
            }
            self.ephemeral.merge(&Sum {
                user: cpu.user,
                system: cpu.system,
                cpu_max: cpu.user.saturating_add(cpu.system),
                rss_max: end.exit.peak_rss.map_or(0, gadget_core::Bytes::get),
                exited: 1,
                ..Sum::default()
            });
        }
    }

    /// Puts what each process used into `all`: first those that are alive, then those that ended, each by id. What is only in
    /// sums is returned: who ended beyond the bound, and what lived between censuses.
    pub(crate) fn usages(&mut self, all: &mut Vec<Usage>) -> (Sum, Sum) {
        let (mut room, mut odd) = (Room::default(), self.odd);
        all.clear();
        self.ended.sort_unstable_by_key(|it| it.row.id);
        self.ended_at.clear();
        let mut bases = self.begin.rows.iter().peekable();
        let mut add = |mut usage: Usage, odd: &mut Oddities| {
            room.let_in(&mut usage, odd);
            all.push(usage);
        };
        for (at, row) in self.latest.rows.iter().enumerate() {
            while bases.next_if(|base| base.id < row.id).is_some() {}
            let base = bases.next_if(|base| base.id == row.id).or_else(|| self.late.get(&row.id));
            add(used(row, base, None, Place::Alive(at as u32), &mut odd), &mut odd);
        }
        let mut bases = self.begin.rows.iter().peekable();
        for (at, Ended { row, last }) in self.ended.iter().enumerate() {
            while bases.next_if(|base| base.id < row.id).is_some() {}
            let base = bases.next_if(|base| base.id == row.id).or_else(|| self.late.get(&row.id));
            add(used(row, base, *last, Place::Ended(at as u32), &mut odd), &mut odd);
        }
        let (mut beyond, mut ephemeral) = (self.beyond, self.ephemeral);
        room.let_in_sum(&mut beyond, &mut odd);
        room.let_in_sum(&mut ephemeral, &mut odd);
        self.odd = odd;
        (beyond, ephemeral)
    }

    /// Time that the processors were busy, nanoseconds; none if it was less than when the window began.
    pub(crate) fn busy(&mut self) -> Option<u64> {
        let (now, before) = (nanos(self.latest.busy), nanos(self.begin.busy));
        self.odd.backwards += u64::from(now < before);
        now.checked_sub(before).map(|busy| busy.min(i64::MAX as u64))
    }

    /// The next window begins where this one ends.
    pub(crate) fn roll(&mut self) {
        self.begin = Arc::clone(&self.latest);
        (self.began, self.over) = (self.at, Duration::ZERO);
        (self.counts, self.odd) = (Counts::default(), Oddities::default());
        (self.beyond, self.ephemeral) = (Sum::default(), Sum::default());
        self.late.clear();
        let untold = self.ended.drain(..).filter(|it| it.last.is_none());
        self.late.extend(untold.map(|it| (it.row.id, it.row)));
        self.ended_at.clear();
        self.finals.retain(|&id, _| find(&self.latest, id).is_some());
    }
}

fn find(census: &Census, id: ProcessId) -> Option<&CensusRow> {
    let at = census.rows.binary_search_by_key(&id, |row| row.id).ok()?;
    census.rows.get(at)
}
