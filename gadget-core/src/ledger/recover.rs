//! Putting back what an agent that died left in place.

use std::borrow::Cow;

use super::carried::lost_by_reboot;
use super::{Ending, Entry, Ledger, Outcome, note};
use crate::action::{Action, ActionError, Undo, summary};
use crate::subject::HostFacts;
use crate::units::Timestamp;

/// Ends each unfinished effect of `ledger`, and says how each ended.
///
/// What an earlier boot left is gone with that boot. Everything else is undone by `action`, which must be the backend
/// that made it. What cannot be undone now is noted and stays unfinished, so that the next start tries again; so does
/// an effect whose end cannot be written, for undoing twice is harmless.
pub fn recover(
    ledger: &mut Ledger,
    action: &mut dyn Action,
    facts: &HostFacts,
    now: Timestamp,
) -> Vec<Outcome> {
    let rebooted = *ledger.carried().boot_id != *facts.boot_id;
    let mut outcomes = Vec::new();
    for open in ledger.carried().unfinished.clone() {
        let (ending, text) = if rebooted {
            (Ending::Gone, lost_by_reboot())
        } else if open.undo == Undo::Nothing {
            (
                Ending::Recovered,
                summary(format_args!("nothing to put back; it may not have happened")),
            )
        } else {
            match action.undo(&open.undo) {
                Ok(text) => (Ending::Recovered, text),
                Err(error @ ActionError::Stale { .. }) => {
                    (Ending::Gone, summary(format_args!("{error}")))
                }
                Err(error @ ActionError::Yielded { .. }) => {
                    (Ending::Yielded, summary(format_args!("{error}")))
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error)
                        .map(|cause| format!(": {cause}"))
                        .unwrap_or_default();
                    let text = format!("plan {} stays unfinished: {error}{cause}", open.plan.id);
                    // A full disk is no reason to leave the others as they are.
                    let _ = ledger.append(now, &Entry::Noted(Cow::Owned(note(text))));
                    continue;
                }
            }
        };
        let outcome = Outcome::of(&open.plan, ending, text);
        let _ = ledger.append(now, &Entry::Ended(Cow::Borrowed(&outcome)));
        outcomes.push(outcome);
    }
    outcomes
}
