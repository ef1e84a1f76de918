//! From a value to its bin and back.

use std::f64::consts::{LN_2, LOG2_E};

use crate::error::MappingError;

/// Leading bits of the mantissa that choose a cell of [`CELLS`].
const CELL_BITS: u32 = 7;
const CELL_COUNT: usize = 1 << CELL_BITS;
const SLOPE_BITS: u32 = 11;
/// What [`Mapping::octave`] is scaled by, so that half of a product with a logarithm leaves 32 bits below the point.
const OCTAVE_BITS: u32 = 44;
/// More than a line in a cell is away from the logarithm, in octaves: half of 1 / 128^2 / 8 / ln(2), and the slope's rounding.
const LINE_ERROR: f64 = 8e-6;
const EXPONENT_BIAS: i64 = 1023;
const MANTISSA: u64 = (1 << 52) - 1;

/// A line for each cell, in units of 2^-52: added to the bits of a number, it gives the base 2 logarithm, and up to twice
/// [`LINE_ERROR`] more.
struct Lines {
    /// Where it would begin, with the mantissa at zero.
    lift: [i64; CELL_COUNT],
    /// By how much it rises with the mantissa, scaled by 2^[`SLOPE_BITS`].
    slope: [i64; CELL_COUNT],
}

const LINES: &Lines = &lines();

/// How a value finds its bin.
///
/// - Shape: bin `i` holds the magnitudes from `gamma^i`, with it, to `gamma^(i+1)`, without it; of [`Mapping::BASE2`] the upper bound
///   belongs to the bin and the lower one does not, which is the rule of OpenTelemetry's exponential histograms.
/// - Every value in a bin is within [`Mapping::alpha`] of `gamma^i * (1 + alpha)`, so are both bounds.
/// - Magnitudes under 2^-1022 have no bin: they count as zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mapping {
    rule: Rule,
    gamma: f64,
    ln_gamma: f64,
    /// Bins to an octave, scaled by 2^[`OCTAVE_BITS`].
    octave: i64,
    /// How far above a bin's lower bound, in 2^-32 bins, the fast way does not know the side.
    doubt: u32,
}

/// What belongs to a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The lower bound.
    Floor,
    /// The upper bound; bins are 64 to an octave.
    Base2,
}

impl Mapping {
    /// The relative accuracy of the contract: 0.0075, that is 46.2 bins to an octave.
    pub const CONTRACT: Self = Self::new(Rule::Floor, 1.0075 / 0.9925, 0.015_000_281_259_492_598);
    /// 64 bins to an octave, as the exponential histogram of scale 6 has: accurate to 0.0054.
    pub const BASE2: Self = Self::new(Rule::Base2, 1.010_889_286_051_700_5, LN_2 / 64.0);
    /// The scale that [`Mapping::BASE2`] is.
    pub const BASE2_SCALE: i32 = 6;

    const fn new(rule: Rule, gamma: f64, ln_gamma: f64) -> Self {
        let octave = LN_2 / ln_gamma;
        Self {
            rule,
            gamma,
            ln_gamma,
            octave: (octave * (1_u64 << OCTAVE_BITS) as f64) as i64,
            doubt: (octave * 2.0 * LINE_ERROR * (1_u64 << 32) as f64) as u32 + 1,
        }
    }

    /// Exact logarithms, and this relative accuracy; 0.0075 is [`Mapping::CONTRACT`].
    ///
    /// # Errors
    /// [`MappingError::Alpha`] under 0.0001 or above 0.5.
    pub fn logarithmic(alpha: f64) -> Result<Self, MappingError> {
        if !(1e-4..=0.5).contains(&alpha) {
            return Err(MappingError::Alpha(alpha));
        }
        Ok(Self::logarithms_of((1.0 + alpha) / (1.0 - alpha)))
    }

    /// That of this bucket ratio: one of the constants if it is theirs to 1e-12, which is what DataDog's libraries take for equal.
    pub(crate) fn of_gamma(gamma: f64) -> Option<Self> {
        let known = [Self::CONTRACT, Self::BASE2];
        if let Some(known) = known.into_iter().find(|it| (it.gamma - gamma).abs() <= 1e-12) {
            return Some(known);
        }
        let plausible = (1.000_2..=3.0).contains(&gamma);
        plausible.then(|| Self::logarithms_of(gamma))
    }

    fn logarithms_of(gamma: f64) -> Self {
        if gamma == Self::CONTRACT.gamma {
            return Self::CONTRACT;
        }
        Self::new(Rule::Floor, gamma, gamma.ln())
    }

    /// The ratio of a bin's bounds.
    #[must_use]
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// The relative accuracy: how far a bin's value is at most from what is in the bin.
    #[must_use]
    pub fn alpha(&self) -> f64 {
        (self.gamma - 1.0) / (self.gamma + 1.0)
    }

