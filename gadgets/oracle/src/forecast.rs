//! Time to the limit, and how likely it is to be reached.

use std::time::Duration;

use gadget_core::{Bytes, Estimate, Name, Probability, Subject, Timestamp};

use crate::culprit::Culprit;
use crate::features::{Feature, NEVER, Row};
use crate::window::Motion;

/// No forecast reaches farther, in seconds: a day.
pub(crate) const FARTHEST: f64 = 86_400.0;
/// Growth rarely stays as straight as its past: the interval of the slope is widened by these.
const SOONER: f64 = 0.75;
const LATER: f64 = 1.35;

/// What a subject's memory is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// In use and at rest.
    Steady,
    /// Grows, and is expected to stop or to give back.
    Burst,
    /// Climbs and gives back, over and over.
    Sawtooth,
    /// Full of file cache, which reclaim can free.
    Cache,
    /// Grows, and is expected not to stop.
    Leak,
    /// Many processes grow as one: started by one process, or leaking alike.
    Storm,
}

impl Class {
    /// All of them; a model's classes are places in this list.
    pub const ALL: [Self; 6] =
        [Self::Steady, Self::Burst, Self::Sawtooth, Self::Cache, Self::Leak, Self::Storm];

    /// The name used in assessments, recordings and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Burst => "burst",
            Self::Sawtooth => "sawtooth",
            Self::Cache => "cache",
            Self::Leak => "leak",
            Self::Storm => "storm",
        }
    }

    /// True if it ends in an out-of-memory when nobody acts.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        matches!(self, Self::Leak | Self::Storm)
    }
}

impl From<Class> for Name {
    fn from(class: Class) -> Self {
        Self::Borrowed(class.name())
    }
}

/// What the Oracle says of one subject, for display.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// When it was made.
    pub at: Timestamp,
    /// Of what.
    pub subject: Subject,
    /// What the memory is doing.
    pub class: Class,
    /// How likely the limit is reached if nobody acts, calibrated.
    pub probability: Probability,
    /// How sure that is for the sake of acting on it: lower, until it is too late to wait. The confidence of its plans.
    pub confidence: Probability,
    /// Time until then, with its 90 % interval; none while memory does not grow beyond doubt.
    pub eta: Option<Estimate>,
    /// Memory that reclaim cannot free.
    pub used: Bytes,
    /// The most there can be of it.
    pub limit: Bytes,
    /// Its growth in bytes per second.
    pub velocity: f64,
    /// Its acceleration in bytes per second squared; zero unless it is beyond doubt.
    pub acceleration: f64,
    /// Who causes it, if that is known.
    pub culprit: Option<Culprit>,
    /// The features behind it.
    pub features: Row,
}

/// Seconds until `headroom` is used up, within the day; `None` if it will not be.
pub(crate) fn time_left(headroom: f64, velocity: f64, acceleration: f64) -> Option<f64> {
    if headroom <= 0.0 {
        return Some(0.0);
    }
    // headroom = velocity t + acceleration t^2 / 2, in the form that does not cancel for a small acceleration.
    let discriminant = velocity * velocity + 2.0 * acceleration * headroom;
    if discriminant < 0.0 {
        return None;
    }
    let divisor = velocity + discriminant.sqrt();
    let seconds = 2.0 * headroom / divisor;
    (divisor > 0.0 && seconds < FARTHEST).then_some(seconds)
}

/// The same for growth whose velocity grows by the share `rate` of itself per second.
fn time_left_exponential(headroom: f64, velocity: f64, rate: f64) -> Option<f64> {
    (velocity > 0.0 && rate > 0.0).then(|| (rate * headroom.max(0.0) / velocity).ln_1p() / rate)
}

