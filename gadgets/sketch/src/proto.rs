//! The messages of `DDSketch.proto`, which DataDog's libraries share: the same tags and types.

use std::collections::BTreeMap;

/// A quantile sketch. Its count is the sum of all counts in it; sum, minimum and maximum travel beside it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DdSketch {
    /// How a value finds its bin.
    #[prost(message, optional, tag = "1")]
    pub mapping: Option<IndexMapping>,
    /// Bins of values above zero.
    #[prost(message, optional, tag = "2")]
    pub positive_values: Option<Store>,
    /// Bins of values below zero, indexed by their magnitude.
    #[prost(message, optional, tag = "3")]
    pub negative_values: Option<Store>,
    /// How many values were zero, or too near to it to be indexed.
    #[prost(double, tag = "4")]
    pub zero_count: f64,
}

/// Value `v` belongs to bin `floor(log(v) / log(gamma) + index_offset)`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct IndexMapping {
    /// Ratio of a bin's upper bound to its lower one, above 1.
    #[prost(double, tag = "1")]
    pub gamma: f64,
    /// Added to each index.
    #[prost(double, tag = "2")]
    pub index_offset: f64,
    /// How the logarithm is worked out between powers of two: 0 exactly, 1 linear, 2 quadratic, 3 cubic.
    #[prost(int32, tag = "3")]
    pub interpolation: i32,
}

/// Counts of bins, in two forms that add up.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Store {
    /// Counts by index.
    #[prost(btree_map = "sint32, double", tag = "1")]
    pub bin_counts: BTreeMap<i32, f64>,
    /// Counts of consecutive bins...
    #[prost(double, repeated, tag = "2")]
    pub contiguous_bin_counts: Vec<f64>,
    /// ...of which this is the first's index.
    #[prost(sint32, tag = "3")]
    pub contiguous_bin_index_offset: i32,
}
