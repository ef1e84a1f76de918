//! Robust straight lines: the slope of Theil and Sen, with the interval of Kendall.

use crate::series::Point;

/// The most points that go into one line: 16 give 120 pairs.
pub(crate) const MOST: usize = 16;
/// The fewest points that make a line worth stating.
pub(crate) const FEWEST: usize = 5;

/// A line through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    /// The median of the slopes of all pairs, per second.
    pub(crate) slope: f64,
    /// Nineteen in twenty slopes are above.
    pub(crate) low: f64,
    /// Nineteen in twenty slopes are below.
    pub(crate) high: f64,
    /// The line's level at time zero.
    origin: f64,
    /// Spread of the points around the line: 1.48 times the median distance, which is a standard deviation.
    pub(crate) noise: f64,
}

impl Line {
    pub(crate) fn at(&self, time: f64) -> f64 {
        self.origin + self.slope * time
    }

    /// Through up to [`MOST`] points in the order of time; `None` for fewer than [`FEWEST`].
    pub(crate) fn through(points: &[Point]) -> Option<Self> {
        let points = &points[points.len().saturating_sub(MOST)..];
        let count = points.len();
        if count < FEWEST {
            return None;
        }
        let mut slopes = [0.0; MOST * (MOST - 1) / 2];
        let mut pairs = 0;
        for (at, a) in points.iter().enumerate() {
            for b in &points[at + 1..] {
                let span = b.time - a.time;
                if span > 0.0 {
                    slopes[pairs] = (b.level - a.level) / span;
                    pairs += 1;
                }
            }
        }
        if pairs == 0 {
            return None;
        }
        let slopes = &mut slopes[..pairs];
        slopes.sort_unstable_by(f64::total_cmp);
        let slope = median(slopes);
        // Kendall's S of n points without a trend has the variance n (n - 1) (2 n + 5) / 18.
        let n = count as f64;
        let half = 1.645 * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        let rank = |rank: f64| slopes[rank.clamp(0.0, (pairs - 1) as f64) as usize];
        let (low, high) =
            (rank((pairs as f64 - half) / 2.0 - 1.0), rank((pairs as f64 + half) / 2.0));
        let mut rest = [0.0; MOST];
        for (rest, point) in rest.iter_mut().zip(points) {
            *rest = point.level - slope * point.time;
        }
        let rest = &mut rest[..count];
        rest.sort_unstable_by(f64::total_cmp);
        let origin = median(rest);
        for rest in rest.iter_mut() {
            *rest = (*rest - origin).abs();
        }
        rest.sort_unstable_by(f64::total_cmp);
        Some(Self { slope, low, high, origin, noise: 1.4826 * median(rest) })
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// Up to `most` of `points` (2 to [`MOST`]), spread evenly over their time; the first and the last are among them.
pub(crate) fn thinned(points: &[Point], most: usize) -> ([Point; MOST], usize) {
    let mut kept = [Point::default(); MOST];
    if points.len() <= most {
        kept[..points.len()].copy_from_slice(points);
        return (kept, points.len());
    }
    let (first, last) = (points[0].time, points[points.len() - 1].time);
    let step = (last - first) / (most - 1) as f64;
    let (mut len, mut next) = (0, 0);
    for slot in 0..most {
        let due = if slot == most - 1 { last } else { first + step * slot as f64 };
        let at = next + points[next..].partition_point(|point| point.time < due);
        let Some(point) = points.get(at) else { break };
        kept[len] = *point;
        len += 1;
        next = at + 1;
    }
    (kept, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: impl IntoIterator<Item = (f64, f64)>) -> Line {
        let points: Vec<Point> =
            points.into_iter().map(|(time, level)| Point { time, level }).collect();
        Line::through(&points).unwrap()
    }

    #[test]
    fn three_wild_points_in_sixteen_do_not_move_the_slope() {
        let wild = |tick: i32| if tick % 5 == 4 { 1e6 } else { 0.0 };
        let line = line((0..16).map(|tick| (f64::from(tick), f64::from(tick) * 3.0 + wild(tick))));
        assert!((line.slope - 3.0).abs() < 0.01, "{line:?}");
        assert!((line.at(20.0) - 60.0).abs() < 1.0, "{line:?}");
    }

    #[test]
    fn a_flat_noisy_series_has_zero_inside_its_interval() {
        let line = line((0..16).map(|tick| (f64::from(tick), f64::from((tick * 7919) % 13))));
        assert!(line.low < 0.0 && line.high > 0.0, "{line:?}");
    }

    #[test]
    fn the_interval_holds_the_true_slope_nine_times_in_ten() {
        // A linear congruential generator: the same numbers each time.
        let mut state = 1_u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 24) - 0.5
        };
        let held = (0..1_000)
            .filter(|_| {
                let line =
                    line((0..16).map(|tick| (f64::from(tick), f64::from(tick) + 4.0 * noise())));
                line.low <= 1.0 && 1.0 <= line.high
            })
            .count();
        assert!((850..=960).contains(&held), "{held} of 1,000");
    }

    #[test]
    fn few_points_and_points_of_one_time_make_no_line() {
        assert_eq!(Line::through(&[Point::default(); FEWEST - 1]), None);
        assert_eq!(Line::through(&[Point::default(); MOST]), None);
    }

    #[test]
    fn thinning_keeps_both_ends_and_the_order() {
        let points: Vec<Point> =
            (0..96).map(|tick| Point { time: f64::from(tick * tick), level: 0.0 }).collect();
        let (kept, len) = thinned(&points, MOST);
        assert!(len >= FEWEST);
        assert_eq!((kept[0], kept[len - 1]), (points[0], points[95]));
        assert!(kept[..len].windows(2).all(|pair| pair[0].time < pair[1].time));
    }
}
