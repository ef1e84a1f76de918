//! Between forecast and action a review allocates nothing.
#![allow(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use gadget_core::*;
use policy_support::*;

mod policy_support;

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it is; counting touches no memory but the thread's own
// counter, which needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `ptr` came from the system's allocator.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_allocator_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![0_u8; 10]))), 1);
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
            let count = allocations(|| {
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
