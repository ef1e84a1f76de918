//! What can be wrong with settings.

/// Why settings are refused, all of them: nothing of a text with an error is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
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
    /// A value of the wrong kind, out of its range, or one that does not go with another.
    #[error("{}{key} {problem}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Value {
        /// Counted from 1; none where the settings came from code, or the key is not in the text.
        line: Option<usize>,
        /// The key, with the table it is in.
        key: String,
        /// What was expected and what was found.
        problem: String,
    },
}

impl SettingsError {
    pub(super) fn at_line(self, find: impl FnOnce(&str) -> Option<usize>) -> Self {
        match self {
            Self::Value { line: None, key, problem } => {
                Self::Value { line: find(&key), key, problem }
            }
            other => other,
        }
    }
}
