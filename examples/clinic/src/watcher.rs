//! The program under judgement: started beside the cases, and everything it says.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gadget_core::{Risk, StepKind};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::launch;
use crate::procfs::Stat;

/// How sure a watcher is that has a proof; what it says with less is a suspicion.
const PROVED: f64 = 0.95;
/// How long it may take to end in order.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// One line of the watcher that is about a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// Since the watcher was started.
    pub at: Duration,
    /// The process it is about.
    pub pid: u32,
    /// What it says of it.
    pub what: Said,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A verdict.
    Assessed {
        /// The state, in the watcher's word.
        class: String,
        /// The kind of evidence, 1 the strongest; none when it has none.
        evidence: Option<u8>,
        /// How sure it is.
        probability: f64,
        /// The finding in a sentence.
        sentence: String,
    },
    /// A plan was reviewed, whatever came of it.
    Planned {
        /// The kind of step.
        step: String,
        /// What the policy said.
        verdict: String,
    },
    /// A step was taken.
    Done {
        /// The kind of step.
        step: String,
        /// What was done.
        summary: String,
    },
    /// A step is over.
    Ended {
        /// The kind of step.
        step: String,
        /// How.
        summary: String,
    },
}

impl Word {
    /// From a line of `--json`; none for what is about no process.
    pub fn parse(at: Duration, line: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = line["kind"].as_str().or_else(|| line["event"].as_str())?;
        let plan = if line["plan"].is_object() { &line["plan"] } else { line };
        let what = match kind {
            "assessed" | "assessment" => Said::Assessed {
                class: text(&line["class"]),
                evidence: evidence(&line["evidence"]),
                probability: line["probability"].as_f64().unwrap_or_default(),
                sentence: text(&line["statement"]),
            },
            "decision" => {
                Said::Planned { step: text(&plan["step"]), verdict: text(&line["verdict"]) }
            }
            "action" => Said::Done { step: text(&line["step"]), summary: text(&line["did"]) },
            "outcome" => Said::Ended { step: text(&line["step"]), summary: text(&line["text"]) },
            _ => return None,
        };
        let places = [&line["subject"]["pid"], &plan["target"]["pid"]];
        let pid = places.iter().find_map(|pid| u32::try_from(pid.as_u64()?).ok())?;
        Some(Self { at, pid, what })
    }

    /// The kind of evidence, if it is one that proves.
    pub fn proof(&self) -> Option<u8> {
        match &self.what {
            Said::Assessed { class, evidence: Some(kind @ 1..=3), probability, .. }
                if class == "stuck" && *probability >= PROVED =>
            {
                Some(*kind)
            }
            _ => None,
        }
    }

    /// The step, if it is a plan that would harm: everything but looking, asking and telling.
    pub fn harm(&self) -> Option<&str> {
        match &self.what {
            Said::Planned { step, .. } if harms(step) => Some(step),
            _ => None,
        }
    }
}

/// Whether a kind of step harms when it is the wrong one; also one that nobody knows.
pub(crate) fn harms(step: &str) -> bool {
    let known = StepKind::ALL.iter().find(|kind| kind.name() == step);
    known.is_none_or(|kind| kind.risk() > Risk::Low)
}

/// The evidence's number, from an object or from a list of pairs.
fn evidence(value: &Value) -> Option<u8> {
    let number = value["evidence"].as_f64().or_else(|| {
        let pairs = value.as_array()?;
        pairs.iter().find(|pair| pair[0] == "evidence").and_then(|pair| pair[1].as_f64())
    })?;
    (1.0..=7.0).contains(&number).then_some(number as u8)
}

/// What the watcher cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// CPU time per second, as a share of a core.
    pub(crate) cpu: f64,
}

/// A watcher that runs.
#[derive(Debug)]
pub(crate) struct Watcher {
    process: Child,
    words: Arc<Mutex<Vec<Word>>>,
    reader: JoinHandle<()>,
    started: Instant,
}

