//! How much may be sent in a day, across restarts.

use std::fs;
use std::io;
use std::path::PathBuf;

use gadget_core::{Bytes, Timestamp, replace_file};
use serde::{Deserialize, Serialize};

const DAY: u64 = 24 * 3600 * 1_000_000_000;

/// The most that is sent in a day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Bytes of text. Default 2 GB.
    pub bytes: Bytes,
    /// Incidents. Default 100.
    pub incidents: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { bytes: Bytes::new(2_000_000_000), incidents: 100 }
    }
}

/// What was sent on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// The day, counted from the Unix epoch.
    pub day: u64,
    /// Incidents.
    pub incidents: u32,
    /// Bytes of text.
    pub bytes: u64,
    /// Incidents that were refused.
    pub refused: u32,
}

/// Why an incident is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// As many as may be were sent today.
    #[error("{0} incidents were sent today, which is all that the budget allows")]
    Incidents(u32),
    /// As much as may be was sent today.
    #[error("{0} were sent today, which is all that the budget allows")]
    Bytes(Bytes),
}

/// The budget, kept in a file. A file that cannot be read is one of a day on which nothing was sent.
#[derive(Debug)]
pub struct Budget {
    settings: BudgetSettings,
    path: PathBuf,
    spent: Spent,
}

impl Budget {
    /// As far as it was spent, as the file at `path` says.
    #[must_use]
    pub fn open(path: impl Into<PathBuf>, settings: BudgetSettings) -> Self {
        let path = path.into();
        let text = fs::read(&path).unwrap_or_default();
        let spent = serde_json::from_slice(&text).unwrap_or_default();
        Self { settings, path, spent }
    }

    /// What was sent today.
    #[must_use]
    pub const fn spent(&self) -> Spent {
        self.spent
    }

    /// Asks whether another incident may be sent at `now`. The last one of a day may go over the bytes; none after it.
    ///
    /// # Errors
    /// Why not; the refusal is counted.
    pub fn ask(&mut self, now: Timestamp) -> Result<(), BudgetError> {
        let day = now.as_nanos() / DAY;
        if day != self.spent.day {
            self.spent = Spent { day, ..Spent::default() };
        }
        let refused = if self.spent.incidents >= self.settings.incidents {
            BudgetError::Incidents(self.spent.incidents)
        } else if self.spent.bytes >= self.settings.bytes.get() {
            BudgetError::Bytes(Bytes::new(self.spent.bytes))
        } else {
            return Ok(());
        };
        self.spent.refused += 1;
        // If that cannot be remembered, it is said all the same.
        let _ = self.remember();
        Err(refused)
    }

    /// Says that an incident of so many bytes was sent.
    ///
    /// # Errors
    /// When that cannot be remembered over a restart. It counts all the same.
    pub fn spend(&mut self, bytes: u64) -> io::Result<()> {
        self.spent.incidents += 1;
        self.spent.bytes += bytes;
        self.remember()
    }

    fn remember(&self) -> io::Result<()> {
        replace_file(&self.path, &serde_json::to_vec(&self.spent)?, 0o600)
    }
}
