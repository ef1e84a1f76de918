//! Which processes are sent in full.
//!
//! Ranked is by a score, smoothed over windows: k processes cost O(k log N), for only the N best are held in order. Those that are
//! sent already stay until another one is better by more than a little, so that they do not come and go. How many N is follows
//! from what they hold: as many more as the share of CPU and memory that was asked for takes, at once; fewer, slowly.

mod captured;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gadget_core::ProcessId;

use crate::settings::Top;
use crate::usage::Usage;

pub(crate) use captured::{Captured, Part};

/// The most processes whose score is remembered from window to window.
const MAX_SCORES: usize = 131_072;

/// Windows in a row that fewer rows would have been enough before there are fewer.
const CALM_WINDOWS: u32 = 3;

/// By which part there are fewer then.
const SHRINK: usize = 16;

/// How much more than asked for fewer rows have to hold: a part of what is not asked for.
const MARGIN: f64 = 0.2;

/// One that is sent in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    id: ProcessId,
    /// Windows that it has been.
    windows: u32,
}

/// What a choice came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    /// Rows that were aimed at.
    pub(crate) n: u32,
    /// There are hardly more than that: all are chosen.
    pub(crate) bypassed: bool,
}

/// First those that may not leave yet, then the better, then the smaller identity.
type Key = (bool, u64, Reverse<ProcessId>);

/// Scores and members from window to window. What it works with is kept, so that it does not allocate once it is warm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranking {
    /// By identity.
    scores: Vec<(ProcessId, f64)>,
    spare: Vec<(ProcessId, f64)>,
    /// Scores that were not remembered.
    pub(crate) forgotten: u64,
    /// By identity.
    members: Vec<Member>,
    before: Vec<Member>,
    /// How many are sent, as of the last window; none before the first.
    n: usize,
    /// What that was worked out for: the least, the most, and the share.
    asked: (usize, usize, f64),
    calm: u32,
    heap: BinaryHeap<Reverse<(Key, u32)>>,
    more: BinaryHeap<Reverse<(u64, Reverse<ProcessId>, u32)>>,
    /// The chosen, by their place in the list of usages.
    chosen: Vec<u32>,
    is_chosen: Vec<bool>,
    sticky: Vec<ProcessId>,
}

impl Ranking {
    /// Scores each of `usages`, in whose order `ids` are: a window of so many scans. The alive have to be sorted by identity
    /// and to come first.
    pub(crate) fn score(
        &mut self,
        usages: &mut [Usage],
        ids: impl Fn(&Usage) -> ProcessId,
        scans: u32,
        top: &Top,
    ) {
        let (mut cpu, mut rss, mut io) = (0_u128, 0_u128, 0_u128);
        for usage in &*usages {
            cpu += u128::from(usage.cpu());
            rss += u128::from(usage.rss);
            io += u128::from(usage.io_bytes());
        }
        let per = |weight: f64, all: u128| if all == 0 { 0.0 } else { weight / all as f64 };
        let (cpu, rss, io) =
            (per(top.weights[0], cpu), per(top.weights[1], rss), per(top.weights[2], io));
        let keeps =
            if top.half_life > 0.0 { (-f64::from(scans) / top.half_life).exp2() } else { 0.0 };
        let mut next = std::mem::take(&mut self.spare);
        next.clear();
        let mut at = 0;
        for usage in usages {
            let id = ids(usage);
            let fresh =
                usage.cpu() as f64 * cpu + usage.rss as f64 * rss + usage.io_bytes() as f64 * io;
            let before = if usage.is_alive() {
                while self.scores.get(at).is_some_and(|(other, _)| *other < id) {
                    at += 1;
                }
                self.scores.get(at).filter(|(other, _)| *other == id)
            } else {
                let found = self.scores.binary_search_by_key(&id, |(id, _)| *id);
                found.ok().and_then(|at| self.scores.get(at))
            };
            usage.score =
                before.map_or(fresh, |(_, before)| before * keeps + fresh * (1.0 - keeps));
            if usage.is_alive() {
                if next.len() < MAX_SCORES {
                    next.push((id, usage.score));
                } else {
                    self.forgotten += 1;
                }
            }
        }
        self.spare = std::mem::replace(&mut self.scores, next);
    }

