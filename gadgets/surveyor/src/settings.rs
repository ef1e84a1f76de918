//! What an operator can set. `settings.md` documents every key, `settings.toml` is a file with all of them.

mod schema;

use std::time::Duration;

pub use gadget_core::SettingsError;
use gadget_core::{Changed, Telemetry};

use schema::SCHEMA;

/// Everything that can be set of the gadget.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// How much is sent, of how many, how often.
    pub telemetry: Telemetry,
    /// Scans in a window.
    pub window: Window,
    /// Which processes are sent in full.
    pub top: Top,
    /// How all others are summed.
    pub tail: Tail,
    /// Who may have a row of its own.
    pub filter: Filter,
    /// Sketches.
    pub sketch: SketchSettings,
    /// Processes that live for a short time.
    pub ephemeral: Ephemeral,
    /// What the agent's parts may use.
    pub watchdog: Watchdog,
}

/// Scans in a window. Default 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(pub u32);

impl Default for Window {
    fn default() -> Self {
        Self(5)
    }
}

/// Which processes are sent in full. How many at least is in [`Telemetry::top`].
#[derive(Clone, Debug, PartialEq)]
pub struct Top {
    /// How many at most. Default 200; never fewer than the least.
    pub most: u32,
    /// The share of CPU, and of resident memory, that those sent in full are to hold. Default 0.95; 0 never asks for more.
    pub capture: f64,
    /// What a share of the host's CPU, resident memory and IO counts in the score. Default 1, 1, 0.5.
    pub weights: [f64; 3],
    /// The half-life of the score, in scans. Default 3; 0 judges each window by itself.
    pub half_life: f64,
    /// By how much a newcomer has to exceed a member to take its place. Default 0.1.
    pub hysteresis: f64,
    /// Windows that a member stays at least. Default 2.
    pub residency: u32,
}

impl Default for Top {
    fn default() -> Self {
        Self {
            most: 200,
            capture: 0.95,
            weights: [1.0, 1.0, 0.5],
            half_life: 3.0,
            hysteresis: 0.1,
            residency: 2,
        }
    }
}

/// How all others are summed: by display name and...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// ...by container. Default false.
    pub by_container: bool,
    /// ...by user. Default false.
    pub by_user: bool,
    /// Rows at most; the rest is summed as one. Default 256.
    pub groups: u32,
}

impl Default for Tail {
    fn default() -> Self {
        Self { by_container: false, by_user: false, groups: 256 }
    }
}

/// Who may have a row of its own: patterns in which `*` stands for any run of characters. Whoever may not is in the sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// If not empty, only these. Each is `name:PATTERN`, `user:PATTERN`, `cgroup:PATTERN` or `container:PATTERN`.
    pub include: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
}

/// Sketches.
#[derive(Clone, Debug, PartialEq)]
pub struct SketchSettings {
    /// The relative accuracy. Default 0.0075. A change takes effect with the next window.
    pub accuracy: f64,
    /// Base 2 at scale 6 in place of the logarithm at `accuracy`: converts to OpenTelemetry without loss. Default false.
    pub base2: bool,
}

impl Default for SketchSettings {
    fn default() -> Self {
        Self { accuracy: 0.0075, base2: false }
    }
}

/// Processes that live for a short time are summarised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ephemeral {
    /// Those that lived for less. Default 5 s.
    pub under: Duration,
    /// Summaries in a window at most; the rest is one. Default 256.
    pub groups: u32,
}

impl Default for Ephemeral {
    fn default() -> Self {
        Self { under: Duration::from_secs(5), groups: 256 }
    }
}

/// What the agent and its parts may use before less is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watchdog {
    /// CPU time of the agent, in percent of one core. Default 2.
    pub cpu_percent: f64,
    /// CPU time of any one of its parts, in percent of one core. Default 1.5.
    pub part_cpu_percent: f64,
    /// Resident memory of the agent, in MB (10^6). Default 100.
    pub memory_mb: u64,
    /// Memory of any one of its parts, where that is known, in MB (10^6). Default 64.
    pub part_memory_mb: u64,
    /// Open files of the agent, beside those that its parts account for. Default 1,024.
    pub fds: u32,
    /// A part that says nothing for this long has failed. Default 30 s.
    pub heartbeat: Duration,
    /// Readings in a row that have to be over a limit before less is sent. Default 3.
    pub readings: u32,
    /// How long a step is given to show. Default 30 s.
    pub settle: Duration,
    /// How long all has to be well below the limits before more is sent again; doubled by each step up that failed. Default 60 s.
    pub recover: Duration,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            cpu_percent: 2.0,
            part_cpu_percent: 1.5,
            memory_mb: 100,
            part_memory_mb: 64,
            fds: 1024,
            heartbeat: Duration::from_secs(30),
            readings: 3,
            settle: Duration::from_secs(30),
            recover: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// The defaults with what `text` says, which is TOML.
    ///
    /// # Errors
    /// As [`patch`](Self::patch).
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        Self::default().patch(text)
    }

    /// These settings with what `text` says: all of it or nothing.
    ///
    /// # Errors
    /// The first thing that is wrong: its line, what was expected and what was found.
    pub fn patch(&self, text: &str) -> Result<Self, SettingsError> {
        self.patch_beside(text, &[])
    }

    /// As [`patch`](Self::patch), of a text that holds settings of other crates too, in the tables that `others` names.
    ///
    /// # Errors
    /// As [`patch`](Self::patch); what is inside of those tables is not looked at.
    pub fn patch_beside(&self, text: &str, others: &[&str]) -> Result<Self, SettingsError> {
        SCHEMA.patch(self, text, others)
    }

    /// Says which value cannot be, in settings that were made by code.
    ///
    /// # Errors
    /// [`SettingsError::Value`] for the first one.
    pub fn check(&self) -> Result<(), SettingsError> {
        SCHEMA.check(self)
    }

    /// These settings as a file that reads back as them.
    #[must_use]
    pub fn to_toml(&self) -> String {
        SCHEMA.file(self)
    }

    /// What differs in `next`, each with when that takes effect.
    #[must_use]
    pub fn changes(&self, next: &Self) -> Vec<Changed> {
        SCHEMA.changes(self, next)
    }

    /// What of `next` is in force before the next window begins: a window has one accuracy and one length.
    #[must_use]
    pub fn within_window(&self, next: &Self) -> Self {
        SCHEMA.at_once(self, next)
    }
}

/// Every setting as a table of Markdown: `settings.md`.
#[must_use]
pub fn docs() -> String {
    SCHEMA.docs(&Settings::default())
}

/// A file with every setting at its default, and what each does: `settings.toml`.
#[must_use]
pub fn default_file() -> String {
    Settings::default().to_toml()
}
