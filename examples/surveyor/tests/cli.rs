//! The program as a person or a script uses it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

fn surveyor(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_surveyor")).args(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().expect("a path of text").to_owned()
}

/// A program that is ended with the test.
struct Running(Child);

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surveyor"));
        Self(command.args(args).stdout(Stdio::null()).spawn().expect("the program starts"))
    }

    /// Asks it to end, as a service manager does.
    fn end(&mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").arg(pid).status().expect("kill is there").success());
        assert!(self.0.wait().expect("it ends").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("loopback")
}

fn scrape(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Waits until `f` gives something, for a minute at most.
fn until<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(it) = f() {
            return it;
        }
        assert!(Instant::now() < end, "{what} did not come");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn help_and_wrong_arguments_are_what_people_expect() {
    let help = surveyor(&["--help"]);
    assert!(help.status.success());
    for word in ["--mode", "--settings", "--control", "--listen", "report", "Exit codes"] {
        assert!(text(&help.stdout).contains(word), "{word} is missing");
    }
    assert_eq!(surveyor(&["--mode", "everything"]).status.code(), Some(2));
    let nobody = surveyor(&["set", "/does/not/exist", "top.most = 3"]);
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn the_printed_settings_are_valid_and_the_defaults() {
    let printed = text(&surveyor(&["settings"]).stdout);
    let settings = gadget_surveyor::settings::Settings::from_toml(&printed).expect("it is read");
    assert_eq!(settings, gadget_surveyor::settings::Settings::default());
    assert!(text(&surveyor(&["settings", "--table"]).stdout).contains("| `level` |"));
}

#[test]
fn a_mistyped_setting_is_named_with_the_one_that_was_meant() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = path(dir.path(), "surveyor.toml");
    fs::write(&file, "[top]\nmots = 3\n").expect("written");
    let refused = surveyor(&["--settings", &file, "--seconds", "1"]);
    assert_eq!(refused.status.code(), Some(1));
    let error = text(&refused.stderr);
    assert!(error.contains("top.mots") && error.contains("top.most"), "{error}");
}

#[test]
fn what_is_sent_is_served_changed_while_it_runs_and_on_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let [ledger, socket, file, lines] =
        ["ledger", "control", "surveyor.toml", "lines"].map(|name| path(dir.path(), name));
    fs::write(&file, "[telemetry]\nevery = \"200ms\"\nwindow = 2\n").expect("written");
    let address = free_address();
    let listen = address.to_string();
    let mut running = Running::start(&[
        "--settings",
        &file,
        "--control",
        &socket,
        "--ledger",
        &ledger,
        "--listen",
        &listen,
        "--envelopes",
        &lines,
    ]);
    let served = until("a window", || {
        scrape(address).filter(|it| it.contains("topn_capture_ratio{resource=\"cpu\"}"))
    });
    for metric in
        ["process_", "topn_capture_ratio{resource=\"rss\"}", "surveyor_sketch_process_rss_bytes"]
    {
        assert!(served.contains(metric), "{metric} is missing");
    }

    let refused = surveyor(&["set", &socket, "telemetry.level = \"rwa\""]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("telemetry.level"), "{}", text(&refused.stderr));
    assert!(surveyor(&["set", &socket, "telemetry.level = \"raw\""]).status.success());
    until("raw", || scrape(address).filter(|it| it.contains("mode=\"raw\"")));
    assert!(text(&surveyor(&["show", &socket]).stdout).contains("level = \"raw\""));
    fs::write(&file, "[telemetry]\nlevel = \"bypass\"\nevery = \"200ms\"\n").expect("written");
    until("bypass", || scrape(address).filter(|it| it.contains("mode=\"bypass\"")));
    running.end();

    let shown = text(&surveyor(&["ledger", "show", &ledger]).stdout);
    for statement in [
        "telemetry.level \"smart+sketch\" -> \"raw\"",
        "refused",
        "-> bypass top 20",
        "-> raw top 20",
    ] {
        assert!(shown.contains(statement), "{statement} is not on record:\n{shown}");
    }
    assert!(surveyor(&["ledger", "verify", &ledger]).status.success());
    let lines = fs::read_to_string(&lines).expect("envelopes are written");
    for line in lines.lines() {
        let envelope = gadget_export::json::parse(line).expect("each line is an envelope");
        envelope.validate().expect("and keeps its contract");
    }
    assert!(lines.contains("MODE_RAW") && lines.contains("MODE_BYPASS"));
}

#[test]
fn a_recording_is_made_replayed_and_reported_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let recording = path(dir.path(), "host.rec");
    let made = surveyor(&["record", &recording, "--seconds", "5"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let settings = path(dir.path(), "surveyor.toml");
    fs::write(&settings, "[telemetry]\nevery = \"1s\"\nwindow = 2\n").expect("written");
    let replayed = surveyor(&["replay", &recording, "--settings", &settings]);
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let again = surveyor(&["replay", &recording, "--settings", &settings]);
    // Keys of a map are in no order in JSON.
    let envelopes = |output: &Output| -> Vec<_> {
        let lines = text(&output.stdout);
        lines.lines().map(|line| gadget_export::json::parse(line).expect("an envelope")).collect()
    };
    let replayed = envelopes(&replayed);
    assert!(!replayed.is_empty() && replayed == envelopes(&again), "the same each time");
    // A few seconds do not make half of the series superfluous, but nothing may be counted wrong.
    let report = text(&surveyor(&["report", &recording, "--settings", &settings]).stdout);
    assert!(report.contains("| windows with a wrong number | 0 |"), "{report}");
}

/// The recordings that belong to the gadget are as near to the exact answer as is asked for, whatever was changed since.
#[test]
fn the_recordings_of_the_gadget_are_reported_as_near_enough() {
    let recordings =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gadgets/surveyor/recordings");
    let report = surveyor(&["report", recordings.to_str().expect("a path of text")]);
    let (table, wrong) = (text(&report.stdout), text(&report.stderr));
    assert!(report.status.success(), "{table}\n{wrong}");
    for load in ["idle", "cargo-build", "postgresql", "redis", "fork-storm", "memory-ramp"] {
        assert!(table.contains(load), "{load} is missing");
    }
}
