//! One subject with a limit, followed from reading to reading.

use std::time::Duration;

use gadget_core::{
    CgroupMemory, HostMemory, MemoryLimit, Paging, Pressure, ProcessId, StepKind, Subject,
};

use crate::culprit::Culprit;
use crate::features::{FEATURES, Feature, NEVER, Row};
use crate::forecast::{Forecast, time_left};
use crate::series::Point;
use crate::window::Window;

/// Memory of a host that nothing can use: the kernel's own reserves and the last pages of running programs.
const RESERVE_SHARE: f64 = 0.02;
const RESERVE: f64 = 24.0 * 1024.0 * 1024.0;
/// A subject at rest that moves by more than this share of its limit is no longer at rest.
const STIR: f64 = 0.02;

/// Who was let go is under suspicion for this many seconds.
const FORGIVEN: f64 = 600.0;
/// Reclaim that begins after so long without any is news, in seconds.
const CALM: f64 = 30.0;
/// Others gave way when this much more of the limit is free than before.
pub(crate) const GAVE_WAY: f64 = 0.15;

/// The levels of one reading, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Levels {
    /// What reclaim cannot free, and the most there can be of it.
    pub(crate) used: f64,
    pub(crate) limit: f64,
    /// All that is charged.
    pub(crate) charged: f64,
    /// File cache.
    pub(crate) cache: f64,
    /// File cache that was not used twice.
    pub(crate) inactive: f64,
    /// Swapped out.
    pub(crate) swapped: f64,
}

impl Levels {
    /// Swap counts as room, and what is in it as used.
    pub(crate) fn of_host(memory: &HostMemory) -> Option<Self> {
        let total = memory.total.as_f64();
        let cache = memory.active_file.as_f64() + memory.inactive_file.as_f64();
        let free = memory.free.as_f64();
        let swapped = memory.swap_total.saturating_sub(memory.swap_free).as_f64();
        let reserve = (RESERVE_SHARE * total + RESERVE).min(total / 2.0);
        let used = (total - free - cache - memory.slab_reclaimable.as_f64()).max(0.0) + swapped;
        let limit = total - reserve + memory.swap_total.as_f64();
        (total > 0.0).then_some(Self {
            used,
            limit,
            charged: total - free,
            cache,
            inactive: memory.inactive_file.as_f64(),
            swapped,
        })
    }
}

/// A step of ours that is in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) plan: gadget_core::PlanId,
    pub(crate) kind: StepKind,
    pub(crate) target: Subject,
    pub(crate) culprit: Option<ProcessId>,
    pub(crate) since: f64,
    /// Room left when it began, as a share of the limit.
    pub(crate) room: f64,
    /// Asked to be put back.
    pub(crate) released: bool,
    /// Seconds and bytes of the climb that it ended, to be taken up again if the growth goes on.
    climb: (f64, f64),
}

/// A culprit that was let go after having been held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LetGo {
    pub(crate) culprit: ProcessId,
    /// Seconds and bytes that it had climbed before.
    climb: (f64, f64),
    /// When it was let go, and the room left then, as a share of the limit.
    at: f64,
    room: f64,
}

/// One subject.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) subject: Subject,
    pub(crate) window: Window,
    pub(crate) levels: Levels,
    /// No `memory.stat` was read yet: cache and use cannot be told apart.
    pub(crate) blind: bool,
    pub(crate) some: f64,
    pub(crate) full: f64,
    pub(crate) refaults: f64,
    pub(crate) major_faults: f64,
    pub(crate) cache_loss: f64,
    pub(crate) swapping: f64,
    pub(crate) momentum: f64,
    pub(crate) oom_kills: u64,
    /// The pace that was asked for.
    pub(crate) asked: Option<Duration>,
    /// When a faster one was last asked for, in seconds.
    pub(crate) hurried: f64,
    /// Since when it has been at rest, in seconds; `None` while it is not.
    rest: Option<Point>,
    /// A stall was reported and not yet looked into.
    pub(crate) alarmed: bool,
    /// Its tasks began to reclaim, and no faster pace was asked for yet.
    pub(crate) woken: bool,
    /// When they last did, in seconds.
    reclaimed: f64,
    pub(crate) fresh: bool,
    pub(crate) culprit: Option<Culprit>,
    pub(crate) searched: f64,
    pub(crate) forecast: Option<Forecast>,
    pub(crate) stated: Option<(crate::Class, u8, f64)>,
    pub(crate) held: Option<Held>,
    /// A culprit that was let go after having been held.
    pub(crate) let_go: Option<LetGo>,
    counters: Option<(f64, Paging)>,
    cgroup_cache: Option<(f64, f64, f64)>,
}

