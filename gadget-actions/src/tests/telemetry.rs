//! What the agent sends: changed, put back, left to others, and over with the agent.

use std::time::Duration;

use gadget_core::{
    Action as _, ActionError, Setting, Step, StepKind, Subject, Telemetry, TelemetryCell,
    TelemetryLevel, Undo,
};

use crate::Linux;
use crate::testing::{act, plan};

fn sending(cell: &TelemetryCell) -> Linux {
    Linux::builder().telemetry(cell.clone()).build()
}

fn raw() -> Telemetry {
    Telemetry { level: TelemetryLevel::Raw, top: 7, every: Duration::from_secs(10) }
}

fn set(to: Telemetry) -> gadget_core::Plan {
    plan(Step::SetTelemetry { to }, Subject::Agent, "agent")
}

#[test]
fn it_is_set_and_put_back() {
    let cell = TelemetryCell::default();
    let mut linux = sending(&cell);
    assert!(linux.supports(StepKind::SetTelemetry).is_ok());
    let (effect, undo) = act(&mut linux, &set(raw())).unwrap();
    assert!(effect.complete);
    assert_eq!(
        effect.summary.as_str(),
        "telemetry smart+sketch top 20 every 2000 ms -> raw top 7 every 10000 ms"
    );
    assert_eq!(cell.get(), raw());
    linux.undo(&undo).unwrap();
    assert_eq!(cell.get(), Telemetry::default());
    assert!(linux.undo(&undo).unwrap().ends_with("already"), "twice is harmless");
    assert_eq!(cell.get(), Telemetry::default());
}

#[test]
fn what_prepares_moves_nothing() {
    let cell = TelemetryCell::default();
    let undo = sending(&cell).prepare(&set(raw())).unwrap();
    let Undo::Restore { subject, setting, before, wrote, .. } = undo else { panic!("{undo:?}") };
    assert_eq!((subject, setting), (Subject::Agent, Setting::Telemetry));
    assert_eq!(before.parse(), Ok(Telemetry::default()));
    assert_eq!(wrote.parse(), Ok(raw()));
    assert_eq!(cell.get(), Telemetry::default());
}

#[test]
fn what_an_operator_has_set_meanwhile_is_theirs() {
    let cell = TelemetryCell::default();
    let mut linux = sending(&cell);
    let theirs = Telemetry { top: 99, ..Telemetry::default() };
    let is_theirs = |error: ActionError| {
        matches!(&error, ActionError::Yielded { setting: Setting::Telemetry, found }
            if found.parse() == Ok(theirs))
    };

    let undo = linux.prepare(&set(raw())).unwrap();
    cell.set(theirs);
    assert!(is_theirs(linux.carry_out(&set(raw()), &undo).unwrap_err()), "before it was set");
    assert_eq!(cell.get(), theirs);

    let (_, undo) = act(&mut linux, &set(raw())).unwrap();
    cell.set(Telemetry { top: 1, ..theirs });
    assert!(matches!(linux.undo(&undo), Err(ActionError::Yielded { .. })), "after it was set");
    assert_eq!(cell.get().top, 1);
}

#[test]
fn what_an_agent_that_was_killed_had_set_is_gone_with_it() {
    let (first, second) = (TelemetryCell::default(), TelemetryCell::new(raw()));
    let (_, undo) = act(&mut sending(&first), &set(raw())).unwrap();
    // The next life was given by its operator what the last one had stepped down to.
    let mut next = sending(&second);
    assert!(matches!(next.undo(&undo), Err(ActionError::Stale { .. })));
    assert_eq!(second.get(), raw());
    assert!(matches!(crate::linux().undo(&undo), Err(ActionError::Stale { .. })));
}

#[test]
fn a_backend_that_sends_nothing_says_so() {
    let mut linux = crate::linux();
    let refused = linux.supports(StepKind::SetTelemetry).unwrap_err().to_string();
    assert_eq!(refused, "set-telemetry needs a program that sends what it sees");
    assert!(matches!(linux.prepare(&set(raw())), Err(ActionError::Unsupported { .. })));
}

#[test]
fn what_could_not_be_put_on_record_and_other_targets_are_refused() {
    let cell = TelemetryCell::default();
    let mut linux = sending(&cell);
    for every in [Duration::ZERO, Duration::from_nanos(1_500_000)] {
        let plan = set(Telemetry { every, ..raw() });
        assert!(matches!(linux.prepare(&plan), Err(ActionError::Unsupported { .. })));
    }
    let host = plan(Step::SetTelemetry { to: raw() }, Subject::Host, "host");
    assert!(matches!(linux.prepare(&host), Err(ActionError::Unsupported { .. })));
    let sync = plan(Step::Sync, Subject::Agent, "agent");
    assert!(matches!(linux.prepare(&sync), Err(ActionError::Unsupported { .. })));
    assert_eq!(cell.get(), Telemetry::default());
}
