//! A counter over the last while.

use std::collections::VecDeque;
use std::time::Duration;

/// Into so many parts that time is cut; of two points in one, the later one is kept.
const PARTS: u32 = 100;

/// A counter that only grows, at the times it was read; times are since any moment.
#[derive(Debug)]
pub(super) struct Track {
    over: Duration,
    points: VecDeque<(Duration, Duration)>,
}

impl Track {
    pub(super) const fn new(over: Duration) -> Self {
        Self { over, points: VecDeque::new() }
    }

    pub(super) fn push(&mut self, now: Duration, count: Duration) {
        // The last one is always the latest; that before it keeps its distance, so that there are few.
        let len = self.points.len();
        if len >= 2 && now.saturating_sub(self.points[len - 2].0) < self.over / PARTS {
            self.points.pop_back();
        }
        self.points.push_back((now, count));
        // The first one is the last that lies as far back as is asked for.
        while self.points.get(1).is_some_and(|&(at, _)| now.saturating_sub(at) >= self.over) {
            self.points.pop_front();
        }
    }

    /// By how much it grew, and over which time.
    pub(super) fn used(&self) -> (Duration, Duration) {
        match (self.points.front(), self.points.back()) {
            (Some(first), Some(last)) => {
                (last.1.saturating_sub(first.1), last.0.saturating_sub(first.0))
            }
            _ => (Duration::ZERO, Duration::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn it_tells_of_the_last_while_and_of_what_there_is_before() {
        let mut track = Track::new(ms(1_000));
        assert_eq!(track.used(), (ms(0), ms(0)));
        for second in 0..10 {
            track.push(ms(second * 400), ms(second * 4));
            let over = (second * 400).min(1_200);
            assert_eq!(track.used(), (ms(over / 100), ms(over)));
        }
    }

    #[test]
    fn what_is_read_often_is_kept_in_few_points() {
        let mut track = Track::new(ms(1_000));
        for now in (0..5_000).chain((5_000..9_000).step_by(7)) {
            track.push(ms(now), ms(now / 2));
            assert!(track.points.len() <= 2 + 2 * PARTS as usize, "{}", track.points.len());
        }
        let (used, over) = track.used();
        assert!((ms(1_000)..ms(1_020)).contains(&over), "{over:?}");
        assert!(over / 2 - used <= ms(1), "{used:?}");
    }
}
