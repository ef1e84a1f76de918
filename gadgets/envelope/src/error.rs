//! What can be wrong with an envelope.

use crate::envelope::{Kind, MOST_BYTES};

/// Why bytes are no envelope, or why an envelope may not be sent.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// More bytes are needed; none was consumed.
    #[error("an envelope goes on beyond the bytes that are there")]
    Truncated,
    /// No envelope begins here, nor can where the next one does be told.
    #[error("no envelope begins with the key {0}")]
    Key(u64),
    /// Its length is beyond what any envelope has.
    #[error("an envelope of {0} bytes, where {MOST_BYTES} are the most")]
    TooLong(u64),
    /// Its bytes are not what its key says; they were consumed, so that the next envelope can be read.
    #[error("not a {kind}")]
    Decode {
        /// What it would be.
        kind: Kind,
        /// What is wrong.
        source: prost::DecodeError,
    },
    /// It breaks its contract.
    #[error("{kind}: {field} {problem}")]
    Invalid {
        /// What it is.
        kind: Kind,
        /// The field, as in the `.proto` file; below the envelope by its path.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}
