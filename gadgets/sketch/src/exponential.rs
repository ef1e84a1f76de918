//! To OpenTelemetry's exponential histograms.

use crate::error::MappingError;
use crate::mapping::Mapping;
use crate::sketch::Sketch;
use crate::store::Store;

/// The coarsest scale that OpenTelemetry's clients use, at which a bucket has 1,024 octaves.
const COARSEST: i32 = -10;
/// The finest one that a sketch of other bins converts to: 23,000 buckets of the contract's, 524,000 of any.
const FINEST: i32 = 8;

/// The data of an exponential histogram, as `ExponentialHistogramDataPoint` of OpenTelemetry's `metrics.proto` has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExponentialHistogram {
    /// Buckets to an octave are `2^scale`.
    pub scale: i32,
    /// How many values there are.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least; `None` of none.
    pub min: Option<f64>,
    /// The greatest; `None` of none.
    pub max: Option<f64>,
    /// How many were zero, or under 2^-1022.
    pub zero_count: u64,
    /// Those above zero.
    pub positive: Buckets,
    /// Those below zero, by their magnitude.
    pub negative: Buckets,
}

/// Counts of consecutive buckets: bucket `i` has what is above `2^(i / 2^scale)`, up to `2^((i + 1) / 2^scale)` and with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// The index of the first.
    pub offset: i32,
    /// How many values each has; the first and the last are not empty.
    pub counts: Vec<u64>,
}

impl Sketch {
    /// The same distribution in buckets of another ratio.
    ///
    /// - Of [`Mapping::BASE2`], whose bins are the buckets of scale 6: without loss at that scale, and exact at each coarser one,
    ///   where buckets are merged.
    /// - Of other mappings each bin goes whole to the bucket that its value is in. The errors of both add up: of the contract's
    ///   0.75 % and the 0.14 % of scale 8 to at most 0.89 %.
    ///
    /// # Errors
    /// [`MappingError::Scale`] if the scale is finer than the sketch (6 of [`Mapping::BASE2`], 8 of others), or under -10.
    pub fn to_exponential_histogram(
        &self,
        scale: i32,
    ) -> Result<ExponentialHistogram, MappingError> {
        let own = self.mapping.scale();
        let finest = own.unwrap_or(FINEST);
        if !(COARSEST..=finest).contains(&scale) {
            return Err(MappingError::Scale { gamma: self.mapping.gamma(), finest, scale });
        }
        let bucket = |key: i32| match own {
            Some(own) => key >> (own - scale),
            None => bucket_of(self.mapping, key, scale),
        };
        Ok(ExponentialHistogram {
            scale,
            count: self.count(),
            sum: self.sum(),
            min: self.min(),
            max: self.max(),
            zero_count: self.zero_count(),
            positive: buckets(&self.positive, bucket),
            negative: buckets(&self.negative, bucket),
        })
    }
}

/// The bucket of a bin's value.
fn bucket_of(mapping: Mapping, key: i32, scale: i32) -> i32 {
    (mapping.log2_of_value(key) * f64::from(scale).exp2()).ceil() as i32 - 1
}

fn buckets(store: &Store, bucket: impl Fn(i32) -> i32) -> Buckets {
    let Some((first, bins)) = store.bins() else { return Buckets::default() };
    let (offset, last) = (bucket(first), bucket(first + (bins.len() - 1) as i32));
    let mut counts = vec![0; (last - offset + 1) as usize];
    for (key, count) in store.iter() {
        counts[(bucket(key) - offset) as usize] += count;
    }
    Buckets { offset, counts }
}
