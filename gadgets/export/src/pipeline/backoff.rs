//! How long to wait after a failure.

use std::time::Duration;

/// No receiver is waited for longer, whatever it asks for.
pub(crate) const MOST_ASKED: Duration = Duration::from_secs(900);

/// Waits that double, of which each is drawn between its half and its whole.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
    state: u64,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, failures: 0, state: seed }
    }

    /// All is well.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: what the receiver asks for, and never less than that.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(30)).min(self.most);
        self.failures += 1;
        let wait = whole.mul_f64(0.5 + 0.5 * self.fraction());
        asked.map_or(wait, |asked| wait.max(asked.min(MOST_ASKED)))
    }

    /// SplitMix64: 0 to 1, without 1.
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_most_and_begin_anew() {
        let mut backoff = Backoff::new(SECOND, 10 * SECOND, 7);
        for whole in [1, 2, 4, 8, 10, 10] {
            let wait = backoff.next(None);
            assert!(wait >= SECOND * whole / 2 && wait < SECOND * whole, "{whole} {wait:?}");
        }
        backoff.reset();
        assert!(backoff.next(None) < SECOND);
        let mut long = Backoff::new(SECOND, Duration::MAX, 7);
        (0..100).for_each(|_| assert!(long.next(None) > Duration::ZERO));
    }

    #[test]
    fn what_the_receiver_asks_for_is_kept_to_within_bounds() {
        let mut backoff = Backoff::new(SECOND, SECOND, 7);
        assert_eq!(backoff.next(Some(60 * SECOND)), 60 * SECOND);
        assert_eq!(backoff.next(Some(Duration::MAX)), MOST_ASKED);
        assert!(backoff.next(Some(Duration::ZERO)) >= SECOND / 2);
    }

    #[test]
    fn seeds_make_waits_that_can_be_repeated_and_differ() {
        let waits = |seed| {
            let mut backoff = Backoff::new(SECOND, 60 * SECOND, seed);
            [(); 5].map(|()| backoff.next(None))
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
