//! Finds personal data and secrets in log lines and redacts them before they leave the host.

mod entity;
mod span;

pub use entity::Entity;
pub use span::{Finder, Span};
