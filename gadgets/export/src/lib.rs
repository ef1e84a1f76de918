//! Carries envelopes to where they are kept.

#[cfg(feature = "json")]
pub mod json;
pub mod prometheus;
pub mod spool;

#[cfg(feature = "json")]
pub use json::{JsonError, JsonLines};
pub use prometheus::{AgentMetric, Exposition, Limits, MetricKind, Prometheus};
pub use spool::{Frame, Frames, Record, Spool, SpoolOptions, SpoolStats};
