//! To and from DataDog's official message.

use crate::error::DecodeError;
use crate::mapping::Mapping;
use crate::proto::{DdSketch, IndexMapping, Store as Bins};
use crate::sketch::{MAX_COUNT, Sketch};
use crate::store::Store;
use crate::sum::ExactSum;

/// What a key in a message means. The message does not say: the libraries of one company read the same one differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// Bin `i` begins at `gamma^i`: the libraries for Go and Java, and envelopes.
    #[default]
    Floor,
    /// Bin `i` ends at `gamma^i`: the library for Python, which also reads consecutive bins alone, not those by index. Read by the
    /// other rule, every quantile would be off by a whole bin, 1.5 %.
    Ceiling,
}

/// What travels beside the message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// The sum of all values.
    pub sum: f64,
    /// The least; of none it does not matter.
    pub min: f64,
    /// The greatest; so, too.
    pub max: f64,
}

impl Sketch {
    /// The official message, with keys by the rule of the floor, whose bins are by index or consecutive, whatever is less.
    ///
    /// [`Mapping::BASE2`] is a logarithmic mapping of ratio 2^(1/64) there; as its bins have their upper bounds in them, which no
    /// official mapping has, a reader that counts more values in finds those that are exactly a bound in the bin above, which is
    /// accurate just as well. What is rejected or collapsed does not travel, nor do sum, minimum and maximum: see
    /// [`Sketch::summary`].
    #[must_use]
    pub fn to_proto(&self) -> DdSketch {
        self.to_proto_by(Keys::Floor)
    }

    /// The official message, for those who read keys by this rule.
    #[must_use]
    pub fn to_proto_by(&self, keys: Keys) -> DdSketch {
        let mapping =
            IndexMapping { gamma: self.mapping.gamma(), index_offset: 0.0, interpolation: 0 };
        DdSketch {
            mapping: Some(mapping),
            positive_values: Some(to_message(&self.positive, keys)),
            negative_values: Some(to_message(&self.negative, keys)),
            zero_count: self.zero_count() as f64,
        }
    }

    /// What has to be sent beside [`Sketch::to_proto`]: all zero of no values.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            sum: self.sum(),
            min: self.min().unwrap_or_default(),
            max: self.max().unwrap_or_default(),
        }
    }

    /// Reads an official message whose keys are by the rule of the floor; see [`Sketch::from_proto_by`].
    ///
    /// # Errors
    /// A [`DecodeError`] that says what is wrong.
    pub fn from_proto(message: &DdSketch, summary: Option<Summary>) -> Result<Self, DecodeError> {
        Self::from_proto_by(Keys::Floor, message, summary)
    }

    /// Reads an official message, and what came beside it; without that, sum, minimum and maximum are worked out from the bins, as
    /// accurate as these.
    ///
    /// Counts have to be whole numbers, up to 2^53 together; a fraction is an error, not rounded. Bins that are more than
    /// [`MAX_BINS`](crate::MAX_BINS) under the greatest are collapsed and counted. Keys may be shifted by whole bins.
    ///
    /// # Errors
    /// A [`DecodeError`] that says what is wrong.
    pub fn from_proto_by(
        keys: Keys,
        message: &DdSketch,
        summary: Option<Summary>,
    ) -> Result<Self, DecodeError> {
        let official = message.mapping.as_ref().ok_or(DecodeError::Gamma(0.0))?;
        if official.interpolation != 0 {
            return Err(DecodeError::Interpolation(official.interpolation));
        }
        let gamma = official.gamma;
        let mapping = Mapping::of_gamma(gamma).ok_or(DecodeError::Gamma(gamma))?;
        let offset = official.index_offset;
        if offset.fract() != 0.0 || offset.abs() > f64::from(i32::MAX) {
            return Err(DecodeError::IndexOffset(offset));
        }
        let shift = offset as i64 + i64::from(keys == Keys::Ceiling);
        let mut it = Self::with(mapping);
        let zeros = whole(message.zero_count)?;
        let (positive, positives) = from_message(&message.positive_values, mapping, shift)?;
        let (negative, negatives) = from_message(&message.negative_values, mapping, shift)?;
        (it.positive, it.negative, it.negatives) = (positive, negative, negatives);
        it.positive.add_zeros(zeros);
        it.count = zeros + positives + negatives;
        if it.count > MAX_COUNT {
            return Err(DecodeError::Count(it.count as f64));
        }
        match summary {
            _ if it.count == 0 => return Ok(it),
            Some(Summary { sum, min, max }) => {
                if !sum.is_finite() {
                    return Err(DecodeError::Summary("sum"));
                }
                (it.min, it.max) = (min + 0.0, max + 0.0);
                it.sum.add(sum, 1);
            }
            None => it.estimate(),
        }
        it.check()
    }

    /// Sum, minimum and maximum as the bins have them.
    fn estimate(&mut self) {
        let positives = self.positive.iter().map(|(key, count)| (self.value(key), count));
        let negatives = self.negative.iter().rev().map(|(key, count)| (-self.value(key), count));
        let zeros = Some((0.0, self.zero_count())).filter(|it| it.1 > 0);
        let (mut sum, mut min, mut max) = (ExactSum::ZERO, f64::INFINITY, f64::NEG_INFINITY);
        for (value, count) in negatives.chain(zeros).chain(positives) {
            sum.add(value, count);
            min = min.min(value);
            max = max.max(value);
        }
        (self.sum, self.min, self.max) = (sum, min, max);
    }

    /// A bin's value, or the nearest number that a value can be.
    fn value(&self, key: i32) -> f64 {
        self.mapping.value(key).clamp(f64::MIN_POSITIVE, f64::MAX)
    }
}

