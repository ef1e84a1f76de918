//! The Surveyor counts every process, keeps those that matter in full, and the rest in sums and sketches.
//!
//! It sees censuses and puts envelopes into an outbox, and does no more than that: no clock, no files, no randomness, so that the
//! same signals give the same envelopes. What the numbers mean, and what bounds there are, is in the crate's README.
//!
//! ```
//! use gadget_core::{Census, CensusSource, Gadget, HostFacts, Plans, Reading, Signal, Subject, Timestamp, World};
//! use gadget_envelope::{AgentIdentity, Envelope};
//! use gadget_surveyor::Surveyor;
//! use gadget_surveyor::settings::Settings;
//! use std::time::Duration;
//!
//! let mut surveyor = Surveyor::builder()
//!     .settings(Settings::from_toml("[telemetry]\nwindow = 1")?)
//!     .identity(AgentIdentity { entity_guid: "host-7".into(), ..AgentIdentity::default() })
//!     .build()?;
//! let facts = HostFacts { boot_id: "b".into(), kernel: "6.12".into(), agent_pid: 9, cpus: 2 };
//! let (world, mut plans) = (World::new(facts), Plans::default());
//! for secs in [1_000, 1_002] {
//!     let busy = Duration::from_secs(secs);
//!     let (source, cost) = (CensusSource::Files, Duration::ZERO);
//!     let census = Census { source, over: None, cost, busy, vanished: 0, rows: Vec::new() };
//!     let at = Timestamp::from_secs(secs);
//!     let reading = Reading::Census(census.into());
//!     surveyor.observe(&Signal { at, subject: Subject::Host, reading });
//!     surveyor.plan(at, &world, &mut plans);
//! }
//! let mut windows = Vec::new();
//! surveyor.outbox().drain(|envelope| {
//!     if let Envelope::Process(window) = envelope {
//!         windows.push(window.payload.unwrap_or_default().totals.unwrap_or_default().busy_ns);
//!     }
//! });
//! assert_eq!(windows, [2_000_000_000]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod ephemeral;
mod names;
mod rank;
mod reload;
mod report;
mod rows;
mod send;
pub mod settings;
mod sketches;
mod surveyor;
mod tail;
mod usage;
pub mod watchdog;
mod window;

pub use builder::{SurveyorBuilder, SurveyorError};
pub use surveyor::Surveyor;

/// The name under which policies, ledgers and metrics know it.
const NAME: &str = "surveyor";

/// The policy that the Surveyor's own program acts by where no operator has given one: it may change what the agent sends, and
/// nothing else.
pub const POLICY: &str = include_str!("../policy.toml");

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
