//! The tailer beside a model that knows every line: whatever is done to a file, in whatever order, its lines come once.

use std::fs;
use std::time::Duration;

use gadget_core::{LogBatch, LogInput as _};
use proptest::prelude::*;

use super::tests::Host;

/// What may be done to a log, or to its reader.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write(u8),
    /// A line's start: its end comes with the next line, unless the file is rotated before.
    WriteHalf,
    Rename,
    /// Renamed, and the new file is only there with the next line.
    RenameLate,
    CopyTruncate,
    /// Once all was read.
    Truncate,
    /// Once all was read.
    Delete,
    Scan,
    /// One batch, without a scan.
    Read,
    Commit,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u8..40).prop_map(Step::Write),
        1 => Just(Step::WriteHalf),
        2 => Just(Step::Rename),
        1 => Just(Step::RenameLate),
        2 => Just(Step::CopyTruncate),
        1 => Just(Step::Truncate),
        1 => Just(Step::Delete),
        1 => Just(Step::Scan),
        2 => Just(Step::Read),
        2 => Just(Step::Commit),
        2 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..30)
}

struct Run {
    host: Host,
    /// What was written, and a line's start that has no end yet.
    written: Vec<String>,
    half: String,
    read: Vec<String>,
    committed: usize,
    rotated: u32,
}

impl Run {
    fn step(&mut self, step: Step) {
        match step {
            Step::Write(lines) => {
                for _ in 0..lines {
                    let line = format!("line {} {}", self.written.len(), "x".repeat(lines.into()));
                    self.host.write("app.log", &format!("{line}\n"));
                    self.written.push(std::mem::take(&mut self.half) + &line);
                }
            }
            Step::WriteHalf => {
                let half = format!("half {} ", self.written.len());
                self.host.write("app.log", &half);
                self.half += &half;
            }
            Step::Rename | Step::RenameLate | Step::CopyTruncate => {
                if !self.host.path("app.log").exists() {
                    return;
                }
                for old in (1..=self.rotated).rev() {
                    self.host.rename(&format!("app.log.{old}"), &format!("app.log.{}", old + 1));
                }
                self.rotated += 1;
                match step {
                    Step::CopyTruncate => self.host.copy_truncate("app.log", "app.log.1"),
                    _ => self.host.rename("app.log", "app.log.1"),
                }
                if let Step::Rename = step {
                    self.host.write("app.log", "");
                }
                self.end_half();
            }
            Step::Truncate | Step::Delete => {
                self.read_all();
                self.step(Step::Commit);
                match step {
                    Step::Truncate if self.host.path("app.log").exists() => {
                        self.host.truncate("app.log");
                        self.half.clear();
                    }
                    Step::Delete if fs::remove_file(self.host.path("app.log")).is_ok() => {
                        // It is still open, if it is read before the next start.
                        self.read_all();
                        self.end_half();
                        self.read_all();
                        self.step(Step::Commit);
                    }
                    _ => {}
                }
            }
            Step::Scan => self.host.tail().scan(),
            Step::Read => {
                let mut batch = LogBatch::default();
                self.host.tail().read(&mut batch, Duration::ZERO).unwrap();
                self.take(&batch);
            }
            Step::Commit => {
                self.committed = self.read.len();
                self.host.commit(self.committed as u64);
            }
            Step::Kill => {
                self.host.kill();
                self.host.start();
                let mark = self.host.tail().resume().unwrap_or(0);
                assert_eq!(mark, self.committed as u64);
                self.read.truncate(self.committed);
            }
        }
    }

    fn end_half(&mut self) {
        if !self.half.is_empty() {
            self.written.push(std::mem::take(&mut self.half));
        }
    }

    fn take(&mut self, batch: &LogBatch) {
        let lines = batch.iter().map(|(_, line)| String::from_utf8(line.to_vec()).unwrap());
        self.read.extend(lines);
        let written = self.written.get(..self.read.len());
        assert!(written == Some(&self.read[..]), "{:?}", self.read.last());
    }

    fn read_all(&mut self) {
        let lines = self.host.lines();
        self.read.extend(lines);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_to_a_file_each_of_its_lines_comes_once(steps in steps()) {
        let host = Host::new();
        host.write("app.log", "");
        let mut run = Run {
            host,
            written: Vec::new(),
            half: String::new(),
            read: Vec::new(),
            committed: 0,
            rotated: 0,
        };
        run.read_all();
        run.step(Step::Commit);
        for step in steps {
            run.step(step);
        }
        // What was rotated while its path led nowhere is found when it leads somewhere again.
        run.step(Step::Write(1));
        run.read_all();
        prop_assert_eq!(run.read, run.written);
    }
}
