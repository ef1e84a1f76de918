//! A plan: one typed step on one target, with its evidence, the effect it expects, and by when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Assessment, Evidence, Name};
use crate::rules::RuleState;
use crate::subject::Subject;
use crate::telemetry::Telemetry;
use crate::units::{Bytes, MemoryLimit, Probability, Timestamp};

/// Identifies a plan within one ledger; counts up and is never used twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PlanId(pub u64);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What can be done to a host. Each step says its own risk and whether it can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Step {
    /// Ask the kernel to reclaim this much from a cgroup (`memory.reclaim`; v1 `memory.force_empty`).
    Reclaim {
        /// How much.
        amount: Bytes,
    },
    /// Drop clean caches of the host (`/proc/sys/vm/drop_caches`).
    DropCaches {
        /// 1 page cache, 2 dentries and inodes, 3 both.
        level: u8,
    },
    /// Ask a process's runtime to collect garbage.
    CollectGarbage,
    /// Set a cgroup's throttling limit (v2 only).
    SetMemoryHigh {
        /// The new limit.
        to: MemoryLimit,
    },
    /// Set a cgroup's hard limit.
    SetMemoryMax {
        /// The new limit.
        to: MemoryLimit,
    },
    /// Freeze a cgroup: its processes stop running and keep their memory.
    Freeze,
    /// Stop a process with `SIGSTOP`.
    Pause,
    /// End a process: `SIGTERM`, a time of grace, then `SIGKILL`.
    Terminate {
        /// Time between the two signals.
        grace: Duration,
    },
    /// End a process with `SIGKILL`, or all of a cgroup (`cgroup.kill`), and reap its memory at once.
    Kill,
    /// Restart the service that the target belongs to.
    Restart,
    /// Set a process's nice value, -20 to 19.
    SetNice {
        /// The new value.
        to: i8,
    },
    /// Set a process's IO priority (`ioprio_set`).
    SetIoPriority {
        /// 1 real time, 2 best effort, 3 idle.
        class: u8,
        /// 0 (first) to 7 (last); ignored for idle.
        level: u8,
    },
    /// Set which processors a process may run on.
    SetAffinity {
        /// One bit per processor, the first 64.
        cpus: u64,
    },
    /// Set `oom_score_adj`, -1000 to 1000.
    SetOomScoreAdj {
        /// The new value.
        to: i16,
    },
    /// Set a cgroup's CPU quota.
    SetCpuMax {
        /// CPU time per period; none for no quota.
        quota: Option<Duration>,
        /// The period.
        period: Duration,
    },
    /// Set a cgroup's share of CPU, 1 to 10,000 (v1 `cpu.shares` is converted).
    SetCpuWeight {
        /// The new weight.
        to: u16,
    },
    /// Set a cgroup's IO limit on one device (v1 `blkio.throttle.*`).
    SetIoMax {
        /// Major and minor number.
        device: (u32, u32),
        /// Bytes read per second; none for no limit.
        read: Option<Bytes>,
        /// Bytes written per second; none for no limit.
        write: Option<Bytes>,
    },
    /// Set a cgroup's limit of tasks.
    SetPidsMax {
        /// The new limit; none for no limit.
        to: Option<u64>,
    },
    /// Set a kernel setting under `/proc/sys`.
    SetSysctl {
        /// The key with dots or slashes: `vm.swappiness`.
        key: Name,
        /// The new value.
        value: Name,
    },
    /// Write dirty data of all file systems to storage.
    Sync,
    /// Record what every thread of a process is doing: its stacks, its lock graph, its runtime's own dump.
    CaptureStacks,
    /// Change what the agent sends of what it sees.
    SetTelemetry {
        /// What is sent from then on.
        to: Telemetry,
    },
    /// Put a learned rule of redaction in force, on trial or out of use. It stays so until another such step; that the agent was
    /// ended in the middle of it is put right at the next start.
    SetRule {
        /// The rule's number.
        rule: u32,
        /// What it may do from then on.
        to: RuleState,
    },
    /// Send what was logged in this time.
    FlushLogs {
        /// The first moment...
        from: Timestamp,
        /// ...and the last.
        until: Timestamp,
    },
    /// Run a hook that the operator configured under this name.
    Hook {
        /// The hook's name.
        name: Name,
    },
}