impl Watcher {
    /// Starts it with `--json --all` and these arguments; its lines and its log go to `directory`.
    pub(crate) fn start(
        program: &Path,
        args: &[String],
        directory: &Path,
        name: &str,
    ) -> anyhow::Result<Self> {
        let log = File::create(directory.join(format!("{name}.watcher.log")))?;
        let mut lines = File::create(directory.join(format!("{name}.watcher.jsonl")))?;
        let own = std::env::current_exe()?;
        let mut process = launch::command(&own, launch::How::default(), program)
            .args(["--json", "--all"])
            .args(args)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start the watcher {}", program.display()))?;
        let started = Instant::now();
        let output = process.stdout.take().context("the watcher has no output")?;
        let words: Arc<Mutex<Vec<Word>>> = Arc::default();
        let reader = thread::Builder::new().name("watcher".into()).spawn({
            let words = Arc::clone(&words);
            move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let at = started.elapsed();
                    writeln!(lines, "{:.3}\t{line}", at.as_secs_f64()).ok();
                    let word = serde_json::from_str(&line).ok();
                    if let Some(word) = word.and_then(|value| Word::parse(at, &value)) {
                        words.lock().unwrap_or_else(PoisonError::into_inner).push(word);
                    }
                }
            }
        })?;
        Ok(Self { process, words, reader, started })
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// All that it said so far.
    pub(crate) fn words(&self) -> Vec<Word> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How it ended, if it did, unasked.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.process.try_wait().ok().flatten().map(|status| status.to_string())
    }

    pub(crate) fn cost(&self) -> Option<Cost> {
        let cpu = Stat::read(self.process.id())?.cpu;
        Some(Cost { cpu: cpu.as_secs_f64() / self.elapsed().as_secs_f64() })
    }

    /// Asks it to end, so that its recording is whole, and gives all that it said.
    pub(crate) fn stop(mut self) -> Vec<Word> {
        self.end();
        self.words()
    }

    fn end(&mut self) {
        if self.ended().is_none()
            && let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::TERM).ok();
            let asked = Instant::now();
            while self.ended().is_none() && asked.elapsed() < LAST_WORDS {
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.process.kill().ok();
        self.process.wait().ok();
        // The output closes with the watcher, unless it left a child behind.
        let ended = Instant::now();
        while !self.reader.is_finished() && ended.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn word(line: Value) -> Option<Word> {
        Word::parse(Duration::from_secs(3), &line)
    }

    #[test]
    fn a_verdict_is_understood_with_its_evidence() {
        let line = json!({
            "kind": "assessed", "subject": {"kind": "process", "pid": 7}, "class": "stuck",
            "statement": "thread 7 waits", "probability": 0.99, "evidence": {"evidence": 2.0, "threads": 3.0},
        });
        let word = word(line).unwrap();
        assert_eq!((word.pid, word.proof()), (7, Some(2)));
        assert_eq!(word.harm(), None);
    }

    #[test]
    fn evidence_of_a_model_proves_nothing() {
        let pairs = json!([["evidence", 7.0]]);
        assert_eq!(evidence(&pairs), Some(7));
        let line =
            json!({"kind": "assessed", "subject": {"pid": 7}, "class": "stuck", "evidence": pairs});
        assert_eq!(word(line).unwrap().proof(), None);
        assert_eq!(evidence(&json!({"evidence": 0.0})), None);
    }

    #[test]
    fn looking_harms_nobody_and_what_is_not_known_may() {
        let planned = |step: &str| {
            word(json!({"kind": "decision", "verdict": "observed only", "plan": {"step": step, "target": {"pid": 9}}}))
                .unwrap()
        };
        assert_eq!(planned("terminate").harm(), Some("terminate"));
        assert_eq!(planned("restart").harm(), Some("restart"));
        assert_eq!(planned("capture-stacks").harm(), None);
        assert_eq!(planned("obliterate").harm(), Some("obliterate"));
    }

    #[test]
    fn what_is_about_no_process_is_not_heard() {
        assert_eq!(word(json!({"kind": "alive", "processes": 80})), None);
        assert_eq!(
            word(json!({"kind": "assessed", "subject": {"kind": "host"}, "class": "idle"})),
            None
        );
        assert_eq!(word(json!([1, 2])), None);
    }
}
