//! What a policy still knows after the agent died and a new one opened its ledger.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::time::Duration;

use gadget_core::*;
use policy_support::*;

mod policy_support;

/// An agent's policy and ledger, on a directory that outlives them.
struct Run {
    policy: Policy,
    ledger: Ledger,
}

impl Run {
    fn start(dir: &std::path::Path, boot: &str, now: Timestamp) -> Self {
        let ledger = Ledger::open(dir, &facts(boot), now).unwrap();
        let mut policy = policy(acting());
        policy.restore(ledger.carried(), &facts(boot));
        Self { policy, ledger }
    }

    fn act(&mut self, scene: &Scene, step: Step, aim: impl Into<Aim>) -> Plan {
        let plan = scene.plan(&mut self.policy, step, aim);
        let (review, permit) = scene.review(&mut self.policy, &plan);
        let permit = permit.unwrap_or_else(|| panic!("{:?}", review.decided_by()));
        let recorded = self.ledger.intend(permit, Undo::Nothing, scene.now).unwrap();
        self.policy.opened(recorded.plan(), recorded.undo(), scene.now);
        plan
    }

    fn end(&mut self, scene: &Scene, plan: &Plan) {
        let outcome = outcome(plan, Ending::Met);
        self.ledger.append(scene.now, &Entry::Ended(std::borrow::Cow::Borrowed(&outcome))).unwrap();
        self.policy.ended(&outcome, scene.now);
    }
}

#[test]
fn cooldowns_and_open_plans_hold_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut scene = Scene::new();
    let mut run = Run::start(dir.path(), "boot", scene.now);
    let open = run.act(&scene, RECLAIM, DB);
    let done = run.act(&scene, Step::Freeze, APP);
    run.end(&scene, &done);
    drop(run);

    scene.pass(Duration::from_secs(10));
    let mut run = Run::start(dir.path(), "boot", scene.now);
    let left = Duration::from_secs(20);
    let cooling = Some(Refusal::Cooling { what: Cooling::Target, left });
    assert_eq!(scene.refusal(&mut run.policy, Step::Freeze, APP), cooling);
    let next = scene.plan(&mut run.policy, RECLAIM, DB);
    assert!(next.id > done.id, "no id is used twice");
    scene.pass(Duration::from_secs(600));
    let busy = Some(Refusal::Busy { with: open.id });
    assert_eq!(scene.refusal(&mut run.policy, RECLAIM, DB), busy);
    run.end(&scene, &open);
    scene.pass(Duration::from_secs(30));
    assert_eq!(scene.refusal(&mut run.policy, RECLAIM, DB), None);
}

#[test]
fn a_clock_that_was_set_back_lifts_no_cooldown_and_leaves_none_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let mut scene = Scene::new();
    scene.pass(Duration::from_secs(1_000_000));
    let mut run = Run::start(dir.path(), "boot", scene.now);
    let done = run.act(&scene, Step::Freeze, APP);
    run.end(&scene, &done);
    drop(run);

    scene = Scene::new();
    let mut run = Run::start(dir.path(), "boot", scene.now);
    let left = Duration::from_secs(30);
    let cooling = Some(Refusal::Cooling { what: Cooling::Target, left });
    assert_eq!(scene.refusal(&mut run.policy, Step::Freeze, APP), cooling, "it counts as just now");
    scene.pass(left);
    assert_eq!(scene.refusal(&mut run.policy, Step::Freeze, APP), None);
}

#[test]
fn the_budget_holds_after_a_reboot_and_no_plan_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut scene = Scene::new();
    let mut run = Run::start(dir.path(), "boot", scene.now);
    for pid in 1_000..1_006 {
        scene.pass(Duration::from_secs(6));
        let plan = run.act(&scene, TERMINATE, ProcessId { pid, start: pid.into() });
        if pid > 1_000 {
            run.end(&scene, &plan);
        }
    }
    drop(run);

    scene.pass(Duration::from_secs(60));
    let mut run = Run::start(dir.path(), "another boot", scene.now);
    let window = Duration::from_secs(3_600);
    let spent = Refusal::Spent { risk: Some(Risk::High), used: 6, allowed: 6, window };
    assert_eq!(scene.refusal(&mut run.policy, TERMINATE, LEAK), Some(spent));
    let first = ProcessId { pid: 1_000, start: 1_000 };
    assert_eq!(scene.refusal(&mut run.policy, Step::SetNice { to: 1 }, first), None);
}
