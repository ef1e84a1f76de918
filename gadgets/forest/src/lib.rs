#![doc = include_str!("../README.md")]

mod forest;
#[cfg(feature = "train")]
pub mod train;

pub use forest::{Forest, ForestError, KNOTS, MOST_FEATURES, Shape, fingerprint};
