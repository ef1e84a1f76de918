//! Signals in, plans out; and the same signals give the same ledger.

mod host;

use std::time::Duration;

use gadget_core::{
    Agent, Change, Glob, ManualClock, MonitorWait, Policy, Rehearsal, Runtime, RuntimeReport, Step,
    StepKind, Subject, Timestamp, Wait,
};
use gadget_pathologist::Pathologist;
use host::{
    Actor, Backend, Host, START, abba, futex, joins, lock, pathologist, shared_lock, thread, timed,
};

#[test]
fn the_abba_server_is_proved_captured_and_ended() {
    let mut host = Host::new(pathologist(), vec![abba(4126)]);
    host.backend = Backend::Works;
    host.run(0, 200);
    assert_eq!(
        host.last_statement(4126),
        "thread 4127 waits for the lock at 0x7f00000010a0 held by 4128, which waits for 0x7f0000001060 held by 4127, \
         since 14:45:07; 12 clients are queued"
    );
    let (proved, said) = &host.stated[0];
    assert_eq!((*proved, said.class.as_ref()), (10, "stuck"), "ten seconds after the first look");
    assert_eq!(said.evidence[0], ("evidence".into(), 2.0));
    assert!((0.985..1.0).contains(&said.probability.get()));
    let target = Subject::Process(host.actors[0].id);
    assert_eq!(
        host.done,
        [(10, StepKind::CaptureStacks, target), (60, StepKind::Terminate, target)]
    );
    let [(_, capture), (_, end)] = &host.proposed[..] else { panic!("{:?}", host.proposed) };
    assert_eq!(capture.expects.change, Change::Nothing);
    assert_eq!(
        (&end.step, end.expects.change),
        (&Step::Terminate { grace: Duration::from_secs(10) }, Change::Gone)
    );
    assert_eq!(end.target.name.as_ref(), "abba");
    assert_eq!(host.pathologist.suspects().count(), 0, "it is gone");
}

#[test]
fn a_closed_set_is_ended_too() {
    let threads = vec![thread(10, joins(11)), thread(11, futex(0x1000)), thread(12, futex(0x2000))];
    let mut host = Host::new(pathologist(), vec![Actor::new(10, "python", threads)]);
    host.backend = Backend::Works;
    host.run(0, 100);
    assert_eq!(host.steps(), [(10, StepKind::CaptureStacks), (60, StepKind::Terminate)]);
    assert_eq!(host.stated[0].1.evidence[0], ("evidence".into(), 1.0));
}

#[test]
fn without_anybody_who_captures_it_is_ended_a_little_later() {
    let mut host = Host::new(pathologist(), vec![abba(10)]);
    host.run(0, 120);
    assert_eq!(host.steps(), [(10, StepKind::CaptureStacks), (75, StepKind::Terminate)]);
    let never = Pathologist::builder().capture(false).build().unwrap();
    let mut host = Host::new(never, vec![abba(10)]);
    host.run(0, 120);
    assert_eq!(host.steps(), [(60, StepKind::Terminate)]);
}

#[test]
fn what_survives_is_looked_at_again_and_left_alone() {
    let writer = abba(10).living(|second, threads| {
        if second > 70 {
            threads.threads.truncate(1);
            threads.threads[0].wait = Wait::Kernel { channel: "percpu_rwsem_wait".into() };
        }
    });
    let mut host = Host::new(pathologist(), vec![writer]);
    host.backend = Backend::Fails;
    host.run(0, 600);
    let ends = host.done.iter().filter(|(_, kind, _)| *kind == StepKind::Terminate).count();
    assert_eq!(ends, 1, "there is no stronger signal");
    assert_eq!(
        host.last_statement(10),
        "it was told to end and is still there: thread 10 sleeps in \"percpu_rwsem_wait\" since 14:45:07, \
         where no signal reaches it"
    );
}

