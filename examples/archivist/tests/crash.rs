//! Real crashes: of a service whose last words are the cause, and of the Archivist itself.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const CAUSE: &str = "ERROR pool 17 is corrupt: magic 0xdead at slot 4, giving up";

/// Longer than anything here takes, also where the host is busy.
const LONG: Duration = Duration::from_secs(60);

struct Bench {
    dir: tempfile::TempDir,
    archivist: Option<Child>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("shop.log"), "").unwrap();
        let mut bench = Self { dir, archivist: None };
        bench.start();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&mut self) {
        let program = Command::new(env!("CARGO_BIN_EXE_archivist"))
            .arg(self.path("shop.log"))
            .arg("--keep")
            .arg(self.path("keep"))
            .arg("--out")
            .arg(self.path("out"))
            .args(["--memory", "16", "--before", "60", "--after", "1", "--learning", "2", "--json"])
            .stdout(File::create(self.path("said")).unwrap())
            .stderr(File::create(self.path("errors")).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.archivist = Some(program);
        // From here on it misses no line.
        let start = Instant::now();
        while !fs::read_to_string(self.path("errors")).unwrap().contains("new in the logs") {
            assert!(start.elapsed() < LONG, "it does not begin");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill(&mut self) {
        let mut archivist = self.archivist.take().unwrap();
        archivist.kill().unwrap();
        archivist.wait().unwrap();
    }

    /// Waits for a file of an incident, and gives its text.
    fn incident(&self) -> String {
        let start = Instant::now();
        loop {
            for file in fs::read_dir(self.path("out")).into_iter().flatten() {
                let path = file.unwrap().path();
                let text = fs::read_to_string(&path).unwrap_or_default();
                if path.extension().is_some_and(|end| end == "jsonl") && text.contains("giving up")
                {
                    return text;
                }
            }
            assert!(
                start.elapsed() < LONG,
                "no incident; it said {:?}",
                fs::read_to_string(self.path("said"))
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the program has read this much of the log.
    fn until_read(&self) {
        let start = Instant::now();
        let length = fs::metadata(self.path("shop.log")).unwrap().len();
        let kept = || {
            let archive = fs::read(self.path("keep/archive")).unwrap_or_default();
            archive
                .windows(CAUSE.len() / 2)
                .any(|window| window == &CAUSE.as_bytes()[..CAUSE.len() / 2])
        };
        while !kept() {
            assert!(start.elapsed() < LONG, "{length} bytes were not read");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(mut archivist) = self.archivist.take() {
            let _ = archivist.kill();
            let _ = archivist.wait();
        }
    }
}

/// Requests, as a shop logs them.
fn requests(log: &Path, seconds: u64) {
    let mut log = OpenOptions::new().append(true).open(log).unwrap();
    for n in 0..seconds * 20 {
        writeln!(log, "INFO request {n} of user {} took {} ms", n * 7 % 90, n * 13 % 50).unwrap();
        if n % 4 == 0 {
            writeln!(log, "INFO cart {n} has {} items", n % 9).unwrap();
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The first line of an incident's file says what it is; the cause is the next one.
fn assert_first(incident: &str) {
    let lines: Vec<_> = incident.lines().collect();
    assert!(lines[1].contains("giving up"), "first is {:?}", lines[1]);
    assert!(lines.len() > 20, "what led to it is there, too: {} lines", lines.len());
}

#[test]
fn a_service_crashes_and_the_incident_begins_with_its_last_words() {
    let bench = Bench::new();
    requests(&bench.path("shop.log"), 5);
    // A service that says what is wrong, and dies of it.
    let script = format!("echo '{CAUSE}' >> \"$0\"; kill -SEGV $$");
    let log = bench.path("shop.log");
    let status = Command::new("sh").arg("-c").arg(script).arg(&log).status().unwrap();
    assert!(!status.success());
    assert_first(&bench.incident());
}

#[test]
fn the_archivist_is_killed_and_its_next_life_sends_what_it_had_kept() {
    let mut bench = Bench::new();
    requests(&bench.path("shop.log"), 2);
    let mut log = OpenOptions::new().append(true).open(bench.path("shop.log")).unwrap();
    writeln!(log, "{CAUSE}").unwrap();
    bench.until_read();
    bench.kill();
    // Nothing of it is in the file any more, so it can only come out of what was kept.
    fs::write(bench.path("shop.log"), "").unwrap();
    bench.start();
    assert_first(&bench.incident());
}

#[test]
fn an_end_in_order_leaves_nothing_behind() {
    let mut bench = Bench::new();
    requests(&bench.path("shop.log"), 1);
    let mut archivist = bench.archivist.take().unwrap();
    let pid = Pid::from_child(&archivist);
    kill_process(pid, Signal::TERM).unwrap();
    assert!(archivist.wait().unwrap().success());
    bench.start();
    thread::sleep(Duration::from_secs(3));
    let said = fs::read_to_string(bench.path("said")).unwrap();
    assert!(!said.contains("left behind"), "{said}");
}