/// How much harm a step can do when it was the wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Nobody notices, except perhaps in performance.
    Low,
    /// Somebody is slowed or stopped, and it can be undone.
    Medium,
    /// Somebody's work is lost.
    High,
}

macro_rules! step_kinds {
    ($($kind:ident $name:literal $risk:ident $reversible:literal: $pattern:pat,)*) => {
        /// The kind of a step, without its values: what policies grant and cooldowns count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "each is the kind of the Step of the same name")]
        pub enum StepKind { $($kind,)* }

        impl StepKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];
            /// The name used in policies, ledgers and logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
            /// How much harm it can do when it was the wrong one.
            #[must_use]
            pub const fn risk(self) -> Risk {
                match self { $(Self::$kind => Risk::$risk,)* }
            }
            /// True if what it changes can be put back.
            #[must_use]
            pub const fn reversible(self) -> bool {
                match self { $(Self::$kind => $reversible,)* }
            }
        }

        impl Step {
            /// The kind of this step.
            #[must_use]
            pub const fn kind(&self) -> StepKind {
                match self { $($pattern => StepKind::$kind,)* }
            }
        }
    };
}

step_kinds! {
    Reclaim "reclaim" Low false: Step::Reclaim { .. },
    DropCaches "drop-caches" Low false: Step::DropCaches { .. },
    CollectGarbage "collect-garbage" Low false: Step::CollectGarbage,
    SetMemoryHigh "set-memory-high" Medium true: Step::SetMemoryHigh { .. },
    SetMemoryMax "set-memory-max" Medium true: Step::SetMemoryMax { .. },
    Freeze "freeze" Medium true: Step::Freeze,
    Pause "pause" Medium true: Step::Pause,
    Terminate "terminate" High false: Step::Terminate { .. },
    Kill "kill" High false: Step::Kill,
    Restart "restart" High false: Step::Restart,
    SetNice "set-nice" Low true: Step::SetNice { .. },
    SetIoPriority "set-io-priority" Low true: Step::SetIoPriority { .. },
    SetAffinity "set-affinity" Medium true: Step::SetAffinity { .. },
    SetOomScoreAdj "set-oom-score-adj" Low true: Step::SetOomScoreAdj { .. },
    SetCpuMax "set-cpu-max" Medium true: Step::SetCpuMax { .. },
    SetCpuWeight "set-cpu-weight" Low true: Step::SetCpuWeight { .. },
    SetIoMax "set-io-max" Medium true: Step::SetIoMax { .. },
    SetPidsMax "set-pids-max" Medium true: Step::SetPidsMax { .. },
    SetSysctl "set-sysctl" Medium true: Step::SetSysctl { .. },
    Sync "sync" Low false: Step::Sync,
    CaptureStacks "capture-stacks" Low false: Step::CaptureStacks,
    SetTelemetry "set-telemetry" Low true: Step::SetTelemetry { .. },
    SetRule "set-rule" Low false: Step::SetRule { .. },
    FlushLogs "flush-logs" Low false: Step::FlushLogs { .. },
    Hook "hook" High false: Step::Hook { .. },
}

impl StepKind {
    /// True if the effect may outlive a reboot, so that its record is synced to storage before it happens.
    #[must_use]
    pub const fn outlives_reboot(self) -> bool {
        matches!(self, Self::Hook | Self::Restart | Self::SetRule)
    }
}

