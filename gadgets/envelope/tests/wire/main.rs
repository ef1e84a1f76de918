//! What goes over the wire: its form, its bytes and its contract.

#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

mod golden;
mod sample;
mod validate;
