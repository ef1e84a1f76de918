//! Carries envelopes to where they are kept.

#[cfg(feature = "json")]
pub mod json;
pub mod prometheus;

#[cfg(feature = "json")]
pub use json::{JsonError, JsonLines};
pub use prometheus::{AgentMetric, Exposition, Limits, MetricKind, Prometheus};
