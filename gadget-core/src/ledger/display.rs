//! Records as lines for people.

use std::fmt;

use super::{Ending, Entry, Record};
use crate::action::Undo;
use crate::plan::Reach;
use crate::policy::Verdict;

/// One line: `2026-11-27T04:10:00.000Z 42 intended #7 freeze on leaky (cgroup 12): ...`.
impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at, self.seq, self.entry)
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { host, version } => write!(
                f,
                "opened by version {version}, process {}, kernel {}, {} cpus, boot {}",
                host.agent_pid, host.kernel, host.cpus, host.boot_id
            ),
            Self::Assessed(said) => {
                write!(f, "assessed by {}: {} is {} ", said.gadget, said.subject, said.class)?;
                write!(f, "with probability {}", said.probability)?;
                if let Some(eta) = &said.eta {
                    let [likely, low, high] =
                        [eta.likely, eta.low, eta.high].map(|time| time.as_secs_f64());
                    write!(f, ", in {likely:.0} s ({low:.0} to {high:.0} s)")?;
                }
                if let Some(culprit) = said.culprit {
                    write!(f, ", culprit {culprit}")?;
                }
                said.statement.as_ref().map_or(Ok(()), |statement| write!(f, ": {statement}"))
            }
            Self::Reviewed(review) => {
                write!(f, "{} {} by {}", verdict(review.verdict), review.plan, review.plan.gadget)?;
                match review.decided_by() {
                    Some((guard, opinion)) => {
                        write!(f, "; {guard:?}: ")?;
                        match opinion {
                            crate::policy::Opinion::Refuse(refusal) => write!(f, "{refusal}"),
                            other => write!(f, "{other:?}"),
                        }
                    }
                    None => Ok(()),
                }
            }
            Self::Intended { plan, undo } => write!(f, "intended {plan}; undo: {}", Words(undo)),
            Self::Done { plan, effect } => {
                let more = if effect.complete { "" } else { " (goes on)" };
                write!(f, "did {plan}: {}{more}", effect.summary)
            }
            Self::Ended(outcome) => write!(
                f,
                "ended {} {} on {}: {}: {}",
                outcome.plan,
                outcome.kind,
                outcome.target.name,
                ending(outcome.ending),
                outcome.summary
            ),
            Self::Noted(note) => write!(f, "noted by {}: {}", note.part, note.text),
            Self::Carried(past) => write!(
                f,
                "carried over: {} effects, {} unfinished, last plan {}",
                past.effects.len(),
                past.unfinished.len(),
                past.last_plan
            ),
        }
    }
}

/// What an undo does, in words.
struct Words<'a>(&'a Undo);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Undo::Nothing => f.write_str("nothing"),
            Undo::Thaw { path, .. } => write!(f, "thaw {path}"),
            Undo::Continue { process, reach, .. } => {
                write!(f, "continue process {}", process.pid)?;
                f.write_str(if *reach == Reach::Tree { " and its descendants" } else { "" })
            }
            Undo::Restore { setting, path, before, .. } => {
                write!(f, "put {setting:?} {path} back to {before}")
            }
        }
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Permitted => "permitted",
        Verdict::Refused => "refused",
        Verdict::AwaitsApproval => "awaits approval:",
        Verdict::Advised => "advised",
        Verdict::Observed => "would have done",
    }
}

const fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Met => "met",
        Ending::Unmet => "unmet",
        Ending::Failed => "failed",
        Ending::Gone => "gone",
        Ending::Yielded => "yielded",
        Ending::Recovered => "recovered",
        Ending::Shutdown => "shutdown",
    }
}
