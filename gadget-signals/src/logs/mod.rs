//! Log lines: files as they rotate, and the other places where a host's programs leave them.
//!
//! Every source is a [`LogInput`](gadget_core::LogInput): whoever asks gets a batch of lines, each with where it came from and what
//! is known of it, and who does not ask holds the source back.

mod line;
pub(crate) mod tail;

pub use line::{Head, When, head, severity, written};