    /// The bin of a value above zero whose bits these are; it must be finite and no less than 2^-1022.
    ///
    /// The bits themselves are the logarithm, with straight lines from power to power of two; 128 lines from one to the next are
    /// within 8 millionths. Only a value that near to a bound needs a true logarithm: one of 1,300.
    #[inline]
    pub(crate) fn key(&self, bits: u64) -> i32 {
        let log2 = line(bits);
        let bins = ((i128::from(log2) * i128::from(self.octave)) >> 64) as i64;
        if bins as u32 >= self.doubt {
            return (bins >> 32) as i32;
        }
        self.key_by_logarithm(bits)
    }

    #[cold]
    #[inline(never)]
    fn key_by_logarithm(&self, bits: u64) -> i32 {
        let value = f64::from_bits(bits);
        match self.rule {
            Rule::Floor => (value.ln() / self.ln_gamma).floor() as i32,
            Rule::Base2 => {
                // Power and mantissa apart, so that what is next to a power of two does not round to it.
                let mantissa = f64::from_bits(bits & MANTISSA | 1.0_f64.to_bits());
                let power = (bits >> 52) as i32 - EXPONENT_BIAS as i32;
                (power << Self::BASE2_SCALE) + (mantissa.log2() * 64.0).ceil() as i32 - 1
            }
        }
    }

    /// What stands for every value of a bin. Beyond what a number can be it is infinite.
    pub(crate) fn value(&self, key: i32) -> f64 {
        (f64::from(key) * self.ln_gamma).exp() * (1.0 + self.alpha())
    }

    /// The base 2 logarithm of [`Mapping::value`], which is finite.
    pub(crate) fn log2_of_value(&self, key: i32) -> f64 {
        f64::from(key) * self.ln_gamma * LOG2_E + (1.0 + self.alpha()).log2()
    }

    /// The bins that values can be in, first and last.
    pub(crate) fn keys(&self) -> (i32, i32) {
        (self.key(f64::MIN_POSITIVE.to_bits()), self.key(f64::MAX.to_bits()))
    }

    /// The scale of an exponential histogram whose buckets are these bins.
    pub(crate) fn scale(&self) -> Option<i32> {
        (self.rule == Rule::Base2).then_some(Self::BASE2_SCALE)
    }
}

/// The base 2 logarithm of a number, in units of 2^-52, and up to twice [`LINE_ERROR`] more.
#[inline]
fn line(bits: u64) -> i64 {
    let cell = (bits >> (52 - CELL_BITS)) as usize % CELL_COUNT;
    let rise = ((bits & MANTISSA) as i64 * LINES.slope[cell]) >> SLOPE_BITS;
    bits as i64 + LINES.lift[cell] + rise
}

/// The base 2 logarithm of a number from 1 to 2, by the series of the inverse hyperbolic tangent.
const fn log2(mantissa: f64) -> f64 {
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut sum, mut power, mut n) = (0.0, z, 1);
    while n < 40 {
        sum += power / n as f64;
        power *= z * z;
        n += 2;
    }
    2.0 * LOG2_E * sum
}

const fn lines() -> Lines {
    let mut it = Lines { lift: [0; CELL_COUNT], slope: [0; CELL_COUNT] };
    let unit = (1_u64 << 52) as f64;
    let width = 1.0 / CELL_COUNT as f64;
    let mut cell = 0;
    while cell < CELL_COUNT {
        let begin = cell as f64 * width;
        let (low, middle, high) =
            (log2(1.0 + begin), log2(1.0 + begin + width / 2.0), log2(1.0 + begin + width));
        // The chord lies below the logarithm: half of the most puts it between.
        let half = (middle - (low + high) / 2.0) / 2.0;
        let slope = (((high - low) / width - 1.0) * (1_u64 << SLOPE_BITS) as f64) as i64;
        let risen = begin + begin * slope as f64 / (1_u64 << SLOPE_BITS) as f64;
        it.lift[cell] = ((low + half + LINE_ERROR - risen) * unit) as i64 - (EXPONENT_BIAS << 52);
        it.slope[cell] = slope;
        cell += 1;
    }
    it
}

#[cfg(test)]
mod tests {
    use sketches_ddsketch::Config;

    use super::*;

    fn mappings() -> Vec<Mapping> {
        let others = [1e-4, 0.001, 1.0 / 128.0, 0.01, 0.02, 0.1, 0.5];
        let others = others.map(|alpha| Mapping::logarithmic(alpha).unwrap());
        [Mapping::CONTRACT, Mapping::BASE2].into_iter().chain(others).collect()
    }

    /// A number of any magnitude for each `i`.
    fn scattered(i: u64) -> f64 {
        let bits = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
        let value = f64::from_bits(bits);
        if value.is_normal() { value } else { 1.0 + i as f64 }
    }

