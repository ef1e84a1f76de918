//! When to look at a stall's total next, and whether it has crossed its threshold. No I/O and no clock.

use std::collections::VecDeque;
use std::time::Duration;

/// While it matters a total is read this often at most.
const SHORTEST: Duration = Duration::from_millis(10);
/// After the threshold was crossed, nothing is gained by looking more often.
const AFTERWARDS: Duration = Duration::from_millis(50);
/// Totals that are remembered lie at least this share of a window apart.
const STEPS: u32 = 64;

/// The stall within a sliding window.
#[derive(Debug)]
pub(super) struct Stalls {
    threshold: Duration,
    window: Duration,
    /// Times and totals, oldest first: the last one before the window, and those in it.
    past: VecDeque<(Duration, Duration)>,
    stalled: Duration,
    crossed: Option<Duration>,
}

impl Stalls {
    pub(super) fn new(threshold: Duration, window: Duration) -> Self {
        let past = VecDeque::with_capacity(STEPS as usize + 2);
        Self { threshold, window, past, stalled: Duration::ZERO, crossed: None }
    }

    /// Takes in the `total` that was read at `now`. True if the stall within the window has just reached its threshold,
    /// and again once in a window while it stays above.
    pub(super) fn observe(&mut self, now: Duration, total: Duration) -> bool {
        if self.past.back().is_some_and(|(_, before)| total < *before) {
            // Counted from anew: another group at the same path.
            self.past.clear();
        }
        while self.past.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= self.window) {
            self.past.pop_front();
        }
        let apart = |(at, _): &(Duration, Duration)| now.saturating_sub(*at) >= self.window / STEPS;
        if self.past.back().is_none_or(apart) {
            self.past.push_back((now, total));
        }
        let oldest = self.past.front().map_or(total, |(_, total)| *total);
        self.stalled = total.saturating_sub(oldest);
        if self.crossed.is_some_and(|at| {
            self.stalled < self.threshold / 2 || now.saturating_sub(at) >= self.window
        }) {
            self.crossed = None;
        }
        let crosses = self.crossed.is_none() && self.stalled >= self.threshold;
        if crosses {
            self.crossed = Some(now);
        }
        crosses
    }

    /// How long nobody needs to look: a total grows no faster than time passes, so the threshold cannot be reached any
    /// sooner than this.
    pub(super) fn pause(&self) -> Duration {
        if self.crossed.is_some() {
            return AFTERWARDS;
        }
        self.threshold.saturating_sub(self.stalled).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Runs for `until` ms with the stall that `total` says there was at each ms; the times at which the threshold was
    /// crossed, and how often the total was read.
    fn run(until: u64, total: impl Fn(u64) -> u64) -> (Vec<u64>, usize) {
        let mut stalls = Stalls::new(ms(150), ms(1000));
        let (mut crossed, mut reads, mut now) = (vec![], 0, 0);
        while now < until {
            reads += 1;
            if stalls.observe(ms(now), ms(total(now))) {
                crossed.push(now);
            }
            now += u64::try_from(stalls.pause().as_millis()).unwrap().max(1);
        }
        (crossed, reads)
    }

    #[test]
    fn a_host_at_rest_is_looked_at_seven_times_a_second() {
        let (crossed, reads) = run(60_000, |_| 12_345);
        assert!(crossed.is_empty());
        assert!(reads <= 60 * 7, "{reads}");
    }

    #[test]
    fn a_crossing_is_seen_within_ten_milliseconds_whenever_the_stall_begins() {
        for begin in 1000..1200 {
            // Every task stalls from then on: the total grows with time.
            let (crossed, _) = run(1600, |now| now.saturating_sub(begin));
            let late = crossed[0] - (begin + 150);
            assert!(late <= 10, "began at {begin}, seen at {}", crossed[0]);
        }
    }

    #[test]
    fn a_slow_stall_below_the_threshold_is_never_told() {
        let (crossed, _) = run(30_000, |now| now / 10);
        assert!(crossed.is_empty(), "100 ms in 1 s: {crossed:?}");
    }

    #[test]
    fn a_stall_that_lasts_is_told_once_in_a_window() {
        let (crossed, _) = run(10_000, |now| now / 2);
        assert!((8..=10).contains(&crossed.len()), "{crossed:?}");
    }

    #[test]
    fn a_second_stall_after_a_calm_is_told_again() {
        let (crossed, _) = run(10_000, |now| now.min(200) + now.saturating_sub(5000).min(200));
        assert_eq!(crossed.len(), 2, "{crossed:?}");
    }

    #[test]
    fn a_total_that_starts_anew_is_no_stall() {
        let mut stalls = Stalls::new(ms(150), ms(1000));
        assert!(!stalls.observe(ms(0), ms(5000)));
        assert!(!stalls.observe(ms(500), ms(0)));
        assert!(!stalls.observe(ms(600), ms(100)));
        assert!(stalls.observe(ms(700), ms(160)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut stalls = Stalls::new(ms(150), ms(1000));
        for now in 0..100_000 {
            stalls.observe(ms(now), ms(now));
        }
        assert!(stalls.past.len() <= STEPS as usize + 2, "{}", stalls.past.len());
    }
}
