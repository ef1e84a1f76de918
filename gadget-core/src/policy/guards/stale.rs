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
        if subject == Subject::Agent {
            return Opinion::Pass;
        }
        let known = match subject {
            Subject::Host | Subject::Agent => true,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use std::time::Duration;

    use crate::{CgroupId, ProcessId, Reading, Step};

    #[test]
    fn a_target_that_was_not_seen_lately_is_refused() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        scene.now = scene.now + Duration::from_secs(10);
        assert_eq!(scene.refusal(&mut policy, RECLAIM, APP), None);
        scene.now = scene.now + Duration::from_secs(1);
        let unseen = Some(Duration::from_secs(11));
        assert_eq!(scene.refusal(&mut policy, RECLAIM, DB), Some(Refusal::Stale { unseen }));
        assert_eq!(scene.refusal(&mut policy, TERMINATE, LEAK), Some(Refusal::Stale { unseen }));
        assert_eq!(
            scene.refusal(&mut policy, Step::Sync, Subject::Host),
            Some(Refusal::Stale { unseen })
        );
    }

    #[test]
    fn a_target_that_is_gone_or_not_known_is_refused() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        let unknown = Some(Refusal::Stale { unseen: None });
        scene.tell(Subject::Process(LEAK), Reading::Gone);
        assert_eq!(scene.refusal(&mut policy, TERMINATE, LEAK), unknown);
        assert_eq!(scene.refusal(&mut policy, RECLAIM, CgroupId(999)), unknown);
        // Seen, and nobody knows what it is.
        let nameless = ProcessId { pid: 900, start: 900 };
        scene.tell(Subject::Process(nameless), Reading::StallTrigger(crate::Resource::Memory));
        assert_eq!(scene.refusal(&mut policy, TERMINATE, nameless), unknown);
        scene.charge(CgroupId(901), 5);
        assert_eq!(scene.refusal(&mut policy, RECLAIM, CgroupId(901)), unknown);
    }

    #[test]
    fn a_process_whose_id_was_used_again_is_another_one() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        let identity = scene.world.process(LEAK).unwrap().identity.clone().unwrap();
        let successor = ProcessId { pid: LEAK.pid, start: LEAK.start + 1 };
        scene.tell(Subject::Process(successor), Reading::ProcessIdentity(Box::new(identity)));
        let unknown = Some(Refusal::Stale { unseen: None });
        assert_eq!(scene.refusal(&mut policy, TERMINATE, LEAK), unknown);
        assert_eq!(scene.refusal(&mut policy, TERMINATE, successor), None);
    }

    #[test]
    fn a_group_whose_processes_are_not_known_is_only_reclaimed_from() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        scene.group(99, Some(1), "/empty");
        let group = CgroupId(99);
        assert_eq!(scene.refusal(&mut policy, RECLAIM, group), None);
        let unknown = Some(Refusal::Stale { unseen: None });
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, group), unknown);
    }
}
