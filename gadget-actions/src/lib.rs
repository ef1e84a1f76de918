//! Action backends: real effects on a Linux host, each with its undo.
//!
//! [`linux`] is the backend of the host it runs on. It says what it cannot do before any plan is reviewed, and carries out
//! nothing without a permit that is on record:
//!
//! ```
//! use gadget_core::{Action, StepKind};
//!
//! let actions = gadget_actions::linux();
//! for &kind in StepKind::ALL {
//!     if let Err(reason) = actions.supports(kind) {
//!         println!("not on this host: {reason}");
//!     }
//! }
//! ```
#![doc = "\n"]
#![doc = include_str!("../README.md")]

mod ability;
mod capability;
mod capture;
mod cgroup;
mod command;
mod error;
mod file;
mod host;
mod job;
mod linux;
mod logs;
pub mod parse;
mod process;
mod runtime;
mod service;
mod setting;
mod survive;
mod sys;
mod telemetry;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use capture::{Registers, UserRegisters};
pub use command::{Argv, NotAbsolute};
pub use linux::{Linux, LinuxBuilder, linux};
pub use runtime::{Collector, RuntimeReports};
pub use survive::{Locked, Survival, survive};
