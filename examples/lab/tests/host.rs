//! Tiny incidents in real cgroups of this host. Where no memory controller is writable they say so, loudly;
//! parsing and judging are tested everywhere by the unit tests.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Mount points that may have a memory controller.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];

fn groups_of(pid: u32) -> Vec<PathBuf> {
    let prefix = format!("lab-{pid}-");
    let mounts = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    mounts
        .chain(["/sys/fs/cgroup".into()])
        .filter_map(|mount| fs::read_dir(mount).ok())
        .flat_map(|entries| entries.flatten())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

/// False, with a reason that cannot be missed, where these tests cannot run.
fn can_run() -> bool {
    let probe = format!("lab-probe-{}-{:?}", std::process::id(), thread::current().id());
    let found = MOUNTS.iter().any(|mount| {
        let group = PathBuf::from(mount).join(&probe);
        let made = fs::create_dir(&group).is_ok();
        let limited = ["memory.limit_in_bytes", "memory.max"]
            .iter()
            .any(|file| fs::write(group.join(file), "67108864").is_ok());
        if made {
            fs::remove_dir(&group).unwrap();
        }
        limited
    });
    if !found {
        eprintln!(
            "SKIPPED, NOT TESTED: no memory controller is writable here, so no incident was staged"
        );
    }
    found
}

fn lab(args: &[&str], reports: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(args).args(["--limit", "64M", "--json", "--reports"]).arg(reports);
    command
}

fn report(output: &std::process::Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text:?} {}", String::from_utf8_lossy(&output.stderr))
    })
}

#[test]
fn without_a_watcher_the_kernel_kills() {
    if !can_run() {
        return;
    }
    let reports = tempfile::tempdir().unwrap();
    let output = lab(&["run", "fast-leak", "--no-watcher"], reports.path()).output().unwrap();
    let report = report(&output);
    // On a busy machine it kills once more before the memory of the first is back.
    assert!(report["kernel_oom_kills"].as_u64().unwrap() >= 1, "{report}");
    assert_eq!(report["verdict"]["pass"], true, "{report}");
    assert!(report["calm"]["count"].as_u64().unwrap() > 100, "{report}");
    let (due, came) =
        (report["expected_s"].as_f64().unwrap(), report["kernel_oom_s"].as_f64().unwrap());
    // Never early; late where the leak does not get its turn.
    assert!((0.7..4.0).contains(&(came / due)), "the plan said {due} s, the kernel {came} s");
}

/// A watcher that knows the culprit's name: what it does is known, so the judge can be judged.
const CHEAT: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = --cgroup ] && group=$2; shift; done
trap 'exit 0' TERM
sleep 12 & wait $!
echo '{"kind":"forecast","seconds_to_oom":3,"culprit":"VICTIM"}'
for mount in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    for pid in $(cat $mount$group/cgroup.procs 2>/dev/null); do
        [ "$(cat /proc/$pid/comm)" = VICTIM ] && kill -9 $pid && echo '{"kind":"action","step":"kill"}'
    done
done
sleep 60 & wait $!
"#;

fn judged(victim: &str) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let watcher = directory.path().join("watcher");
    fs::write(&watcher, CHEAT.replace("VICTIM", victim)).unwrap();
    fs::set_permissions(&watcher, fs::Permissions::from_mode(0o755)).unwrap();
    let watcher = watcher.to_str().unwrap();
    // The slowest leak: at 12 s it is under way, and far from the end.
    report(&lab(&["run", "slow-leak", "--watcher", watcher], directory.path()).output().unwrap())
}

#[test]
fn a_watcher_that_stops_the_culprit_passes() {
    if !can_run() {
        return;
    }
    let report = judged("report-worker");
    assert_eq!(report["verdict"]["pass"], true, "{report}");
    assert_eq!(report["kernel_oom_kills"], 0, "{report}");
    assert_eq!(report["subject_fate"]["value"], 9, "{report}");
    assert_eq!(report["action"][1], "kill", "{report}");
    assert!(report["rescue"]["count"].as_u64().unwrap() > 100, "{report}");
}

#[test]
fn a_watcher_that_kills_the_big_one_fails() {
    if !can_run() {
        return;
    }
    let report = judged("search-index");
    assert_eq!(report["verdict"]["pass"], false, "{report}");
    assert!(report["verdict"]["reason"].as_str().unwrap().contains("search-index"), "{report}");
}

#[test]
fn nothing_is_left_when_the_lab_is_killed() {
    if !can_run() {
        return;
    }
    let reports = tempfile::tempdir().unwrap();
    let mut lab = lab(&["run", "slow-leak", "--no-watcher"], reports.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let processes = |groups: &[PathBuf]| -> usize {
        let read = |group: &PathBuf| {
            fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines().count()
        };
        groups.iter().map(read).max().unwrap_or(0)
    };
    let start = Instant::now();
    while processes(&groups_of(lab.id())) < 3 {
        assert!(start.elapsed() < Duration::from_secs(60), "the run never started");
        thread::sleep(Duration::from_millis(20));
    }
    lab.kill().unwrap();
    lab.wait().unwrap();
    let killed = Instant::now();
    while !groups_of(lab.id()).is_empty() {
        assert!(
            killed.elapsed() < Duration::from_secs(60),
            "left behind: {:?}",
            groups_of(lab.id())
        );
        thread::sleep(Duration::from_millis(20));
    }
    let scratch = std::env::temp_dir().join(format!("lab-{}-slow-leak-1", lab.id()));
    // The guardian deletes files after the groups.
    while scratch.exists() {
        assert!(killed.elapsed() < Duration::from_secs(70), "left behind: {}", scratch.display());
        thread::sleep(Duration::from_millis(20));
    }
}
