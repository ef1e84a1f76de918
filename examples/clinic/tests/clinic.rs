//! Cases that run for real, under watchers whose words are known, and under the Pathologist where it was built.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const CLINIC: &str = env!("CARGO_BIN_EXE_clinic");

/// A C program of the clinic needs a compiler; the case in Rust is there everywhere.
fn has_compiler() -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join("cc").is_file());
    if !found {
        eprintln!("SKIPPED: there is no C compiler to build the cases with");
    }
    found
}

fn run(directory: &Path, args: &[&str]) -> Output {
    Command::new(CLINIC).arg("run").args(args).arg("--dir").arg(directory).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn the_list_names_every_case() {
    let output = Command::new(CLINIC).arg("list").output().unwrap();
    let text = text(&output);
    for case in gadget_clinic::CASES {
        assert!(text.contains(case.name), "{text}");
    }
}

#[test]
fn a_case_in_rust_is_what_it_claims_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["--no-watcher", "--only", "rust-mutex"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn cases_in_c_are_what_they_claim_to_be() {
    if !has_compiler() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cases = "abba,cycle-5,rwlock,cross-process,behind-port,abba-server,signal-waiter,idle-pool,vfork-parent";
    let output = run(directory.path(), &["--no-watcher", "--only", cases]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().filter(|line| line.ends_with("1/1")).count(), 9, "{text}");
}

/// A watcher that says one line about the process of one name.
fn watcher(directory: &Path, comm: &str, line: &str) -> PathBuf {
    let path = directory.join("watcher");
    let script = format!(
        "#!/bin/sh\nfor task in /proc/[0-9]*; do\n  pid=${{task#/proc/}}\n  \
         [ \"$(cat $task/comm 2>/dev/null)\" = {comm} ] && echo '{line}' | sed s/PID/$pid/g\ndone\nwhile :; do sleep 1; done\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn judged(case: &str, comm: &str, line: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let watcher = watcher(directory.path(), comm, line);
    let watcher = watcher.to_str().unwrap();
    let args = ["--only", case, "--watcher", watcher, "--seconds", "3"];
    let output = run(directory.path(), &args);
    (output.status.success(), text(&output))
}

#[test]
fn a_plan_to_end_what_only_waits_fails_the_run() {
    if !has_compiler() {
        return;
    }
    let plan = r#"{"kind":"decision","verdict":"observed only","plan":{"step":"terminate","target":{"pid":PID}}}"#;
    let (passed, text) = judged("signal-waiter", "signal-waiter", plan);
    assert!(!passed, "{text}");
    assert!(text.contains("it planned to terminate"), "{text}");
}

#[test]
fn a_proof_must_name_the_threads_of_the_case() {
    if !has_compiler() {
        return;
    }
    let proof = |sentence: &str| {
        format!(
            r#"{{"kind":"assessed","subject":{{"pid":PID}},"class":"stuck","probability":0.99,"evidence":{{"evidence":2}},"statement":"{sentence}"}}"#
        )
    };
    let (passed, text) = judged("relock", "relock", &proof("thread 1 waits for 0x10 held by 1"));
    assert!(!passed, "{text}");
    assert!(text.contains("names other threads"), "{text}");
    // Nobody spoke of it at all.
    let (passed, text) = judged("relock", "no-such-name", &proof(""));
    assert!(!passed, "{text}");
    assert!(text.contains("no proof"), "{text}");
}

#[test]
fn nothing_is_left_when_the_clinic_is_killed() {
    if !has_compiler() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let watcher = watcher(directory.path(), "none", "");
    let mut clinic = Command::new(CLINIC)
        .args(["run", "--only", "cross-process", "--watcher"])
        .arg(&watcher)
        .arg("--dir")
        .arg(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The clinic, both processes of the case and the watcher have this directory on the command line.
    let here = directory.path().to_str().unwrap().to_owned();
    let children = || -> usize {
        let lines = fs::read_dir("/proc").unwrap().flatten().map(|entry| {
            String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).unwrap_or_default())
                .into_owned()
        });
        lines.filter(|line| line.contains(&here)).count()
    };
    let start = Instant::now();
    while children() < 4 {
        assert!(start.elapsed() < Duration::from_secs(60), "it never started");
        thread::sleep(Duration::from_millis(20));
    }
    clinic.kill().unwrap();
    clinic.wait().unwrap();
    let killed = Instant::now();
    while children() > 0 {
        assert!(killed.elapsed() < Duration::from_secs(20), "{} processes are left", children());
        thread::sleep(Duration::from_millis(20));
    }
}

/// The Pathologist: named by `CLINIC_WATCHER`, or beside the clinic.
fn pathologist() -> Option<PathBuf> {
    let named = std::env::var_os("CLINIC_WATCHER").map(PathBuf::from);
    let found = named.unwrap_or_else(|| Path::new(CLINIC).with_file_name("pathologist"));
    found.is_file().then_some(found)
}

#[test]
fn the_pathologist_proves_a_deadlock_and_leaves_idle_servers_alone() {
    if !has_compiler() {
        return;
    }
    let Some(watcher) = pathologist() else {
        eprintln!("SKIPPED: the pathologist was not built: cargo build -p pathologist");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let watcher = watcher.to_str().unwrap();
    let cases = "abba,behind-port,idle-c,idle-pool,client-no-timeout";
    let output = run(directory.path(), &["--only", cases, "--watcher", watcher, "--seconds", "25"]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("proved: 2 of 2"), "{text}");
    assert!(text.contains("ends planned for what must live: 0 in 3 cases"), "{text}");
}