impl Track {
    pub(crate) fn new(subject: Subject) -> Self {
        Self {
            subject,
            window: Window::new(),
            levels: Levels::default(),
            blind: true,
            some: 0.0,
            full: 0.0,
            refaults: 0.0,
            major_faults: 0.0,
            cache_loss: 0.0,
            swapping: 0.0,
            momentum: 0.0,
            oom_kills: 0,
            asked: None,
            hurried: f64::NEG_INFINITY,
            rest: None,
            alarmed: false,
            woken: false,
            reclaimed: f64::NEG_INFINITY,
            fresh: false,
            culprit: None,
            searched: f64::NEG_INFINITY,
            forecast: None,
            stated: None,
            held: None,
            let_go: None,
            counters: None,
            cgroup_cache: None,
        }
    }

    /// Bytes left below the limit, at the top of what comes and goes.
    pub(crate) fn headroom(&self) -> f64 {
        (self.levels.limit - self.window.crest().unwrap_or(self.levels.used)).max(0.0)
    }

    /// The same as a share of the limit.
    pub(crate) fn room(&self) -> f64 {
        self.headroom() / self.levels.limit.max(1.0)
    }

    pub(crate) const fn at_rest(&self) -> bool {
        self.rest.is_some() && !self.alarmed
    }

    /// Tasks reclaim memory themselves. Where they did so all along, as where a cache fills its limit, it says nothing new.
    pub(crate) fn reclaims(&mut self, time: f64) {
        if time - self.reclaimed >= CALM {
            (self.alarmed, self.woken) = (true, true);
        }
        self.reclaimed = time;
    }

    pub(crate) fn press(&mut self, pressure: &Pressure) {
        self.some = pressure.some.avg10.get() / 100.0;
        self.momentum = self.some - pressure.some.avg60.get() / 100.0;
        self.full = pressure.full.map_or(0.0, |full| full.avg10.get() / 100.0);
    }

    /// Takes in a cgroup's memory. `host` is the host's memory, for its size and its swap. False if it has no limit.
    pub(crate) fn read_cgroup(
        &mut self,
        time: f64,
        memory: &CgroupMemory,
        host: Option<&HostMemory>,
        guard_share: f64,
    ) -> bool {
        let MemoryLimit::At(max) = memory.max else { return false };
        if max.get() == 0 || host.is_some_and(|host| max >= host.total) {
            return false;
        }
        let charged = memory.current.as_f64();
        if let Some(stat) = &memory.stat {
            let cache = stat.active_file.as_f64() + stat.inactive_file.as_f64();
            let reclaimable = cache + stat.slab_reclaimable.map_or(0.0, |slab| slab.as_f64());
            let swapped = stat.swap.map_or(0.0, |swap| swap.as_f64());
            self.cgroup_cache = Some((reclaimable, stat.inactive_file.as_f64(), swapped));
            self.count(time, stat.paging);
            self.blind = false;
        }
        let Some((reclaimable, inactive, swapped)) = self.cgroup_cache else {
            // Without it a full cache looks like a leak: only say that it is there.
            self.levels = Levels { limit: max.as_f64(), charged, ..Levels::default() };
            return true;
        };
        let swap_left = host.map_or(0.0, |host| host.swap_free.as_f64());
        let levels = Levels {
            used: (charged - reclaimable).max(0.0) + swapped,
            limit: max.as_f64() + swapped + swap_left,
            charged,
            cache: reclaimable.min(charged),
            inactive,
            swapped,
        };
        self.take(time, levels, guard_share);
        true
    }

