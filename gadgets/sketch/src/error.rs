//! What can be wrong with a mapping, a merge, or bytes.

/// Why two sketches stay apart; neither was changed.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Their bins are different intervals.
    #[error("bins of ratio {theirs} do not fit those of ratio {ours}")]
    Mapping {
        /// The bucket ratio of the sketch that was to grow.
        ours: f64,
        /// That of the other.
        theirs: f64,
    },
    /// Together they have more values than the official message can count exactly.
    #[error("{ours} and {theirs} values are more than can be counted exactly")]
    Count {
        /// How many there are in the sketch that was to grow.
        ours: u64,
        /// And in the other.
        theirs: u64,
    },
}

/// Why there is no such mapping, or no such conversion.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The relative accuracy is none that a sketch can have.
    #[error("a relative accuracy is from 0.0001 to 0.5, not {0}")]
    Alpha(f64),
    /// The histogram's scale is beyond what a sketch can be converted to.
    #[error("bins of ratio {gamma} convert to scales from -10 to {finest}, not {scale}")]
    Scale {
        /// The sketch's bucket ratio.
        gamma: f64,
        /// The finest scale that it converts to.
        finest: i32,
        /// The one that was asked for.
        scale: i32,
    },
}

/// Why bytes or a message are no sketch.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// They end too early.
    #[error("a sketch goes on beyond the bytes that are there")]
    Truncated,
    /// They were written by a later version.
    #[error("form {0} of a sketch is not known")]
    Version(u8),
    /// They are not what any sketch is written as.
    #[error("not a sketch: {0}")]
    Malformed(&'static str),
    /// The mapping is missing, or its ratio is none that a sketch can have.
    #[error("a sketch of bucket ratio {0}")]
    Gamma(f64),
    /// The logarithm is interpolated, which puts values into other bins.
    #[error("a sketch whose logarithm is interpolated by rule {0}")]
    Interpolation(i32),
    /// Bins are shifted by a part of a bin.
    #[error("a sketch whose bins are shifted by {0}")]
    IndexOffset(f64),
    /// A bin lies beyond what a finite number can be in.
    #[error("a sketch with a bin at {0}")]
    Index(i64),
    /// A count is no natural number, or all together are beyond 2^53.
    #[error("a sketch with a count of {0}")]
    Count(f64),
    /// Sum, minimum and maximum are not those of the bins.
    #[error("a sketch whose {0} cannot be that of its bins")]
    Summary(&'static str),
}
