//! How often a census is taken, by what it costs.

use std::time::Duration;

/// The interval is at most so many times the one that was asked for.
const SLOWEST: u32 = 8;
/// So many censuses in a row have to cost too much...
const TOO_DEAR: u32 = 2;
/// ...or so little that half the interval would cost less than [`WELL_UNDER`] of the budget.
const CHEAP: u32 = 5;
const WELL_UNDER: f64 = 0.7;
/// A census is taken this part of its interval early rather than a tick late.
const EARLY: u32 = 8;
const EARLIEST: Duration = Duration::from_millis(250);

/// Stretches the interval while censuses cost more than their budget, and takes that back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// CPU time over wall time, of one core.
    budget: f64,
    factor: u32,
    dear: u32,
    cheap: u32,
}

/// The pace has changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Changed {
    pub(super) from: u32,
    pub(super) to: u32,
    /// CPU time over the interval before.
    pub(super) share: f64,
}

impl Pace {
    pub(super) const fn new(budget: f64) -> Self {
        Self { budget, factor: 1, dear: 0, cheap: 0 }
    }

    /// How many times the interval that was asked for.
    pub(super) const fn factor(&self) -> u32 {
        self.factor
    }

    pub(super) const fn budget(&self) -> f64 {
        self.budget
    }

    pub(super) fn interval(&self, every: Duration) -> Duration {
        every.saturating_mul(self.factor)
    }

    /// True if it is time: so long after the last census, if there was one.
    pub(super) fn is_due(&self, since: Option<Duration>, every: Duration) -> bool {
        let interval = self.interval(every);
        let early = (interval / EARLY).min(EARLIEST);
        since.is_none_or(|since| since.saturating_add(early) >= interval)
    }

    /// Takes into account what a census cost; says so if that changes the pace.
    pub(super) fn cost(&mut self, cost: Duration, every: Duration) -> Option<Changed> {
        let interval = self.interval(every);
        if interval.is_zero() {
            return None;
        }
        let share = cost.as_secs_f64() / interval.as_secs_f64();
        let dear = share > self.budget && self.factor < SLOWEST;
        let cheap = share * 2.0 < WELL_UNDER * self.budget && self.factor > 1;
        self.dear = if dear { self.dear + 1 } else { 0 };
        self.cheap = if cheap { self.cheap + 1 } else { 0 };
        let from = self.factor;
        if self.dear >= TOO_DEAR {
            self.factor *= 2;
        } else if self.cheap >= CHEAP {
            self.factor /= 2;
        } else {
            return None;
        }
        (self.dear, self.cheap) = (0, 0);
        Some(Changed { from, to: self.factor, share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(2);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The factor after each of so many censuses of this cost.
    fn factors(pace: &mut Pace, cost: Duration, censuses: usize) -> Vec<u32> {
        let one = |_| {
            pace.cost(cost, EVERY);
            pace.factor()
        };
        (0..censuses).map(one).collect()
    }

    #[test]
    fn what_costs_too_much_is_done_more_seldom_and_what_is_cheap_again_more_often() {
        let mut pace = Pace::new(0.01);
        assert_eq!(factors(&mut pace, ms(50), 6), [1, 2, 2, 4, 4, 4]);
        assert_eq!(pace.interval(EVERY), Duration::from_secs(8));
        assert_eq!(factors(&mut pace, ms(1000), 4), [4, 8, 8, 8], "no further");
        assert_eq!(factors(&mut pace, ms(5), 16)[..6], [8, 8, 8, 8, 4, 4]);
        assert_eq!(pace.factor(), 1);
    }

    #[test]
    fn it_does_not_swing_between_two_paces() {
        let mut pace = Pace::new(0.01);
        // 1.25 %, then 0.625 % at twice the interval: half of it would be too dear again.
        let factors = factors(&mut pace, ms(25), 100);
        assert_eq!((factors[0], factors[1], factors[99]), (1, 2, 2));
        assert!(factors[1..].iter().all(|&factor| factor == 2));
    }

    #[test]
    fn one_census_that_was_disturbed_changes_nothing() {
        let mut pace = Pace::new(0.01);
        for cost in [ms(100), ms(1), ms(100), ms(1)] {
            assert_eq!(pace.cost(cost, EVERY), None);
        }
        pace.cost(ms(40), EVERY);
        let changed = pace.cost(ms(40), EVERY).unwrap();
        assert_eq!((changed.from, changed.to), (1, 2));
        assert!((changed.share - 0.02).abs() < 1e-9);
    }

    #[test]
    fn a_tick_that_is_a_little_early_counts_and_one_that_is_far_too_early_does_not() {
        let pace = Pace::new(0.01);
        assert!(pace.is_due(None, EVERY));
        assert!(!pace.is_due(Some(ms(1_010)), EVERY));
        assert!(pace.is_due(Some(ms(1_990)), EVERY));
        assert!(!pace.is_due(Some(Duration::from_secs(59)), Duration::from_secs(60)));
        assert!(pace.is_due(Some(Duration::ZERO), Duration::ZERO), "as often as it is asked");
        assert_eq!(Pace::new(0.01).cost(ms(9), Duration::ZERO), None);
    }
}
