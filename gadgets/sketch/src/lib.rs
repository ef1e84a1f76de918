#![doc = include_str!("../README.md")]

mod bytes;
mod error;
mod exponential;
mod mapping;
mod message;
pub mod proto;
mod sketch;
mod store;
mod sum;

pub use error::{DecodeError, MappingError, MergeError};
pub use exponential::{Buckets, ExponentialHistogram};
pub use mapping::Mapping;
pub use message::{Keys, Summary};
pub use sketch::{MAX_COUNT, Sketch};
pub use store::MAX_BINS;
