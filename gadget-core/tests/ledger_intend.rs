//! From a real permit to a recorded one.

#[path = "policy_support/mod.rs"]
mod policy_support;

use std::time::Duration;

use gadget_core::{Entry, Ledger, LedgerError, Permit, Policy, Record, Step, Undo};
use policy_support::{APP, Scene, acting, facts, policy};

fn permit(scene: &Scene, policy: &mut Policy) -> Permit {
    let plan = scene.plan(policy, Step::Freeze, APP);
    let (review, permit) = scene.review(policy, &plan);
    permit.unwrap_or_else(|| panic!("{:?}", review.decided_by()))
}

fn records(ledger: &Ledger) -> Vec<Record<'static>> {
    ledger.records().map(|record| record.expect("it reads back")).collect()
}

#[test]
fn an_intent_is_on_record_when_its_permit_can_be_used() {
    let (scene, mut policy) = (Scene::new(), policy(acting()));
    let mut ledger = Ledger::in_memory(&facts("boot"), scene.now);
    let permit = permit(&scene, &mut policy);
    let plan = permit.plan().clone();
    let undo = Undo::Thaw { cgroup: APP, path: "/app".into() };
    let recorded = ledger.intend(permit, undo.clone(), scene.now).unwrap();
    assert_eq!((recorded.plan(), recorded.undo()), (&plan, &undo));
    let read = records(&ledger);
    assert_eq!(read.len(), 2);
    assert!(matches!(
        &read[1].entry,
        Entry::Intended { plan: read, undo: back } if **read == plan && **back == undo
    ));
    assert_eq!(ledger.carried().unfinished.len(), 1);
    assert_eq!(ledger.carried().last_plan, plan.id);
}

#[test]
fn a_permit_that_has_ended_is_of_no_use_and_leaves_no_trace() {
    let (scene, mut policy) = (Scene::new(), policy(acting()));
    let mut ledger = Ledger::in_memory(&facts("boot"), scene.now);
    let permit = permit(&scene, &mut policy);
    let (plan, end) = (permit.plan().id, permit.expires());
    assert!(end > scene.now && end <= scene.now + Duration::from_secs(60));
    let refused = ledger.intend(permit, Undo::Nothing, end).unwrap_err();
    assert!(
        matches!(refused, LedgerError::Expired { plan: of, expired } if of == plan && expired == end)
    );
    assert_eq!(records(&ledger).len(), 1);
    assert!(ledger.carried().unfinished.is_empty());
}
