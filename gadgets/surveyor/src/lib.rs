//! The Surveyor counts every process, keeps those that matter in full, and the rest in sums and sketches.

mod builder;
mod ephemeral;
mod names;
mod rank;
mod reload;
mod report;
mod rows;
mod send;
pub mod settings;
mod sketches;
mod surveyor;
mod tail;
mod usage;
pub mod watchdog;
mod window;

pub use builder::{SurveyorBuilder, SurveyorError};
pub use surveyor::Surveyor;

/// The name under which policies, ledgers and metrics know it.
const NAME: &str = "surveyor";

/// The policy that the Surveyor's own program acts by where no operator has given one: it may change what the agent sends, and
/// nothing else.
pub const POLICY: &str = include_str!("../policy.toml");
