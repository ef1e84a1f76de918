//! The program as a person or a script uses it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use gadget_core::{
    Futex, FutexAddress, HostFacts, Lock, LockKind, ProcessId, ProcessIdentity, Reading, Recorder,
    Runtime, Signal, Subject, Thread, ThreadId, Threads, Timestamp, Wait, Wakers,
};

fn pathologist(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pathologist")).args(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().expect("a path of text").to_owned()
}

/// Writes a recording of the server of the README: two of its threads wait for each other from 14:45:07 on.
fn record(to: &str) {
    let process = ProcessId { pid: 4126, start: 900 };
    let subject = Subject::Process(process);
    let begun = Timestamp::from_secs(53_107);
    let thread = |tid, wait| Thread {
        tid,
        name: "worker".into(),
        state: 'S',
        cpu: Duration::from_millis(20),
        ready: Duration::ZERO,
        slices: 3,
        since: Some(begun),
        wait,
    };
    let lock = |tid, address, owner| {
        let owner = Some(ThreadId { process, tid: owner });
        let kind = LockKind::GlibcMutex;
        let futex = Futex {
            address: FutexAddress::Private(address),
            timed: false,
            private: true,
            pi: false,
            word: Some(2),
            lock: Some(Lock { kind, owner, contended: true, depth: Some(1) }),
            joins: None,
        };
        thread(tid, Wait::Futex(futex))
    };
    let threads = Threads {
        threads: vec![
            thread(4126, Wait::Client { fd: 3 }),
            lock(4127, 0x7f31_c40a_50a0, 4128),
            lock(4128, 0x7f31_c40a_5060, 4127),
        ],
        wakers: Wakers { traced: Some(false), ..Wakers::default() },
        ..Threads::default()
    };
    let facts = HostFacts { boot_id: "boot".into(), kernel: "6.12".into(), agent_pid: 9, cpus: 2 };
    let identity = ProcessIdentity {
        parent: 1,
        comm: "abba".into(),
        exe: Some("/usr/local/bin/abba".into()),
        uid: 1_000,
        cgroup: None,
        cgroup_path: None,
        oom_score_adj: Some(0),
        kernel_thread: false,
        runtime: Runtime::Native,
    };
    let mut recorder = Recorder::create(to, &facts).expect("a recording");
    let reading = Reading::ProcessIdentity(Box::new(identity));
    recorder.write(&[Signal { at: begun, subject, reading }]).expect("written");
    for look in 0..20 {
        let at = begun + Duration::from_secs(3 + 5 * look);
        let reading = Reading::Threads(Box::new(threads.clone()));
        recorder.write(&[Signal { at, subject, reading }]).expect("written");
    }
    recorder.finish().expect("whole");
}

#[test]
fn help_and_wrong_arguments_are_what_people_expect() {
    let help = pathologist(&["--help"]);
    assert!(help.status.success());
    for word in ["--act", "--policy", "--incidents", "--replay", "--ask-runtimes", "Exit codes"] {
        assert!(text(&help.stdout).contains(word), "{word} is missing");
    }
    assert_eq!(pathologist(&["--incidents", "/tmp"]).status.code(), Some(2), "only with --act");
}

#[test]
fn a_recording_of_a_deadlock_gives_the_sentence_and_what_would_be_done() {
    let dir = tempfile::tempdir().expect("a directory");
    let (recording, policy) = (path(dir.path(), "abba.rec"), path(dir.path(), "policy.toml"));
    record(&recording);
    let observed = pathologist(&["--replay", &recording]);
    let said = text(&observed.stdout);
    let sentence = "thread 4127 waits for the lock at 0x7f31c40a50a0 held by 4128, which waits for 0x7f31c40a5060 \
                    held by 4127, since 14:45:07";
    assert!(said.contains(sentence), "{said}");
    assert!(said.contains("observed only: #"), "{said}");
    assert!(text(&observed.stderr).contains(" 0 steps would have been taken"));

    fs::write(&policy, "[autonomy]\npathologist = \"act\"\n").expect("written");
    let acted = pathologist(&["--replay", &recording, "--policy", &policy, "--json"]);
    let kinds: Vec<(String, String)> = text(&acted.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .map(|line: serde_json::Value| {
            let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            (word("kind"), word("step"))
        })
        .collect();
    let actions: Vec<&str> =
        kinds.iter().filter(|(kind, _)| kind == "action").map(|(_, step)| step.as_str()).collect();
    assert_eq!(actions, ["capture-stacks", "terminate"], "{kinds:?}");
    assert!(kinds.iter().any(|(kind, _)| kind == "assessed"));
}

#[test]
fn a_run_is_recorded_and_its_replay_is_exact() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ledger, recording) = (path(dir.path(), "ledger"), path(dir.path(), "run.rec"));
    let run =
        pathologist(&["--json", "--seconds", "2", "--ledger", &ledger, "--record", &recording]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("waits: "), "{}", text(&run.stderr));
    let replayed = ["first", "second"].map(|name| {
        let ledger = path(dir.path(), name);
        let replay = pathologist(&["--json", "--all", "--replay", &recording, "--ledger", &ledger]);
        assert!(replay.status.success(), "{}", text(&replay.stderr));
        pathologist(&["ledger", "show", "--json", &ledger]).stdout
    });
    assert!(!replayed[0].is_empty());
    assert_eq!(replayed[0], replayed[1]);
}