    /// Takes in the levels of one reading.
    pub(crate) fn take(&mut self, time: f64, levels: Levels, guard_share: f64) {
        let point = Point { time, level: levels.used };
        let before = self.levels;
        self.levels = levels;
        self.blind = false;
        if let Some(last) = self.window.last()
            && time > last.time
        {
            let loss = (before.cache - levels.cache) / (time - last.time);
            self.cache_loss = 0.7 * self.cache_loss + 0.3 * loss;
            let swapping = (levels.swapped - before.swapped) / (time - last.time);
            self.swapping = 0.7 * self.swapping + 0.3 * swapping;
        }
        self.fresh = true;
        if let Some(rest) = self.rest {
            let moved = (levels.used - rest.level).abs() > STIR * levels.limit;
            if !moved && !self.alarmed && levels.used < guard_share * levels.limit {
                // At rest: the last level alone is kept, as the start of what may come.
                self.window.restart(point);
                return;
            }
            self.rest = None;
        }
        let expected = self.asked.map(|asked| asked.as_secs_f64());
        self.window.take(point, levels.limit, expected);
        if self.window.span() > 0.0 && levels.used < guard_share * levels.limit && !self.alarmed {
            let quiet = self.window.motion().is_some_and(|motion| {
                let horizon = time_left(levels.limit - levels.used, motion.high.max(0.0), 0.0);
                motion.low <= 0.0 || horizon.is_none_or(|left| left > 3_600.0)
            });
            if quiet && self.window.span() > 10.0 {
                self.rest = Some(point);
            }
        }
    }

    /// A first reading far below the limit is taken for rest until something moves.
    pub(crate) fn begin(&mut self, guard_share: f64) {
        if self.levels.used < guard_share * self.levels.limit {
            self.rest = self.window.last();
        }
    }

    /// Seconds and bytes of the climb, with those of before its culprit was held and let go.
    fn climb(&self) -> (f64, f64) {
        let (seconds, bytes) = (self.window.climb_seconds(), self.window.climbed());
        match self.let_go {
            Some(before) if bytes > 0.0 => (seconds + before.climb.0, bytes + before.climb.1),
            _ => (seconds, bytes),
        }
    }

    /// Rates of the counters since the last reading that had them.
    pub(crate) fn count(&mut self, time: f64, paging: Paging) {
        if let Some((before, counted)) = self.counters
            && time > before
        {
            let rate = |now: Option<u64>, then: Option<u64>| match (now, then) {
                (Some(now), Some(then)) => now.saturating_sub(then) as f64 / (time - before),
                _ => 0.0,
            };
            self.refaults = rate(paging.refaulted_file, counted.refaulted_file)
                + rate(paging.refaulted_anon, counted.refaulted_anon);
            self.major_faults = rate(paging.major_faults, counted.major_faults);
        }
        if self.counters.is_none_or(|(before, _)| time > before) {
            self.counters = Some((time, paging));
        }
    }

    /// What the models see.
    pub(crate) fn row(&self, left: Option<f64>) -> Row {
        let limit = self.levels.limit.max(1.0);
        let (seconds, climbed) = self.climb();
        let mut row = [0.0; FEATURES];
        let mut set = |feature: Feature, value: f64| {
            row[feature as usize] = if value.is_finite() { value } else { 0.0 }
        };
        set(Feature::Used, 1.0 - self.room());
        set(Feature::Charged, self.levels.charged / limit);
        set(Feature::Cache, self.levels.cache / limit);
        if let Some(motion) = self.window.motion() {
            let speed = motion.velocity.abs().max(1.0);
            set(Feature::Velocity, motion.velocity / limit);
            set(Feature::Doubt, ((motion.high - motion.low) / speed).min(10.0));
            set(Feature::Bend, (motion.acceleration * self.window.span() / speed).clamp(-3.0, 3.0));
            set(Feature::Roughness, (motion.noise / climbed.max(1.0)).min(1.0));
        } else {
            set(Feature::Doubt, 10.0);
            set(Feature::Roughness, 1.0);
        }
        set(Feature::LogLeft, left.map_or(NEVER, |left| left.max(0.01).ln().min(NEVER)));
        set(Feature::LogClimb, seconds.max(0.01).ln());
        set(Feature::Lasted, left.map_or(0.0, |left| seconds / (seconds + left).max(1e-3)));
        set(Feature::Consumed, climbed / (climbed + self.headroom()).max(1.0));
        set(Feature::Drops, f64::from(self.window.peaks.count.min(8)));
        let peak = self.window.peaks.highest();
        set(Feature::OfPeak, if peak > 0.0 { (self.levels.used / peak).min(2.0) } else { 0.0 });
        set(Feature::Some, self.some);
        set(Feature::Full, self.full);
        set(Feature::Refaults, self.refaults.max(0.0).ln_1p());
        set(Feature::MajorFaults, self.major_faults.max(0.0).ln_1p());
        set(Feature::CacheLoss, self.cache_loss / limit);
        set(Feature::Culprit, self.culprit.as_ref().map_or(0.0, |culprit| culprit.share));
        set(
            Feature::Born,
            self.culprit.as_ref().map_or(0.0, |culprit| f64::from(culprit.born).ln_1p()),
        );
        set(Feature::Momentum, self.momentum);
        set(Feature::Swapping, self.swapping / limit);
        set(Feature::OomHistory, f64::from(self.oom_kills > 0));
        row
    }

