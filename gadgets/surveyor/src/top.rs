//! Which processes are sent in full.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use gadget_core::{Census, ProcessId};

use crate::settings::Top;
use crate::used::Used;

/// The most processes whose score is kept from window to window; those beyond are judged by the window alone.
const MAX_KEPT: usize = 1 << 17;

/// Keeps the scores, and who is a member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranking {
    /// Sorted by id, as the census is.
    kept: Vec<Kept>,
    next: Vec<Kept>,
    heap: BinaryHeap<Reverse<Place>>,
    more: BinaryHeap<(u64, Reverse<usize>)>,
    /// Processes whose score was not kept, as there were too many.
    pub(crate) not_kept: u64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    id: ProcessId,
    score: f64,
    /// For how many windows it has been a member; 0 of others.
    member_for: u32,
}

/// Where a process stands: members that must stay, then by key, then the one with the lower id.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    stays: bool,
    key: f64,
    index: usize,
}

impl Eq for Place {}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = self.stays.cmp(&other.stays).then(self.key.total_cmp(&other.key));
        by_key.then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What was chosen of a census.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen {
    /// The smoothed score of each row.
    pub(crate) scores: Vec<f64>,
    /// Whether a row is sent in full.
    pub(crate) member: Vec<bool>,
    /// Of these: whether it is one only because it was.
    pub(crate) sticky: Vec<bool>,
    pub(crate) members: usize,
    /// There were hardly more than would be sent: all are.
    pub(crate) bypassed: bool,
}

/// Sums over all processes of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) cpu: u64,
    pub(crate) rss: u64,
    pub(crate) io: u64,
}

impl Sums {
    pub(crate) fn of(census: &Census, used: &[Used]) -> Self {
        let mut sums = Self::default();
        for (row, used) in census.rows.iter().zip(used) {
            sums.cpu = sums.cpu.saturating_add(used.cpu());
            sums.rss = sums.rss.saturating_add(row.rss.get());
            sums.io = sums.io.saturating_add(used.io());
        }
        sums
    }
}

/// How many are asked for, and by what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) settings: &'a Top,
    pub(crate) least: u32,
    /// Scans in this window.
    pub(crate) scans: u32,
    /// All, whatever their number.
    pub(crate) all: bool,
}

impl Ranking {
    /// Chooses who of `census` is sent in full, of those that `may`.
    pub(crate) fn choose(
        &mut self,
        census: &Census,
        used: &[Used],
        sums: Sums,
        may: &[bool],
        asked: Asked<'_>,
        chosen: &mut Chosen,
    ) {
        let Asked { settings, least, scans, all } = asked;
        let count = census.rows.len();
        let least = least as usize;
        self.score(census, used, sums, settings, scans, chosen);
        chosen.member.clear();
        chosen.sticky.clear();
        chosen.sticky.resize(count, false);
        // k <= 1.25 n, in whole numbers.
        chosen.bypassed = all || count.saturating_mul(4) <= least.saturating_mul(5);
        if chosen.bypassed {
            chosen.member.extend_from_slice(may);
        } else {
            chosen.member.resize(count, false);
            self.best(least, may, settings, chosen);
            let most = (settings.most as usize).max(least);
            self.capture(census, used, sums, may, (settings.capture, most), chosen);
        }
        chosen.members = chosen.member.iter().filter(|&&member| member).count();
        self.remember(chosen);
    }

    /// Smooths the window's shares with what was kept, both sorted by id.
    fn score(
        &mut self,
        census: &Census,
        used: &[Used],
        sums: Sums,
        settings: &Top,
        scans: u32,
        chosen: &mut Chosen,
    ) {
        let keep = match settings.half_life {
            half_life if half_life > 0.0 => 0.5_f64.powf(f64::from(scans) / half_life),
            _ => 0.0,
        };
        let share = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        let [cpu, rss, io] = settings.weights;
        self.next.clear();
        chosen.scores.clear();
        let mut kept = self.kept.iter().peekable();
        for (row, used) in census.rows.iter().zip(used) {
            while kept.next_if(|it| it.id < row.id).is_some() {}
            let now = cpu * share(used.cpu(), sums.cpu)
                + rss * share(row.rss.get(), sums.rss)
                + io * share(used.io(), sums.io);
            let before = kept.next_if(|it| it.id == row.id);
            let score = before.map_or(now, |it| keep * it.score + (1.0 - keep) * now);
            let member_for = before.map_or(0, |it| it.member_for);
            self.next.push(Kept { id: row.id, score, member_for });
            chosen.scores.push(score);
        }
    }

    /// The `least` best, and beside them whoever has not stayed for long enough.
    fn best(&mut self, least: usize, may: &[bool], settings: &Top, chosen: &mut Chosen) {
        self.heap.clear();
        let mut stay = 0;
        for (index, kept) in self.next.iter().enumerate().filter(|&(index, _)| may[index]) {
            let member = kept.member_for > 0;
            let stays = member && kept.member_for < settings.residency;
            stay += usize::from(stays);
            let key = if member { kept.score * (1.0 + settings.hysteresis) } else { kept.score };
            let place = Place { stays, key, index };
            // Whoever has to stay has a place beside the others, as long as there are places.
            let room = least.max(stay).min((settings.most as usize).max(least));
            if self.heap.len() < room {
                self.heap.push(Reverse(place));
            } else if self.heap.peek().is_some_and(|Reverse(worst)| place > *worst) {
                self.heap.pop();
                self.heap.push(Reverse(place));
            }
        }
        for Reverse(place) in &self.heap {
            chosen.member[place.index] = true;
            chosen.sticky[place.index] = place.stays;
        }
    }

    /// Adds whoever holds most of what the members do not hold yet, until they hold enough or are too many.
    fn capture(
        &mut self,
        census: &Census,
        used: &[Used],
        sums: Sums,
        may: &[bool],
        (share, most): (f64, usize),
        chosen: &mut Chosen,
    ) {
        let cpu: &dyn Fn(usize) -> u64 = &|index| used[index].cpu();
        let rss: &dyn Fn(usize) -> u64 = &|index| census.rows[index].rss.get();
        let mut members = self.heap.len();
        for (of, all) in [(cpu, sums.cpu), (rss, sums.rss)] {
            let wanted = share * all as f64;
            let held = |chosen: &Chosen| {
                let each = chosen.member.iter().enumerate().filter(|(_, member)| **member);
                each.fold(0_u64, |sum, (index, _)| sum.saturating_add(of(index)))
            };
            let mut held = held(chosen);
            if held as f64 >= wanted || members >= most {
                continue;
            }
            let others = (0..census.rows.len()).filter(|&it| may[it] && !chosen.member[it]);
            self.more.clear();
            self.more.extend(others.map(|index| (of(index), Reverse(index))));
            while (held as f64) < wanted
                && members < most
                && let Some((adds, Reverse(index))) = self.more.pop().filter(|(adds, _)| *adds > 0)
            {
                chosen.member[index] = true;
                held = held.saturating_add(adds);
                members += 1;
            }
        }
    }

    fn remember(&mut self, chosen: &Chosen) {
        for (kept, &member) in self.next.iter_mut().zip(&chosen.member) {
            kept.member_for = if member { kept.member_for.saturating_add(1) } else { 0 };
        }
        self.not_kept += self.next.len().saturating_sub(MAX_KEPT) as u64;
        self.next.truncate(MAX_KEPT);
        std::mem::swap(&mut self.kept, &mut self.next);
    }
}
