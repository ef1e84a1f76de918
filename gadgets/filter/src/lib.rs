#![doc = include_str!("../README.md")]

mod builtin;
#[cfg(feature = "envelope")]
mod envelope;
mod filter;
mod manifest;
mod package;
mod pipeline;
#[cfg(feature = "wasm")]
mod wasm;

pub use builtin::{Secrets, Truncate};
pub use filter::{Answer, Fields, Filter, MARKER, Reason};
pub use manifest::{ABI, Manifest};
pub use package::{LoadError, MOST_MANIFEST, MOST_MODULE, Package, TrustedKeys, Verified, seal};
pub use pipeline::{Counts, Diagnostic, Event, Pipeline, Stage};
#[cfg(feature = "wasm")]
pub use wasm::{Limits, Plugin, Runtime};
