//! The program as a person uses it: lines in, redacted lines out, a report, and rules that are kept.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
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
