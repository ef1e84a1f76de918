//! Keeps the last minutes of every log.

pub mod flush;
mod gadget;
mod incident;
mod ring;
mod settings;
mod trigger;

pub use gadget::{Archivist, ArchivistBuilder};
pub use ring::{Archive, ArchiveCounts, ArchiveError, ArchiveSettings, Entry, Left};
pub use settings::{Settings, SettingsError};
pub use trigger::{Cause, LogWatch, Trigger, Triggers};

/// The name under which policies, ledgers and metrics know it.
const NAME: &str = "archivist";

/// The policy that the Archivist's own program acts by where no operator has given one: it may send logs, and do nothing else.
pub const POLICY: &str = include_str!("../policy.toml");

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
