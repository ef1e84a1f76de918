//! What threads of real programs wait for: compiled here, run, and looked at.
//!
//! The programs need a C compiler; where there is none each test says so and is not counted as run. The parsers and the
//! layouts of locks are tested beside the code, everywhere.

#![allow(clippy::unwrap_used)] // All of it is tests.

#[path = "threads/child.rs"]
mod child;
#[path = "threads/hostile.rs"]
mod hostile;
#[path = "threads/locks.rs"]
mod locks;
#[path = "threads/sweeps.rs"]
mod sweeps;
