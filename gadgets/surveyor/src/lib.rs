//! The Surveyor counts every process, keeps those that matter in full, and the rest in sums and sketches.

pub mod settings;
pub mod watchdog;

/// The policy that the Surveyor's own program acts by where no operator has given one: it may change what the agent sends, and
/// nothing else.
pub const POLICY: &str = include_str!("../policy.toml");
