//! Changing the host.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use arrayvec::{ArrayString, ArrayVec};
use serde::{Deserialize, Serialize};

use crate::ledger::RecordedPermit;
use crate::plan::{Plan, PlanId, Reach, StepKind};
use crate::subject::{CgroupId, ProcessId, Subject};
use crate::units::Timestamp;

/// The value of a setting as its file holds it, trimmed. Held inline.
pub type Value = ArrayString<96>;

/// What was done, in one line. Held inline; longer text is cut.
pub type Summary = ArrayString<160>;

/// Formats into a [`Summary`], cutting what does not fit.
#[must_use]
pub fn summary(text: std::fmt::Arguments<'_>) -> Summary {
    struct Cut(Summary);
    impl std::fmt::Write for Cut {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let room = self.0.remaining_capacity();
            let end = (0..=room.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
            self.0.push_str(&text[..end.unwrap_or(0)]);
            Ok(())
        }
    }
    let mut cut = Cut(Summary::new());
    let _ = cut.write_fmt(text);
    cut.0
}

/// Processes that somebody else had stopped before we stopped a tree around them, as many as an undo holds.
pub type Stopped = ArrayVec<ProcessId, 16>;

/// What can be set and put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Setting {
    /// `memory.high`.
    MemoryHigh,
    /// `memory.max`; v1 `memory.limit_in_bytes`.
    MemoryMax,
    /// `cpu.max`; v1 `cpu.cfs_quota_us`.
    CpuMax,
    /// `cpu.weight`; v1 `cpu.shares`.
    CpuWeight,
    /// `io.max`; v1 `blkio.throttle.*`.
    IoMax,
    /// `pids.max`.
    PidsMax,
    /// The nice value.
    Nice,
    /// The IO priority.
    IoPriority,
    /// The CPU affinity.
    Affinity,
    /// `oom_score_adj`.
    OomScoreAdj,
    /// A file under `/proc/sys`.
    Sysctl,
    /// What the agent sends, in the words of [`Telemetry`](crate::Telemetry).
    Telemetry,
    /// Whether a learned rule is in force, in the words of [`RuleState`](crate::RuleState).
    LearnedRule,
}

/// What puts an effect back. Written to the ledger before the effect happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "boxing would allocate on the path from forecast to action"
)]
pub enum Undo {
    /// The step changes nothing lasting, or cannot be undone.
    Nothing,
    /// Thaw a cgroup.
    Thaw {
        /// The group.
        cgroup: CgroupId,
        /// Its path below the hierarchy's root.
        path: Arc<str>,
    },
    /// Continue what was stopped.
    ///
    /// Also of a tree that is to be ended, for it is stopped first. A live agent never puts that back, since such a
    /// step is not [reversible](StepKind::reversible); after one that died in between, the tree is let go on.
    Continue {
        /// The process.
        process: ProcessId,
        /// The process alone, or its descendants too.
        #[serde(default)]
        reach: Reach,
        /// Those of the tree that were stopped before, and stay so; only the first that were found, if there were more.
        #[serde(default)]
        stopped: Stopped,
    },
    /// Put a setting back, unless somebody else has changed it since.
    Restore {
        /// Whose setting.
        subject: Subject,
        /// Which setting.
        setting: Setting,
        /// Where: a cgroup's path, a file below `/proc/sys`; empty for a process.
        path: Arc<str>,
        /// What it was.
        before: Value,
        /// What we wrote. Another value found there means that somebody else owns it now.
        wrote: Value,
    },
}

/// What an effect did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// One line for people: `memory.high 512.0 MiB -> 640.0 MiB`.
    pub summary: Summary,
    /// False while it goes on, as between `SIGTERM` and `SIGKILL`; [`Action::advance`] brings the rest.
    pub complete: bool,
}

/// Carries out steps on a host, and undoes them.
///
/// For each permit the agent calls [`prepare`](Self::prepare), writes the plan and its undo to the ledger, then calls
/// [`apply`](Self::apply). Implementations verify the target's identity at both.
pub trait Action: Send {
    /// Whether this backend can carry out steps of `kind` at all, now, on this host. Asked before a plan is reviewed.
    ///
    /// # Errors
    /// [`ActionError::Unsupported`] or [`ActionError::Missing`].
    fn supports(&self, kind: StepKind) -> Result<(), ActionError>;