impl StepKind {
    /// True if it is done to the agent itself, and to nothing on the host.
    #[must_use]
    pub const fn is_our_own(self) -> bool {
        matches!(self, Self::SetTelemetry | Self::SetRule | Self::FlushLogs)
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().name())?;
        match self {
            Self::Reclaim { amount } => write!(f, " {amount}"),
            Self::DropCaches { level } => write!(f, " level {level}"),
            Self::SetMemoryHigh { to } | Self::SetMemoryMax { to } => match to {
                MemoryLimit::Unlimited => f.write_str(" to max"),
                MemoryLimit::At(bytes) => write!(f, " to {bytes}"),
            },
            Self::Terminate { grace } => write!(f, ", grace {:.1} s", grace.as_secs_f64()),
            Self::SetNice { to } => write!(f, " to {to}"),
            Self::SetIoPriority { class, level } => write!(f, " to class {class} level {level}"),
            Self::SetAffinity { cpus } => write!(f, " to {cpus:#x}"),
            Self::SetOomScoreAdj { to } => write!(f, " to {to}"),
            Self::SetCpuMax { quota: Some(quota), period } => {
                write!(f, " to {} us per {} us", quota.as_micros(), period.as_micros())
            }
            Self::SetCpuMax { quota: None, .. } | Self::SetPidsMax { to: None } => {
                f.write_str(" to max")
            }
            Self::SetCpuWeight { to } => write!(f, " to {to}"),
            Self::SetIoMax { device: (major, minor), .. } => write!(f, " of {major}:{minor}"),
            Self::SetPidsMax { to: Some(to) } => write!(f, " to {to}"),
            Self::SetSysctl { key, value } => write!(f, " {key} = {value}"),
            Self::SetTelemetry { to } => write!(f, " to {to}"),
            Self::SetRule { rule, to } => write!(f, " {rule} to {to}"),
            Self::FlushLogs { from, until } => write!(f, " from {from} to {until}"),
            Self::Hook { name } => write!(f, " {name}"),
            Self::CollectGarbage
            | Self::Freeze
            | Self::Pause
            | Self::Kill
            | Self::Restart
            | Self::Sync
            | Self::CaptureStacks => Ok(()),
        }
    }
}

/// How far a step on a process reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reach {
    /// The subject alone.
    #[default]
    Alone,
    /// The process and all its descendants: a fork storm is one culprit.
    Tree,
}

/// What a step is done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The identity that was judged.
    pub subject: Subject,
    /// How far the step reaches.
    pub reach: Reach,
    /// What people call it: a `comm`, a cgroup path.
    pub name: Arc<str>,
}

/// Something that can be read off a subject and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Metric {
    /// Memory charged to a cgroup, or in use on the host (total less available), in bytes.
    MemoryUsed,
    /// Memory that reclaim cannot free: a cgroup's charge less its file cache and reclaimable slab, in bytes.
    MemoryUnreclaimable,
    /// A process's resident memory, in bytes.
    ProcessRss,
    /// Memory pressure `some avg10`, in percent.
    MemorySome10,
    /// Memory pressure `full avg10`, in percent.
    MemoryFull10,
    /// The agent's CPU time, in percent of one core, over the last seconds.
    AgentCpu,
    /// The agent's resident memory, in bytes.
    AgentMemory,
}

/// What should become true after a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// The metric falls to this or below.
    AtMost(Metric, #[serde(deserialize_with = "crate::ledger::float::float")] f64),
    /// The metric rises to this or above.
    AtLeast(Metric, #[serde(deserialize_with = "crate::ledger::float::float")] f64),
    /// The subject is gone.
    Gone,
    /// Nothing: the step only records.
    Nothing,
}

/// The effect that a plan expects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Where the change is to be seen; not always the target.
    pub subject: Subject,
    /// What should become true.
    pub change: Change,
    /// By when, counted from the effect.
    pub within: Duration,
}

/// One typed step on one target, with the reasons for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Given by the agent when the plan is proposed.
    pub id: PlanId,
    /// The gadget that proposes it.
    pub gadget: Name,
    /// When it was proposed.
    pub at: Timestamp,
    /// What to do.
    pub step: Step,
    /// To what.
    pub target: Target,
    /// Why, in a few words: `leak will exhaust the limit`.
    pub reason: Name,
    /// How sure the gadget is that the trouble is real.
    pub confidence: Probability,
    /// The readings behind it.
    #[serde(deserialize_with = "crate::ledger::float::evidence")]
    pub evidence: Evidence,
    /// What should become true, and by when.
    pub expects: Expectation,
    /// Predicted benefit less predicted cost, for choosing between plans; any scale, larger first.
    #[serde(deserialize_with = "crate::ledger::float::float")]
    pub merit: f64,
    /// How urgent: time left until the harm.
    pub deadline: Option<Duration>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on {} ({})", self.id, self.step, self.target.name, self.target.subject)?;
        if self.target.reach == Reach::Tree {
            f.write_str(" and its descendants")?;
        }
        write!(f, ": {}, confidence {}", self.reason, self.confidence)
    }
}

