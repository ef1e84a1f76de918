//! The program under judgement: started beside the incident, and everything it says.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::procfs::Stat;

/// All that the watcher is allowed by default: to act.
const POLICY: &str = "[autonomy]\noracle = \"act\"\n";
/// How long to wait for lines after the watcher's end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One line of the watcher, and when it came.
#[derive(Clone, Debug)]
pub struct Said {
    /// When the line was read.
    pub at: Instant,
    /// The line, if it is JSON.
    pub value: Value,
}

impl Said {
    /// `forecast`, `action`, `decision`, or whatever the watcher calls it.
    pub fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    /// Whether something was really done: an action, other than looking more often.
    pub fn acted(&self) -> bool {
        self.kind() == "action" && !self.step().contains("sample")
    }

    /// Whether it is a forecast that gives an out-of-memory even odds or better.
    pub fn warns(&self) -> bool {
        self.kind() == "forecast" && self.value["probability"].as_f64().is_some_and(|p| p >= 0.5)
    }

    /// What was done, in the watcher's words.
    pub fn step(&self) -> String {
        ["step", "action", "name", "plan"]
            .iter()
            .find_map(|key| self.value[*key].as_str())
            .map_or_else(|| self.value.to_string(), str::to_owned)
    }
}

/// What the watcher cost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// User and system time, seconds.
    pub cpu_s: f64,
    /// Resident bytes at the end.
    pub rss: u64,
}

#[derive(Debug)]
pub(crate) struct Watcher {
    process: Child,
    said: Arc<Mutex<Vec<Said>>>,
    reader: JoinHandle<()>,
    pub(crate) started: Instant,
}

/// How to start it.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    /// Where its policy, ledger and output go.
    pub(crate) report: &'a Path,
    /// Groups to watch, relative to the root of the hierarchy.
    pub(crate) groups: Vec<String>,
    pub(crate) act: bool,
    pub(crate) record: Option<PathBuf>,
}

impl Watcher {
    pub(crate) fn start(start: &Start<'_>) -> anyhow::Result<Self> {
        let mut command = Command::new(start.program);
        if start.act {
            let policy = start.report.join("policy.toml");
            fs::write(&policy, POLICY).context("cannot write the policy")?;
            command.arg("--act").arg("--policy").arg(policy);
        }
        command.arg("--ledger").arg(start.report.join("ledger")).arg("--json");
        for group in &start.groups {
            command.arg("--cgroup").arg(group);
        }
        if let Some(record) = &start.record {
            command.arg("--record").arg(record);
        }
        let log = File::create(start.report.join("watcher.log"))?;
        let mut lines = File::create(start.report.join("watcher.jsonl"))?;
        let mut process =
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(log)
                .spawn()
                .with_context(|| format!("cannot start the watcher {}", start.program.display()))?;
        let started = Instant::now();
        let output = process.stdout.take().context("the watcher has no output")?;
        let said: Arc<Mutex<Vec<Said>>> = Arc::default();
        let reader = thread::Builder::new().name("watcher".into()).spawn({
            let said = Arc::clone(&said);
            move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let at = Instant::now();
                    writeln!(lines, "{:.3}\t{line}", (at - started).as_secs_f64()).ok();
                    if let Ok(value) = serde_json::from_str(&line) {
                        said.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(Said { at, value });
                    }
                }
            }
        })?;
        Ok(Self { process, said, reader, started })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Everything said so far.
    pub(crate) fn said(&self) -> Vec<Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How it ended, if it did, unasked.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    pub(crate) fn cost(&self) -> Option<Cost> {
        let stat = Stat::read(self.pid())?;
        let ticks = rustix::param::clock_ticks_per_second();
        Some(Cost { cpu_s: stat.cpu_ticks as f64 / ticks as f64, rss: stat.rss() })
    }

    /// Asks it to end, so that its recording and ledger are whole; insists after ten seconds.
    pub(crate) fn stop(&mut self) {
        if let Ok(pid) = i32::try_from(self.pid())
            && let Some(pid) = Pid::from_raw(pid)
            && self.ended().is_none()
        {
            kill_process(pid, Signal::TERM).ok();
            let asked = Instant::now();
            while self.ended().is_none() && asked.elapsed() < Duration::from_secs(10) {
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.process.kill().ok();
        self.process.wait().ok();
        // The output closes with the watcher, unless it left a child behind: its last lines, then, are not waited for.
        let ended = Instant::now();
        while !self.reader.is_finished() && ended.elapsed() < LAST_WORDS {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(value: Value) -> Said {
        Said { at: Instant::now(), value }
    }

    #[test]
    fn sampling_faster_is_not_an_action() {
        assert!(!said(json!({"kind": "action", "step": "sample_faster"})).acted());
        assert!(said(json!({"kind": "action", "step": "kill"})).acted());
        assert!(!said(json!({"kind": "forecast"})).acted());
    }

    #[test]
    fn a_forecast_warns_from_even_odds_on() {
        assert!(said(json!({"kind": "forecast", "probability": 0.5})).warns());
        assert!(!said(json!({"kind": "forecast", "probability": 0.4})).warns());
        assert!(!said(json!({"kind": "forecast", "probability": "high"})).warns());
    }

    #[test]
    fn a_line_of_another_shape_is_kept_as_it_is() {
        let line = said(json!([1, 2]));
        assert_eq!(line.kind(), "");
        assert_eq!(line.step(), "[1,2]");
    }
}
