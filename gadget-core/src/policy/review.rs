//! What a review says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::model::Name;
use crate::plan::{Plan, PlanId, Risk};
use crate::units::{Bytes, Percent, Probability};

/// The guards, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GuardName {
    /// Is the backend able to do it at all?
    Capability,
    /// Has somebody paused all effects?
    Pause,
    /// What may this gadget do by itself?
    Autonomy,
    /// Is the target one that is never touched?
    Protected,
    /// Is the target still the one that was judged?
    Stale,
    /// Does somebody else own the setting?
    Yield,
    /// Is the gadget sure enough for this risk?
    Confidence,
    /// Has it held long enough?
    Sustained,
    /// Was the same target or kind acted on a short while ago?
    Cooldown,
    /// How much was done in this window?
    Budget,
    /// How much of the host would it touch?
    BlastRadius,
    /// Is there an open plan on the target, or a better one?
    OnePlan,
}

/// What one guard says of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opinion {
    /// Nothing against it.
    Pass,
    /// It must not happen.
    Refuse(Refusal),
    /// A person has to say yes first.
    Ask,
    /// It is reported as advice and not done.
    Advise,
    /// It is recorded and not done.
    Observe,
}

/// Why a guard refuses; every reason carries its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "each field is named in the variant's sentence, which Display prints"
)]
pub enum Refusal {
    /// The backend lacks something.
    Incapable { needs: Name },
    /// Effects are paused, by a file or by a call.
    Paused { by: Arc<str> },
    /// The target is protected, by a rule that is named.
    Protected { rule: Name, what: Arc<str> },
    /// The target is not known, gone, or was not seen lately.
    Stale { unseen: Option<Duration> },
    /// Somebody else changed the setting a short while ago.
    Yielded { since: Duration, holds: Duration },
    /// Not sure enough for the risk.
    Unsure { confidence: Probability, needed: Probability, risk: Risk },
    /// It has not held long enough.
    TooSoon { held: Duration, needed: Duration },
    /// The target, or the kind of step, was acted on a short while ago.
    Cooling { what: Cooling, left: Duration },
    /// The budget of the window is spent.
    Spent { risk: Option<Risk>, used: u32, allowed: u32, window: Duration },
    /// It would touch too much of the host.
    TooWide { what: Extent, share: Percent, allowed: Percent },
    /// It would touch more memory than allowed.
    TooLarge { bytes: Bytes, allowed: Bytes },
    /// There is an open plan on the target.
    Busy { with: PlanId },
    /// As many plans are open as there may be.
    TooMany { open: usize },
    /// Another plan on the same target promises more.
    Outbid { by: PlanId, gadget: Name },
    /// A person said no.
    Declined,
}

/// What is cooling down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cooling {
    /// The target.
    Target,
    /// The kind of step.
    Kind,
}

/// What a blast radius is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// Of all processes that are not kernel threads.
    Processes,
    /// Of all cgroups.
    Cgroups,
    /// Of the host's memory.
    Memory,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It may be done, once.
    Permitted,
    /// It must not be done.
    Refused,
    /// It waits for a person.
    AwaitsApproval,
    /// It is advice.
    Advised,
    /// It is a record of what would have been done.
    Observed,
}

/// The verdict on one plan, and what every guard said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// The plan.
    pub plan: Plan,
    /// What was decided.
    pub verdict: Verdict,
    /// What every guard said, in order. All are asked, also after one refused.
    pub opinions: ArrayVec<(GuardName, Opinion), 16>,
}

impl Review {
    /// The guard that decided, and what it said: the first refusal, else the first that did not pass.
    #[must_use]
    pub fn decided_by(&self) -> Option<&(GuardName, Opinion)> {
        let refusal =
            self.opinions.iter().find(|(_, opinion)| matches!(opinion, Opinion::Refuse(_)));
        refusal.or_else(|| self.opinions.iter().find(|(_, opinion)| *opinion != Opinion::Pass))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = |d: &Duration| d.as_secs_f64();
        match self {
            Self::Incapable { needs } => write!(f, "the backend needs {needs}"),
            Self::Paused { by } => write!(f, "effects are paused by {by}"),
            Self::Protected { rule, what } => write!(f, "{what} is protected: {rule}"),
            Self::Stale { unseen: None } => f.write_str("the target is not known or gone"),
            Self::Stale { unseen: Some(unseen) } => {
                write!(f, "the target was not seen for {:.1} s", secs(unseen))
            }
            Self::Yielded { since, holds } => write!(
                f,
                "somebody else changed the setting {:.1} s ago; they own it for {:.0} s",
                secs(since),
                secs(holds)
            ),
            Self::Unsure { confidence, needed, risk } => {
                write!(f, "confidence {confidence} is under {needed}, which {risk:?} risk needs")
            }
            Self::TooSoon { held, needed } => {
                write!(f, "held for {:.1} s of {:.1} s", secs(held), secs(needed))
            }
            Self::Cooling { what: Cooling::Target, left } => {
                write!(f, "the target cools down for another {:.1} s", secs(left))
            }
            Self::Cooling { what: Cooling::Kind, left } => {
                write!(f, "this kind of step cools down for another {:.1} s", secs(left))
            }
            Self::Spent { risk, used, allowed, window } => {
                write!(f, "{used} of {allowed} steps ")?;
                if let Some(risk) = risk {
                    write!(f, "of {risk:?} risk ")?;
                }
                write!(f, "in {:.0} s are spent", secs(window))
            }
            Self::TooWide { what, share, allowed } => {
                let what = match what {
                    Extent::Processes => "processes",
                    Extent::Cgroups => "cgroups",
                    Extent::Memory => "memory",
                };
                write!(f, "would touch {share} of the {what}, allowed are {allowed}")
            }
            Self::TooLarge { bytes, allowed } => {
                write!(f, "would touch {bytes}, allowed are {allowed}")
            }
            Self::Busy { with } => write!(f, "plan {with} is open on the target"),
            Self::TooMany { open } => write!(f, "{open} plans are open, no more may be"),
            Self::Outbid { by, gadget } => write!(f, "plan {by} of {gadget} promises more"),
            Self::Declined => f.write_str("a person said no"),
        }
    }
}