    /// Reads what `plan` would change and says what would put it back. Moves nothing.
    ///
    /// # Errors
    /// [`ActionError::Stale`] if the target is no longer the one that was judged; others as they come.
    fn prepare(&mut self, plan: &Plan) -> Result<Undo, ActionError>;

    /// Does it. Must not allocate for steps that free memory.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare). After an error nothing has changed, unless it says so.
    fn apply(&mut self, permit: RecordedPermit) -> Result<Effect, ActionError>;

    /// Puts back what `undo` says, and says in one line what it did. Repeating it is harmless.
    ///
    /// # Errors
    /// [`ActionError::Stale`] if the target is gone, so that nothing is left to put back; [`ActionError::Yielded`] if
    /// somebody else has changed the value since.
    fn undo(&mut self, undo: &Undo) -> Result<Summary, ActionError>;

    /// Carries on with effects that take time, and reports each one that is complete now. Called every step.
    fn advance(
        &mut self,
        now: Timestamp,
        done: &mut dyn FnMut(PlanId, Result<Effect, ActionError>),
    ) {
        let _ = (now, done);
    }

    /// When [`advance`](Self::advance) wants to be called next, if anything is under way.
    fn next_advance(&self) -> Option<Timestamp> {
        None
    }
}

/// A backend that supports nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoActions;

impl Action for NoActions {
    fn supports(&self, kind: StepKind) -> Result<(), ActionError> {
        Err(ActionError::Unsupported { step: kind, needs: "an action backend" })
    }
    fn prepare(&mut self, plan: &Plan) -> Result<Undo, ActionError> {
        self.supports(plan.step.kind()).map(|()| Undo::Nothing)
    }
    fn apply(&mut self, permit: RecordedPermit) -> Result<Effect, ActionError> {
        let kind = permit.plan().step.kind();
        Err(ActionError::Unsupported { step: kind, needs: "an action backend" })
    }
    fn undo(&mut self, _: &Undo) -> Result<Summary, ActionError> {
        Err(ActionError::Stale { what: "no backend made this effect" })
    }
}

macro_rules! forward {
    ($($holder:ty),*) => {$(
        impl<A: Action + ?Sized> Action for $holder {
            fn supports(&self, kind: StepKind) -> Result<(), ActionError> {
                (**self).supports(kind)
            }
            fn prepare(&mut self, plan: &Plan) -> Result<Undo, ActionError> {
                (**self).prepare(plan)
            }
            fn apply(&mut self, permit: RecordedPermit) -> Result<Effect, ActionError> {
                (**self).apply(permit)
            }
            fn undo(&mut self, undo: &Undo) -> Result<Summary, ActionError> {
                (**self).undo(undo)
            }
            fn advance(&mut self, now: Timestamp, done: &mut dyn FnMut(PlanId, Result<Effect, ActionError>)) {
                (**self).advance(now, done);
            }
            fn next_advance(&self) -> Option<Timestamp> {
                (**self).next_advance()
            }
        }
    )*};
}
forward!(Box<A>, &mut A);

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// This host or backend does not offer the step.
    #[error("{step} needs {needs}")]
    Unsupported {
        /// The step.
        step: StepKind,
        /// What offers it: a file, a controller, a kernel version.
        needs: &'static str,
    },
    /// The agent lacks a capability (capabilities(7)).
    #[error("{step} needs {capability}")]
    Missing {
        /// The step.
        step: StepKind,
        /// For example `CAP_KILL`.
        capability: &'static str,
    },
    /// The target is gone, or no longer the one that was judged.
    #[error("stale target: {what}")]
    Stale {
        /// What no longer holds.
        what: &'static str,
    },
    /// Somebody else has changed the value since we read it; they own it now.
    #[error("yielded: somebody else set {setting:?} to {found:?}")]
    Yielded {
        /// Which setting.
        setting: Setting,
        /// What is there now.
        found: Value,
    },
    /// The system refused.
    #[error("cannot {attempt}")]
    System {
        /// What was attempted.
        attempt: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}