    /// The bounds of bins, and what is around them.
    fn bounds(mapping: Mapping) -> impl Iterator<Item = f64> {
        let (low, high) = mapping.keys();
        let step = (high - low) as usize / 20_000 + 1;
        (low + 1..high).step_by(step).flat_map(move |key| {
            let bound = (f64::from(key) * mapping.ln_gamma).exp().to_bits();
            let near = [0, 1, 2, 3, 1_000, 1 << 30, 1 << 35, 1 << 36];
            near.into_iter().flat_map(move |it| [bound - it, bound + it]).map(f64::from_bits)
        })
    }

    #[test]
    fn the_constants_are_what_they_are_called() {
        assert_eq!(Mapping::CONTRACT.gamma.ln(), Mapping::CONTRACT.ln_gamma);
        assert_eq!(Mapping::CONTRACT.gamma, (1.0 + 0.0075) / (1.0 - 0.0075));
        assert!((Mapping::CONTRACT.alpha() - 0.0075).abs() < 1e-15);
        assert_eq!(Mapping::BASE2.gamma, (1.0_f64 / 64.0).exp2());
        assert_eq!(Mapping::logarithmic(0.0075), Ok(Mapping::CONTRACT));
        assert_eq!(Mapping::of_gamma(Mapping::BASE2.gamma + 1e-13), Some(Mapping::BASE2));
    }

    #[test]
    fn the_lines_are_as_near_to_the_logarithm_as_they_say() {
        let (mut least, mut most) = (f64::MAX, 0.0_f64);
        for i in 0..200_000 {
            let mantissa = 1.0 + f64::from(i) / 200_000.0;
            let error = line(mantissa.to_bits()) as f64 / (1_u64 << 52) as f64 - mantissa.log2();
            (least, most) = (least.min(error), most.max(error));
        }
        assert!(least > 1e-7 && most < 2.0 * LINE_ERROR - 1e-7, "{least} to {most}");
    }

    #[test]
    fn every_value_has_the_bin_of_the_official_rule() {
        for mapping in mappings() {
            let some = (0..200_000).map(scattered);
            for value in some.chain(bounds(mapping)) {
                let expected = match mapping.rule {
                    Rule::Floor => (value.ln() / mapping.ln_gamma).floor() as i32,
                    Rule::Base2 => {
                        let power = ((value.to_bits() >> 52) as i32 - 1023).min(1022);
                        let mantissa = value / 2_f64.powi(power);
                        power * 64 + (mantissa.log2() * 64.0).ceil() as i32 - 1
                    }
                };
                assert_eq!(mapping.key(value.to_bits()), expected, "{value} by {mapping:?}");
            }
        }
    }

    #[test]
    fn the_bins_are_those_of_another_library() {
        let theirs = Config::new(0.0075, 2048, 1e-9);
        let some = (0..2_000_000).map(scattered);
        for value in some.chain(bounds(Mapping::CONTRACT)).chain([1.0, 2.0, 4096.0, 1e12]) {
            assert_eq!(Mapping::CONTRACT.key(value.to_bits()), theirs.key(value), "{value}");
        }
    }

    #[test]
    fn a_bin_s_value_is_within_alpha_of_all_in_it_to_the_bounds() {
        for mapping in mappings() {
            let extremes = [f64::MIN_POSITIVE, f64::MAX, 1.0];
            for value in (0..50_000).map(scattered).chain(bounds(mapping)).chain(extremes) {
                let error = (mapping.value(mapping.key(value.to_bits())) / value - 1.0).abs();
                let worst = mapping.alpha() + 1e-12;
                assert!(error <= worst || value > f64::MAX / mapping.gamma, "{value}: {error}");
            }
        }
    }

    #[test]
    fn a_power_of_two_is_the_last_of_its_bin_in_base_2_and_the_first_of_the_contract() {
        for exponent in -1022..1024 {
            let power = 2_f64.powi(exponent);
            let key = |value: f64| Mapping::BASE2.key(value.to_bits());
            assert_eq!(key(power), exponent * 64 - 1);
            assert_eq!(key(power.next_up()), exponent * 64);
            assert!(exponent == -1022 || key(power.next_down()) == exponent * 64 - 1);
        }
        assert_eq!(Mapping::CONTRACT.key(1.0_f64.to_bits()), 0);
        assert_eq!(Mapping::CONTRACT.key(1.0_f64.next_down().to_bits()), -1);
    }

    #[test]
    fn an_accuracy_that_no_sketch_can_have_is_refused() {
        for alpha in [0.0, -0.1, 1e-5, 0.51, 1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Mapping::logarithmic(alpha), Err(MappingError::Alpha(_))), "{alpha}");
        }
        for gamma in [1.0, 0.5, -2.0, 1.000_000_1, 4.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Mapping::of_gamma(gamma), None, "{gamma}");
        }
    }
}
