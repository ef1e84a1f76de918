//! What a sketch promises: accuracy, merging in any order, its bytes, and exchange with others.

#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

mod accuracy;
mod bytes;
mod data;
mod exponential;
mod merging;
mod message;
mod python;
