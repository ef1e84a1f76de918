//! What can be wrong with a policy.

use std::io;
use std::path::PathBuf;

/// Why a policy cannot be used. Until it is put right the host is only observed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("cannot read the policy {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file can be read and not be used.
    #[error("cannot use the policy {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<PolicyError>,
    },
    /// The text is not TOML.
    #[error("line {line}: {problem}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A key that does not exist.
    #[error("line {line}: there is no {key}{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    UnknownKey {
        /// Counted from 1.
        line: usize,
        /// The key, with the table it is in.
        key: String,
        /// The known key that reads most alike, if one does.
        nearest: Option<String>,
    },
    /// A value of the wrong kind or out of its range.
    #[error("{}{key} {problem}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Value {
        /// Counted from 1; none where the settings came from code, or the key is not in the file.
        line: Option<usize>,
        /// The key, with the table it is in.
        key: String,
        /// What was expected and what was found.
        problem: String,
    },
}
