//! The program as a person uses it: lines in, redacted lines out, a report, and rules that are kept.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn curator() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_curator"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str], input: &str) -> Output {
    let mut child = curator().args(args).spawn().unwrap();
    // What is refused reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Values of every kind, made up.
const VALUES: [(&str, &str); 12] = [
    ("card", "4111 1111 1111 1111"),
    ("ssn", "536-90-4399"),
    ("iban", "DE89370400440532013000"),
    ("phone", "+44 20 7946 0958"),
    ("email", "ann.lee@example.com"),
    ("ip", "203.0.113.77"),
    ("name", "Patricia Wright"),
    ("password", "hunter2-Hunter2"),
    ("api-key", "AKIA5DZ3BA2V7KCVICMI"),
    (
        "jwt",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    ),
    ("connection-string", "postgres://app:s3cretpw@db.internal:5432/shop"),
    ("birth-date", "1984-07-23"),
];

fn lines() -> String {
    let key = |kind: &str| match kind {
        "ip" => "client_ip".to_owned(),
        "birth-date" => "date of birth".to_owned(),
        "connection-string" => "DATABASE_URL".to_owned(),
        "name" => "customer name".to_owned(),
        kind => kind.to_owned(),
    };
    let line =
        |(kind, value): &(&str, &str)| format!("INFO com.shop.Billing - {}: {value}\n", key(kind));
    VALUES.iter().map(line).chain(["took 17 ms at /srv/app\n".to_owned()]).collect()
}

#[test]
fn every_kind_of_value_is_hidden_and_no_value_is_in_the_report() {
    let output = run(&["--service", "shop"], &lines());
    let (out, report) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{report}");
    for (kind, value) in VALUES {
        // Of a connection string the password is what must not leave.
        let secret = if kind == "connection-string" { "s3cretpw" } else { value };
        assert!(!out.contains(secret), "{kind}: {out}");
        assert!(!report.contains(secret), "{kind}: {report}");
    }
    assert_eq!(out.lines().count(), VALUES.len() + 1);
    assert!(out.ends_with("took 17 ms at /srv/app\n"), "{out}");
    assert!(report.contains("[NEW LEAK] ssn in shop (stdin), logger com.shop.Billing"), "{report}");
    assert!(
        report.contains(&format!("{} lines, {} redacted, 0 lost", VALUES.len() + 1, VALUES.len())),
        "{report}"
    );
}

#[test]
fn the_report_is_json_in_a_file_if_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report.json");
    let output = run(&["--json", "--quiet", "--report", report.to_str().unwrap()], &lines());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["lines"], VALUES.len() + 1);
    let leaks = report["report"]["leaks"].as_array().unwrap();
    assert!(leaks.iter().any(|leak| leak["entity"] == "ssn" && leak["values"] == 1), "{leaks:?}");
}

#[test]
fn equal_values_have_equal_hashes_under_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let input = "ssn: 536-90-4399\nssn=536-90-4399\nssn: 536-90-4398\n";
    let output = run(&["--key-file", key.to_str().unwrap()], input);
    let out = text(&output.stdout);
    let hashes: Vec<&str> = out.lines().map(|line| &line[line.find('[').unwrap()..]).collect();
    assert!(hashes[0] == hashes[1] && hashes[1] != hashes[2], "{out}");
    std::fs::write(&key, "short").unwrap();
    assert_eq!(run(&["--key-file", key.to_str().unwrap()], input).status.code(), Some(1));
}

#[test]
fn arguments_that_are_wrong_are_refused_before_anything_is_read() {
    for args in [
        &["--entities", "ssn,shoe"][..],
        &["--report-every", "0"],
        &["--no-such"],
        &["--checkpoint", "x"],
    ] {
        assert_eq!(run(args, "").status.code(), Some(2), "{args:?}");
    }
    for args in [&["--slow-path-budget", "101"][..], &["--policy", "/no/such"]] {
        assert_eq!(run(args, "").status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn a_report_into_what_is_no_file_is_written_and_what_it_was_stays() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report");
    let socket = dir.path().join("rules");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_eq!(run(&["--rules", socket.to_str().unwrap()], "").status.code(), Some(1));

    rustix::fs::mkfifoat(rustix::fs::CWD, &report, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    let pipe = report.clone();
    let read = std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap());
    let output = run(&["--quiet", "--report", report.to_str().unwrap()], &lines());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(read.join().unwrap().contains("values  leaks"));
    assert!(!std::fs::symlink_metadata(&report).unwrap().is_file());
}

/// What follows files and prints until it is killed, as lines.
fn follow(args: &[&str]) -> (Child, mpsc::Receiver<String>) {
    let mut child = curator().args(args).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, printed) = mpsc::channel();
    std::thread::spawn(move || {
        lines.map_while(Result::ok).try_for_each(|line| sender.send(line)).ok();
    });
    (child, printed)
}

#[test]
fn files_are_followed_through_a_rotation_and_a_kill_and_out_of_a_container_runtimes_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let pod = "pods/shop_cart-0_3c1c/cart";
    std::fs::create_dir_all(path(pod)).unwrap();
    let append = |name: &str, line: &str| {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path(name));
        writeln!(file.as_mut().unwrap(), "{line}").unwrap();
    };
    let (app, pods, at) = (path("app.log"), path("pods/*/*/*.log"), path("at"));
    let args = ["--quiet", "--files", &app, "--files", &pods, "--checkpoint", &at];
    let next = |printed: &mpsc::Receiver<String>| {
        printed.recv_timeout(Duration::from_secs(30)).expect("a line within 30 s")
    };

    let (mut child, printed) = follow(&args);
    append("app.log", "ssn: 536-90-4399");
    assert_eq!(next(&printed), "ssn: [SSN_REDACTED]");
    std::fs::rename(path("app.log"), path("app.log.1")).unwrap();
    append("app.log", "mail ann.lee@example.com");
    assert_eq!(next(&printed), "mail ***@example.com");
    // The number is in two parts, as a runtime writes a long line.
    append(&format!("{pod}/0.log"), "2026-02-03T10:00:00.1Z stdout P {\"ssn\":\"536-9");
    append(&format!("{pod}/0.log"), "2026-02-03T10:00:00.2Z stdout F 0-4399\"}");
    assert_eq!(next(&printed), "{\"ssn\":\"[SSN_REDACTED]\"}");

    // Until what was printed is also remembered.
    std::thread::sleep(Duration::from_secs(2));
    child.kill().unwrap();
    child.wait().unwrap();
    append("app.log", "while it was away");
    let (mut child, printed) = follow(&args);
    assert_eq!(next(&printed), "while it was away");
    assert!(printed.recv_timeout(Duration::from_millis(300)).is_err(), "nothing comes again");
    child.kill().unwrap();
    child.wait().unwrap();
}

