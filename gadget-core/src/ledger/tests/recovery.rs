//! What becomes of effects whose agent died.

use super::*;
use crate::action::{Action, ActionError, Stopped, Summary};
use crate::plan::StepKind;
use crate::subject::ProcessId;

/// Undoes with prepared answers, and keeps what it was asked.
#[derive(Default)]
struct Answers {
    answers: Vec<Result<Summary, ActionError>>,
    asked: Vec<Undo>,
}

impl Action for Answers {
    fn supports(&self, _: StepKind) -> Result<(), ActionError> {
        Ok(())
    }
    fn prepare(&mut self, _: &Plan) -> Result<Undo, ActionError> {
        Ok(Undo::Nothing)
    }
    fn apply(&mut self, _: RecordedPermit) -> Result<Effect, ActionError> {
        Ok(Effect { summary: Summary::new(), complete: true })
    }
    fn undo(&mut self, undo: &Undo) -> Result<Summary, ActionError> {
        self.asked.push(undo.clone());
        self.answers.remove(0)
    }
}

/// A ledger whose agent died with these effects in place.
fn died_with(undos: &[Undo]) -> Home {
    let home = Home::new();
    let mut ledger = home.open();
    for (n, undo) in (1..).zip(undos) {
        let _ = ledger.record_intent(plan(n, Step::Freeze), undo.clone(), at(n)).unwrap();
    }
    home
}

fn endings(outcomes: &[Outcome]) -> Vec<(u64, Ending)> {
    outcomes.iter().map(|outcome| (outcome.plan.0, outcome.ending)).collect()
}

#[test]
fn each_answer_of_the_backend_becomes_an_ending() {
    let home = died_with(&[thaw(), restore(), thaw(), Undo::Nothing]);
    let found = Value::from("123").unwrap();
    let mut action = Answers {
        answers: vec![
            Ok(Summary::from("thawed").unwrap()),
            Err(ActionError::Yielded { setting: Setting::MemoryHigh, found }),
            Err(ActionError::Stale { what: "the cgroup is gone" }),
        ],
        asked: Vec::new(),
    };
    let mut ledger = home.open();
    let outcomes = recover(&mut ledger, &mut action, &facts("a"), at(9));
    assert_eq!(
        endings(&outcomes),
        [(1, Ending::Recovered), (2, Ending::Yielded), (3, Ending::Gone), (4, Ending::Recovered)]
    );
    assert_eq!(action.asked, [thaw(), restore(), thaw()]);
    assert!(ledger.carried().unfinished.is_empty());
    assert_eq!(outcomes[0].summary.as_str(), "thawed");
    drop(ledger);
    let read = home.records();
    let on_record = read.into_iter().filter_map(|record| match record.entry {
        Entry::Ended(outcome) => Some(outcome.into_owned()),
        _ => None,
    });
    assert_eq!(on_record.collect::<Vec<_>>(), outcomes);
}

#[test]
fn a_tree_that_was_to_be_ended_is_let_go_on() {
    let home = Home::new();
    // Without what a ledger of an earlier version does not hold.
    let process = ProcessId { pid: 70, start: 7 };
    let old = r#"{"Continue":{"process":{"pid":70,"start":7}}}"#;
    let alone = Undo::Continue { process, reach: Reach::Alone, stopped: Stopped::new() };
    assert_eq!(serde_json::from_str::<Undo>(old).unwrap(), alone);
    let stopped = Stopped::from_iter([ProcessId { pid: 71, start: 8 }]);
    let undo = Undo::Continue { process, reach: Reach::Tree, stopped };
    let _ = home.open().record_intent(plan(1, Step::Kill), undo.clone(), at(1)).unwrap();
    let said = Summary::from("let 3 processes go on").unwrap();
    let mut action = Answers { answers: vec![Ok(said)], asked: Vec::new() };
    let outcomes = recover(&mut home.open(), &mut action, &facts("a"), at(9));
    assert_eq!((endings(&outcomes), outcomes[0].summary), (vec![(1, Ending::Recovered)], said));
    assert_eq!(action.asked, [undo]);
}

#[test]
fn what_cannot_be_undone_now_is_tried_again_at_the_next_start() {
    let home = died_with(&[thaw()]);
    let busy = io::Error::from_raw_os_error(16);
    let failure = ActionError::System { attempt: "thaw /leaky", source: busy };
    let mut action = Answers { answers: vec![Err(failure)], asked: Vec::new() };
    assert!(recover(&mut home.open(), &mut action, &facts("a"), at(9)).is_empty());
    assert!(home.notes()[0].starts_with("plan #1 stays unfinished: cannot thaw /leaky: "));
    action.answers = vec![Ok(Summary::from("thawed").unwrap())];
    let outcomes = recover(&mut home.open(), &mut action, &facts("a"), at(9));
    assert_eq!(endings(&outcomes), [(1, Ending::Recovered)]);
    assert!(home.open().carried().unfinished.is_empty());
}

#[test]
fn after_a_reboot_nothing_is_touched() {
    let home = died_with(&[thaw(), restore(), Undo::Nothing]);
    let rebooted = facts("b");
    let mut ledger = Ledger::open(home.dir(), &rebooted, at(5)).unwrap();
    assert_eq!(ledger.carried().boot_id, "a");
    let outcomes = recover(&mut ledger, &mut Answers::default(), &rebooted, at(9));
    assert_eq!(endings(&outcomes), [1, 2, 3].map(|n| (n, Ending::Gone)));
    assert_eq!(ledger.carried().boot_id, "b");
}

#[test]
fn effects_of_two_boots_are_not_mixed_up_when_the_first_start_did_not_recover() {
    let home = died_with(&[thaw(), thaw()]);
    let rebooted = facts("b");
    let mut ledger = Ledger::open(home.dir(), &rebooted, at(5)).unwrap();
    let _ = ledger.record_intent(plan(3, Step::Freeze), thaw(), at(6)).unwrap();
    drop(ledger);
    let mut ledger = Ledger::open(home.dir(), &rebooted, at(7)).unwrap();
    assert_eq!((ledger.carried().boot_id.as_str(), ledger.carried().unfinished.len()), ("b", 1));
    let mut action = Answers { answers: vec![Ok(Summary::new())], asked: Vec::new() };
    let outcomes = recover(&mut ledger, &mut action, &rebooted, at(8));
    assert_eq!(endings(&outcomes), [(3, Ending::Recovered)]);
}
