//! What an operator can set.

use std::time::Duration;

use gadget_core::Telemetry;

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

/// Scans in a window. Default 5, 1 to 3,600.
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
    /// How many at most. Default 200; never below the least.
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
    /// Resident memory of the agent, in MB (10^6). Default 100.
    pub memory_mb: u64,
    /// Open files of the agent. Default 1,024, beside those that the census keeps open.
    pub fds: u32,
    /// A part that says nothing for this long has failed. Default 30 s.
    pub heartbeat: Duration,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { cpu_percent: 2.0, memory_mb: 100, fds: 1024, heartbeat: Duration::from_secs(30) }
    }
}
