//! What the last window said, for Prometheus to scrape.
//!
//! ```no_run
//! use gadget_export::{Exposition, Prometheus};
//!
//! let exposition = Exposition::default();
//! let server = Prometheus::serve(Prometheus::ADDRESS, exposition.clone())?;
//! println!("http://{}/metrics", server.address());
//! // For each envelope: exposition.absorb(&envelope);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Processes come and go, and a process that has a row in one window may be part of a sum in the next. A counter of its CPU time
//! would stand still and jump: so what is about single processes and groups are gauges *of one window*. Rows (`surveyor_process_*`)
//! and sums (`surveyor_group_*`) add up to the window's totals (`surveyor_window_*`), exactly. What is about the host as a whole is
//! counted since the agent began (`*_total`). Quantiles of a summary are of the last window, its count and sum since the series
//! began.

mod counts;
mod exposition;
mod groups;
mod lifecycle;
mod server;
mod sketches;
mod text;

pub use exposition::{AgentMetric, Exposition, Limits, MetricKind};
pub use server::Prometheus;
