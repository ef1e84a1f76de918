//! The file that learned rules are kept in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use gadget_core::{RuleState, ensure_regular, replace_file};
use serde::{Deserialize, Serialize};

use super::rule::{NotARule, Rule};

/// The form of the file.
const VERSION: u32 = 1;
/// A larger file is none that was written here.
const MOST_BYTES: u64 = 8 << 20;
/// Rules in a file.
const MOST_RULES: usize = 1024;

/// Learned rules as they are kept: JSON, which a person can read. Holds no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleBook {
    next: u32,
    rules: BTreeMap<u32, Rule>,
    /// What stood in the file and is no rule, and why.
    dropped: Vec<(u32, NotARule)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    next: u32,
    rules: Vec<Rule>,
}

/// Why rules cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// The file cannot be read.
    #[error("cannot read the rules in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot keep the rules in {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is none that was written here.
    #[error("{path} holds no rules")]
    Form {
        /// The file.
        path: PathBuf,
        /// Why.
        source: NotABook,
    },
}

/// Why something is no file of rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotABook {
    /// It is no such JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It is more than is ever kept, or of another version.
    #[error("more than {MOST_RULES} rules, or not of version {VERSION}")]
    Bounds,
}

impl RuleBook {
    /// What the file at `path` holds; nothing if there is none. Each rule is looked at as if somebody else had written it; those that
    /// are none are left out, see [`dropped`](Self::dropped).
    ///
    /// # Errors
    /// [`BookError`] if it is there and cannot be read, or is something else.
    pub fn load(path: &Path) -> Result<Self, BookError> {
        let read = |source| BookError::Read { path: path.to_owned(), source };
        ensure_regular(path).map_err(read)?;
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(read(error)),
        };
        let mut text = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(read)?;
        Self::from_json(&text).map_err(|source| BookError::Form { path: path.to_owned(), source })
    }

    /// What the text of a file holds, see [`load`](Self::load).
    ///
    /// # Errors
    /// [`NotABook`] if it is something else.
    pub fn from_json(text: &[u8]) -> Result<Self, NotABook> {
        if text.len() as u64 > MOST_BYTES {
            return Err(NotABook::Bounds);
        }
        let kept: Kept = serde_json::from_slice(text)?;
        if kept.version != VERSION || kept.rules.len() > MOST_RULES {
            return Err(NotABook::Bounds);
        }
        let mut book = Self { next: kept.next, ..Self::default() };
        for rule in kept.rules {
            let (id, same) = (rule.id, book.rules.contains_key(&rule.id));
            book.next = book.next.max(id.saturating_add(1));
            match rule.check() {
                Err(why) => book.dropped.push((id, why)),
                Ok(()) if same => book.dropped.push((id, NotARule::Bounds)),
                Ok(()) => {
                    book.rules.insert(id, rule);
                }
            }
        }
        Ok(book)
    }

    /// Puts it in place of the file at `path`, at once or not at all. Nobody else may read it.
    ///
    /// # Errors
    /// [`BookError::Write`]; what was there is still there then.
    pub fn save(&self, path: &Path) -> Result<(), BookError> {
        let write = |source| BookError::Write { path: path.to_owned(), source };
        let text =
            self.to_json().map_err(|source| BookError::Form { path: path.to_owned(), source })?;
        replace_file(path, &text, 0o600).map_err(write)
    }

    /// The text of a file.
    ///
    /// # Errors
    /// [`NotABook`] if a rule has a text that JSON does not: none has.
    pub fn to_json(&self) -> Result<Vec<u8>, NotABook> {
        let rules = self.rules.values().cloned().collect();
        let kept = Kept { version: VERSION, next: self.next, rules };
        let mut text = serde_json::to_vec_pretty(&kept)?;
        text.push(b'\n');
        Ok(text)
    }

    /// The rules.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// What stood in the file and is no rule, by its number, and why.
    #[must_use]
    pub fn dropped(&self) -> &[(u32, NotARule)] {
        &self.dropped
    }

    /// Puts a rule in another state; false if there is none of that number.
    pub fn set(&mut self, rule: u32, state: RuleState) -> bool {
        let rule = self.rules.get_mut(&rule);
        rule.map(|rule| rule.state = state).is_some()
    }

    pub(crate) fn from_parts(next: u32, rules: BTreeMap<u32, Rule>) -> Self {
        Self { next, rules, dropped: Vec::new() }
    }

    pub(crate) fn into_parts(self) -> (u32, BTreeMap<u32, Rule>) {
        (self.next, self.rules)
    }
}
