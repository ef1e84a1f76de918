use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::action::{Setting, Undo, Value};
use crate::plan::{Change, Expectation, Metric, Reach, Step, StepKind, Target};
use crate::provider::{Scope, SignalError, Signals};
use crate::signal::{CgroupMemory, Exit, Reading};
use crate::subject::{
    CgroupId, CgroupIdentity, CgroupVersion, HostFacts, ProcessId, ProcessIdentity, Runtime,
};
use crate::testing::RecordingActions;
use crate::units::{Bytes, MemoryLimit, Probability};

const GROUP: Subject = Subject::Cgroup(CgroupId(7));
const ACT: &str =
    "[autonomy]\ndefault = \"act\"\n[sustained]\nlow = \"0s\"\nmedium = \"0s\"\nhigh = \"0s\"\n";

fn facts() -> HostFacts {
    HostFacts { boot_id: "boot".into(), kernel: "6.18".into(), agent_pid: 999_999, cpus: 2 }
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

fn seen(now: Timestamp, used: u64) -> Vec<Signal> {
    let identity = CgroupIdentity {
        path: "/leaky".into(),
        parent: None,
        version: CgroupVersion::V2,
        container: None,
        oom_group: false,
    };
    let memory = CgroupMemory {
        current: Bytes::new(used),
        max: MemoryLimit::At(Bytes::new(1_000)),
        high: MemoryLimit::Unlimited,
        stat: None,
        events: None,
    };
    let process = ProcessIdentity {
        parent: 1,
        comm: "leaky".into(),
        exe: None,
        uid: 1_000,
        cgroup: Some(CgroupId(7)),
        cgroup_path: Some("/leaky".into()),
        oom_score_adj: Some(0),
        kernel_thread: false,
        runtime: Runtime::Native,
    };
    let readings = [
        (GROUP, Reading::CgroupIdentity(Box::new(identity))),
        (GROUP, Reading::CgroupMemory(memory)),
        (
            Subject::Process(ProcessId { pid: 70, start: 7 }),
            Reading::ProcessIdentity(Box::new(process)),
        ),
    ];
    readings.map(|(subject, reading)| Signal { at: now, subject, reading }).into()
}

fn plan(step: Step) -> Plan {
    Plan {
        id: PlanId::default(),
        gadget: "".into(),
        at: Timestamp::EPOCH,
        step,
        target: Target { subject: GROUP, reach: Reach::Alone, name: "/leaky".into() },
        reason: "the test says so".into(),
        confidence: Probability::ONE,
        evidence: crate::model::Evidence::new(),
        expects: Expectation {
            subject: GROUP,
            change: Change::AtMost(Metric::MemoryUsed, 500.0),
            within: Duration::from_secs(5),
        },
        merit: 1.0,
        deadline: None,
    }
}

/// A gadget that does what a closure says.
#[derive(Clone)]
struct Script<F>(F);

impl<F: FnMut(Timestamp, &World, &mut Plans) + Send> Gadget for Script<F> {
    fn name(&self) -> Name {
        "script".into()
    }
    fn observe(&mut self, _: &Signal) {}
    fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
        (self.0)(now, world, plans);
    }
}

use crate::gadget::Gadget;

struct Stage {
    agent: Agent,
    actions: RecordingActions,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
    notes: Arc<Mutex<Vec<String>>>,
}

fn stage(
    policy: &str,
    script: impl FnMut(Timestamp, &World, &mut Plans) + Clone + Send + 'static,
) -> Stage {
    let actions = RecordingActions::default();
    let (outcomes, notes) =
        (Arc::<Mutex<Vec<Outcome>>>::default(), Arc::<Mutex<Vec<String>>>::default());
    let (ended, noted) = (Arc::clone(&outcomes), Arc::clone(&notes));
    let agent = Agent::builder()
        .replaying()
        .host(facts())
        .clock(crate::clock::ManualClock::at(at(0)))
        .gadget(Script(script))
        .actions(actions.clone())
        .policy(Policy::from_toml(policy).unwrap())
        .on_event(move |event, _| match event {
            Event::Ended(outcome) => ended.lock().push(outcome.clone()),
            Event::Noted(diagnostic) => noted.lock().push(diagnostic.text.to_string()),
            _ => {}
        })
        .build()
        .unwrap();
    Stage { agent, actions, outcomes, notes }
}

impl Stage {
    fn endings(&self) -> Vec<Ending> {
        self.outcomes.lock().iter().map(|outcome| outcome.ending).collect()
    }

