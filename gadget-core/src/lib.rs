//! The vocabulary, traits, policy, ledger and agent that every gadget stands on.
//!
//! [`Signal`]s go into an [`Agent`], from a [`SignalProvider`] or from collectors of your own. A [`Gadget`] sees them, states
//! what it thinks as an [`Assessment`], and proposes a [`Plan`]: one typed [`Step`] on one identified [`Target`]. The
//! [`Policy`] reviews it and may give a [`Permit`]; the [`Ledger`] writes plan and [`Undo`] down and makes the permit usable;
//! an [`Action`] carries it out. The agent then looks whether the expected change comes, and puts the effect back if not.
//!
//! This crate knows no kernel and starts no thread unless [`Agent::run`] is called. A first gadget:
//!
//! ```
//! use gadget_core::{
//!     Agent, Assessment, Bytes, Event, Evidence, Gadget, HostMemory, Name, Plans, Probability, Reading, Signal,
//!     Subject, Timestamp, World,
//! };
//!
//! /// Says when less than a tenth of the host's memory is available.
//! #[derive(Clone)]
//! struct Lookout;
//!
//! impl Gadget for Lookout {
//!     fn name(&self) -> Name {
//!         "lookout".into()
//!     }
//!     fn observe(&mut self, _: &Signal) {}
//!     fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
//!         let Some(memory) = world.host().memory else { return };
//!         let share = memory.available.as_f64() / memory.total.as_f64();
//!         if share < 0.1 {
//!             plans.assess(Assessment {
//!                 gadget: self.name(),
//!                 at: now,
//!                 subject: Subject::Host,
//!                 class: "low".into(),
//!                 probability: Probability::ONE,
//!                 eta: None,
//!                 culprit: None,
//!                 statement: None,
//!                 evidence: Evidence::from_iter([("available_share".into(), share)]),
//!             });
//!         }
//!     }
//! }
//!
//! let mut agent = Agent::builder()
//!     .gadget(Lookout)
//!     .on_event(|event, _world| assert!(matches!(event, Event::Assessed(_))))
//!     .build()?;
//! let now = Timestamp::from_secs(1_800_000_000);
//! let memory = HostMemory {
//!     total: Bytes::from_mib(1024),
//!     available: Bytes::from_mib(64),
//!     ..HostMemory::default()
//! };
//! let signal = Signal { at: now, subject: Subject::Host, reading: Reading::HostMemory(memory) };
//! agent.step(&[signal], now);
//! # Ok::<(), gadget_core::BuildError>(())
//! ```

#[cfg(test)]
extern crate self as gadget_core;

mod action;
mod agent;
mod backoff;
mod clock;
mod flush;
mod gadget;
mod governor;
mod ledger;
mod log;
mod model;
mod plan;
mod policy;
mod provider;
mod recording;
mod rehearsal;
mod relations;
mod replace;
mod rules;
mod schema;
mod signal;
mod subject;
mod telemetry;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
mod units;
mod world;

pub use action::{
    Action, ActionError, Effect, NoActions, Setting, Stopped, Summary, Undo, Value, summary,
};
pub use agent::{Agent, AgentBuilder, BuildError, Event, GadgetCost, StepReport, Stop};
pub use backoff::Backoff;
pub use clock::{Clock, ManualClock, SystemClock};
pub use flush::{FlushQueue, FlushRequest};
pub use gadget::{Gadget, Idle};
pub use governor::{
    Accounting, Breaker, BreakerState, Budget, Cost, Governor, Meter, Pace, resident, thread_cpu,
};
#[cfg(any(test, feature = "test-util"))]
pub use ledger::crash_point;
pub use ledger::{
    Carried, Diagnostic, Ending, Entry, Ledger, LedgerError, LedgerSettings, Outcome, PastEffect,
    Record, RecordedPermit, Records, Unfinished, Verified, recover,
};
pub use log::{
    LogBatch, LogFlags, LogInput, LogLine, LogMeta, LogRead, LogSource, LogSources, Severity,
    SourceId,
};
pub use model::{Assessment, Estimate, Evidence, MAX_EVIDENCE, Model, Name};
pub use plan::{
    Change, Expectation, Metric, Plan, PlanId, Plans, Reach, Risk, Step, StepKind, Target,
};
pub use policy::{
    ApprovalInbox, Autonomy, Cooling, Extent, Glob, Grants, GuardName, Opinion, Permit, Policy,
    PolicyError, PolicySettings, Refusal, Request, Review, Verdict, settings,
};
pub use provider::{Scope, SignalError, SignalProvider, Signals, Silent};
pub use recording::{Recorder, Recording, RecordingError, ReplaySummary, replay};
pub use rehearsal::Rehearsal;
pub use replace::{ensure_regular, replace_file, sync_folder};
pub use rules::{NotARuleState, RuleState, RuleStates};
pub use schema::{Changed, Field, Key, Rule, Schema, SettingsError, Table, TextCheck};
pub use signal::{
    BlockLatency, BlockOperation, CaptureCall, Census, CensusChange, CensusRow, CensusSource,
    CgroupCpu, CgroupMemory, CgroupMemoryEvents, CgroupMemoryStat, CgroupPids, Comm, End, Exit,
    ExitSource, Exits, Futex, HostCpu, HostMemory, IoCount, KernelCost, LATENCY_BUCKETS, Latencies,
    Lifecycle, Listener, Lock, LockKind, LogActivity, LogTemplate, ModuleUse, MonitorWait,
    PageFaults, Paging, Peer, Pressure, ProcessDetail, ProcessUsage, Reading, Reclaim, Resource,
    RuleReport, RuntimeReport, Scheduling, ServiceLogs, SettingsText, Signal, SpanStats, Stall,
    Syscalls, Tcp, Thread, Threads, Users, Wait, Wakers,
};
pub use subject::{
    CgroupId, CgroupIdentity, CgroupVersion, Container, FutexAddress, HostFacts, ProcessId,
    ProcessIdentity, QosClass, Runtime, Subject, ThreadId,
};
pub use telemetry::{NotTelemetry, Telemetry, TelemetryCell, TelemetryLevel};
pub use units::{Bytes, MemoryLimit, OutOfRange, Percent, Probability, Timestamp};
pub use world::{Cgroup, Host, Process, World};

/// A policy with every key, its meaning and its default: `policy.toml` of this crate.
pub const REFERENCE_POLICY: &str = include_str!("../policy.toml");