    /// Forgets all scores and members: what was seen in between was not ranked.
    pub(crate) fn clear(&mut self) {
        self.scores.clear();
        self.members.clear();
        self.chosen.clear();
        self.sticky.clear();
    }

    /// Chooses of `usages`, which have their scores: `least` or more.
    pub(crate) fn choose(
        &mut self,
        usages: &[Usage],
        ids: impl Fn(&Usage) -> ProcessId,
        least: u32,
        top: &Top,
    ) -> Choice {
        let (least, most) = (least.max(1) as usize, least.max(top.most).max(1) as usize);
        let asked = (least, most, top.capture);
        if std::mem::replace(&mut self.asked, asked) != asked {
            self.n = least;
        }
        let eligible = usages.iter().filter(|usage| usage.eligible).count();
        self.chosen.clear();
        self.sticky.clear();
        let mut bypassed = is_bypass(eligible, self.n);
        if !bypassed {
            self.rank(usages, &ids, top);
            self.fill(usages, &ids, most, top.capture);
            bypassed = is_bypass(eligible, self.n);
        }
        let n = self.n;
        if bypassed {
            self.chosen.clear();
            self.sticky.clear();
            self.chosen.extend((0..usages.len() as u32).filter(|&at| usages[at as usize].eligible));
            self.calm = 0;
        } else {
            self.shrink(usages, least, top.capture);
        }
        Self::by_score(usages, &ids, &mut self.chosen);
        self.become_members(usages, ids);
        Choice { n: u32::try_from(n).unwrap_or(u32::MAX), bypassed }
    }

    /// The chosen, the highest score first, by their place.
    pub(crate) fn chosen(&self) -> &[u32] {
        &self.chosen
    }

    /// Puts places into the order in which rows are sent: the highest score first, of equals the smaller identity.
    pub(crate) fn by_score(
        usages: &[Usage],
        ids: impl Fn(&Usage) -> ProcessId,
        places: &mut [u32],
    ) {
        places.sort_unstable_by_key(|&at| {
            let usage = &usages[at as usize];
            (Reverse(usage.score.to_bits()), ids(usage))
        });
    }

    /// Whether it was only chosen because it had been before.
    pub(crate) fn is_sticky(&self, id: ProcessId) -> bool {
        self.sticky.binary_search(&id).is_ok()
    }

    /// The best `n`, the best first; members have an advantage.
    fn rank(&mut self, usages: &[Usage], ids: &impl Fn(&Usage) -> ProcessId, top: &Top) {
        self.heap.clear();
        let (mut at, n) = (0, self.n);
        let mut best_out = 0.0_f64;
        for (place, usage) in usages.iter().enumerate().filter(|(_, usage)| usage.eligible) {
            let id = ids(usage);
            let member = if usage.is_alive() {
                while self.members.get(at).is_some_and(|member| member.id < id) {
                    at += 1;
                }
                self.members.get(at).filter(|member| member.id == id)
            } else {
                // What has ended is not held on to.
                None
            };
            let forced = member.is_some_and(|member| member.windows < top.residency);
            let advantage = if member.is_some() { 1.0 + top.hysteresis } else { 1.0 };
            let key = (forced, (usage.score * advantage).to_bits(), Reverse(id));
            let entry = Reverse((key, place as u32));
            if self.heap.len() < n {
                self.heap.push(entry);
                continue;
            }
            let Some(mut worst) = self.heap.peek_mut() else { continue };
            let out = if key > worst.0.0 {
                let out = worst.0.1 as usize;
                *worst = entry;
                out
            } else {
                place
            };
            best_out = best_out.max(usages[out].score);
        }
        // Each pop is the worst that is left.
        while let Some(Reverse((_, place))) = self.heap.pop() {
            self.chosen.push(place);
        }
        self.chosen.reverse();
        let worse = self.chosen.iter().map(|&at| &usages[at as usize]);
        self.sticky.extend(worse.filter(|usage| usage.score < best_out).map(ids));
        self.sticky.sort_unstable();
    }

