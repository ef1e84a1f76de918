//! Carries envelopes to where they are kept.

#[cfg(feature = "json")]
pub mod json;
#[cfg(any(feature = "http", feature = "grpc"))]
pub mod otlp;
pub mod pipeline;
pub mod prometheus;
pub mod spool;

#[cfg(feature = "json")]
pub use json::{JsonError, JsonLines};
#[cfg(feature = "grpc")]
pub use otlp::OtlpGrpc;
#[cfg(feature = "http")]
pub use otlp::OtlpHttp;
pub use pipeline::{
    Batch, ExportError, ExportHandle, ExportSettings, ExportStats, Outcome, Pipeline, Protocol,
    Sender, Stage,
};
pub use prometheus::{AgentMetric, Exposition, Limits, MetricKind, Prometheus};
pub use spool::{Frame, Frames, Record, Spool, SpoolOptions, SpoolStats};
