//! The sketch itself.

use std::cmp::Ordering;
use std::hint::select_unpredictable;

use crate::error::{DecodeError, MergeError};
use crate::mapping::Mapping;
use crate::store::Store;
use crate::sum::ExactSum;

/// How many values a sketch takes by merging, decoding and [`Sketch::insert_many`]: what the official message can count exactly.
pub const MAX_COUNT: u64 = 1 << 53;

/// A distribution of numbers: how many lay in each of many narrow intervals.
///
/// - Every quantile is within [`Mapping::alpha`] of a value that was inserted: of the one with rank `q * (n - 1)`, rounded down, as
///   long as [`Sketch::collapsed`] is zero, and but for the rounding of its own arithmetic. For magnitudes under 2^-1022 it is zero.
/// - Count, minimum and maximum are exact. The sum is exact too, but for magnitudes under 2^-1022 that are zero in it: a fixed-point
///   number that is wide enough for any values, and is rounded when it is read.
/// - In whatever order values are inserted and sketches merged, the result is the same and equal by `==`.
///
/// ```
/// use gadget_sketch::Sketch;
///
/// let mut sketch: Sketch = (1..=1_000).map(f64::from).collect();
/// let p99 = sketch.quantile(0.99).unwrap();
/// assert!((p99 / 990.0 - 1.0).abs() <= 0.0075);
/// assert_eq!((sketch.count(), sketch.sum(), sketch.max()), (1_000, 500_500.0, Some(1_000.0)));
///
/// let other = Sketch::from_bytes(&sketch.to_bytes())?;
/// sketch.merge(&other)?;
/// assert_eq!(sketch.count(), 2_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    pub(crate) mapping: Mapping,
    /// And zeros.
    pub(crate) positive: Store,
    pub(crate) negative: Store,
    pub(crate) count: u64,
    /// How many of `count` are in `negative`.
    pub(crate) negatives: u64,
    pub(crate) rejected: u64,
    /// Infinite while there are no values.
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) sum: ExactSum,
}

impl Default for Sketch {
    fn default() -> Self {
        Self::new()
    }
}

