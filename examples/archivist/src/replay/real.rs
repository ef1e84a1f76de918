//! Logs of real servers, recorded for this: an hour of a healthy system, and faults injected into one.
//!
//! PostgreSQL, MariaDB, Redis, memcached, ZooKeeper, rsyslog, nginx before HAProxy before a shop in Python, under some 250 requests a
//! second with what is ordinary: missing pages, clients that go away, orders rejected, slow reports, jobs, backups, rotations, reloads.
//! Lines are thinned by their kind to at most 100 of each; `tests/real/README.md` tells how they came about.

use std::path::PathBuf;

use gadget_archivist::Settings;

use super::SECOND;
use super::data::{Line, lines};
use super::play::{Played, play};

fn recorded(name: &str) -> Vec<Line> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    lines(&folder.join(name)).unwrap()
}

fn said(played: &Played) -> Vec<String> {
    let said = played.triggers.iter().map(|it| format!("{} {}: {}", it.at, it.cause, it.statement));
    said.collect()
}

#[test]
fn a_healthy_hour_of_real_servers_has_one_false_trigger_at_most() {
    let lines = recorded("healthy.jsonl.gz");
    let secs = (lines.last().unwrap().t_ns - lines[0].t_ns) / SECOND;
    let played = play(lines, Settings::default()).unwrap();
    assert!(secs >= 3_500 && played.lines > 5_000, "{} lines of {secs} s", played.lines);
    assert!(played.triggers.len() <= 1, "{:#?}", said(&played));
}

/// A fault: when it was injected, in milliseconds since the epoch; what the first line that tells of it has in it; and what has to be
/// among the first lines that are sent.
struct Fault {
    name: &'static str,
    at: u64,
    tells: &'static str,
    first: &'static str,
}

const fn fault(name: &'static str, at: u64, tells: &'static str, first: &'static str) -> Fault {
    Fault { name, at, tells, first }
}

/// Each as the only one of its day: five of the healthy minutes before all of them, then the minute before it and the one after.
#[test]
fn each_fault_of_real_servers_triggers_within_ten_seconds_and_its_cause_comes_first() {
    let all = recorded("faults.jsonl.gz");
    let first = FAULTS[0].at * 1_000_000;
    let healthy = first - 300 * SECOND..first;
    let healthy: Vec<_> = all.iter().filter(|it| healthy.contains(&it.t_ns)).cloned().collect();
    for Fault { name, at, tells, first } in FAULTS {
        let begin = at * 1_000_000;
        let its = begin - 60 * SECOND..begin + 60 * SECOND;
        let mut lines = healthy.clone();
        let last = lines[lines.len() - 1].t_ns;
        // Nothing is between them.
        let gap = its.start.saturating_sub(last);
        let its = all.iter().filter(|line| its.contains(&line.t_ns) && line.t_ns > last);
        lines.extend(its.map(|line| Line { t_ns: line.t_ns - gap, ..line.clone() }));
        let begin = begin - gap;
        let told = lines.iter().find(|line| line.t_ns >= begin && line.line.contains(tells));
        let told = told.unwrap_or_else(|| panic!("{name}: nothing tells of it")).t_ns;
        let played = play(lines, Settings::default()).unwrap();
        let trigger = played.triggers.first();
        let trigger = trigger.unwrap_or_else(|| panic!("{name}: no trigger"));
        assert!(trigger.at.as_nanos() >= begin, "{name}: too soon: {:#?}", said(&played));
        let delay = trigger.at.as_nanos().saturating_sub(told);
        assert!(delay <= 10 * SECOND, "{name}: {delay} ns after it was told: {:#?}", said(&played));
        let sent = &played.incidents[0];
        let is_first = sent.first.iter().any(|line| line.contains(first));
        assert!(is_first, "{name}: {:#?}", sent.first);
    }
}

const FAULTS: [Fault; 11] = [
    fault(
        "a backend of the database crashes",
        1_795_805_970_002,
        "signal 11",
        "Segmentation fault",
    ),
    fault("a disk is full", 1_795_806_160_002, "No space left", "No space left on device"),
    fault("a cache is full", 1_795_806_350_002, "OutOfMemoryError", "used memory > 'maxmemory'"),
    fault(
        "an upstream is gone",
        1_795_806_540_003,
        "connect() failed",
        "while connecting to upstream",
    ),
    fault(
        "a table is dropped",
        1_795_806_730_003,
        "drop table item",
        "relation \"item\" does not exist",
    ),
    fault("memcached crashes", 1_795_806_920_003, "BrokenPipeError", "ConnectionRefusedError"),
    fault("a program hangs", 1_795_807_300_007, "Layer7 timeout", "no server available"),
    fault("a deadlock", 1_795_807_490_000, "deadlock detected", "deadlock detected"),
    fault(
        "too many connections",
        1_795_807_680_010,
        "too many clients",
        "too many clients already",
    ),
    fault("a database crashes", 1_795_808_060_014, "got signal 11", "mariadbd got signal 11"),
    fault("a cache is killed", 1_795_807_870_000, "Connection refused", "Connection refused"),
];
