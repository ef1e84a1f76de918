//! What a policy remembers, as a whole.

use std::time::Duration;

use super::fixture::*;
use super::state::{MAX_STANDING, MAX_YIELDED};
use super::*;
use crate::{CgroupId, Step};

#[test]
fn without_settings_everything_is_observed() {
    let (scene, mut policy) = (Scene::new(), Policy::observe());
    policy.without_pause_files();
    let plan = scene.plan(&mut policy, RECLAIM, APP);
    let (review, permit) = scene.review(&mut policy, &plan);
    assert_eq!((review.verdict, permit.is_none()), (Verdict::Observed, true));
    assert_eq!(review.decided_by(), Some(&(GuardName::Autonomy, Opinion::Observe)));
}

#[test]
fn settings_out_of_range_are_refused_also_from_code() {
    let mut settings = acting();
    settings.blast_radius.memory = f64::NAN;
    assert!(Policy::new(settings).is_err());
}

#[test]
fn a_plan_keeps_its_id_while_it_is_proposed() {
    let (mut scene, mut policy) = (Scene::new(), policy(acting()));
    let first = scene.plan(&mut policy, RECLAIM, APP);
    let other = scene.plan(&mut policy, Step::Freeze, APP);
    scene.pass(Duration::from_secs(9));
    let more = Step::Reclaim { amount: crate::Bytes::from_mib(999) };
    assert_eq!(scene.plan(&mut policy, more, APP).id, first.id, "the kind counts, not the amount");
    assert!(other.id > first.id);
    scene.pass(Duration::from_secs(10));
    assert!(scene.plan(&mut policy, RECLAIM, APP).id > other.id, "it lapsed");
}

#[test]
fn plans_are_ordered_by_merit_then_urgency_then_age() {
    let (scene, policy) = (Scene::new(), policy(acting()));
    let at = |id: u64, merit: f64, deadline: Option<u64>| Plan {
        id: PlanId(id),
        merit,
        deadline: deadline.map(Duration::from_secs),
        ..plan(RECLAIM, Subject::Host, scene.now)
    };
    let sorted = [
        at(7, 2.0, None),
        at(5, 1.0, Some(5)),
        at(3, 1.0, Some(9)),
        at(1, 1.0, None),
        at(2, 1.0, None),
        at(9, f64::NAN, Some(0)),
    ];
    let mut plans = sorted.clone();
    plans.reverse();
    policy.arbitrate(&mut plans);
    assert_eq!(plans.map(|plan| plan.id), sorted.map(|plan| plan.id));
}

#[test]
fn memory_is_bounded_and_what_made_room_is_counted() {
    let (mut scene, mut policy) = (Scene::new(), policy(acting()));
    let cgroup = |n: usize| Subject::Cgroup(CgroupId(n as u64));
    let first = scene.plan(&mut policy, RECLAIM, cgroup(0));
    for n in 1..MAX_STANDING {
        scene.plan(&mut policy, RECLAIM, cgroup(n));
    }
    assert_eq!(policy.evicted(), 0);
    scene.plan(&mut policy, RECLAIM, cgroup(MAX_STANDING));
    assert_eq!(policy.evicted(), 1);
    assert_ne!(scene.plan(&mut policy, RECLAIM, cgroup(0)).id, first.id, "the oldest made room");
    assert_eq!(policy.evicted(), 2);
    // What lapsed makes room first and is not missed.
    scene.pass(Duration::from_secs(10));
    scene.plan(&mut policy, RECLAIM, cgroup(MAX_STANDING + 1));
    assert_eq!(policy.evicted(), 2);

    for n in 0..=MAX_YIELDED {
        policy.yielded(cgroup(n), Setting::MemoryHigh, scene.now);
    }
    assert_eq!(policy.evicted(), 3);
}

#[test]
fn what_is_carried_may_be_more_than_is_kept() {
    let scene = Scene::new();
    let past = |n: usize| crate::PastEffect {
        at: scene.now,
        plan: PlanId(n as u64),
        gadget: "oracle".into(),
        kind: crate::StepKind::Reclaim,
        target: plan(RECLAIM, Subject::Cgroup(APP), scene.now).target,
    };
    let carried = Carried {
        effects: (0..Carried::MAX_EFFECTS + 5).map(past).collect(),
        last_plan: PlanId(9_999),
        ..Carried::default()
    };
    let mut policy = policy(acting());
    policy.restore(&carried, &facts("boot"));
    assert_eq!(policy.evicted(), 5);
    assert_eq!(scene.plan(&mut policy, RECLAIM, DB).id, PlanId(10_000));
    assert!(matches!(scene.refusal(&mut policy, RECLAIM, DB), Some(Refusal::Spent { .. })));
}