    fn entries(&self) -> Vec<Entry<'static>> {
        self.agent.ledger().records().map(|record| record.unwrap().entry).collect()
    }
}

#[test]
fn an_effect_is_on_record_before_it_happens_and_put_back_when_released() {
    let mut stage = stage(ACT, |now, _, plans| match now.since(at(0)).as_secs() {
        1 => plans.propose(plan(Step::Freeze)),
        3 => plans.release(PlanId(1)),
        _ => {}
    });
    for second in 0..=3 {
        let used = if second < 2 { 900 } else { 400 };
        stage.agent.step(&seen(at(second), used), at(second));
    }
    assert_eq!(stage.actions.applied().len(), 1);
    assert_eq!(stage.actions.undone().len(), 1);
    assert_eq!(stage.endings(), [Ending::Met]);
    let order: Vec<&str> = stage
        .entries()
        .iter()
        .filter_map(|entry| match entry {
            Entry::Reviewed(_) => Some("reviewed"),
            Entry::Intended { .. } => Some("intended"),
            Entry::Done { .. } => Some("done"),
            Entry::Ended(_) => Some("ended"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["reviewed", "intended", "done", "ended"]);
}

#[test]
fn an_effect_that_does_not_bring_the_change_is_put_back() {
    let mut stage = stage(ACT, |now, _, plans| {
        if now == at(1) {
            plans.propose(plan(Step::Freeze));
        }
    });
    for second in 0..=7 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    assert_eq!((stage.actions.undone().len(), stage.endings()), (1, vec![Ending::Unmet]));
}

#[test]
fn the_end_of_a_tree_is_never_put_back_by_the_agent_that_brought_it() {
    let kill = || {
        let mut kill = plan(Step::Kill);
        let leaky = Subject::Process(ProcessId { pid: 70, start: 7 });
        kill.target = Target { subject: leaky, reach: Reach::Tree, name: "leaky".into() };
        kill
    };
    for (used, release, endings) in [
        (400, false, vec![Ending::Met]),
        (900, true, vec![Ending::Unmet]),
        (900, false, vec![Ending::Unmet]),
    ] {
        let mut stage = stage(ACT, move |now, _, plans| match now.since(at(0)).as_secs() {
            1 => plans.propose(kill()),
            3 if release => plans.release(PlanId(1)),
            _ => {}
        });
        for second in 0..=7 {
            let used = if second < 2 { 900 } else { used };
            stage.agent.step(&seen(at(second), used), at(second));
        }
        let undo = stage.entries().into_iter().find_map(|entry| match entry {
            Entry::Intended { undo, .. } => Some(undo.into_owned()),
            _ => None,
        });
        assert!(matches!(undo, Some(Undo::Continue { reach: Reach::Tree, .. })), "{undo:?}");
        assert_eq!((stage.actions.undone(), stage.endings()), (vec![], endings));
    }
    let mut stage = stage(ACT, move |_, _, plans| plans.propose(kill()));
    stage.actions.take(Duration::from_secs(60));
    for second in 0..=2 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    assert_eq!(stage.actions.applied().len(), 1);
    stage.agent.finish(at(3));
    assert_eq!((stage.actions.undone(), stage.endings()), (vec![], vec![Ending::Shutdown]));
}

#[test]
fn without_a_policy_nothing_is_done_but_everything_is_on_record() {
    let mut stage = stage("", |_, _, plans| plans.propose(plan(Step::Kill)));
    for second in 0..10 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    assert!(stage.actions.prepared().is_empty());
    let reviews: Vec<_> = stage
        .entries()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Reviewed(review) => Some(review.into_owned()),
            _ => None,
        })
        .collect();
    assert!(!reviews.is_empty() && reviews.len() < 10, "written on change only: {}", reviews.len());
    assert!(reviews.iter().all(|review| review.verdict != Verdict::Permitted));
}

#[test]
fn a_target_that_is_no_longer_the_one_judged_is_left_alone() {
    let mut stage = stage(ACT, |now, _, plans| {
        if now == at(1) {
            plans.propose(plan(Step::Kill));
        }
    });
    stage.actions.when_preparing(|_| Err(ActionError::Stale { what: "another process" }));
    for second in 0..3 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    assert_eq!((stage.actions.applied().len(), stage.endings()), (0, vec![Ending::Gone]));
}

