//! A program beside the bench, and what it takes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gadget_core::{Agent, Stop};

/// A program that ends with this one.
#[derive(Debug)]
pub struct Program(Child);

impl Program {
    /// Starts it, with a pipe as its input; its output goes where the command says.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let command = command.stdin(Stdio::piped());
        let name = command.get_program().to_owned();
        command.spawn().map(Self).with_context(|| format!("cannot start {}", name.display()))
    }

    /// As [`start`](Self::start), with what it prints thrown away.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_silent(command: &mut Command) -> Result<Self> {
        Self::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// CPU time of its threads by name, by the scheduler's own count (field 1 of `schedstat`, in ns). `None` once it ended.
    #[must_use]
    pub fn cpu(&self) -> Option<BTreeMap<String, Duration>> {
        let mut threads = BTreeMap::<_, Duration>::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id())).ok()?.flatten() {
            let read = |file| fs::read_to_string(task.path().join(file)).ok();
            let spent = read("schedstat")?.split_ascii_whitespace().next()?.parse().ok()?;
            *threads.entry(read("comm")?.trim().to_owned()).or_default() +=
                Duration::from_nanos(spent);
        }
        Some(threads)
    }

    /// A number in kB from one of its files.
    ///
    /// # Errors
    /// If it has ended, or the file has no such line.
    pub fn kib(&self, file: &str, key: &str) -> Result<u64> {
        let path = Path::new("/proc").join(self.0.id().to_string()).join(file);
        let text = fs::read_to_string(&path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|line| line.split_ascii_whitespace().next());
        Ok(number.with_context(|| format!("{} has no {key}", path.display()))?.parse()?)
    }

    /// Ends its input, and gives what it had to say until it ended.
    ///
    /// # Errors
    /// If its output is no pipe, or no text.
    pub fn end(&mut self) -> Result<String> {
        drop(self.0.stdin.take());
        let mut said = String::new();
        self.0.stdout.take().context("it has an output")?.read_to_string(&mut said)?;
        self.0.wait()?;
        Ok(said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs an agent for as long as standard input is open: what a program that a bench has started does.
pub fn run_until_input_ends(agent: &mut Agent) {
    let stop = Stop::new();
    let on_end = stop.clone();
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        on_end.stop();
    });
    agent.run(&stop);
}
