//! Filters that need no plug-in.

mod secrets;
mod truncate;

pub use secrets::Secrets;
pub use truncate::Truncate;
