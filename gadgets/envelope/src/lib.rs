#![doc = include_str!("../README.md")]

mod envelope;
mod error;
// Written by the generator from the files of `proto/`, and formatted by it.
#[rustfmt::skip]
mod generated;
mod outbox;
mod rows;
mod text;
mod validate;

pub use envelope::{AgentIdentity, Envelope, Kind, MOST_BYTES};
pub use error::EnvelopeError;
pub use generated::*;
pub use outbox::Outbox;
pub use text::{escape, unescape};
pub use validate::SKETCH_VERSION;

/// The messages as an encoded `google.protobuf.FileDescriptorSet`, for whoever reads them by reflection; the files that come with
/// every protobuf library are not in it.
pub const DESCRIPTOR: &[u8] = include_bytes!("descriptor.binpb");
