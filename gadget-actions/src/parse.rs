//! The parsers of what processes and their runtimes say: pure functions, for tests and fuzzing.
//!
//! None of it can be trusted: a parser leaves out what it does not understand and never panics.

pub use crate::capture::{Left, parse_syscall as syscall};
#[cfg(all(feature = "stacks", target_arch = "x86_64"))]
pub use crate::capture::{Mapping, follow as unwind_tables, parse_maps as maps};
pub use crate::runtime::deadlocks;
