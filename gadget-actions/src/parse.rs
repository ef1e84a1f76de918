//! The parsers of what processes and their runtimes say: pure functions, for tests and fuzzing.
//!
//! None of this text can be trusted; a parser leaves out what it does not understand and never panics.

#[cfg(all(feature = "stacks", target_arch = "x86_64"))]
pub use crate::capture::{Elf, Image, Mapping, Table, parse_maps as maps};
pub use crate::capture::{Left, parse_syscall as syscall};
pub use crate::runtime::deadlocks;
