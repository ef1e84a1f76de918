//! A bounded series of levels over time.

/// A level at a time. Time is in seconds from any fixed origin, the level in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Point {
    pub(crate) time: f64,
    pub(crate) level: f64,
}

/// Up to `N` points of a series of any length, oldest first.
///
/// When it is full every second point goes, and later points have to keep the wider distance: so it always spans all of
/// the time since [`clear`](Self::clear), at least `N / 2` points strong once it was full. The newest point always stands
/// last. Held inline: no allocation.
#[derive(Clone, Debug)]
pub(crate) struct Series<const N: usize> {
    points: [Point; N],
    len: usize,
    spacing: f64,
}

impl<const N: usize> Series<N> {
    pub(crate) const fn new() -> Self {
        Self { points: [Point { time: 0.0, level: 0.0 }; N], len: 0, spacing: 0.0 }
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.spacing = 0.0;
    }

    /// Adds a point; one that is not later than the last replaces it.
    pub(crate) fn push(&mut self, point: Point) {
        if let [.., before, last] = self.as_slice()
            && (point.time - before.time < self.spacing || point.time <= last.time)
        {
            self.points[self.len - 1] = point;
            return;
        }
        if self.len == N {
            // The newest stays, so that a level is never older than it has to be.
            let newest = self.points[N - 1];
            for kept in 0..N / 2 {
                self.points[kept] = self.points[kept * 2];
            }
            self.points[N / 2] = newest;
            self.len = N / 2 + 1;
            self.spacing = (self.span() / (N / 2) as f64).max(self.spacing);
        }
        self.points[self.len] = point;
        self.len += 1;
    }

    pub(crate) fn as_slice(&self) -> &[Point] {
        &self.points[..self.len]
    }

    pub(crate) fn first(&self) -> Option<Point> {
        self.as_slice().first().copied()
    }

    pub(crate) fn last(&self) -> Option<Point> {
        self.as_slice().last().copied()
    }

    /// Seconds from the first to the last point.
    pub(crate) fn span(&self) -> f64 {
        match self.as_slice() {
            [first, .., last] => last.time - first.time,
            _ => 0.0,
        }
    }

    /// The level at `time`, on a straight line between its neighbours; the first or last level outside.
    pub(crate) fn level_at(&self, time: f64) -> Option<f64> {
        let points = self.as_slice();
        let after = points.partition_point(|point| point.time <= time);
        match (points.get(after.wrapping_sub(1)), points.get(after)) {
            (Some(a), Some(b)) => {
                Some(a.level + (b.level - a.level) * (time - a.time) / (b.time - a.time))
            }
            (Some(only), None) | (None, Some(only)) => Some(only.level),
            (None, None) => None,
        }
    }
}

/// The last `N` points of a series, all of them.
#[derive(Clone, Debug)]
pub(crate) struct Recent<const N: usize> {
    points: [Point; N],
    count: usize,
}

impl<const N: usize> Recent<N> {
    pub(crate) const fn new() -> Self {
        Self { points: [Point { time: 0.0, level: 0.0 }; N], count: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    pub(crate) fn push(&mut self, point: Point) {
        self.points[self.count % N] = point;
        self.count += 1;
    }

    /// The last before `since` and those after it, oldest first.
    pub(crate) fn around(&self, since: f64) -> impl Iterator<Item = Point> {
        let points = (self.count.saturating_sub(N)..self.count).map(|at| self.points[at % N]);
        let before = points.clone().take_while(|point| point.time < since).count();
        points.skip(before.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: f64) -> Point {
        Point { time, level: time * 10.0 }
    }

    #[test]
    fn a_full_series_thins_itself_and_keeps_its_ends() {
        let mut series = Series::<16>::new();
        for tick in 0..1_000 {
            series.push(at(f64::from(tick)));
            assert_eq!(series.first(), Some(at(0.0)));
            assert_eq!(series.last(), Some(at(f64::from(tick))));
        }
        assert!(series.as_slice().len() >= 8, "{:?}", series.as_slice());
        let times = series.as_slice().windows(2).map(|pair| pair[1].time - pair[0].time);
        assert!(
            times.clone().all(|gap| gap > 0.0 && gap < 300.0),
            "{:?}",
            times.collect::<Vec<_>>()
        );
    }

    #[test]
    fn levels_between_points_lie_on_a_line() {
        let mut series = Series::<8>::new();
        assert_eq!(series.level_at(3.0), None);
        series.push(at(1.0));
        series.push(at(3.0));
        assert_eq!(series.level_at(2.0), Some(20.0));
        assert_eq!(series.level_at(0.0), Some(10.0));
        assert_eq!(series.level_at(9.0), Some(30.0));
    }

    #[test]
    fn a_point_of_the_same_time_replaces_the_last() {
        let mut series = Series::<8>::new();
        series.push(at(1.0));
        series.push(at(2.0));
        series.push(Point { time: 2.0, level: 7.0 });
        assert_eq!(series.as_slice().len(), 2);
        assert_eq!(series.last().map(|p| p.level), Some(7.0));
    }

    #[test]
    fn recent_points_come_oldest_first() {
        let mut recent = Recent::<4>::new();
        (0..6).for_each(|tick| recent.push(at(f64::from(tick))));
        let times: Vec<f64> = recent.around(4.0).map(|point| point.time).collect();
        assert_eq!(times, [3.0, 4.0, 5.0]);
        assert_eq!(recent.around(0.0).count(), 4);
    }
}