#[test]
fn what_somebody_else_changed_is_theirs() {
    let mut stage = stage(ACT, |now, _, plans| {
        if now == at(1) {
            plans.propose(plan(Step::SetMemoryMax { to: MemoryLimit::At(Bytes::new(2_000)) }));
        }
    });
    stage.actions.when_undoing(|_| {
        Err(ActionError::Yielded {
            setting: Setting::MemoryMax,
            found: Value::from("3000").unwrap(),
        })
    });
    for second in 0..8 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    assert_eq!(stage.endings(), [Ending::Yielded]);
}

#[test]
fn a_gadget_that_panics_takes_nobody_with_it_and_comes_back() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let mut stage = stage(ACT, move |now, _, plans| {
        counted.fetch_add(1, Ordering::Relaxed);
        match now.since(at(0)).as_secs() {
            1 => plans.propose(plan(Step::Freeze)),
            2 => panic!("a bug"),
            _ => {}
        }
    });
    for second in 0..=5 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    // The effect of a gadget that is down has nobody to release it.
    assert_eq!((stage.actions.applied().len(), stage.actions.undone().len()), (1, 1));
    assert!(calls.load(Ordering::Relaxed) >= 5, "it was made anew");
    assert!(
        stage.notes.lock().iter().any(|note| note.contains("panicked: a bug")),
        "{:?}",
        stage.notes
    );
    assert_eq!(stage.agent.costs().next().unwrap().panics, 1);
}

#[test]
fn the_end_puts_everything_back_and_writes_how_it_ended() {
    let mut stage = stage(ACT, |now, _, plans| {
        if now == at(1) {
            plans.propose(plan(Step::Freeze));
        }
    });
    for second in 0..2 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    stage.agent.finish(at(2));
    assert_eq!((stage.actions.undone().len(), stage.endings()), (1, vec![Ending::Shutdown]));
    assert!(stage.agent.ledger().carried().unfinished.is_empty());
}

#[test]
fn an_undo_that_fails_is_tried_again_without_haste_and_said_once() {
    let mut stage = stage(ACT, |now, _, plans| {
        if now == at(1) {
            plans.propose(plan(Step::Freeze));
        }
    });
    stage
        .actions
        .when_undoing(|_| Err(ActionError::Unsupported { step: StepKind::Freeze, needs: "luck" }));
    for second in 0..20 {
        let report = stage.agent.step(&seen(at(second), 900), at(second));
        assert!(report.next.is_none_or(|next| next > at(second)), "{report:?}");
    }
    let said = stage.notes.lock().iter().filter(|note| note.contains("cannot put back")).count();
    assert_eq!(said, 1);
    stage.actions.when_undoing(|_| Ok(()));
    stage.agent.step(&seen(at(20), 900), at(20));
    assert_eq!(stage.endings(), [Ending::Unmet]);
}

#[test]
fn what_cannot_be_put_back_now_stays_unfinished_for_the_next_start() {
    let mut stage = stage(ACT, |now, _, plans| {
        if now == at(1) {
            plans.propose(plan(Step::Freeze));
        }
    });
    stage
        .actions
        .when_undoing(|_| Err(ActionError::Unsupported { step: StepKind::Freeze, needs: "luck" }));
    for second in 0..2 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    stage.agent.finish(at(2));
    assert_eq!(stage.agent.ledger().carried().unfinished.len(), 1);
}

#[test]
fn a_pause_stops_effects_at_the_next_step_and_what_is_under_way() {
    let mut stage = stage(ACT, |_, _, plans| {
        plans.propose(plan(Step::Terminate { grace: Duration::from_secs(1) }));
    });
    stage.actions.take(Duration::from_secs(2));
    stage.agent.pause("a person");
    for second in 0..3 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    assert!(stage.actions.applied().is_empty());
    stage.agent.resume();
    stage.agent.step(&seen(at(3), 900), at(3));
    assert_eq!(stage.actions.applied().len(), 1);
    stage.agent.pause("a person");
    for second in 4..9 {
        let report = stage.agent.step(&seen(at(second), 900), at(second));
        assert!(report.next > Some(at(second)), "a paused agent does not spin: {report:?}");
    }
    let complete = stage
        .entries()
        .iter()
        .filter(|entry| matches!(entry, Entry::Done { effect, .. } if effect.complete))
        .count();
    assert_eq!(complete, 0, "the second half of the step waits for the end of the pause");
}