/// The time left with its interval; `None` unless memory grows beyond doubt.
pub(crate) fn estimate(headroom: f64, motion: &Motion) -> Option<Estimate> {
    if motion.low <= 0.0 {
        return None;
    }
    let (room, rate) = ((headroom - motion.noise).max(0.0), motion.steepening);
    let straight = time_left(headroom, motion.velocity, motion.acceleration)?;
    let curved = time_left_exponential(headroom, motion.velocity, rate);
    // Which of the two goes on is not known; their geometric mean is wrong by the same factor either way.
    let likely = curved.map_or(straight, |curved| (straight * curved).sqrt().min(straight));
    let soonest = time_left_exponential(room, motion.high, rate)
        .or_else(|| time_left(room, motion.high, motion.acceleration.max(0.0)))
        .unwrap_or(likely)
        .min(likely)
        * SOONER;
    let latest = time_left(headroom + motion.noise, motion.low, motion.acceleration.min(0.0))
        .unwrap_or(FARTHEST)
        .max(likely)
        * LATER;
    let seconds = |seconds: f64| Duration::from_secs_f64(seconds.clamp(0.0, 2.0 * FARTHEST));
    Some(Estimate { likely: seconds(likely), low: seconds(soonest), high: seconds(latest) })
}

/// How likely the limit is reached, by statistics that hold on a host never seen before.
///
/// A burst and a fast leak are the same thing until late. What tells them apart is how long growth has held on its own time
/// scale: growth that has lasted `d` goes on for another `t` with a probability near `d / (d + t)`. So the probability
/// rises with the share of the room that is gone, and comes near one only when little is left.
#[must_use]
pub fn statistical_probability(row: &Row) -> f64 {
    use Feature as F;
    let f = |feature: Feature| feature.of(row);
    if f(F::LogLeft) >= NEVER {
        return 0.02;
    }
    let room = (1.0 - f(F::Used)).max(0.0);
    let mut z = 14.0 * (f(F::Lasted).min(f(F::Consumed)) - 0.84);
    // A minute of growth is rarely a burst.
    z += 1.2 * (f(F::LogClimb) - 10.0_f64.ln()).clamp(-0.5, 1.0);
    // Few programs are built to fill all but the last tenth of a limit and then to stop.
    z += 40.0 * (0.09 - room).clamp(0.0, 0.09) + 60.0 * (0.03 - room).max(0.0);
    if f(F::Drops) >= 1.0 && f(F::OfPeak) <= 1.03 {
        z -= 2.5 * (room / 0.06).clamp(0.0, 1.0);
    }
    z += match f(F::Bend) {
        bend if bend < -0.2 => -1.0,
        bend if bend > 0.2 => 0.4,
        _ => 0.0,
    };
    z -= (f(F::Doubt) - 1.0).clamp(0.0, 2.0);
    z += f(F::Full).min(0.3) + 0.3 * f(F::OomHistory).min(1.0);
    1.0 / (1.0 + (-z).exp())
}

/// What a forest may add to the statistics, on the scale of odds: a factor of e.
const MOST_ADDED: f64 = 1.0;

/// The confidence to act with, from the probabilities of a forest and of the statistics: the mean of their odds, on a logarithmic scale, and
/// hardly more than the statistics say.
///
/// A forest knows the shapes it was shown, the statistics when it is too late to wait. The world has slower bursts than a
/// lab, so the shape alone ends nobody.
#[must_use]
pub fn together(forest: f64, statistics: f64) -> f64 {
    let odds = |probability: f64| {
        let probability = probability.clamp(0.001, 0.999);
        (probability / (1.0 - probability)).ln()
    };
    let (forest, statistics) = (odds(forest), odds(statistics));
    let mean = f64::midpoint(forest, statistics).min(statistics + MOST_ADDED);
    1.0 / (1.0 + (-mean).exp())
}

