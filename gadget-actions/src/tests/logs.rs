//! Learned rules: adopted, put back, left to others. Flushes: asked for, and refused when too many wait.

use gadget_core::{
    Action as _, ActionError, FlushQueue, RuleState, RuleStates, Setting, Step, StepKind, Subject,
    Timestamp, Undo,
};

use crate::Linux;
use crate::testing::{act, plan};

const ADOPT: Step = Step::SetRule { rule: 7, to: RuleState::Adopted };

fn tried() -> (RuleStates, Linux) {
    let states = RuleStates::default();
    states.set(7, RuleState::Trial);
    (states.clone(), Linux::builder().learned_rules(states).build())
}

#[test]
fn a_rule_is_adopted_and_put_back() {
    let (states, mut linux) = tried();
    let (effect, undo) = act(&mut linux, &plan(ADOPT, Subject::Agent, "rules")).unwrap();
    assert_eq!(effect.summary.as_str(), "rule 7 trial -> adopted");
    assert_eq!(states.get(7), Some(RuleState::Adopted));
    linux.undo(&undo).unwrap();
    assert_eq!(states.get(7), Some(RuleState::Trial));
    assert!(linux.undo(&undo).unwrap().ends_with("already"), "twice is harmless");
}

#[test]
fn what_an_operator_has_done_to_a_rule_stays() {
    let (states, mut linux) = tried();
    let undo = linux.prepare(&plan(ADOPT, Subject::Agent, "rules")).unwrap();
    assert_eq!(states.get(7), Some(RuleState::Trial), "to prepare moves nothing");
    states.set(7, RuleState::Retired);
    let error = linux.undo(&undo).unwrap_err();
    assert!(
        matches!(&error, ActionError::Yielded { setting: Setting::LearnedRule, found } if found == "retired"),
        "{error:?}"
    );
    states.remove(7);
    assert!(matches!(linux.undo(&undo), Err(ActionError::Stale { .. })));
    let unknown = plan(ADOPT, Subject::Agent, "rules");
    assert!(matches!(linux.prepare(&unknown), Err(ActionError::Stale { .. })));
}

#[test]
fn a_flush_is_asked_for_until_too_many_wait() {
    let queue = FlushQueue::default();
    let mut linux = Linux::builder().log_flushes(queue.clone()).build();
    let (from, until) = (Timestamp::from_secs(10), Timestamp::from_secs(130));
    let flush = plan(Step::FlushLogs { from, until }, Subject::Agent, "api");
    for _ in 0..16 {
        assert_eq!(act(&mut linux, &flush).unwrap().1, Undo::Nothing);
    }
    let error = act(&mut linux, &flush).unwrap_err();
    assert!(matches!(error, ActionError::Unsupported { .. }), "{error:?}");
    let first = queue.next().unwrap();
    assert_eq!((first.from, first.until, &*first.about), (from, until, "api"));
}

#[test]
fn without_logs_both_are_refused_and_say_why() {
    let linux = Linux::builder().build();
    for kind in [StepKind::SetRule, StepKind::FlushLogs] {
        let refused = linux.supports(kind).unwrap_err().to_string();
        assert!(refused.contains("a program that"), "{refused}");
    }
    let mut linux = Linux::builder().log_flushes(FlushQueue::default()).build();
    let host = plan(
        Step::FlushLogs { from: Timestamp::EPOCH, until: Timestamp::EPOCH },
        Subject::Host,
        "host",
    );
    assert!(act(&mut linux, &host).is_err(), "it is done to the agent alone");
}