#[test]
fn a_service_is_restarted_and_ended_if_that_fails() {
    let mut host = Host::new(pathologist(), vec![abba(10).service()]);
    host.backend = Backend::Works;
    host.run(0, 100);
    assert_eq!(host.steps(), [(10, StepKind::CaptureStacks), (60, StepKind::Restart)]);
    let mut host = Host::new(pathologist(), vec![abba(10).service()]);
    host.backend = Backend::Fails;
    host.run(0, 100);
    assert_eq!(
        host.steps(),
        [(10, StepKind::CaptureStacks), (60, StepKind::Restart), (65, StepKind::Terminate)]
    );
    let named = Pathologist::builder().restartable(vec!["abba".into()]).build().unwrap();
    let mut host = Host::new(named, vec![abba(10)]);
    host.backend = Backend::Works;
    host.run(0, 100);
    assert_eq!(host.steps()[1], (60, StepKind::Restart));
}

#[test]
fn of_two_processes_in_one_ring_the_younger_one_is_ended() {
    let pair = || {
        vec![
            Actor::new(100, "old", vec![thread(100, shared_lock(0x40, 200, 200))]),
            Actor::new(200, "young", vec![thread(200, shared_lock(0x80, 100, 100))]),
        ]
    };
    let mut host = Host::new(pathologist(), pair());
    host.backend = Backend::Works;
    host.run(0, 60);
    let young = Subject::Process(host.actors[1].id);
    assert_eq!(host.done.last(), Some(&(60, StepKind::Terminate, young)));
    assert_eq!(
        host.last_statement(200),
        "thread 100 waits for the lock at 0x40 of shared memory 0x1:2 held by 200 of process 200, which waits for \
         0x80 of shared memory 0x1:2 held by 100, since 14:45:07"
    );
    assert!(
        host.done
            .iter()
            .all(|(_, kind, subject)| { *kind == StepKind::CaptureStacks || *subject == young })
    );
}

#[test]
fn the_owner_of_a_shared_lock_is_looked_at_as_well() {
    let mut host = Host::new(
        pathologist(),
        vec![Actor::new(100, "one", vec![thread(100, shared_lock(0x40, 200, 200))])],
    );
    host.run(0, 115);
    assert_eq!(
        host.watched.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["process 100", "process 200"]
    );
    host.run(120, 300);
    assert_eq!(host.watched.len(), 1, "it cannot be looked at");
}

#[test]
fn behaviour_may_advise_and_leads_to_no_step() {
    let watch = |pathologist: gadget_pathologist::PathologistBuilder| {
        let mut actor = Actor::new(10, "app", vec![thread(10, futex(1)), thread(11, futex(2))]);
        // With a thread that was not looked at nothing holds of all.
        actor.threads.left_out = 1;
        let mut host = Host::new(pathologist.build().unwrap(), vec![actor]);
        host.run(0, 300);
        assert_eq!(host.steps(), []);
        host.stated.iter().map(|(_, said)| (said.class.to_string(), said.evidence[0].1)).next()
    };
    let studied = || Pathologist::builder().studied(vec![Glob::new("ap*").unwrap()]);
    assert_eq!(watch(studied()), Some(("stuck".to_owned(), 7.0)));
    assert_eq!(watch(studied().rules_only()), None);
    assert_eq!(watch(Pathologist::builder()), None);
}

#[test]
fn a_virtual_machine_is_asked_twice_and_then_ended() {
    let asks = Pathologist::builder().ask_runtimes(Some(Duration::from_secs(600)));
    let threads = vec![thread(10, futex(1)), thread(11, timed(futex(2)))];
    let mut host = Host::new(asks.build().unwrap(), vec![Actor::new(10, "java", threads)]);
    host.actors[0].runtime = Runtime::Jvm;
    host.backend = Backend::Works;
    let wait = |thread: &str, monitor: &str, held_by: &str| MonitorWait {
        thread: thread.into(),
        monitor: monitor.into(),
        held_by: held_by.into(),
    };
    let cycle = vec![wait("one", "A", "two"), wait("two", "B", "one")];
    // It is asked once a minute while it is watched.
    host.actors[0].reports = Some((60, RuntimeReport { deadlocks: vec![cycle] }));
    host.run(0, 10);
    assert_eq!(host.watched.len(), 1);
    host.run(15, 300);
    assert_eq!(host.steps(), [(120, StepKind::CaptureStacks), (130, StepKind::Terminate)]);
    assert_eq!(host.stated[0].1.evidence[0], ("evidence".into(), 3.0));
}

