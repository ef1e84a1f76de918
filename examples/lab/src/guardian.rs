//! The process that cleans up, whatever happens to the lab.
//!
//! It sits at the other end of a pipe. Each line names something to undo, before that something exists; when the pipe
//! closes, because the lab finished or was killed, it thaws, kills and removes all of it.

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal, setsid,
};

/// How long the guardian tries before it gives up and says so.
const PATIENCE: Duration = Duration::from_secs(20);

/// The lab's end of the pipe.
#[derive(Debug)]
pub(crate) struct Guardian {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Guardian {
    /// Starts the guardian: this same program, as `guard`.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut process = Command::new("/proc/self/exe")
            .arg("guard")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the guardian")?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// A cgroup directory to empty and remove, with all groups that anyone makes below it.
    pub(crate) fn group(&mut self, path: &Path) -> io::Result<()> {
        self.tell("group", &path.display().to_string())
    }

    /// A directory of files to delete.
    pub(crate) fn files(&mut self, path: &Path) -> io::Result<()> {
        self.tell("files", &path.display().to_string())
    }

    /// A process outside the groups to end.
    pub(crate) fn process(&mut self, pid: u32) -> io::Result<()> {
        self.tell("process", &pid.to_string())
    }

    fn tell(&mut self, what: &str, which: &str) -> io::Result<()> {
        let pipe = self.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(pipe, "{what} {which}")
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.pipe.take());
        self.process.wait().ok();
    }
}

/// The guardian's own life.
pub(crate) fn main() -> anyhow::Result<()> {
    // Out of reach of a Ctrl-C meant for the lab.
    setsid().ok();
    let mut groups: Vec<PathBuf> = Vec::new();
    let mut files: Vec<PathBuf> = Vec::new();
    let mut processes: Vec<OwnedFd> = Vec::new();
    for line in io::stdin().lock().lines() {
        match line?.split_once(' ') {
            Some(("group", path)) => groups.push(path.into()),
            Some(("files", path)) => files.push(path.into()),
            // Opened at once: a pidfd cannot come to mean another process.
            Some(("process", pid)) => processes.extend(pid.parse().ok().and_then(open)),
            _ => {}
        }
    }
    for process in &processes {
        pidfd_send_signal(process, Signal::KILL).ok();
    }
    let start = Instant::now();
    loop {
        let mut gone = true;
        for group in groups.iter().rev() {
            gone &= remove(group);
        }
        if gone {
            break;
        }
        if start.elapsed() > PATIENCE {
            anyhow::bail!("cannot remove {groups:?}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    for path in &files {
        fs::remove_dir_all(path).ok();
    }
    Ok(())
}

fn open(pid: i32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

/// One attempt: true once the group and all below it are gone.
fn remove(group: &Path) -> bool {
    if !group.exists() {
        return true;
    }
    // A frozen process of v1 dies only when thawed.
    fs::write(group.join("freezer.state"), "THAWED").ok();
    fs::write(group.join("cgroup.freeze"), "0").ok();
    if fs::write(group.join("cgroup.kill"), "1").is_err() {
        for pid in fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
            if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
    for child in fs::read_dir(group).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&child.path());
        }
    }
    fs::remove_dir(group).is_ok()
}
