//! The vocabulary, traits, policy, ledger and agent that every gadget stands on.

#[cfg(test)]
extern crate self as gadget_core;

mod action;
mod agent;
mod backoff;
mod clock;
mod gadget;
mod governor;
mod ledger;
mod model;
mod plan;
mod policy;
mod provider;
mod recording;
mod rehearsal;
mod relations;
mod signal;
mod subject;
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
pub use signal::{
    CgroupCpu, CgroupMemory, CgroupMemoryEvents, CgroupMemoryStat, CgroupPids, HostCpu, HostMemory,
    IoCount, Paging, Pressure, ProcessUsage, Reading, Resource, Signal, Stall,
};
pub use subject::{
    CgroupId, CgroupIdentity, CgroupVersion, Container, HostFacts, ProcessId, ProcessIdentity,
    QosClass, Runtime, Subject,
};
pub use units::{Bytes, MemoryLimit, OutOfRange, Percent, Probability, Timestamp};
pub use world::{Cgroup, Host, Process, World};

/// A policy with every key, its meaning and its default: `policy.toml` of this crate.
pub const REFERENCE_POLICY: &str = include_str!("../policy.toml");