const GIVEN: [&str; 10] =
    ["Maria", "James", "Olivia", "Peter", "Sophie", "Daniel", "Laura", "Thomas", "Emma", "Robert"];
const FAMILY: [&str; 9] =
    ["Johnson", "Miller", "Garcia", "Wilson", "Anderson", "Taylor", "Moore", "Jackson", "Martin"];

fn name(nth: usize) -> String {
    format!("{} {}", GIVEN[nth % GIVEN.len()], FAMILY[nth % FAMILY.len()])
}

/// The rules know every kind of value but names: all there is to know of those is learned.
const RULES_FOR: &str =
    "card,ssn,iban,national-id,phone,email,ip,address,birth-date,password,api-key";

/// A running program that is written to line by line.
struct Running {
    child: Child,
    input: ChildStdin,
    written: usize,
}

impl Running {
    fn start(rules: &Path, ledger: &Path) -> Self {
        let mut child = curator()
            .args([
                "--entities",
                RULES_FOR,
                "--service",
                "claims",
                "--rules",
                rules.to_str().unwrap(),
            ])
            .args(["--ledger", ledger.to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        Self { child, input, written: 0 }
    }

    /// Some lines with a name in a format that no rule knows, and more without.
    fn write(&mut self, count: usize) {
        for nth in self.written..self.written + count {
            writeln!(self.input, "claim {nth} handed over to adjuster {} today", name(nth))
                .unwrap();
            for worker in 0..6 {
                writeln!(self.input, "worker {worker} took job {nth} of the queue").unwrap();
            }
        }
        self.input.flush().unwrap();
        self.written += count;
    }

    fn end(self) -> Output {
        drop(self.input);
        self.child.wait_with_output().unwrap()
    }
}

#[test]
fn a_format_that_no_rule_knows_is_learned_adopted_kept_and_retired() {
    let dir = tempfile::tempdir().unwrap();
    let (rules, ledger) = (dir.path().join("rules.json"), dir.path().join("ledger"));
    let probe = "claim 1 handed over to adjuster Maria Johnson today\n";

    let mut running = Running::start(&rules, &ledger);
    let mut said = BufReader::new(running.child.stderr.take().unwrap()).lines();
    let until = Instant::now() + Duration::from_secs(60);
    let done = std::thread::spawn(move || {
        said.find(|line| line.as_ref().is_ok_and(|line| line.contains("trial -> adopted")))
    });
    while !done.is_finished() {
        assert!(
            Instant::now() < until,
            "nothing was adopted: {}",
            std::fs::read_to_string(&rules).unwrap()
        );
        running.write(20);
        std::thread::sleep(Duration::from_millis(100));
    }
    let done = done.join().unwrap().unwrap().unwrap();
    assert!(running.end().status.success());
    assert!(done.starts_with("[RULE] #"), "{done}");

    // It is on record, with what it was decided on and no value.
    let shown = run(&["ledger", "show", "--json", ledger.to_str().unwrap()], "");
    let shown = text(&shown.stdout);
    assert!(
        shown.contains("set-rule") && shown.contains("adopted") && shown.contains("agreed"),
        "{shown}"
    );
    let kept = std::fs::read_to_string(&rules).unwrap();
    for word in GIVEN.iter().chain(&FAMILY) {
        assert!(!shown.contains(word) && !kept.contains(word), "{word}");
    }
    assert!(run(&["ledger", "verify", ledger.to_str().unwrap()], "").status.success());

    // The next start knows it at the first line, without the slow path.
    let args = [
        "--entities",
        RULES_FOR,
        "--service",
        "claims",
        "--slow-path-budget",
        "0",
        "--quiet",
        "--rules",
        rules.to_str().unwrap(),
    ];
    let again = run(&args, probe);
    assert!(text(&again.stdout).contains("[NAME_REDACTED]"), "{}", text(&again.stdout));
    assert!(text(&again.stderr).contains("1 by learned rules"), "{}", text(&again.stderr));

    // A person takes it out of use.
    let shown = text(&run(&["rules", "show", rules.to_str().unwrap()], "").stdout);
    let row = shown.lines().find(|line| line.contains("adopted")).unwrap();
    let rule = row.split_whitespace().next().unwrap();
    assert!(run(&["rules", "retire", rules.to_str().unwrap(), rule], "").status.success());
    let retired = run(&args, probe);
    assert!(text(&retired.stderr).contains("0 by learned rules"), "{}", text(&retired.stderr));
}
