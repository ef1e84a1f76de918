//! The Pathologist finds processes that live but do not work, and proves a deadlock.
//!
//! It reads what the threads of a process wait for, follows the owners of their locks, and says with which evidence a
//! process is stuck: `thread 4127 waits for the lock at 0x7f10a0 held by 4128, which waits for 0x7f1060 held by 4127, since
//! 14:45:07; 12 clients are queued`. Only what is proved, twice and for a while, is proposed to be ended, and never before
//! its stacks were captured. It touches nothing itself: an agent's policy decides what becomes of a plan.
//!
//! ```
//! use std::time::Duration;
//! use gadget_pathologist::Pathologist;
//!
//! let pathologist = Pathologist::builder().sustained(Duration::from_secs(120)).build()?;
//! assert_eq!(pathologist.suspects().count(), 0);
//! # Ok::<(), gadget_pathologist::PathologistError>(())
//! ```

pub mod behaviour;
mod case;
mod config;
mod evidence;
mod graph;
mod judge;
mod look;
mod pathologist;
mod plan;
mod roster;
mod runtimes;
mod state;
#[cfg(feature = "train")]
pub mod train;
mod treatment;

pub use config::{PathologistBuilder, PathologistError, PathologistSettings};
pub use graph::{Cycle, LockGraph};
pub use pathologist::Pathologist;
pub use state::{EvidenceKind, State};

/// The name under which policies, ledgers and metrics know it.
const NAME: &str = "pathologist";

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
