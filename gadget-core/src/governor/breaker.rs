//! The circuit breaker.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::units::Timestamp;

/// Keeps a part that fails from being tried all the time.
///
/// Closed, it admits everything. After enough failures in a row it opens and admits nothing for a time that doubles with
/// each opening, up to a cap. Then it is half-open: it admits exactly one probe, and the probe's result closes it or opens
/// it again. A breaker that opens again sooner after closing than its last wait was goes on doubling.
///
/// Pure: the time is given. Whoever was admitted must say how it went.
#[derive(Clone, Debug)]
pub struct Breaker {
    backoff: Backoff,
    threshold: u32,
    failures: u32,
    closed_at: Timestamp,
    state: BreakerState,
}

/// What a [`Breaker`] lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing until then, and then one probe.
    Open {
        /// When a probe is due.
        until: Timestamp,
    },
    /// Nothing: a probe is under way.
    HalfOpen,
}

impl Breaker {
    /// Opens after `threshold` failures in a row (0 counts as 1), first for `first`, never for longer than `cap`.
    #[must_use]
    pub fn new(threshold: u32, first: Duration, cap: Duration) -> Self {
        Self {
            backoff: Backoff::new(first, cap),
            threshold: threshold.max(1),
            failures: 0,
            closed_at: Timestamp::EPOCH,
            state: BreakerState::Closed,
        }
    }

    /// Whether one attempt may be made at `now`. Each `true` has to be followed by [`succeeded`](Self::succeeded) or
    /// [`failed`](Self::failed).
    #[must_use = "whoever is admitted has to say how it went"]
    pub fn admit(&mut self, now: Timestamp) -> bool {
        match self.state {
            BreakerState::Closed => true,
            BreakerState::Open { until } if now >= until => {
                self.state = BreakerState::HalfOpen;
                true
            }
            BreakerState::Open { .. } | BreakerState::HalfOpen => false,
        }
    }

    /// An attempt went well. Closes a half-open breaker; says nothing about an open one.
    pub fn succeeded(&mut self, now: Timestamp) {
        match self.state {
            BreakerState::Closed => self.failures = 0,
            BreakerState::HalfOpen => {
                self.state = BreakerState::Closed;
                self.failures = 0;
                self.closed_at = now;
            }
            BreakerState::Open { .. } => {}
        }
    }

    /// An attempt failed. True if that opened the breaker.
    pub fn failed(&mut self, now: Timestamp) -> bool {
        match self.state {
            BreakerState::Open { .. } => return false,
            BreakerState::HalfOpen => {}
            BreakerState::Closed => {
                self.failures += 1;
                if self.failures < self.threshold {
                    return false;
                }
                if self.backoff.wait().is_some_and(|wait| now.since(self.closed_at) >= wait) {
                    self.backoff.reset();
                }
            }
        }
        self.state = BreakerState::Open { until: now + self.backoff.failed() };
        true
    }

    /// What it lets through.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn breaker(threshold: u32) -> Breaker {
        Breaker::new(threshold, Duration::from_secs(10), Duration::from_secs(35))
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_after_scattered_ones() {
        let mut breaker = breaker(2);
        assert!(!breaker.failed(at(1)));
        breaker.succeeded(at(2));
        assert!(!breaker.failed(at(3)));
        assert!(breaker.failed(at(4)));
        assert_eq!(breaker.state(), BreakerState::Open { until: at(14) });
        assert!(!breaker.admit(at(13)));
        assert!(breaker.admit(at(14)));
    }

    #[test]
    fn a_failed_probe_doubles_the_wait_up_to_the_cap() {
        let mut breaker = breaker(1);
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..4 {
            assert!(breaker.admit(now));
            breaker.failed(now);
            let BreakerState::Open { until } = breaker.state() else { panic!("it is open") };
            waits.push(until.since(now).as_secs());
            now = until;
        }
        assert_eq!(waits, [10, 20, 35, 35]);
    }

    #[test]
    fn only_a_breaker_that_stayed_closed_forgets_how_often_it_opened() {
        let mut breaker = breaker(1);
        breaker.failed(at(0));
        assert!(breaker.admit(at(10)));
        breaker.succeeded(at(10));
        breaker.failed(at(15));
        assert_eq!(breaker.state(), BreakerState::Open { until: at(35) });
        assert!(breaker.admit(at(35)));
        breaker.succeeded(at(35));
        breaker.failed(at(55));
        assert_eq!(breaker.state(), BreakerState::Open { until: at(65) });
    }

    #[derive(Clone, Copy, Debug)]
    enum Call {
        Pass(u64),
        Admit,
        Succeeded,
        Failed,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn half_open_admits_exactly_one_probe_in_any_order_of_calls(
            threshold in 0_u32..4,
            calls in prop::collection::vec(prop_oneof![
                (0_u64..20).prop_map(Call::Pass), Just(Call::Admit), Just(Call::Succeeded), Just(Call::Failed),
            ], 1..200),
        ) {
            let mut breaker = breaker(threshold);
            let mut now = at(0);
            // Probes admitted since the breaker last opened.
            let mut probes = 0;
            for call in calls {
                let before = breaker.state();
                match call {
                    Call::Pass(secs) => now = now + Duration::from_secs(secs),
                    Call::Succeeded => breaker.succeeded(now),
                    Call::Failed => { breaker.failed(now); }
                    Call::Admit => {
                        let admitted = breaker.admit(now);
                        match before {
                            BreakerState::Closed => prop_assert!(admitted),
                            BreakerState::Open { until } => {
                                prop_assert_eq!(admitted, now >= until);
                                probes += u32::from(admitted);
                            }
                            BreakerState::HalfOpen => prop_assert!(!admitted),
                        }
                    }
                }
                prop_assert!(probes <= 1);
                match breaker.state() {
                    BreakerState::HalfOpen => prop_assert_eq!(probes, 1),
                    BreakerState::Open { until } => {
                        let wait = until.since(now);
                        prop_assert!(wait <= Duration::from_secs(35));
                        if before != breaker.state() { probes = 0; }
                    }
                    BreakerState::Closed => probes = 0,
                }
            }
        }
    }
}
