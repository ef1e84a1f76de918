//! Is the target still the one that was judged?

use super::{Case, Guard};
use crate::plan::Risk;
use crate::policy::review::{GuardName, Opinion, Refusal};
use crate::subject::Subject;

/// Refuses a target that is not known, was not seen lately, or whose inside cannot be told.
pub(super) struct Stale;

impl Guard for Stale {
    fn name(&self) -> GuardName {
        GuardName::Stale
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let subject = case.plan.target.subject;
        let known = match subject {
            Subject::Host => true,
            // Without its processes nobody can say that none of them is protected.
            Subject::Cgroup(id) => {
                case.world.cgroup(id).is_some_and(|cgroup| cgroup.identity.is_some())
                    && (case.kind.risk() == Risk::Low || !case.inside.processes.is_empty())
            }
            Subject::Process(id) => {
                case.world.process(id).is_some_and(|process| process.identity.is_some())
            }
        };
        let Some(seen) = case.world.seen(subject).filter(|_| known) else {
            return Opinion::Refuse(Refusal::Stale { unseen: None });
        };
        let unseen = case.now.since(seen);
        if unseen > case.settings.stale.unseen {
            return Opinion::Refuse(Refusal::Stale { unseen: Some(unseen) });
        }
        Opinion::Pass
    }
}
