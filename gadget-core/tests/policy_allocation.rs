//! Between forecast and action a review allocates nothing.

use std::time::Duration;

use counting::{Counting, allocations};
use gadget_core::*;
use policy_support::*;

#[path = "../src/testing/counting.rs"]
mod counting;
mod policy_support;

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocated(work: impl FnOnce()) -> u64 {
    let before = allocations();
    work();
    allocations() - before
}

#[test]
fn the_allocator_counts() {
    assert_eq!(allocated(|| drop(std::hint::black_box(vec![0_u8; 10]))), 1);
}

#[test]
fn a_warm_review_allocates_nothing_from_proposal_to_end() {
    let mut settings = acting();
    settings.pause_files = vec!["/nowhere/pause".into(), "/nowhere/else".into()];
    settings.protect.comm = vec![Glob::new("post*").unwrap()];
    settings.cooldown.kind = Duration::ZERO;
    settings.budget.steps = 1_000;
    settings.budget.high_risk = 1_000;
    let (mut scene, mut policy) = (Scene::new(), policy(settings));
    let aims = || {
        [
            (Step::Freeze, Aim::from(APP)),
            (TERMINATE, Aim::from(LEAK)),
            (Step::Kill, tree(LEAK)),
            (RECLAIM, Aim::from(CgroupId(40))),
            (Step::Freeze, Aim::from(CgroupId(40))),
            (Step::Kill, Aim::from(POSTGRES)),
            (Step::DropCaches { level: 1 }, Aim::from(Subject::Host)),
        ]
    };
    let (mut permitted, mut refused) = (0, 0);
    for round in 0..20 {
        scene.pass(Duration::from_secs(31));
        for (step, Aim(subject, reach)) in aims() {
            let mut plan = plan(step, subject, scene.now);
            plan.target.reach = reach;
            let outcome = outcome(&plan, Ending::Met);
            let request = Request { now: scene.now, world: &scene.world, incapable: None };
            let count = allocated(|| {
                policy.admit(&mut plan);
                let (review, permit) = policy.review(&plan, &request);
                if permit.is_some() {
                    permitted += 1;
                    policy.opened(&plan, &Undo::Nothing, scene.now);
                    let outcome = Outcome { plan: plan.id, ..outcome };
                    policy.ended(&outcome, scene.now);
                    std::mem::forget(outcome);
                } else {
                    refused += 1;
                }
                std::hint::black_box(review);
            });
            // The first round makes room for what is inside a target.
            assert!(round == 0 || count == 0, "{count} allocations for {plan}");
        }
    }
    assert!(permitted >= 60 && refused >= 40, "{permitted} permitted, {refused} refused");
}
