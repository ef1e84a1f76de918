//! Signals to children of our own.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gadget_core::{ProcessId, Reading, Signal, Subject};
use gadget_signals::{SignalWatch, parse};
use rustix::process::{Pid, Signal as Number, kill_process};

use crate::support::{Process, or_skip, sample};

fn child(script: &str) -> (Process, ProcessId) {
    let child = Process(Command::new("sh").args(["-c", script]).spawn().unwrap());
    let id = id_of(&child.0);
    (child, id)
}

fn id_of(child: &Child) -> ProcessId {
    let path = format!("/proc/{}/stat", child.id());
    let text = fs::read(&path).unwrap();
    ProcessId { pid: child.id(), start: parse::process_stat(&text, path.as_ref()).unwrap().start }
}

fn send(to: ProcessId, signal: Number) {
    kill_process(Pid::from_raw(to.pid.cast_signed()).unwrap(), signal).unwrap();
}

/// How often which signal was sent to `subject`.
fn sent(signals: &[Signal], subject: Subject) -> BTreeMap<u8, u64> {
    let about = signals.iter().filter(|it| it.subject == subject);
    about
        .filter_map(|it| match it.reading {
            Reading::Signalled { signal, count } => Some((signal, count)),
            _ => None,
        })
        .collect()
}

fn pending(id: ProcessId) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", id.pid)).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_ends_a_process_is_told_of_it_once_and_the_rest_of_the_host() {
    let Some(mut watch) = or_skip(SignalWatch::host()) else { return };
    let (mut sleeper, id) = child("exec sleep 1000");
    let (_other, other) = child("exec sleep 1000");
    sample(&mut watch);
    for _ in 0..5 {
        send(other, Number::STOP);
        send(other, Number::CONT);
    }
    send(id, Number::TERM);
    sleeper.0.wait().unwrap();
    let signals = sample(&mut watch);
    let about_it = sent(&signals, Subject::Process(id));
    assert_eq!(about_it, BTreeMap::from([(15, 1)]));
    assert!(sent(&signals, Subject::Process(other)).is_empty(), "it lives on");
    let host = sent(&signals, Subject::Host);
    assert!(host[&15] >= 1 && host[&19] >= 5, "{host:?}");
    assert!(sent(&sample(&mut watch), Subject::Process(id)).is_empty(), "it was told");
}

#[test]
fn a_signal_that_is_pending_already_or_ignored_counts_once_or_not() {
    let Some(mut watch) = or_skip(SignalWatch::host()) else { return };
    let (_child, id) = child("trap '' INT; exec sleep 1000");
    until("the child ignores SIGINT", || {
        let status = fs::read_to_string(format!("/proc/{}/status", id.pid)).unwrap();
        status.contains("Name:\tsleep")
    });
    send(id, Number::STOP);
    until("the child stops", || {
        fs::read_to_string(format!("/proc/{}/stat", id.pid)).unwrap().contains(") T ")
    });
    sample(&mut watch);
    for _ in 0..3 {
        send(id, Number::TERM);
        send(id, Number::INT);
    }
    // The kernel holds one TERM and no INT for it.
    assert_eq!(pending(id) & (1 << 14 | 1 << 1), 1 << 14);
    assert_eq!(sent(&sample(&mut watch), Subject::Process(id)), BTreeMap::from([(15, 1)]));
}

#[test]
fn what_the_kernel_itself_sends_is_told() {
    let Some(mut watch) = or_skip(SignalWatch::host()) else { return };
    sample(&mut watch);
    let (mut child, id) = child("kill -SEGV $$");
    child.0.wait().unwrap();
    let signals = sample(&mut watch);
    assert_eq!(sent(&signals, Subject::Process(id)), BTreeMap::from([(11, 1)]));
}
