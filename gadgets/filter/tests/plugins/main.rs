//! Plug-ins in the engine.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not what they call")]

mod common;
mod hostile;
mod samples;
