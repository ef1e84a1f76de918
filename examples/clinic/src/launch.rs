//! Nothing outlives the clinic: programs end with it, and a guardian ends what they started.

use std::ffi::OsString;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::process::{CommandExt as _, parent_id};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process, nice, set_parent_process_death_signal, setsid};

use crate::procfs::{self, Stat};

/// Batches with much to do leave the CPU to their neighbours.
const LOUD_NICE: i32 = 10;

/// How a program is started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// It will eat CPU.
    pub(crate) loud: bool,
    /// Not as ourselves, but as this user.
    pub(crate) user: Option<u32>,
}

/// A command for a program that ends with the thread which starts it, in a process group of its own.
pub(crate) fn command(own: &Path, how: How, program: impl Into<OsString>) -> Command {
    let mut command = Command::new(own);
    if let Some(user) = how.user {
        command.uid(user).gid(user);
    }
    command.arg("launch").arg(std::process::id().to_string());
    command.arg(if how.loud { "loud" } else { "quiet" }).arg(program.into());
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Becomes the program named by the arguments, once it is bound to its parent.
pub(crate) fn launch(mut args: impl Iterator<Item = OsString>) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = args.next().context("whose child?")?;
    if parent != parent_id().to_string().as_str() {
        bail!("the parent is gone");
    }
    if args.next().is_some_and(|how| how == "loud") {
        nice(LOUD_NICE)?;
    }
    let program = args.next().context("launch what?")?;
    let error = Command::new(&program).args(args).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

/// Ends process groups when the clinic ends, however it does.
#[derive(Debug)]
pub(crate) struct Guardian {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Guardian {
    pub(crate) fn start(own: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(own);
        command.arg("guard").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = command.spawn().context("cannot start the guardian")?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// A process group to end.
    pub(crate) fn group(&mut self, leader: u32) -> io::Result<()> {
        let pipe = self.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(pipe, "{leader}")
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.pipe.take());
        self.process.wait().ok();
    }
}

/// The guardian's own life.
pub(crate) fn guard() -> anyhow::Result<()> {
    // Out of reach of a Ctrl-C meant for the clinic.
    setsid().ok();
    let born = Stat::read(std::process::id()).context("no /proc")?.start;
    let leaders: Vec<u32> = io::stdin()
        .lock()
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.parse().ok())
        .collect();
    for leader in leaders {
        end_group(leader, born);
    }
    Ok(())
}

/// Kills the members of a group that are no older than `since`: a number that was given away anew means others.
pub(crate) fn end_group(leader: u32, since: u64) {
    for member in procfs::group(leader) {
        let young = Stat::read(member).is_some_and(|stat| stat.start >= since);
        if young && let Some(pid) = i32::try_from(member).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::KILL).ok();
        }
    }
}