impl Sketch {
    /// An empty one of the contract's accuracy, 0.0075.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Mapping::CONTRACT)
    }

    /// An empty one.
    #[must_use]
    pub fn with(mapping: Mapping) -> Self {
        Self {
            mapping,
            positive: Store::default(),
            negative: Store::default(),
            count: 0,
            negatives: 0,
            rejected: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: ExactSum::ZERO,
        }
    }

    /// Counts a value. One that is not finite changes nothing but [`Sketch::rejected`].
    #[inline]
    pub fn insert(&mut self, value: f64) {
        let bits = value.to_bits();
        // Below zero or not finite.
        if bits >= f64::INFINITY.to_bits() {
            return self.insert_other(bits, 1);
        }
        // Zeros come at random among the others; a branch for them would cost more than all the rest.
        let is_zero = bits < f64::MIN_POSITIVE.to_bits();
        let key = self.mapping.key(select_unpredictable(is_zero, 1.5_f64.to_bits(), bits));
        if !self.positive.add_one(is_zero, key) {
            return self.insert_other(bits, 1);
        }
        self.count += 1;
        self.sum.add_bits(bits, is_zero);
        // As integers, bits are in the order of their numbers, but for two below zero.
        if (bits as i64) < self.min.to_bits() as i64 {
            self.see_min(bits);
        }
        if bits as i64 > self.max.to_bits() as i64 {
            self.see_max(bits);
        }
    }

    /// Counts a value so many times. If that would be beyond [`MAX_COUNT`] values in all, nothing changes but
    /// [`Sketch::rejected`].
    pub fn insert_many(&mut self, value: f64, times: u64) {
        if times > MAX_COUNT.saturating_sub(self.count) {
            self.rejected = self.rejected.saturating_add(times);
        } else if times > 0 {
            self.insert_other(value.to_bits(), times);
        }
    }

    #[inline(never)]
    fn insert_other(&mut self, bits: u64, times: u64) {
        let value = f64::from_bits(bits);
        if !value.is_finite() {
            self.rejected = self.rejected.saturating_add(times);
            return;
        }
        if value.abs() < f64::MIN_POSITIVE {
            self.positive.add_zeros(times);
        } else if value > 0.0 {
            self.positive.add(self.mapping.key(bits), times);
        } else {
            self.negative.add(self.mapping.key(value.abs().to_bits()), times);
            self.negatives += times;
        }
        self.count += times;
        self.sum.add(value, times);
        // Zero has no sign here.
        self.min = self.min.min(value + 0.0);
        self.max = self.max.max(value + 0.0);
    }

    #[cold]
    #[inline(never)]
    fn see_min(&mut self, bits: u64) {
        self.min = f64::from_bits(bits);
    }

    #[cold]
    #[inline(never)]
    fn see_max(&mut self, bits: u64) {
        self.max = f64::from_bits(bits);
    }

    /// Counts all that `other` has counted, as if its values had been inserted here.
    ///
    /// # Errors
    /// [`MergeError::Mapping`] if its bins are others, [`MergeError::Count`] beyond [`MAX_COUNT`] values in all.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if self.mapping != other.mapping {
            let (ours, theirs) = (self.mapping.gamma(), other.mapping.gamma());
            return Err(MergeError::Mapping { ours, theirs });
        }
        if other.count > MAX_COUNT.saturating_sub(self.count) {
            return Err(MergeError::Count { ours: self.count, theirs: other.count });
        }
        self.positive.merge(&other.positive);
        self.negative.merge(&other.negative);
        self.count += other.count;
        self.negatives += other.negatives;
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum.merge(&other.sum);
        Ok(())
    }

    /// Empty again, with what was allocated.
    pub fn clear(&mut self) {
        self.positive.clear();
        self.negative.clear();
        let empty = Self::with(self.mapping);
        let (positive, negative) =
            (std::mem::take(&mut self.positive), std::mem::take(&mut self.negative));
        *self = Self { positive, negative, ..empty };
    }

    /// The value that `q` of all are under: of rank `q * (n - 1)`, rounded down, in their order, to within [`Mapping::alpha`].
    /// `None` if there are no values, or `q` is not from 0 to 1.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = ((q * (self.count - 1) as f64) as u64).min(self.count - 1);
        let zeros = self.zero_count();
        let value = if rank < self.negatives {
            let key = self.negative.key_at(self.negatives - 1 - rank, self.negatives);
            -self.mapping.value(key)
        } else if rank < self.negatives + zeros {
            0.0
        } else {
            let rank = rank - self.negatives - zeros;
            self.mapping.value(self.positive.key_at(rank, self.positives()))
        };
        Some(value.clamp(self.min, self.max))
    }

    /// How values find their bins.
    #[must_use]
    pub fn mapping(&self) -> Mapping {
        self.mapping
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Their sum, rounded once; beyond what a number can be, the last number. Zero of none.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum.value()
    }

    /// The least; `None` of none.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest; `None` of none.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// How many were zero, or under 2^-1022.
    #[must_use]
    pub fn zero_count(&self) -> u64 {
        self.positive.zeros()
    }

    pub(crate) fn positives(&self) -> u64 {
        self.count - self.zero_count() - self.negatives
    }

    /// How many were refused: not finite, or more than can be counted. They are in no other number.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// How many are in a bin that is not theirs, as they lie more than [`MAX_BINS`](crate::MAX_BINS) bins under the greatest
    /// magnitude of their sign. Quantiles above them stay accurate.
    #[must_use]
    pub fn collapsed(&self) -> u64 {
        self.positive.collapsed() + self.negative.collapsed()
    }

    /// Looks whether sum, minimum and maximum can be those of the bins, after they were read. A bound that another library has
    /// put into the bin beside is no fault.
    pub(crate) fn check(self) -> Result<Self, DecodeError> {
        let fault = |what| Err(DecodeError::Summary(what));
        if self.count == 0 {
            let blank = self.sum == ExactSum::ZERO && self.min > self.max;
            return if blank { Ok(self) } else { fault("minimum, maximum or sum") };
        }
        let finite = self.min.is_finite() && self.max.is_finite();
        if !finite || self.min > self.max {
            return fault("minimum or maximum");
        }
        let positives = self.positives();
        let lowest = if self.negatives > 0 {
            self.fits(self.negative.iter().next_back(), -self.min)
        } else if self.zero_count() > 0 {
            self.min.abs() < f64::MIN_POSITIVE
        } else {
            self.positive.collapsed() > 0 || self.fits(self.positive.iter().next(), self.min)
        };
        let highest = if positives > 0 {
            self.fits(self.positive.iter().next_back(), self.max)
        } else if self.zero_count() > 0 {
            self.max.abs() < f64::MIN_POSITIVE
        } else {
            self.negative.collapsed() > 0 || self.fits(self.negative.iter().next(), -self.max)
        };
        match (lowest, highest) {
            (false, _) => fault("minimum"),
            (_, false) => fault("maximum"),
            _ => Ok(self),
        }
    }

    fn fits(&self, bin: Option<(i32, u64)>, magnitude: f64) -> bool {
        magnitude >= f64::MIN_POSITIVE
            && bin.is_some_and(|(key, _)| key.abs_diff(self.mapping.key(magnitude.to_bits())) <= 1)
    }

    /// Whether the sum is no less than so many times the minimum, and no more than of the maximum.
    pub(crate) fn sum_is_between(&self) -> bool {
        self.count == 0
            || self.sum.cmp_product(self.min, self.count) != Ordering::Less
                && self.sum.cmp_product(self.max, self.count) != Ordering::Greater
    }
}

impl Extend<f64> for Sketch {
    fn extend<T: IntoIterator<Item = f64>>(&mut self, values: T) {
        for value in values {
            self.insert(value);
        }
    }
}

impl FromIterator<f64> for Sketch {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        let mut it = Self::new();
        it.extend(values);
        it
    }
}
