//! What one subject's memory did since it last changed its ways.

use crate::regress::{FEWEST, Line, MOST, thinned};
use crate::series::{Point, Recent, Series};
use crate::swing::Swing;

/// A gap between readings is a suspend, or a provider that stood still, from this many expected intervals on ...
const GAP: f64 = 3.0;
/// ... and this many seconds: under pressure readings come late by some tenths.
const LEAST_GAP: f64 = 3.0;
/// Memory is counted per CPU and in batches: no level is known better than this share of the limit.
const GRAIN: f64 = 0.001;
/// A fall by this share of the limit, and of the climb before it, is memory given back.
const DROP: f64 = 0.02;
const DROP_OF_CLIMB: f64 = 0.25;
/// A climb has to be this high, as a share of the limit, for its top to be remembered.
const PEAK: f64 = 0.05;
/// Page-Hinkley: distances from the line are counted in its noise, less this much slack, at most this much each, and
/// the ways have changed when they add up to the last.
const SLACK: f64 = 1.0;
const AT_MOST: f64 = 3.0;
const ALARM: f64 = 6.0;
/// A single level this far from the line, as a share of the limit, is enough.
const LEAP: f64 = 0.02;
/// Of a climb, the share of its time that a window has to last before it may say that the climb has slowed ...
const SETTLE: f64 = 0.1;
/// ... and the seconds that are always enough.
const SETTLED: f64 = 2.0;
/// Growth this many times as fast as that of the climb before it is a climb of its own.
const CRAWL: f64 = 8.0;
/// Where memory comes and goes, rest takes this many seconds to be seen.
const SWINGS: f64 = 5.0;
/// A climb whose last velocity is this much above its mean one is taken for an exponential one.
const STEEP: f64 = 1.4;
/// Steps count as no larger than this share of the limit: one leap is no habit.
const STEP: f64 = 0.05;
/// The line is drawn anew this often over the length of the window.
const FITS: f64 = 48.0;

/// The latest climb: growth without a fall or a rest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Climb {
    /// When and from which level it began.
    pub(crate) from: Point,
    /// The highest level since.
    pub(crate) top: f64,
}

/// Tops after which memory was given back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Peaks {
    levels: [f64; 4],
    /// How many there were.
    pub(crate) count: u32,
}

impl Peaks {
    fn push(&mut self, level: f64) {
        self.levels[self.count as usize % self.levels.len()] = level;
        self.count = self.count.saturating_add(1);
    }

    /// The highest of the last four; zero if there was none.
    pub(crate) fn highest(&self) -> f64 {
        self.levels.iter().copied().fold(0.0, f64::max)
    }
}

/// How memory moves now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Motion {
    /// Bytes per second now, and the bounds of nine in ten.
    pub(crate) velocity: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Bytes per second squared; zero unless the two halves of the window differ beyond doubt.
    pub(crate) acceleration: f64,
    /// Growth of the velocity per second, as a share of it, if the whole climb is steeper at its end than on average.
    pub(crate) steepening: f64,
    /// Standard deviation around the line, in bytes.
    pub(crate) noise: f64,
}

/// A bounded window of levels that begins anew when the memory changes its ways.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    series: Series<96>,
    recent: Recent<32>,
    line: Option<Line>,
    motion: Option<Motion>,
    above: Drift,
    below: Drift,
    interval: f64,
    /// When the line was last drawn.
    fitted: f64,
    /// Mean square of what steps are larger or smaller than the line says: a storm comes in steps.
    steps: f64,
    swing: Swing,
    pub(crate) climb: Climb,
    pub(crate) peaks: Peaks,
    /// How often it began anew.
    pub(crate) restarts: u32,
}

/// One side of a Page-Hinkley test.
#[derive(Clone, Copy, Debug, Default)]
struct Drift {
    sum: f64,
    since: f64,
}

