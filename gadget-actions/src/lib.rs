//! Action backends: real effects on a Linux host, each with its undo.

mod ability;
mod capability;
mod cgroup;
mod error;
mod file;
mod linux;
mod process;
mod setting;
mod sys;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use linux::{Linux, LinuxBuilder, linux};
