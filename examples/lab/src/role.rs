//! The processes of a run: this same program, started again as each of its workloads.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::scenario::{Actor, Part, Places};

/// One process of a running scenario.
#[derive(Debug)]
pub struct Role {
    /// What it is in the story.
    pub part: Part,
    /// The name shown by ps.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    process: Child,
    pub(crate) ended: Option<(Instant, ExitStatus)>,
}

/// All of them; dropping ends and reaps them.
#[derive(Debug)]
pub(crate) struct Roles(pub(crate) Vec<Role>);

impl Drop for Roles {
    fn drop(&mut self) {
        for role in &mut self.0 {
            role.process.kill().ok();
            role.process.wait().ok();
        }
    }
}

impl Role {
    /// Starts it in its cgroups.
    pub(crate) fn start(actor: &Actor, groups: &[PathBuf]) -> anyhow::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("load").arg("--name").arg(&actor.name);
        for directory in groups {
            command.arg("--join").arg(directory);
        }
        let process = command
            .args(actor.load.args()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", actor.name))?;
        Ok(Self {
            part: actor.part,
            name: actor.name.clone(),
            pid: process.id(),
            process,
            ended: None,
        })
    }

    /// Waits until it has its starting size.
    pub(crate) fn wait_ready(&mut self) -> anyhow::Result<()> {
        let output = self.process.stdout.take().context("a role has an output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line != "ready\n" {
            bail!("{} ended before it was ready: {}", self.name, self.process.wait()?);
        }
        Ok(())
    }

    /// Notes when it ended.
    pub(crate) fn look(&mut self, now: Instant) {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().ok().flatten().map(|status| (now, status));
        }
    }

    /// Lets its part of the incident begin.
    pub(crate) fn go(&mut self) -> std::io::Result<()> {
        self.process.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(b"go\n"))
    }
}

/// Compiles the JVM's workload into the scratch directory.
pub(crate) fn compile(places: &Places) -> anyhow::Result<()> {
    let source = places.classes.join("Churn.java");
    fs::write(&source, include_str!("load/Churn.java"))?;
    let status = Command::new("javac")
        .arg("-d")
        .arg(&places.classes)
        .arg(&source)
        .status()
        .context("cannot run javac")?;
    if !status.success() {
        bail!("javac failed: {status}");
    }
    Ok(())
}
