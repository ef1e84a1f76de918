//! The Surveyor counts every process, keeps those that matter in full, and the rest in sums and sketches.

mod filter;
mod lives;
mod names;
mod rows;
mod send;
pub mod settings;
mod sketches;
mod surveyor;
mod tail;
mod top;
mod used;
pub mod watchdog;

pub use surveyor::{Surveyor, SurveyorBuilder};

/// The policy that the Surveyor's own program acts by where no operator has given one: it may change what the agent sends, and
/// nothing else.
pub const POLICY: &str = include_str!("../policy.toml");
