//! Made-up hosts through the gadget, down to envelopes.

#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

mod acting;
mod bad_input;
mod exact;
mod host;
mod modes;
mod short_lives;
mod windows;