impl Drift {
    /// Adds a distance in units of noise; true if the ways have changed since `self.since`.
    fn add(&mut self, distance: f64, time: f64, beyond_doubt: bool) -> bool {
        if self.sum <= 0.0 {
            self.since = time;
        }
        self.sum = (self.sum + distance.min(AT_MOST) - SLACK).max(0.0);
        self.sum >= ALARM || beyond_doubt
    }
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            series: Series::new(),
            recent: Recent::new(),
            line: None,
            motion: None,
            above: Drift { sum: 0.0, since: 0.0 },
            below: Drift { sum: 0.0, since: 0.0 },
            interval: 0.0,
            fitted: 0.0,
            steps: 0.0,
            swing: Swing::default(),
            climb: Climb { from: Point { time: 0.0, level: 0.0 }, top: 0.0 },
            peaks: Peaks { levels: [0.0; 4], count: 0 },
            restarts: 0,
        }
    }

    pub(crate) fn last(&self) -> Option<Point> {
        self.series.last()
    }

    /// How memory moves; `None` until there are points enough, also after a gap.
    pub(crate) const fn motion(&self) -> Option<Motion> {
        self.motion
    }

    /// Seconds since the window began.
    pub(crate) fn span(&self) -> f64 {
        self.series.span()
    }

    /// Seconds since the climb began.
    pub(crate) fn climb_seconds(&self) -> f64 {
        self.last().map_or(0.0, |last| (last.time - self.climb.from.time).max(0.0))
    }

    /// Bytes won since the climb began.
    pub(crate) fn climbed(&self) -> f64 {
        self.middle().map_or(0.0, |level| (level - self.climb.from.level).max(0.0))
    }

    /// Bytes per second by a first look, if growth seems to begin and is not beyond doubt yet.
    pub(crate) fn hint(&self) -> Option<f64> {
        let points = self.series.as_slice();
        let last = points.last()?;
        let first =
            if self.line.is_none() { points.first()? } else { points.iter().nth_back(1)? };
        let rise = last.level - first.level;
        let unsure = self.above.sum >= AT_MOST - SLACK || self.line.is_none();
        (unsure && rise > 0.0).then(|| rise / (last.time - first.time).max(1e-3))
    }

    /// Forgets all but the peaks, and begins at `point`.
    pub(crate) fn restart(&mut self, point: Point) {
        self.series.clear();
        self.recent.clear();
        self.line = None;
        self.motion = None;
        (self.above, self.below) = (Drift::default(), Drift::default());
        self.series.push(point);
        self.recent.push(point);
        self.climb = Climb { from: point, top: point.level };
        self.restarts = self.restarts.saturating_add(1);
    }

    /// Takes in a level; `expected` is the interval in seconds that was asked for, if one was.
    pub(crate) fn take(&mut self, point: Point, limit: f64, expected: Option<f64>) {
        let Some(last) = self.series.last() else { return self.restart(point) };
        let passed = point.time - last.time;
        if passed <= 0.0 {
            return;
        }
        let gap = (GAP * self.interval.max(expected.unwrap_or(0.0))).max(LEAST_GAP);
        if self.interval > 0.0 && passed > gap {
            // Twice as much each time, so that a pace that has become slow for good is followed.
            self.interval *= 2.0;
            return self.restart(point);
        }
        self.interval = if self.interval == 0.0 {
            passed
        } else {
            self.interval + 0.3 * (passed - self.interval)
        };

        let grain = GRAIN * limit;
        self.swing.take(point, 3.0 * grain);
        let noise = self.noise(self.line.map_or(0.0, |line| line.noise), grain);
        self.swing.take(point, 3.0 * grain);
        self.climb.top = self.climb.top.max(point.level);
        let fallen = self.climb.top - point.level;
        let height = self.climb.top - self.climb.from.level;
        // What comes and goes all the time is not given back.
        if fallen > (DROP * limit).max(DROP_OF_CLIMB * height).max(1.3 * self.swing.size()) {
            if height > PEAK * limit {
                self.peaks.push(self.climb.top);
            }
            return self.restart(point);
        }
        if point.level < self.climb.from.level {
            self.climb = Climb { from: point, top: point.level };
        }
        let step = point.level - last.level - self.line.map_or(0.0, |line| line.slope * passed);
        let step = step.abs().min(STEP * limit);
        self.steps += 0.1 * (step * step - self.steps);

        self.recent.push(point);
        self.series.push(point);
        if let Some(line) = self.line {
            let away = point.level - line.at(point.time);
            let leap = away.abs() > (LEAP * limit).max(4.0 * noise);
            let distance = away / noise;
            if self.above.add(distance, point.time, leap && away > 0.0) {
                self.turned(self.above.since, line, true);
            } else if self.below.add(-distance, point.time, leap && away < 0.0) {
                self.turned(self.below.since, line, false);
            }
        }
        // A long window hardly moves with one point.
        if self.series.as_slice().len() <= MOST || point.time - self.fitted >= self.span() / FITS {
            self.fitted = point.time;
            self.refit(grain);
        }
    }

    /// How far a level may lie from the line without saying anything.
    fn noise(&self, line: f64, grain: f64) -> f64 {
        line.max(grain).max(self.steps.sqrt()).max(self.swing.size() / 2.0)
    }

    /// The level in the middle of what comes and goes; the last one where nothing does.
    pub(crate) fn middle(&self) -> Option<f64> {
        let last = self.last()?;
        match self.line {
            Some(line) if self.swing.size() > 0.0 => Some(line.at(last.time)),
            _ => Some(last.level),
        }
    }

    /// The level at the top of what comes and goes: the one that meets the limit.
    pub(crate) fn crest(&self) -> Option<f64> {
        let last = self.last()?.level;
        Some(self.middle()?.max(last - self.swing.size()) + self.swing.size() / 2.0)
            .map(|crest| crest.max(last))
    }

    /// Begins anew at the points since `since`, when the level began to leave `line`.
    fn turned(&mut self, since: f64, line: Line, up: bool) {
        self.series.clear();
        for point in self.recent.around(since) {
            self.series.push(point);
        }
        (self.above, self.below) = (Drift::default(), Drift::default());
        self.line = None;
        self.restarts = self.restarts.saturating_add(1);
        // From rest a new climb begins; an old one may gain speed.
        if up
            && line.low <= 0.0
            && self.climb.top - self.climb.from.level <= 3.0 * self.noise(line.noise, 0.0)
            && let (Some(first), Some(last)) = (self.series.first(), self.series.last())
        {
            self.climb = Climb { from: first, top: last.level };
        }
    }

    fn refit(&mut self, grain: f64) {
        let (kept, len) = thinned(self.series.as_slice(), MOST);
        let Some(line) = Line::through(&kept[..len]) else { return };
        let now = kept[len - 1];
        // In a climb, a window that has just begun anew may show no more than the rest between two steps.
        let settled = self.span() >= (SETTLE * self.climb_seconds()).min(SETTLED);
        if !settled && self.motion.is_some_and(|motion| line.low < motion.velocity) {
            return;
        }
        self.line = Some(line);
        let mut motion = Motion {
            velocity: line.slope,
            low: line.low,
            high: line.high,
            acceleration: 0.0,
            steepening: 0.0,
            noise: line.noise.max(grain).max(self.swing.size() / 2.0),
        };
        self.bend(&mut motion, now.time);
        motion.steepening = self.steepening(motion.velocity);
        self.motion = Some(motion);
        // At rest: no growth beyond doubt for a third of the climb's own time. The next climb begins here.
        let gain = now.level - kept[0].level;
        let noise = self.noise(line.noise, grain);
        let swings = if self.swing.size() > 0.0 { SWINGS } else { 1.0 };
        if line.low <= 0.0
            && gain <= 3.0 * noise
            && self.span() > (0.3 * self.climb_seconds()).max(swings)
        {
            self.climb = Climb { from: now, top: now.level };
        }
        // A crawl before growth is no part of it.
        let (from, first) = (self.climb.from, kept[0]);
        if self.span() >= 1.0 && first.time - from.time >= 1.0 {
            let crawl = (first.level - from.level) / (first.time - from.time);
            if motion.low > CRAWL * crawl.max(0.0) {
                self.climb = Climb { from: first, top: self.climb.top };
            }
        }
    }

    /// The rate of an exponential climb: its last velocity over its mean one is u / (1 - e^-u), u being rate times time.
    fn steepening(&self, velocity: f64) -> f64 {
        let (seconds, bytes) = (self.climb_seconds(), self.climbed());
        let ratio = velocity * seconds / bytes.max(1.0);
        if !(STEEP..20.0).contains(&ratio) || seconds <= 0.0 {
            return 0.0;
        }
        let u = (0..8).fold(ratio, |u, _| ratio * (1.0 - (-u).exp()));
        u / seconds
    }

    /// Compares the two halves of the window in time, and bends the motion where they differ beyond doubt.
    fn bend(&self, motion: &mut Motion, now: f64) {
        let points = self.series.as_slice();
        if points.len() < 3 * FEWEST {
            return;
        }
        let middle = f64::midpoint(points[0].time, now);
        let (first, second) = points.split_at(points.partition_point(|point| point.time < middle));
        let fit = |half: &[Point]| {
            let (kept, len) = thinned(half, 10);
            Line::through(&kept[..len])
        };
        let (Some(early), Some(late)) = (fit(first), fit(second)) else { return };
        let apart = late.low > early.high || late.high < early.low;
        let change = late.slope - early.slope;
        if !apart || change.abs() < 0.2 * late.slope.abs().max(early.slope.abs()) {
            return;
        }
        // The slopes hold for the middles of their halves, half a window apart.
        let half = (now - points[0].time) / 2.0;
        motion.acceleration = change / half;
        let ahead = motion.acceleration * half / 2.0;
        motion.velocity = late.slope + ahead;
        motion.low = late.low + ahead.min(0.0);
        motion.high = late.high + ahead.max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: f64 = 1000.0;

    /// Levels at an even pace, in percent of ten: 0 to 1000.
    fn fed(step: f64, levels: impl IntoIterator<Item = f64>) -> Window {
        let mut window = Window::new();
        for (tick, level) in levels.into_iter().enumerate() {
            window.take(Point { time: tick as f64 * step, level }, LIMIT, Some(step));
        }
        window
    }

    fn ramp(from: f64, per_step: f64, steps: usize) -> impl Iterator<Item = f64> + Clone {
        (0..steps).map(move |step| from + per_step * step as f64)
    }

    #[test]
    fn a_straight_climb_has_its_velocity_and_no_acceleration() {
        let window = fed(0.1, ramp(500.0, 2.0, 100));
        let motion = window.motion().unwrap();
        assert!((motion.velocity - 20.0).abs() < 0.1, "{motion:?}");
        assert_eq!(motion.acceleration, 0.0);
        assert!(
            (window.climb_seconds() - 9.9).abs() < 0.3 && (window.climbed() - 198.0).abs() < 5.0
        );
    }

    #[test]
    fn growth_after_a_rest_is_dated_to_where_it_began() {
        let window = fed(1.0, ramp(500.0, 0.0, 60).chain(ramp(500.0, 10.0, 12)));
        assert!((9.0..=13.0).contains(&window.climb_seconds()), "{}", window.climb_seconds());
        assert!((window.motion().unwrap().velocity - 10.0).abs() < 1.0, "{:?}", window.motion());
    }

    #[test]
    fn a_fall_begins_a_new_window_and_its_top_is_remembered() {
        let tooth = ramp(400.0, 10.0, 40);
        let window = fed(0.2, tooth.clone().chain(tooth.clone()).chain(tooth.take(20)));
        assert_eq!(window.peaks.count, 2);
        assert!((window.peaks.highest() - 790.0).abs() < 1.0, "{:?}", window.peaks);
        assert!((window.climbed() - 190.0).abs() < 1.0, "{}", window.climbed());
    }

    #[test]
    fn an_exponential_climb_shows_acceleration_or_follows_it_anew() {
        let window = fed(0.2, (0..120).map(|tick| 300.0 + 4.0 * (f64::from(tick) / 24.0).exp()));
        let motion = window.motion().unwrap();
        // The true slope at the end: 4 e^(119/24) / 24 per step, five steps a second.
        let truth = 4.0 * (119.0_f64 / 24.0).exp() / 24.0 * 5.0;
        assert!((motion.velocity / truth - 1.0).abs() < 0.3, "{motion:?} {truth}");
        assert!(window.climb_seconds() > 8.0, "the climb goes on: {}", window.climb_seconds());
    }

    #[test]
    fn growth_that_ends_ends_the_climb() {
        let window = fed(0.1, ramp(500.0, 2.0, 100).chain(ramp(700.0, 0.0, 60)));
        assert!(window.climbed() < 5.0, "{}", window.climbed());
    }

    #[test]
    fn a_gap_between_readings_starts_anew_without_a_motion() {
        let mut window = fed(1.0, ramp(500.0, 5.0, 30));
        window.take(Point { time: 29.0 + 3600.0, level: 900.0 }, LIMIT, Some(1.0));
        assert_eq!(window.motion(), None);
        assert_eq!(window.climbed(), 0.0);
    }

    #[test]
    fn a_reading_that_comes_late_under_pressure_is_no_gap() {
        let mut window = fed(0.02, ramp(500.0, 1.0, 50));
        window.take(Point { time: 0.98 + 0.9, level: 590.0 }, LIMIT, Some(0.02));
        assert!(window.motion().is_some());
    }

    #[test]
    fn time_that_stands_still_or_steps_back_is_ignored() {
        let mut window = fed(1.0, ramp(500.0, 5.0, 10));
        let before = window.motion();
        window.take(Point { time: 9.0, level: 0.0 }, LIMIT, None);
        window.take(Point { time: 3.0, level: 0.0 }, LIMIT, None);
        assert_eq!(window.motion(), before);
    }
}