    /// Takes more, by what they would add, until enough is held or there are `most`.
    fn fill(
        &mut self,
        usages: &[Usage],
        ids: &impl Fn(&Usage) -> ProcessId,
        most: usize,
        capture: f64,
    ) {
        let mut held = Captured::of(usages, &self.chosen);
        let mut short = false;
        for part in Part::ALL {
            if held.reaches(part, capture) || self.chosen.len() >= most {
                continue;
            }
            short = true;
            self.is_chosen.clear();
            self.is_chosen.resize(usages.len(), false);
            for &at in &self.chosen {
                self.is_chosen[at as usize] = true;
            }
            let room = most - self.chosen.len();
            self.more.clear();
            for (place, usage) in usages.iter().enumerate() {
                if self.is_chosen[place] || !usage.eligible || part.of(usage) == 0 {
                    continue;
                }
                let entry = Reverse((part.of(usage), Reverse(ids(usage)), place as u32));
                if self.more.len() < room {
                    self.more.push(entry);
                } else if let Some(mut worst) = self.more.peek_mut()
                    && entry.0 > worst.0
                {
                    *worst = entry;
                }
            }
            let first = self.chosen.len();
            while let Some(Reverse((.., place))) = self.more.pop() {
                self.chosen.push(place);
            }
            self.chosen[first..].reverse();
            let mut taken = first;
            while taken < self.chosen.len() && !held.reaches(part, capture) {
                held.add(&usages[self.chosen[taken] as usize]);
                taken += 1;
            }
            self.chosen.truncate(taken);
        }
        if short {
            self.n = self.n.max(self.chosen.len());
            self.calm = 0;
        }
    }

    /// Has fewer in the next window if fewer would have been enough for a while.
    fn shrink(&mut self, usages: &[Usage], least: usize, capture: f64) {
        let fewer = (self.n - (self.n / SHRINK).max(1).min(self.n)).max(least);
        if fewer >= self.n {
            self.calm = 0;
            return;
        }
        let with_margin = capture + (1.0 - capture) * MARGIN;
        let held = Captured::of(usages, &self.chosen[..fewer.min(self.chosen.len())]);
        let enough = Part::ALL.into_iter().all(|part| held.reaches(part, with_margin));
        self.calm = if enough || capture == 0.0 { self.calm + 1 } else { 0 };
        if self.calm >= CALM_WINDOWS {
            (self.n, self.calm) = (fewer, 0);
        }
    }

    fn become_members(&mut self, usages: &[Usage], ids: impl Fn(&Usage) -> ProcessId) {
        std::mem::swap(&mut self.members, &mut self.before);
        self.members.clear();
        let before = &self.before;
        let alive = self.chosen.iter().map(|&at| &usages[at as usize]).filter(|it| it.is_alive());
        self.members.extend(alive.map(|usage| {
            let id = ids(usage);
            let was = before.binary_search_by_key(&id, |member| member.id);
            let windows = was.map_or(0, |at| before[at].windows).saturating_add(1);
            Member { id, windows }
        }));
        self.members.sort_unstable_by_key(|member| member.id);
        // Only those who were members can have stayed.
        self.sticky.retain(|id| before.binary_search_by_key(id, |member| member.id).is_ok());
    }
}

/// Whether there are so few that ranking them is not worth it: at most a quarter more than would be sent.
const fn is_bypass(k: usize, n: usize) -> bool {
    4 * k <= 5 * n
}
