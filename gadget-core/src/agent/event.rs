//! What an agent tells the program around it.

use std::fmt;

use crate::action::Effect;
use crate::ledger::{Diagnostic, Outcome};
use crate::model::Assessment;
use crate::plan::Plan;
use crate::policy::{Opinion, Review, Verdict};
use crate::world::World;

/// Is told what happens, with the world as it is then.
pub(super) type Listener = Box<dyn FnMut(Event<'_>, &World) + Send>;

/// Something that happened, for the program around the agent. The ledger holds the same, durably.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A gadget said what it thinks of a subject; at every step, also when nothing changed.
    Assessed(&'a Assessment),
    /// A plan was reviewed and the verdict, or the guard that decided, is another than before.
    Reviewed(&'a Review),
    /// An effect happened, or went on.
    Done(&'a Plan, &'a Effect),
    /// A plan's effect is over.
    Ended(&'a Outcome),
    /// Something about the agent itself.
    Noted(&'a Diagnostic),
    /// A sign of life: a few seconds after the first signal, then every minute. Not in the ledger.
    Alive,
}

/// One line for people.
impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assessed(assessment) => {
                write!(
                    f,
                    "{}: {} {} p={}",
                    assessment.gadget, assessment.subject, assessment.class, assessment.probability
                )?;
                match assessment.eta {
                    Some(eta) => write!(
                        f,
                        ", in {:.0} s ({:.0} to {:.0})",
                        eta.likely.as_secs_f64(),
                        eta.low.as_secs_f64(),
                        eta.high.as_secs_f64()
                    ),
                    None => Ok(()),
                }
            }
            Self::Reviewed(review) => {
                let verdict = match review.verdict {
                    Verdict::Permitted => "permitted",
                    Verdict::Refused => "refused",
                    Verdict::AwaitsApproval => "awaits approval",
                    Verdict::Advised => "advised",
                    Verdict::Observed => "observed only",
                };
                write!(f, "{verdict}: {}", review.plan)?;
                match review.decided_by() {
                    Some((guard, Opinion::Refuse(refusal))) => write!(f, " [{guard:?}: {refusal}]"),
                    _ => Ok(()),
                }
            }
            Self::Done(plan, effect) => write!(f, "done: {} {}", plan.id, effect.summary),
            Self::Ended(outcome) => {
                write!(f, "ended: {} {:?}: {}", outcome.plan, outcome.ending, outcome.summary)
            }
            Self::Alive => f.write_str("alive"),
            Self::Noted(diagnostic) => write!(f, "{}: {}", diagnostic.part, diagnostic.text),
        }
    }
}
