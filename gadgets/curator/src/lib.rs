//! Finds personal data and secrets in log lines and redacts them before they leave the host.

mod armor;
mod curator;
mod entity;
pub mod label;
pub mod learn;
mod pipeline;
mod provider;
mod redact;
mod report;
pub mod scan;
mod span;
mod suspicion;
mod validate;

pub use curator::{Curator, CuratorSettings};
pub use entity::Entity;
pub use label::{Labeller, Triage};
pub use pipeline::{Pipeline, PipelineCounts, PipelineSettings};
pub use provider::RuleReports;
pub use redact::{Replaced, Style};
pub use report::{Found, Leak, LeakReport, MOST_LEAKS};
pub use scan::Scanner;
pub use span::{Finder, Span};

/// The name under which policies, ledgers and metrics know it.
const NAME: &str = "curator";

/// The policy that the Curator's own program acts by where no operator has given one: it may adopt and retire what it has learned, and
/// nothing else.
pub const POLICY: &str = include_str!("../policy.toml");
