//! Pressure stall information: files, triggers and the watch that replaces them.

mod parse;
mod provider;

pub use parse::parse_pressure;
pub use provider::PressureProvider;
