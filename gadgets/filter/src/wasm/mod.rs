//! Plug-ins in WebAssembly.

mod plugin;
mod runtime;
mod ticker;

pub use plugin::Plugin;
pub use runtime::{Limits, Runtime};
