//! The program as a person or a script uses it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn oracle(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oracle")).args(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().expect("a path of text").to_owned()
}

#[test]
fn help_and_wrong_arguments_are_what_people_expect() {
    let help = oracle(&["--help"]);
    assert!(help.status.success());
    for word in ["--act", "--policy", "--ledger", "--replay", "--json", "Exit codes"] {
        assert!(text(&help.stdout).contains(word), "{word} is missing");
    }
    let wrong = oracle(&["--polcy", "x"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("--policy"), "{}", text(&wrong.stderr));
    assert_eq!(oracle(&["--act"]).status.code(), Some(2), "--act alone is refused");
}

#[test]
fn the_printed_policy_is_a_valid_policy_that_only_observes() {
    let printed = oracle(&["policy"]);
    let policy = gadget_core::Policy::from_toml(&text(&printed.stdout)).expect("it can be read");
    assert_eq!(policy.settings(), gadget_core::Policy::observe().settings());
}

#[test]
fn a_mistyped_key_is_named_with_the_one_that_was_meant() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = path(dir.path(), "policy.toml");
    fs::write(&policy, "[cooldwn]\ntarget = \"1s\"\n").expect("written");
    let refused = oracle(&["--policy", &policy, "--seconds", "1"]);
    assert_eq!(refused.status.code(), Some(1));
    let error = text(&refused.stderr);
    assert!(error.contains("cooldwn") && error.contains("cooldown"), "{error}");
}

#[test]
fn a_run_is_recorded_and_its_replay_is_exact() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ledger, recording) = (path(dir.path(), "ledger"), path(dir.path(), "run.rec"));
    let run = oracle(&["--json", "--seconds", "3", "--ledger", &ledger, "--record", &recording]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    for line in text(&run.stdout).lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(value["kind"].is_string(), "{line}");
    }
    let verified = oracle(&["ledger", "verify", &ledger]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));

    let replayed: Vec<Vec<u8>> = ["first", "second"]
        .map(|name| {
            let ledger = path(dir.path(), name);
            let replay = oracle(&["--json", "--replay", &recording, "--ledger", &ledger]);
            assert!(replay.status.success(), "{}", text(&replay.stderr));
            assert!(!text(&replay.stderr).contains(" 0 signals"), "{}", text(&replay.stderr));
            oracle(&["ledger", "show", "--json", &ledger]).stdout
        })
        .into();
    assert!(!replayed[0].is_empty());
    assert_eq!(replayed[0], replayed[1]);
}

#[test]
fn a_changed_ledger_is_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = path(dir.path(), "ledger");
    assert!(oracle(&["--seconds", "1", "--ledger", &ledger]).status.success());
    let segment = fs::read_dir(&ledger)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "ledger"))
        .expect("a segment");
    let mut bytes = fs::read(&segment).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).expect("written");
    let verified = oracle(&["ledger", "verify", &ledger]);
    assert_eq!(verified.status.code(), Some(3), "{}", text(&verified.stderr));
}

#[test]
fn what_is_not_a_recording_is_an_error_and_not_a_crash() {
    let refused = oracle(&["--replay", "/proc/self/exe"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("not a recording"), "{}", text(&refused.stderr));
}

#[test]
fn an_answer_reaches_the_directory_that_the_running_program_watches() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = path(dir.path(), "ledger");
    assert!(oracle(&["--seconds", "1", "--ledger", &ledger]).status.success());
    let answered = oracle(&["approve", "17", "--ledger", &ledger]);
    assert!(answered.status.success(), "{}", text(&answered.stderr));
    assert!(dir.path().join("ledger/approvals/17.yes").exists());
}
