//! Action backends: real effects on a Linux host, each with its undo.

mod ability;
mod capability;
mod cgroup;
mod command;
mod error;
mod file;
mod host;
mod job;
mod linux;
mod process;
mod runtime;
mod service;
mod setting;
mod survive;
mod sys;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use command::{Argv, NotAbsolute};
pub use linux::{Linux, LinuxBuilder, linux};
pub use runtime::Collector;
pub use survive::{Locked, Survival, survive};
