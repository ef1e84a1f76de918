//! The action backend, driven by permits of a real policy and a real ledger.

use std::time::Duration;

use super::RecordingActions;
use crate::{
    Action, ActionError, Change, Expectation, HostFacts, Ledger, Plan, PlanId, Policy, Probability,
    ProcessId, ProcessIdentity, Reach, Reading, RecordedPermit, Request, Runtime, Signal, Step,
    StepKind, Stopped, Subject, Target, Timestamp, Undo, World,
};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const PROCESS: ProcessId = ProcessId { pid: 4_127, start: 7 };

fn plan(step: Step) -> Plan {
    let subject = Subject::Process(PROCESS);
    Plan {
        id: PlanId::default(),
        gadget: "test".into(),
        at: NOW,
        step,
        target: Target { subject, reach: Reach::Alone, name: "leaky".into() },
        reason: "a test".into(),
        confidence: Probability::ONE,
        evidence: [("certainty".into(), 1.0)].into_iter().collect(),
        expects: Expectation { subject, change: Change::Gone, within: Duration::from_secs(1) },
        merit: 1.0,
        deadline: None,
    }
}

/// A permit for `step`, as an agent would get it.
fn permit(step: Step, actions: &mut RecordingActions) -> Result<RecordedPermit, ActionError> {
    let facts =
        HostFacts { boot_id: "b".into(), kernel: "k".into(), agent_pid: 1_000_000, cpus: 1 };
    let mut world = World::new(facts.clone());
    let identity = ProcessIdentity {
        parent: 1,
        comm: "leaky".into(),
        exe: Some("/usr/bin/leaky".into()),
        uid: 1000,
        cgroup: None,
        cgroup_path: None,
        oom_score_adj: Some(0),
        kernel_thread: false,
        runtime: Runtime::Native,
    };
    let reading = Reading::ProcessIdentity(Box::new(identity));
    world.observe(&Signal { at: NOW, subject: Subject::Process(PROCESS), reading });
    let mut policy = Policy::from_toml(
        "[autonomy]\ndefault = \"act\"\n[sustained]\nmedium = \"0s\"\nhigh = \"0s\"\n",
    )
    .unwrap();
    let mut plan = plan(step);
    policy.admit(&mut plan);
    let incapable = actions.supports(plan.step.kind()).err().map(|error| error.to_string().into());
    let (review, permit) = policy.review(&plan, &Request { now: NOW, world: &world, incapable });
    let permit = permit.unwrap_or_else(|| panic!("refused: {:?}", review.decided_by()));
    let undo = actions.prepare(&plan)?;
    Ok(Ledger::in_memory(&facts, NOW).intend(permit, undo, NOW).unwrap())
}

#[test]
fn what_is_applied_and_undone_is_remembered_by_every_clone() {
    let kept = RecordingActions::default();
    let mut given = kept.clone();
    let permit = permit(Step::Pause, &mut given).unwrap();
    let undo = permit.undo().clone();
    let stopped = Stopped::new();
    assert_eq!(undo, Undo::Continue { process: PROCESS, reach: Reach::Alone, stopped });
    assert!(given.apply(permit).unwrap().complete);
    given.undo(&undo).unwrap();
    let applied = kept.applied();
    assert_eq!((applied.len(), applied[0].step.clone()), (1, Step::Pause));
    assert_eq!(kept.undone(), [undo]);
}

#[test]
fn it_fails_when_it_is_told_to() {
    let mut actions = RecordingActions::default();
    let given = permit(Step::Pause, &mut actions).unwrap();
    actions.when_applying(|_| Err(ActionError::Stale { what: "exited" }));
    assert!(matches!(actions.apply(given), Err(ActionError::Stale { .. })));
    assert!(actions.applied().is_empty());
    actions.when_preparing(|_| Err(ActionError::Stale { what: "exited" }));
    assert!(matches!(permit(Step::Pause, &mut actions), Err(ActionError::Stale { .. })));
    actions.when_undoing(|_| Err(ActionError::Stale { what: "exited" }));
    assert!(matches!(actions.undo(&Undo::Nothing), Err(ActionError::Stale { .. })));
    actions.lacks(StepKind::Kill);
    assert!(matches!(actions.supports(StepKind::Kill), Err(ActionError::Unsupported { .. })));
}

#[test]
fn an_effect_that_takes_time_is_complete_once_that_time_has_passed() {
    let mut actions = RecordingActions::default();
    actions.take(Duration::from_secs(5));
    let permit = permit(Step::Terminate { grace: Duration::from_secs(5) }, &mut actions).unwrap();
    assert!(!actions.apply(permit).unwrap().complete);
    let mut completed_at = Vec::new();
    for second in 0..8 {
        let now = NOW + Duration::from_secs(second);
        actions.advance(now, &mut |_, effect| {
            assert!(effect.unwrap().complete);
            completed_at.push(second);
        });
    }
    assert_eq!(completed_at, [5]);
    assert_eq!(actions.next_advance(), None);
}