#[test]
fn what_is_gone_is_watched_no_more() {
    let exit = Exit { code: Some(0), signal: None, lifetime: Duration::ZERO, peak_rss: None };
    for end in [Reading::Gone, Reading::Exited(exit)] {
        let mut stage = stage("", |_, world, plans| {
            if world.seen(GROUP).is_some() {
                plans.watch(GROUP, Duration::from_millis(50));
            }
        });
        stage.agent.step(&seen(at(0), 900), at(0));
        assert_eq!(stage.agent.watched().collect::<Vec<_>>(), [(GROUP, Duration::from_millis(50))]);
        stage.agent.step(&[Signal { at: at(1), subject: GROUP, reading: end }], at(1));
        assert_eq!(stage.agent.watched().count(), 0);
    }
}

#[test]
fn the_expected_change_is_watched_for_until_it_comes() {
    let mut stage = stage(ACT, |now, _, plans| {
        if now == at(1) {
            plans.propose(plan(Step::Freeze));
        }
    });
    for second in 0..2 {
        stage.agent.step(&seen(at(second), 900), at(second));
    }
    assert_eq!(stage.agent.watched().collect::<Vec<_>>(), [(GROUP, Duration::from_millis(250))]);
    stage.agent.step(&seen(at(2), 400), at(2));
    assert_eq!(stage.agent.watched().count(), 0);
}

#[test]
fn the_same_signals_give_the_same_ledger() {
    let run = || {
        let mut stage = stage(ACT, |now, _, plans| {
            plans.propose(plan(Step::Freeze));
            if now.since(at(0)).as_secs() % 4 == 3 {
                plans.release(PlanId(1));
            }
        });
        for second in 0..60 {
            stage.agent.step(&seen(at(second), 900 - second * 10), at(second));
        }
        stage.agent.finish(at(60));
        stage.agent.ledger().bytes()
    };
    assert_eq!(run(), run());
}

/// Counts what it was asked, says it, and panics at its third sample.
struct Clumsy(u64);

impl crate::provider::SignalProvider for Clumsy {
    fn sample(
        &mut self,
        now: Timestamp,
        _: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        self.0 += 1;
        assert_ne!(self.0, 3, "a bug in a provider");
        for signal in seen(now, self.0) {
            out.push(signal.subject, signal.reading);
        }
        Ok(())
    }
    fn name(&self) -> &'static str {
        "clumsy"
    }
}

#[test]
fn a_run_survives_a_provider_that_panics_and_sees_every_reading_before_it_ends() {
    let stop = Stop::new();
    let (seen, notes) = (Arc::new(Mutex::new(Vec::new())), Arc::<Mutex<Vec<String>>>::default());
    let (watcher, noted, end) = (Arc::clone(&seen), Arc::clone(&notes), stop.clone());
    let mut agent = Agent::builder()
        .host(facts())
        .provider(Clumsy(0), Duration::from_millis(20))
        .gadget(Script(move |_, world: &World, _: &mut Plans| {
            if let Some(used) = world.metric(GROUP, Metric::MemoryUsed) {
                watcher.lock().push(used as u64);
                if used > 8.0 {
                    end.stop();
                }
            }
        }))
        .on_event(move |event, _| {
            if let Event::Noted(diagnostic) = event {
                noted.lock().push(diagnostic.text.to_string());
            }
        })
        .build()
        .unwrap();
    agent.run(&stop);
    let mut seen = seen.lock().clone();
    seen.dedup();
    let last = *seen.last().unwrap();
    assert_eq!(seen, (1..=last).filter(|&sample| sample != 3).collect::<Vec<_>>());
    let notes = notes.lock();
    assert!(notes.iter().any(|note| note.contains("a bug in a provider")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("works again")), "{notes:?}");
}

#[test]
fn an_undo_that_was_left_is_done_by_the_next_agent() {
    let dir = tempfile::tempdir().unwrap();
    let build = |actions: RecordingActions| {
        Agent::builder()
            .replaying()
            .host(facts())
            .clock(crate::clock::ManualClock::at(at(0)))
            .gadget(Script(|now, _: &World, plans: &mut Plans| {
                if now == at(1) {
                    plans.propose(plan(Step::Freeze));
                }
            }))
            .actions(actions)
            .policy(Policy::from_toml(ACT).unwrap())
            .ledger(Ledger::open(dir.path(), &facts(), at(0)).unwrap())
            .build()
            .unwrap()
    };
    let first = RecordingActions::default();
    let mut agent = build(first.clone());
    for second in 0..2 {
        agent.step(&seen(at(second), 900), at(second));
    }
    assert_eq!(first.applied().len(), 1);
    first.when_undoing(|_| {
        Err(ActionError::Unsupported { step: StepKind::Freeze, needs: "a live agent" })
    });
    drop(agent);
    let second = RecordingActions::default();
    let agent = build(second.clone());
    assert!(matches!(second.undone().as_slice(), [Undo::Thaw { .. }]));
    assert!(agent.ledger().carried().unfinished.is_empty());
}