fn to_message(store: &Store, keys: Keys) -> Bins {
    /// A bin by index: two keys, a length, an index of three bytes and a double; and a consecutive one.
    const SPARSE_BYTES: usize = 15;
    const DENSE_BYTES: usize = 8;
    let Some((first, counts)) = store.bins() else { return Bins::default() };
    let shift = i32::from(keys == Keys::Ceiling);
    let filled = store.iter().count();
    if keys == Keys::Floor && filled * SPARSE_BYTES < counts.len() * DENSE_BYTES {
        let bin_counts = store.iter().map(|(key, count)| (key, count as f64)).collect();
        return Bins { bin_counts, ..Bins::default() };
    }
    Bins {
        contiguous_bin_counts: counts.iter().map(|count| *count as f64).collect(),
        contiguous_bin_index_offset: first + shift,
        ..Bins::default()
    }
}

/// The bins that a message has in both of its forms, and how many values.
fn from_message(
    message: &Option<Bins>,
    mapping: Mapping,
    shift: i64,
) -> Result<(Store, u64), DecodeError> {
    let mut store = Store::default();
    let Some(message) = message else { return Ok((store, 0)) };
    let (lowest, highest) = mapping.keys();
    let offset = i64::from(message.contiguous_bin_index_offset);
    let dense = message.contiguous_bin_counts.iter().zip(offset..);
    let sparse = message.bin_counts.iter().map(|(key, count)| (count, i64::from(*key)));
    let mut total = 0;
    let mut bins = Vec::new();
    for (count, key) in dense.chain(sparse) {
        let count = whole(*count)?;
        if count == 0 {
            continue;
        }
        total += count;
        if total > MAX_COUNT {
            return Err(DecodeError::Count(total as f64));
        }
        // By the other rule a bound is in the bin beside.
        let key = key - shift;
        if key < i64::from(lowest) - 1 || key > i64::from(highest) + 1 {
            return Err(DecodeError::Index(key));
        }
        bins.push(((key as i32).clamp(lowest, highest), count));
    }
    // From above, so that what has to collapse does it at once.
    bins.sort_unstable_by_key(|bin| std::cmp::Reverse(bin.0));
    if let (Some(high), Some(low)) = (bins.first(), bins.last()) {
        let _ = store.make_room(low.0, high.0);
    }
    for (key, count) in bins {
        store.add(key, count);
    }
    Ok((store, total))
}

/// A count that is one.
fn whole(count: f64) -> Result<u64, DecodeError> {
    if (0.0..=MAX_COUNT as f64).contains(&count) && count.fract() == 0.0 {
        Ok(count as u64)
    } else {
        Err(DecodeError::Count(count))
    }
}