/// What the memory is doing, by the same numbers and the probability made of them.
pub(crate) fn class_of(row: &Row, probability: f64, storm: bool) -> Class {
    use Feature as F;
    let f = |feature: Feature| feature.of(row);
    let grows = f(F::LogLeft) < NEVER;
    let teeth = f(F::Drops) >= 2.0;
    match (grows, probability >= 0.5) {
        (true, true) if storm => Class::Storm,
        (true, true) => Class::Leak,
        (true, false) if teeth => Class::Sawtooth,
        (true, false) if f(F::Consumed) > 0.1 => Class::Burst,
        _ if f(F::Charged) > 0.9 && f(F::Cache) > 0.2 => Class::Cache,
        _ => Class::Steady,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn motion(velocity: f64, acceleration: f64) -> Motion {
        Motion {
            velocity,
            low: velocity * 0.9,
            high: velocity * 1.1,
            acceleration,
            steepening: 0.0,
            noise: 0.0,
        }
    }

    #[test]
    fn straight_growth_reaches_the_limit_when_a_ruler_says_so() {
        let eta = estimate(1000.0, &motion(10.0, 0.0)).unwrap();
        assert!((eta.likely.as_secs_f64() - 100.0).abs() < 1e-9);
        assert!(eta.low < eta.likely && eta.likely < eta.high);
    }

    #[test]
    fn acceleration_brings_it_nearer_and_deceleration_may_spare_it() {
        assert!(time_left(1000.0, 10.0, 1.0).unwrap() < 60.0);
        assert_eq!(time_left(1000.0, 10.0, -0.1), None);
        assert!(time_left(1000.0, 10.0, -0.01).unwrap() > 100.0);
    }

    #[test]
    fn a_climb_that_steepens_is_expected_sooner_and_within_a_wider_interval() {
        let straight = estimate(1000.0, &motion(10.0, 0.0)).unwrap();
        let steep = estimate(1000.0, &Motion { steepening: 0.05, ..motion(10.0, 0.0) }).unwrap();
        // ln(1 + 0.05 * 1000 / 10) / 0.05 = 35.8 s, and the geometric mean with 100 s.
        assert!((steep.likely.as_secs_f64() - 59.9).abs() < 0.1, "{steep:?}");
        assert!(steep.low < straight.low && steep.high == straight.high);
    }

    #[test]
    fn what_does_not_grow_beyond_doubt_has_no_time_left_to_state() {
        assert_eq!(estimate(1000.0, &Motion { low: -1.0, ..motion(10.0, 0.0) }), None);
        assert_eq!(time_left(1000.0, 0.0, 0.0), None);
        assert_eq!(time_left(1000.0, -5.0, 0.0), None);
        assert_eq!(time_left(1e18, 1.0, 0.0), None, "farther than a day");
        assert_eq!(time_left(0.0, 0.0, 0.0), Some(0.0));
    }

    /// A straight climb from `start` to `used`, both shares of the limit, that has lasted `seconds`.
    fn row(start: f64, used: f64, seconds: f64) -> Row {
        let velocity = (used - start) / seconds;
        let left = (1.0 - used) / velocity;
        let mut row = [0.0; crate::FEATURES];
        row[Feature::Used as usize] = used;
        row[Feature::Velocity as usize] = velocity;
        row[Feature::LogLeft as usize] = left.ln().min(10.0);
        row[Feature::LogClimb as usize] = seconds.ln();
        row[Feature::Lasted as usize] = seconds / (seconds + left);
        row[Feature::Consumed as usize] = (used - start) / (1.0 - start);
        row
    }

    #[test]
    fn the_probability_rises_with_the_share_of_the_room_that_is_gone() {
        let risen: Vec<f64> = (60..99)
            .map(|used| statistical_probability(&row(0.5, f64::from(used) / 100.0, 8.0)))
            .collect();
        assert!(risen.windows(2).all(|pair| pair[0] <= pair[1]), "{risen:?}");
        assert!(risen[0] < 0.05 && risen[38] > 0.95, "{risen:?}");
    }

    #[test]
    fn a_burst_to_nine_tenths_stays_below_the_floor_and_a_leak_in_its_last_twentieth_is_above() {
        assert!(statistical_probability(&row(0.5, 0.91, 6.0)) < 0.4);
        assert!(statistical_probability(&row(0.5, 0.955, 9.0)) > 0.8);
        assert!(
            statistical_probability(&row(0.5, 0.93, 60.0)) > 0.8,
            "a slow one is clear earlier"
        );
    }

    #[test]
    fn a_tooth_below_its_earlier_tops_is_a_tooth() {
        let mut tooth = row(0.5, 0.9, 7.0);
        let fresh = statistical_probability(&tooth);
        tooth[Feature::Drops as usize] = 2.0;
        tooth[Feature::OfPeak as usize] = 1.0;
        assert!(statistical_probability(&tooth) < fresh / 2.0);
        assert_eq!(class_of(&tooth, 0.1, false), Class::Sawtooth);
    }
}
