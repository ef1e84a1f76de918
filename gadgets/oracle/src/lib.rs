//! The Oracle foresees out of memory, on the host and in every cgroup with a limit.
//!
//! It reads how memory that cannot be reclaimed grows, says when the limit will be met and how likely that is, finds the
//! process whose growth leads there, and proposes the mildest step that is still in time. It touches nothing itself: an
//! agent's policy decides what becomes of a plan.
//!
//! ```
//! use std::time::Duration;
//! use gadget_oracle::Oracle;
//!
//! let oracle = Oracle::builder().horizon(Duration::from_secs(120)).build()?;
//! assert_eq!(oracle.forecasts().count(), 0);
//! # Ok::<(), gadget_oracle::OracleError>(())
//! ```

mod config;
mod culprit;
mod features;
mod forecast;
mod forest;
mod judge;
mod ladder;
mod oracle;
mod pace;
mod processes;
mod regress;
mod series;
mod swing;
mod track;
#[cfg(feature = "train")]
pub mod train;
mod window;

pub use config::{OracleBuilder, OracleError, OracleSettings};
pub use culprit::Culprit;
pub use features::{FEATURES, Feature, Row, fingerprint};
pub use forecast::{Class, Forecast, statistical_probability, together};
pub use forest::{Forest, ForestError};
pub use oracle::{Oracle, Record};

/// The name under which policies, ledgers and metrics know it.
const NAME: &str = "oracle";

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
