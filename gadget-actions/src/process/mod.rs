//! Steps on processes.

mod attribute;
mod ending;
mod steps;
mod target;
mod tree;

pub(crate) use ending::{Ending, Means, Pool, Who};
pub(crate) use target::{Stat, Target, pid_path};
pub(crate) use tree::MAX_HELD;
#[cfg(test)]
pub(crate) use tree::find;
