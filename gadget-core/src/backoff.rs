//! Waiting longer after each failure.

use std::time::Duration;

/// A wait that doubles with each failure, up to a cap.
///
/// ```
/// # use {gadget_core::Backoff, std::time::Duration};
/// let mut backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(35));
/// let waits: Vec<u64> = (0..4).map(|_| backoff.failed().as_secs()).collect();
/// assert_eq!(waits, [10, 20, 35, 35]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    last: Option<Duration>,
}

impl Backoff {
    /// Waits `first` after the first failure and never more than `cap`.
    #[must_use]
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { first: first.min(cap), cap, last: None }
    }

    /// Counts a failure and says how long to wait now.
    pub fn failed(&mut self) -> Duration {
        let next = self.last.map_or(self.first, |last| last.saturating_mul(2).min(self.cap));
        self.last = Some(next);
        next
    }

    /// The wait after the last failure; none without one.
    #[must_use]
    pub const fn wait(&self) -> Option<Duration> {
        self.last
    }

    /// Starts over from the first wait.
    pub fn reset(&mut self) {
        self.last = None;
    }
}