/// Where a gadget puts what it wants, each time it is asked.
#[derive(Debug)]
pub struct Plans {
    pub(crate) proposals: Vec<Plan>,
    pub(crate) assessments: Vec<Assessment>,
    pub(crate) records: Vec<Assessment>,
    pub(crate) watches: Vec<(Subject, Option<Duration>)>,
    pub(crate) releases: Vec<PlanId>,
}

impl Default for Plans {
    /// Empty, with room for what an incident brings: proposing a plan then does not allocate.
    fn default() -> Self {
        Self {
            proposals: Vec::with_capacity(16),
            assessments: Vec::with_capacity(16),
            records: Vec::new(),
            watches: Vec::with_capacity(64),
            releases: Vec::with_capacity(16),
        }
    }
}

impl Plans {
    /// Proposes a plan. The agent gives it its id, its time and its gadget's name; the policy decides.
    ///
    /// A gadget proposes a plan again each time it is asked for as long as it holds: how long it has held is one of the
    /// things a policy can ask for.
    pub fn propose(&mut self, plan: Plan) {
        self.proposals.push(plan);
    }

    /// States what the gadget thinks of a subject.
    pub fn assess(&mut self, assessment: Assessment) {
        self.assessments.push(assessment);
    }

    /// States something that is to be on record each time, also where it is of the class that was stated last: for what happens
    /// seldom and is told once.
    pub fn record(&mut self, assessment: Assessment) {
        self.records.push(assessment);
    }

    /// Asks for `subject` to be read at least every `every`, until [`unwatch`](Self::unwatch).
    pub fn watch(&mut self, subject: Subject, every: Duration) {
        self.watches.push((subject, Some(every)));
    }

    /// Gives faster sampling of `subject` back.
    pub fn unwatch(&mut self, subject: Subject) {
        self.watches.push((subject, None));
    }

    /// Says that a reversible effect is no longer needed, so that it is undone.
    pub fn release(&mut self, plan: PlanId) {
        self.releases.push(plan);
    }

    /// What was proposed and not yet taken by the agent.
    #[must_use]
    pub fn proposals(&self) -> &[Plan] {
        &self.proposals
    }

    /// What was stated and not yet taken by the agent.
    #[must_use]
    pub fn assessments(&self) -> &[Assessment] {
        &self.assessments
    }

    /// What is to be on record each time and was not yet taken by the agent.
    #[must_use]
    pub fn records(&self) -> &[Assessment] {
        &self.records
    }

    /// The sampling asked for and not yet taken by the agent; `None` gives it back.
    #[must_use]
    pub fn watches(&self) -> &[(Subject, Option<Duration>)] {
        &self.watches
    }

    /// The effects that are no longer needed, not yet taken by the agent.
    #[must_use]
    pub fn releases(&self) -> &[PlanId] {
        &self.releases
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.proposals.clear();
        self.assessments.clear();
        self.records.clear();
        self.watches.clear();
        self.releases.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_undone_and_loses_work_is_high_risk() {
        for kind in [StepKind::Terminate, StepKind::Kill, StepKind::Restart] {
            assert_eq!((kind.risk(), kind.reversible()), (Risk::High, false));
        }
    }

    #[test]
    fn kinds_are_written_in_files_as_they_are_named() {
        for &kind in StepKind::ALL {
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(text, format!("{:?}", kind.name()));
            assert_eq!(serde_json::from_str::<StepKind>(&text).unwrap(), kind);
        }
    }
}