/// A file system that is soon full.
struct Small(tempfile::TempDir);

impl Small {
    /// None, said aloud, where nothing may be mounted; the ledger's own tests fill a file everywhere.
    fn mount() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let flags = rustix::mount::MountFlags::empty();
        match rustix::mount::mount("none", place.path(), "tmpfs", flags, c"size=64k") {
            Ok(()) => Some(Self(place)),
            Err(error) => {
                println!("SKIPPED: a tmpfs cannot be mounted here ({error})");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn on_a_full_disk_nothing_is_done_it_is_said_and_observing_goes_on() {
    let Some(small) = Small::mount() else { return };
    let actions = RecordingActions::default();
    let notes = Arc::<Mutex<Vec<String>>>::default();
    let (noted, asked) = (Arc::clone(&notes), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&asked);
    let mut agent = Agent::builder()
        .replaying()
        .host(facts())
        .clock(crate::clock::ManualClock::at(at(0)))
        .gadget(Script(move |now: Timestamp, _: &World, plans: &mut Plans| {
            counted.fetch_add(1, Ordering::Relaxed);
            if now.since(at(0)).as_secs() >= 2 {
                plans.propose(plan(Step::Freeze));
            }
        }))
        .actions(actions.clone())
        .policy(Policy::from_toml(ACT).unwrap())
        .ledger(Ledger::open(small.0.path().join("ledger"), &facts(), at(0)).unwrap())
        .on_event(move |event, _| {
            if let Event::Noted(diagnostic) = event {
                noted.lock().push(diagnostic.text.to_string());
            }
        })
        .build()
        .unwrap();
    agent.step(&seen(at(0), 900), at(0));
    let filler = small.0.path().join("filler");
    let _ = std::fs::write(&filler, vec![0; 64 * 1024]);
    // What is said of pauses fills the page that the ledger already has.
    for _ in 0..8 {
        agent.pause(&"long ".repeat(100));
        agent.step(&[], at(1));
        agent.resume();
        agent.step(&[], at(1));
    }
    let before = asked.load(Ordering::Relaxed);
    for second in 2..6 {
        agent.step(&seen(at(second), 900), at(second));
    }
    assert!(actions.applied().is_empty());
    assert_eq!(asked.load(Ordering::Relaxed), before + 4);
    let said = notes.lock().iter().filter(|note| note.contains("cannot be")).count();
    assert!(said >= 1, "{:?}", notes.lock());
    std::fs::remove_file(&filler).unwrap();
    for second in 6..12 {
        agent.step(&seen(at(second), 900), at(second));
    }
    assert_eq!(actions.applied().len(), 1, "{:?}", notes.lock());
    assert!(Ledger::verify(small.0.path().join("ledger")).is_ok());
}

/// A gadget that counts what the others did, and what it did itself.
#[derive(Clone, Default)]
struct Bystander(Arc<Mutex<Vec<String>>>);

impl Gadget for Bystander {
    fn name(&self) -> Name {
        "bystander".into()
    }
    fn observe(&mut self, _: &Signal) {}
    fn plan(&mut self, _: Timestamp, _: &World, _: &mut Plans) {}
    fn done(&mut self, plan: &Plan) {
        self.0.lock().push(format!("own {}", plan.step));
    }
    fn witness(&mut self, plan: &Plan) {
        self.0.lock().push(format!("{} did {}", plan.gadget, plan.step));
    }
}

#[test]
fn every_other_gadget_hears_what_one_did() {
    let bystander = Bystander::default();
    let mut agent = Agent::builder()
        .replaying()
        .host(facts())
        .clock(crate::clock::ManualClock::at(at(0)))
        .gadget(bystander.clone())
        .gadget(Script(|now: Timestamp, _: &World, plans: &mut Plans| {
            if now == at(1) {
                plans.propose(plan(Step::Freeze));
            }
        }))
        .actions(RecordingActions::default())
        .policy(Policy::from_toml(ACT).unwrap())
        .build()
        .unwrap();
    for second in 0..=2 {
        agent.step(&seen(at(second), 900), at(second));
    }
    assert_eq!(*bystander.0.lock(), ["script did freeze"]);
}
