//! What can go wrong with a ledger.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::plan::PlanId;
use crate::units::Timestamp;

/// Why a ledger could not be opened, written or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another agent has it open; two cannot share one.
    #[error("{path} is in use{}", by.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, if the file says so.
        by: Option<u32>,
    },
    /// No space, quota or file size is left. Nothing was recorded; try again when there is space.
    #[error("no space left for {path}")]
    Full {
        /// What was written.
        path: PathBuf,
        /// `ENOSPC`, `EDQUOT` or `EFBIG`.
        source: io::Error,
    },
    /// The system refused. Nothing was recorded.
    #[error("cannot {attempt} {path}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Bytes are not those that were written.
    #[error("{path} at byte {offset}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record, or the line, begins.
        offset: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// Records that were written are not there.
    #[error("records {from} to {to} are missing")]
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The bytes are intact, but this version does not know what they say.
    #[error("{path} at byte {offset}: not a record that this version can read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// An entry that has no JSON form.
    #[error("cannot encode record {seq}")]
    Encode {
        /// The record that was not written.
        seq: u64,
        /// What the encoder says.
        source: serde_json::Error,
    },
    /// The permit had ended before it was used.
    #[error("the permit for plan {plan} ended at {expired}")]
    Expired {
        /// The plan.
        plan: PlanId,
        /// When the permit ended.
        expired: Timestamp,
    },
    /// Too many effects are open; the next has to wait until one ends.
    #[error("{open} effects are unfinished, which is the most that a ledger carries")]
    Crowded {
        /// How many.
        open: usize,
    },
    /// A setting outside its range.
    #[error("{name} is {found}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What was given.
        found: u64,
        /// What would have been accepted.
        expected: &'static str,
    },
}

impl LedgerError {
    /// An I/O error, sorted into [`Full`](Self::Full) and [`Io`](Self::Io).
    pub(super) fn io(attempt: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match Errno::from_io_error(&source) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Self::Full { path, source },
            _ => Self::Io { attempt, path, source },
        }
    }

    pub(super) fn damaged(path: &Path, offset: u64, what: &'static str) -> Self {
        Self::Damaged { path: path.to_owned(), offset, what }
    }
}
