//! What the providers saw, on file, and the same again at full speed.
//!
//! A recording is a short plain header (magic, version and fingerprints of the schema), then one zstd stream of frames:
//! first the [`HostFacts`](crate::HostFacts), then one frame for each batch of signals. A frame is its length and its
//! CRC-32, four bytes each and least significant first, then the batch in postcard form with times relative to the
//! batch's first. The stream is flushed every second of recorded time, so that a recording whose writer was killed can be
//! read up to there.

mod frame;
mod reader;
mod recorder;
mod replay;
mod schema;

use std::io;
use std::path::PathBuf;

pub use reader::Recording;
pub use recorder::Recorder;
pub use replay::{ReplaySummary, replay};

/// Why a recording could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The system refused to open or to read it.
    #[error("cannot read {path}")]
    Read {
        /// The recording.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused to create or to write it.
    #[error("cannot write {path}")]
    Write {
        /// The recording.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path} is not a recording")]
    NotARecording {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a version of this crate with another vocabulary; record anew, or replay it with that version.
    #[error("{path} has schema {found}, this version reads {expected}")]
    Schema {
        /// The recording.
        path: PathBuf,
        /// The schema it was written in: version and fingerprint.
        found: String,
        /// The schema that this version writes and reads.
        expected: String,
    },
    /// It was made on another host, or in another boot of it, than the agent was told of.
    #[error("{path} was not recorded on the host that the agent was built for")]
    OtherHost {
        /// The recording.
        path: PathBuf,
    },
    /// A frame does not hold what it should.
    #[error("{path}, frame {frame}: {what}")]
    Corrupt {
        /// The recording.
        path: PathBuf,
        /// The frame, counted from 0, which is the host's facts.
        frame: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A batch is larger than a frame may be; nothing of it was written.
    #[error("a batch of {signals} signals and {bytes} bytes is larger than a frame may be")]
    TooLarge {
        /// How many signals it has.
        signals: usize,
        /// How long it is when encoded, as far as it was.
        bytes: usize,
    },
    /// The recording has reached the size it may have; it is complete up to here and takes no more.
    #[error("{path} has reached its limit of {limit} bytes")]
    Full {
        /// The recording.
        path: PathBuf,
        /// Its limit in bytes.
        limit: u64,
    },
}

#[cfg(test)]
mod tests;
