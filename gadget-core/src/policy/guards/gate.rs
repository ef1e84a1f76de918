//! Can it be done at all, and may anything be done now?

use std::sync::Arc;

use super::{Case, Guard};
use crate::policy::review::{GuardName, Opinion, Refusal};

/// Refuses what the backend cannot do.
pub(super) struct Capability;

impl Guard for Capability {
    fn name(&self) -> GuardName {
        GuardName::Capability
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        case.incapable.map_or(Opinion::Pass, |needs| {
            Opinion::Refuse(Refusal::Incapable { needs: needs.clone() })
        })
    }
}

/// Refuses everything while effects are paused.
pub(super) struct Pause;

impl Guard for Pause {
    fn name(&self) -> GuardName {
        GuardName::Pause
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        case.paused
            .map_or(Opinion::Pass, |by| Opinion::Refuse(Refusal::Paused { by: Arc::clone(by) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Request;
    use crate::policy::fixture::*;
    use crate::{Name, Verdict};

    #[test]
    fn what_the_backend_cannot_do_is_refused_with_what_it_lacks() {
        let (scene, mut policy) = (Scene::new(), policy(acting()));
        let plan = scene.plan(&mut policy, RECLAIM, APP);
        let incapable = Some(Name::Borrowed("CAP_SYS_RESOURCE"));
        let request = Request { now: scene.now, world: &scene.world, incapable };
        let (review, permit) = policy.review(&plan, &request);
        assert!(permit.is_none());
        let needs = Name::Borrowed("CAP_SYS_RESOURCE");
        let refused = Opinion::Refuse(Refusal::Incapable { needs });
        assert_eq!(review.decided_by(), Some(&(GuardName::Capability, refused)));
    }

    #[test]
    fn a_call_pauses_at_once_and_is_taken_back() {
        let (scene, mut policy) = (Scene::new(), policy(acting()));
        policy.pause("the night shift");
        let refusal = scene.refusal(&mut policy, RECLAIM, APP);
        assert_eq!(refusal, Some(Refusal::Paused { by: "the night shift".into() }));
        policy.resume();
        assert_eq!(scene.refusal(&mut policy, RECLAIM, APP), None);
    }

    #[test]
    fn a_pause_file_pauses_while_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pause");
        let mut settings = acting();
        settings.pause_files = vec![file.clone()];
        let (mut scene, mut policy) = (Scene::new(), policy(settings));
        // A link to nowhere is a file too.
        std::os::unix::fs::symlink("/nowhere", &file).unwrap();
        let by = format!("the file {}", file.display()).into();
        assert_eq!(scene.refusal(&mut policy, RECLAIM, APP), Some(Refusal::Paused { by }));
        assert!(policy.paused().is_some());
        std::fs::remove_file(&file).unwrap();
        assert!(policy.paused().is_none());
        scene.act(&mut policy, RECLAIM, APP);
        scene.pass(std::time::Duration::from_secs(60));
        std::fs::write(&file, "").unwrap();
        policy.without_pause_files();
        assert_eq!(scene.refusal(&mut policy, RECLAIM, DB), None);
    }

    #[test]
    fn a_pause_file_that_cannot_be_looked_for_pauses() {
        let mut settings = acting();
        settings.pause_files = vec![format!("/{}", "x".repeat(300)).into()];
        let review = Scene::new().refusal(&mut policy(settings), RECLAIM, APP);
        let Some(Refusal::Paused { by }) = review else { panic!("{review:?}") };
        assert!(by.ends_with("which cannot be looked for"), "{by}");
    }

    #[test]
    fn every_guard_is_asked_also_after_one_refused() {
        let (scene, mut policy) = (Scene::new(), policy(acting()));
        policy.pause("a test");
        let plan = scene.plan(&mut policy, TERMINATE, POSTGRES);
        let (review, _) = scene.review(&mut policy, &plan);
        assert_eq!(review.verdict, Verdict::Refused);
        assert_eq!(review.opinions.len(), 12);
    }
}
