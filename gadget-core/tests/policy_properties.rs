//! Whatever is planned, whenever, under whatever settings and over whatever restarts: what the policy never permits.
//!
//! A case is a policy and some eighty events. What counts as generated are the plans in them, each random in its target,
//! step, confidence and time, and each judged here a second time by the rules in their simplest form.

mod policy_model;
mod policy_support;

use std::collections::BTreeMap;

use gadget_core::{GuardName, PolicySettings};
use policy_model::{Event, Model, event, rules};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Cases, and the least number of plans that they have to hold.
const CASES: u32 = 2_800;
const PLANS: u64 = 100_000;

#[derive(Debug, Default)]
struct Tally {
    plans: u64,
    permitted: u64,
    held_back: BTreeMap<GuardName, u64>,
    restarts: u64,
}

fn judge(
    rules: &PolicySettings,
    events: &[Event],
    file: &std::path::Path,
    tally: &mut Tally,
) -> Result<(), TestCaseError> {
    let mut model = Model::new(rules, file);
    for event in events {
        tally.restarts += u64::from(matches!(event, Event::Restart { .. }));
        let Some((review, objection)) = model.happen(event) else { continue };
        tally.plans += 1;
        match review.decided_by() {
            None => {
                tally.permitted += 1;
                prop_assert_eq!(objection, None, "permitted {:?}", review.plan);
            }
            Some((guard, _)) => *tally.held_back.entry(*guard).or_default() += 1,
        }
    }
    Ok(())
}

#[test]
fn nothing_is_permitted_that_a_rule_speaks_against() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pause");
    let tally = std::cell::RefCell::new(Tally::default());
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let cases = (rules(), proptest::collection::vec(event(), 40..120));
    TestRunner::new(config)
        .run(&cases, |(rules, events)| judge(&rules, &events, &file, &mut tally.borrow_mut()))
        .unwrap_or_else(|failure| panic!("{failure}"));
    let tally = tally.into_inner();
    println!("{tally:?}");
    assert!(tally.plans >= PLANS, "{tally:?}");
    // Rules that nothing met would prove nothing.
    assert!(tally.permitted >= PLANS / 20 && tally.restarts >= PLANS / 50, "{tally:?}");
    for guard in [
        GuardName::Pause,
        GuardName::Autonomy,
        GuardName::Protected,
        GuardName::Stale,
        GuardName::Yield,
        GuardName::Confidence,
        GuardName::Sustained,
        GuardName::Cooldown,
        GuardName::Budget,
        GuardName::BlastRadius,
        GuardName::OnePlan,
    ] {
        assert!(
            tally.held_back.get(&guard).is_some_and(|&times| times >= 100),
            "{guard:?}: {tally:?}"
        );
    }
}
