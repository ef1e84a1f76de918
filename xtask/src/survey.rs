//! The Surveyor's recordings: made under real loads, replayed, and reported on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};

use crate::needs::{self, Purpose};
use crate::run;
use crate::workspace::Workspace;

/// Where the recordings are that belong to the gadget, below the workspace.
const RECORDINGS: &str = "gadgets/surveyor/recordings";

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Record this host under a load that is made for it.
    Record {
        /// The loads; all of them if none is named.
        loads: Vec<Load>,
        /// For how long each.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// The folder for the recordings.
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Put a recording through the gadget and print the envelopes.
    Replay {
        /// The recording.
        file: PathBuf,
    },
    /// Compare what would have been sent with the exact answer; fails if it is not as near as is asked for.
    Report {
        /// Recordings, or folders of them; those of the gadget if none is named.
        recordings: Vec<PathBuf>,
    },
}

/// What the host does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Load {
    /// Nothing besides what it does anyhow.
    Idle,
    /// cargo builds a part of this workspace anew.
    CargoBuild,
    /// PostgreSQL with pgbench, eight clients.
    Postgresql,
    /// Redis with redis-benchmark, fifty clients.
    Redis,
    /// Two shells that run /bin/true as fast as they can.
    ForkStorm,
    /// A process that grows by 20 MB a second.
    MemoryRamp,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, install: bool) -> Result<()> {
    let built = ["build", "--release", "-p", "surveyor"];
    run::run(workspace.cargo().args(built))?;
    let surveyor = workspace.target.join("release/surveyor");
    let recordings = workspace.root.join(RECORDINGS);
    match &options.task {
        Task::Record { loads, seconds, to } => {
            needs::setup(&[Purpose::Survey], install)?;
            let to = to.clone().unwrap_or(recordings);
            fs::create_dir_all(&to)?;
            let all = Load::value_variants();
            for &load in if loads.is_empty() { all } else { loads } {
                record(workspace, &surveyor, load, *seconds, &to)?;
            }
            Ok(())
        }
        Task::Replay { file } => run::run(Command::new(surveyor).arg("replay").arg(file)),
        Task::Report { recordings: named } => {
            let named = if named.is_empty() { &[recordings] } else { named.as_slice() };
            run::run(Command::new(surveyor).arg("report").args(named))
        }
    }
}

fn record(
    workspace: &Workspace,
    surveyor: &Path,
    load: Load,
    seconds: u64,
    to: &Path,
) -> Result<()> {
    let name = load.to_possible_value().context("every load has a name")?.get_name().to_owned();
    let scratch = workspace.target.join("survey").join(&name);
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    println!("{name}: {seconds} s");
    let staged = stage(workspace, load, seconds, &scratch)?;
    let mut recorder = Command::new(surveyor);
    recorder.args(["record", "--seconds", &seconds.to_string()]);
    let result = run::run(recorder.arg(to.join(name).with_extension("rec")));
    drop(staged);
    fs::remove_dir_all(&scratch)?;
    result
}

/// Processes of a load, ended in the order in which they were begun backwards.
#[derive(Default)]
struct Staged(Vec<Child>);

impl Staged {
    fn spawn(&mut self, command: &mut Command) -> Result<()> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.0.push(quiet.spawn().with_context(|| format!("cannot run {command:?}"))?);
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for child in self.0.iter_mut().rev() {
            // A server ends its own children when it is asked to.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            for _ in 0..50 {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    break;
                }
                thread::sleep(Duration::from_millis(100));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn stage(workspace: &Workspace, load: Load, seconds: u64, scratch: &Path) -> Result<Staged> {
    let mut staged = Staged::default();
    let longer = (seconds + 10).to_string();
    match load {
        Load::Idle => {}
        Load::CargoBuild => {
            let mut cargo = workspace.cargo();
            cargo.args(["build", "-p", "gadget-core", "--target-dir"]).arg(scratch);
            staged.spawn(&mut cargo)?;
        }
        Load::Postgresql => {
            let bin = newest("/usr/lib/postgresql")?.join("bin");
            let data = scratch.join("data");
            run::run(Command::new("chown").arg("postgres").arg(scratch))?;
            // The server refuses to run as root.
            let as_postgres = |program: &str| {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
                command.arg(bin.join(program)).current_dir(scratch);
                command
            };
            run::run(as_postgres("initdb").arg("-D").arg(&data).stdout(Stdio::null()))?;
            let mut server = as_postgres("postgres");
            server.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-k"]).arg(scratch);
            staged.spawn(&mut server)?;
            thread::sleep(Duration::from_secs(3));
            let socket = scratch.to_str().context("the folder's name is no UTF-8")?;
            let mut prepare = as_postgres("pgbench");
            prepare.args(["-h", socket, "-i", "-q", "-s", "5", "postgres"]);
            run::run(prepare.stderr(Stdio::null()))?;
            let mut clients = as_postgres("pgbench");
            clients.args(["-h", socket, "-c", "8", "-j", "2", "-T", &longer, "postgres"]);
            staged.spawn(&mut clients)?;
        }
        Load::Redis => {
            let socket = scratch.join("redis.sock");
            let mut server = Command::new("redis-server");
            server.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket);
            staged.spawn(&mut server)?;
            thread::sleep(Duration::from_secs(1));
            let mut clients = Command::new("redis-benchmark");
            clients.arg("-s").arg(&socket).args(["-c", "50", "-l", "-t", "get,set"]);
            staged.spawn(&mut clients)?;
        }
        Load::ForkStorm => {
            for _ in 0..2 {
                let mut shell = Command::new("sh");
                staged.spawn(shell.args(["-c", "while :; do /bin/true; done"]))?;
            }
        }
        Load::MemoryRamp => {
            let program = format!(
                "import time\nheld = []\nfor _ in range({longer}):\n    held.append(bytearray(b'x' * 20_000_000))\n    time.sleep(1)\n"
            );
            staged.spawn(Command::new("python3").args(["-c", &program]))?;
        }
    }
    for child in &mut staged.0 {
        if let Some(status) = child.try_wait()? {
            bail!("the load ended before it was recorded: {status}");
        }
    }
    Ok(staged)
}

/// The folder of the newest version: PostgreSQL keeps each in its own.
fn newest(folder: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {folder}"))?;
    let mut versions: Vec<PathBuf> = entries.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
    versions.sort();
    ensure!(!versions.is_empty(), "nothing in {folder}");
    Ok(versions.swap_remove(versions.len() - 1))
}
