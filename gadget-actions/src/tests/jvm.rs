//! What a real JVM says of its deadlocks.

use std::process::Command;
use std::time::Duration;

use gadget_core::{
    Reading, RuntimeReport, Scope, SignalProvider as _, Signals, Step, Subject, Timestamp,
};

use crate::RuntimeReports;
use crate::linux::Linux;
use crate::testing::{Child, act, eventually, finish, plan};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/java17/Deadlocks.java");

/// A JVM with three deadlocks, and where its classes are; none, and says so, where there is no compiler.
fn deadlocked() -> Option<(Child, tempfile::TempDir)> {
    let dir = tempfile::tempdir().unwrap();
    let compiled = Command::new("javac").arg("-d").arg(dir.path()).arg(SOURCE).status();
    if !compiled.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: there is no javac; runtime/ tests the parser on a real dump");
        return None;
    }
    let child = Child::script(&format!("exec java -cp {} Deadlocks", dir.path().display()));
    Some((child, dir))
}

/// Samples until there is a report, and returns it with its subject.
fn report(
    reports: &mut RuntimeReports,
    at: Timestamp,
    scope: Scope<'_>,
) -> (Subject, RuntimeReport) {
    let mut found = None;
    eventually("it answers", || {
        let mut out = Signals::at(at);
        reports.sample(at, scope, &mut out).unwrap();
        for signal in &out {
            let Reading::RuntimeReport(report) = &signal.reading else { panic!("{signal:?}") };
            found = Some((signal.subject, (**report).clone()));
        }
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_watched_jvm_names_the_threads_and_the_monitors_of_its_deadlocks() {
    let Some((child, _dir)) = deadlocked() else { return };
    let sleeper = Child::sleeping();
    let subject = Subject::Process(child.id());
    let mut watched = [Subject::Host, Subject::Process(sleeper.id()), subject];
    watched.sort();
    let mut reports = RuntimeReports::host().unwrap();
    let mut now = Timestamp::from_secs(1_000);
    // The sweep asks nobody.
    let mut out = Signals::at(now);
    reports.sample(now, Scope::Everything, &mut out).unwrap();
    // Its threads need a moment until they are all deadlocked, and it is asked once a minute.
    let deadlocks = loop {
        let (of, report) = report(&mut reports, now, Scope::Only(&watched));
        assert_eq!(of, subject);
        if report.deadlocks.len() == 3 {
            break report.deadlocks;
        }
        assert!(now < Timestamp::from_secs(2_000), "{report:?}");
        now = now + Duration::from_secs(60);
    };
    let waits = |thread: &str| {
        let wait = deadlocks.iter().flatten().find(|wait| &*wait.thread == thread).unwrap();
        (wait.monitor.clone(), wait.held_by.clone())
    };
    for (thread, class, holder) in [
        ("worker-a", "a java.lang.StringBuilder)", "worker-b"),
        ("worker-b", "a java.lang.Object)", "worker-a"),
        ("lock \"one\": x", "ReentrantLock$FairSync)", "lock-other"),
        ("lock-other", "ReentrantLock$NonfairSync)", "lock \"one\": x"),
        ("ring-2", "a java.lang.Object)", "ring-0"),
    ] {
        let (monitor, held_by) = waits(thread);
        assert!(monitor.ends_with(class) && &*held_by == holder, "{thread}: {monitor} {held_by}");
        let address = monitor.strip_prefix("0x").unwrap();
        assert!(u64::from_str_radix(address.split([' ', ',']).next().unwrap(), 16).is_ok());
    }
    let lengths: Vec<_> = deadlocks.iter().map(Vec::len).collect();
    assert_eq!(lengths.iter().sum::<usize>(), 7, "{lengths:?}");
}

#[test]
fn a_process_is_asked_once_a_minute_and_only_if_it_is_a_jvm() {
    let child = Child::sleeping();
    let subjects = [Subject::Process(child.id())];
    let mut reports = RuntimeReports::host().unwrap();
    for at in [0, 1, 59, 60, 61] {
        let now = Timestamp::from_secs(1_000 + at);
        let mut out = Signals::at(now);
        reports.sample(now, Scope::Only(&subjects), &mut out).unwrap();
        assert!(out.as_slice().is_empty());
        let looked = Timestamp::from_secs(if at < 60 { 1_000 } else { 1_060 });
        assert_eq!(reports.known(), [(child.id(), looked)]);
    }
    drop(child);
    // One that is gone is not looked at again.
    let now = Timestamp::from_secs(2_000);
    reports.sample(now, Scope::Only(&subjects), &mut Signals::at(now)).unwrap();
    assert_eq!(reports.known(), []);
}

#[test]
fn a_capture_of_a_jvm_holds_its_own_dump() {
    let Some((child, _dir)) = deadlocked() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut linux = Linux::builder().capture(dir.path()).build();
    let plan = plan(Step::CaptureStacks, Subject::Process(child.id()), "deadlocks");
    act(&mut linux, &plan).unwrap();
    let results = finish(&mut linux, Timestamp::from_secs(2_000), Duration::from_millis(10));
    let [Ok(effect)] = &results[..] else { panic!("{results:?}") };
    assert!(effect.summary.contains("jvm-threads.txt"), "{effect:?}");
    let folder = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let dump = std::fs::read_to_string(folder.join("jvm-threads.txt")).unwrap();
    assert!(dump.contains("Full thread dump") && dump.contains("\"worker-a\""), "{dump}");
    let threads = std::fs::read_to_string(folder.join("threads.txt")).unwrap();
    assert!(threads.contains("\"Signal Dispatch\""), "{threads}");
}