    /// Notes that a step of ours is in place.
    pub(crate) fn hold(
        &mut self,
        plan: gadget_core::PlanId,
        kind: StepKind,
        target: Subject,
        now: f64,
    ) {
        self.held = Some(Held {
            plan,
            kind,
            target,
            culprit: self.culprit.as_ref().map(|culprit| culprit.process),
            since: now,
            room: self.room(),
            released: false,
            climb: self.climb(),
        });
    }

    /// Notes that the step in place has ended.
    pub(crate) fn let_go(&mut self) {
        if let Some(held) = self.held.take()
            && let Some(culprit) = held.culprit
        {
            let at = self.window.last().map_or(0.0, |last| last.time);
            self.let_go = Some(LetGo { culprit, climb: held.climb, at, room: self.room() });
        }
    }

    /// Forgets who was let go once memory came back, or after a while.
    pub(crate) fn forgive(&mut self, time: f64) {
        let room = self.room();
        self.let_go = self
            .let_go
            .filter(|before| time - before.at < FORGIVEN && room < before.room + GAVE_WAY);
    }

    /// What was killed or ended was the climb's reason: what is left has to show anew whether it grows.
    pub(crate) fn start_over(&mut self) {
        if let Some(last) = self.window.last() {
            self.window.restart(last);
        }
        self.culprit = None;
        self.let_go = None;
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::Bytes;

    use super::*;

    #[test]
    fn a_group_takes_less_than_four_kibibytes() {
        assert!(size_of::<Track>() <= 4096, "{}", size_of::<Track>());
    }

    #[test]
    fn what_is_in_swap_is_used_and_what_is_left_of_it_is_room() {
        let memory = HostMemory {
            total: Bytes::from_mib(1000),
            free: Bytes::from_mib(100),
            inactive_file: Bytes::from_mib(200),
            swap_total: Bytes::from_mib(500),
            swap_free: Bytes::from_mib(400),
            ..HostMemory::default()
        };
        let levels = Levels::of_host(&memory).unwrap();
        let mib = |bytes: f64| (bytes / (1024.0 * 1024.0)).round();
        assert_eq!((mib(levels.used), mib(levels.limit)), (800.0, 1456.0));
        assert_eq!(Levels::of_host(&HostMemory::default()), None);
    }

    #[test]
    fn a_limit_as_large_as_the_host_is_none() {
        let memory = CgroupMemory {
            current: Bytes::from_mib(10),
            max: MemoryLimit::At(Bytes::from_mib(1000)),
            high: MemoryLimit::Unlimited,
            stat: None,
            events: None,
        };
        let host = HostMemory { total: Bytes::from_mib(1000), ..HostMemory::default() };
        let mut track = Track::new(Subject::Host);
        assert!(!track.read_cgroup(0.0, &memory, Some(&host), 0.5));
        assert!(track.read_cgroup(0.0, &memory, None, 0.5) && track.blind);
    }
}