#[test]
fn a_virtual_machine_without_a_deadlock_is_asked_and_let_be() {
    let asks = Pathologist::builder().ask_runtimes(Some(Duration::from_secs(600)));
    let threads = vec![thread(10, futex(1)), thread(11, timed(futex(2)))];
    let mut host = Host::new(asks.build().unwrap(), vec![Actor::new(10, "java", threads)]);
    host.actors[0].runtime = Runtime::Jvm;
    host.actors[0].reports = Some((60, RuntimeReport::default()));
    host.run(0, 0);
    assert_eq!(host.watched.len(), 1);
    host.run(5, 650);
    assert_eq!(host.watched.len(), 0, "it has answered");
    host.run(655, 660);
    assert_eq!(host.watched.len(), 1, "its turn has come again");
    assert_eq!(host.steps(), []);
}

#[test]
fn a_deadlock_that_dissolves_is_no_longer_stated_nor_watched() {
    let recovers = abba(10).living(|second, threads| {
        if second > 30 {
            threads.threads[1].wait = Wait::Client { fd: 3 };
            threads.threads[1].slices += 1;
            threads.threads[2].wait = Wait::Client { fd: 3 };
            threads.threads[2].slices += 1;
        }
    });
    let mut host = Host::new(pathologist(), vec![recovers]);
    host.run(0, 30);
    assert_eq!(host.watched.len(), 1);
    host.run(35, 200);
    assert_eq!(host.classes(10), ["stuck", "idle"]);
    assert_eq!((host.watched.len(), host.pathologist.suspects().count()), (0, 0));
    assert!(host.steps().iter().all(|(_, kind)| *kind == StepKind::CaptureStacks));
}

#[test]
fn looks_that_stop_coming_are_no_ground_to_act_on() {
    let mut host = Host::new(pathologist(), vec![abba(10)]);
    host.run(0, 40);
    let before = host.proposed.len();
    let mut plans = gadget_core::Plans::default();
    let late = START + Duration::from_secs(100);
    gadget_core::Gadget::plan(&mut host.pathologist, late, &host.world, &mut plans);
    assert!(before > 0 && plans.proposals().is_empty());
}

/// Everything that an agent with this gadget writes down of a story.
fn ledger() -> Vec<String> {
    let mut host = Host::new(pathologist(), vec![abba(10), abba(20)]);
    let policy = "stale.unseen = \"30s\"\n[autonomy]\npathologist = \"act\"\n";
    let mut agent = Agent::builder()
        .replaying()
        .host(host.world.facts().clone())
        .clock(ManualClock::default())
        .gadget(pathologist())
        .policy(Policy::from_toml(policy).expect("a policy"))
        .actions(Rehearsal)
        .build()
        .expect("an agent");
    for second in (0..100).step_by(5) {
        let now: Timestamp = START + Duration::from_secs(second);
        let signals = host.signals(second);
        agent.step(&signals, now);
    }
    agent.ledger().records().map(|record| format!("{:?}", record.expect("a record"))).collect()
}

#[test]
fn the_same_signals_give_the_same_ledger() {
    let told = ledger();
    assert_eq!(told, ledger());
    let count = |word: &str| told.iter().filter(|record| record.contains(word)).count();
    assert!(count("CaptureStacks") > 0 && count("Terminate") > 0, "{told:#?}");
    assert!(count("4127") == 0 && count("0x7f00000010a0 held by 12") > 0);
}

#[test]
fn a_self_deadlock_names_itself() {
    let own = Actor::new(10, "self", vec![thread(10, lock(0x60, 10, 10))]);
    let mut host = Host::new(pathologist(), vec![own]);
    host.run(0, 60);
    assert!(
        host.last_statement(10)
            .starts_with("thread 10 waits for the lock at 0x60 held by itself, since")
    );
    assert_eq!(host.steps()[0], (10, StepKind::CaptureStacks));
}
