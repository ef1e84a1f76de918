//! Memory that comes and goes all the time: how much, so that it is taken neither for growth nor for its end.

use crate::series::Point;

/// A fall counts as part of a swing if most of it is back within this many seconds.
const BACK: f64 = 2.5;
/// A swing that is not seen again is forgotten over this many seconds.
const FORGOTTEN: f64 = 10.0;

/// Follows the turns of a series.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Swing {
    /// The highest level while rising, the lowest while falling.
    extreme: Point,
    falling: bool,
    crest: Point,
    /// The depth of a fall that may come back.
    fallen: f64,
    size: f64,
    last: f64,
}

impl Swing {
    /// What comes and goes, in bytes, from top to bottom; zero for growth, rest, and memory given back for good.
    pub(crate) const fn size(&self) -> f64 {
        self.size
    }

    /// Takes in a level; changes below `grain` are no turns.
    pub(crate) fn take(&mut self, point: Point, grain: f64) {
        self.size *= (-(point.time - self.last).max(0.0) / FORGOTTEN).exp();
        self.last = point.time;
        let beyond = if self.falling {
            self.extreme.level - point.level
        } else {
            point.level - self.extreme.level
        };
        if beyond >= 0.0 || self.extreme.level == 0.0 {
            self.extreme = point;
        } else if beyond < -grain {
            if self.falling {
                self.fallen = self.crest.level - self.extreme.level;
            } else {
                self.crest = self.extreme;
                self.fallen = 0.0;
            }
            self.falling = !self.falling;
            self.extreme = point;
        }
        if self.fallen > 0.0 && point.level >= self.crest.level - 0.5 * self.fallen {
            if point.time - self.crest.time <= BACK {
                self.size = self.size.max(self.fallen);
            }
            self.fallen = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swing(levels: impl IntoIterator<Item = f64>) -> f64 {
        let mut swing = Swing::default();
        for (tick, level) in levels.into_iter().enumerate() {
            swing.take(Point { time: tick as f64 * 0.1, level }, 1.0);
        }
        swing.size()
    }

    #[test]
    fn what_comes_and_goes_is_measured_from_top_to_bottom_also_on_a_slope() {
        let wave = |tick: i32| 500.0 + f64::from(tick) + if tick / 5 % 2 == 0 { 40.0 } else { 0.0 };
        let size = swing((0..100).map(wave));
        assert!((30.0..45.0).contains(&size), "{size}");
    }

    #[test]
    fn growth_rest_bursts_and_teeth_do_not_swing() {
        assert_eq!(swing((0..100).map(|tick| 500.0 + f64::from(tick) * 3.0)), 0.0);
        assert_eq!(swing((0..100).map(|_| 500.0)), 0.0);
        assert_eq!(
            swing((0..100).map(|tick| if (30..60).contains(&tick) { 800.0 } else { 500.0 })),
            0.0
        );
        assert_eq!(swing((0..200).map(|tick| 500.0 + f64::from(tick % 60) * 5.0)), 0.0);
    }
}
