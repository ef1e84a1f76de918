//! A case that runs.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Program, Traffic};
use crate::launch::{self, How};
use crate::procfs::{self, Stat};
use crate::traffic::{self, Clients, Silent};
use crate::workshop::{self, Workshop};

/// How long a program may take until it is in its condition: a JVM on a busy machine takes its time.
pub(crate) const SETTLING: Duration = Duration::from_secs(60);

/// What a program tells about itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Told {
    /// Its processes, where it is more than the one that was started.
    pub pids: Vec<u32>,
    /// Who waits for which lock that who holds.
    pub waits: Vec<TrueWait>,
    /// Threads that wait for ever.
    pub blocked: Vec<u32>,
    /// Names of the threads of its cycle, where a runtime has its own.
    pub names: Vec<String>,
    /// Where it listens.
    pub port: Option<u16>,
}

/// One wait, as the program knows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TrueWait {
    /// The thread that waits.
    pub tid: u32,
    /// The address of the lock.
    pub lock: u64,
    /// Its bytes: the futex is one of its words.
    pub size: u64,
    /// The thread that holds it.
    pub owner: u32,
    /// Where it is in the memory that holds all locks: what processes that share that agree on.
    #[serde(default)]
    pub offset: Option<u64>,
}

/// A program that was started.
#[derive(Debug)]
pub(crate) struct Patient {
    pub(crate) case: &'static Case,
    /// The process that the case is about.
    pub(crate) pid: u32,
    /// When that process started, in clock ticks after boot.
    pub(crate) start: u64,
    pub(crate) told: Told,
    pub(crate) clients: Option<Clients>,
    process: Child,
    words: Receiver<String>,
    hanging: Vec<TcpStream>,
}

/// What all patients of a batch share.
#[derive(Debug)]
pub(crate) struct Clinic<'a> {
    pub(crate) own: &'a Path,
    pub(crate) workshop: &'a Workshop,
    pub(crate) silent: Silent,
    /// Where what they print on standard error goes.
    pub(crate) logs: &'a Path,
    /// Whom they run as; as ourselves if none.
    pub(crate) user: Option<u32>,
}

impl<'a> Clinic<'a> {
    pub(crate) fn new(
        own: &'a Path,
        workshop: &'a Workshop,
        logs: &'a Path,
    ) -> anyhow::Result<Self> {
        Ok(Self { own, workshop, silent: Silent::start()?, logs, user: None })
    }
}

impl Patient {
    /// Starts the program of a case; it may not be ready yet.
    pub(crate) fn start(case: &'static Case, clinic: &Clinic<'_>) -> anyhow::Result<Self> {
        let mut told = Told::default();
        let mut command = command(case, clinic, &mut told)?;
        let log = File::create(clinic.logs.join(format!("{}.log", case.name)))?;
        let mut process = command
            .env("PATH", workshop::search_path())
            .env(procfs::CASE, case.name)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", case.name))?;
        let output = process.stdout.take().context("a program has an output")?;
        let (sender, words) = mpsc::channel();
        thread::Builder::new().name("listener".into()).spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        })?;
        let pid = process.id();
        Ok(Self { case, pid, start: 0, told, clients: None, process, words, hanging: Vec::new() })
    }

    /// Waits until the program has said that it is ready, and brings its condition about.
    pub(crate) fn settle(&mut self) -> anyhow::Result<()> {
        self.get_ready()?;
        let port = || self.told.port.context("it has clients, but no port");
        match self.case.traffic {
            Traffic::None => {}
            Traffic::Requests(per_second) => {
                let what = matches!(self.case.program, Program::Redis).then_some(traffic::PING);
                self.clients = Some(Clients::ask(port()?, per_second, what)?);
            }
            Traffic::Trigger { first, path, then } => {
                let port = port()?;
                for _ in 0..first {
                    self.hanging.push(traffic::hang(port, path)?);
                }
                // Those behind must not be taken for those that start it.
                self.await_empty_queue(port)?;
                for _ in 0..then {
                    self.hanging.push(traffic::hang(port, "/")?);
                }
            }
            Traffic::Stop => self.signal(Signal::STOP)?,
        }
        Ok(())
    }

    /// Waits until the program has said that it is ready.
    pub(crate) fn get_ready(&mut self) -> anyhow::Result<()> {
        match (self.case.program, self.told.port) {
            (Program::Nginx | Program::Redis, Some(port)) => {
                self.until("listen", || traffic::listens(port).then_some(()))?;
            }
            _ => {
                let line = self.until_said()?;
                let told = line.strip_prefix("READY ").context("its first words are not READY")?;
                self.told =
                    serde_json::from_str(told).with_context(|| format!("it said {told:?}"))?;
            }
        }
        self.pid = self.told.pids.first().copied().unwrap_or(self.pid);
        self.start = Stat::read(self.pid).context("it ended at once")?.start;
        Ok(())
    }

    fn until_said(&mut self) -> anyhow::Result<String> {
        let start = Instant::now();
        while start.elapsed() < SETTLING {
            match self.words.recv_timeout(Duration::from_millis(100)) {
                Ok(line) if line.starts_with("READY ") => return Ok(line),
                Ok(_) | Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    bail!("it ended before it was ready: {}", self.process.wait()?)
                }
            }
        }
        Err(anyhow!("it was not ready after {} s", SETTLING.as_secs()))
    }

    fn await_empty_queue(&mut self, port: u16) -> anyhow::Result<()> {
        self.until("accept", || (procfs::queued(port) == 0).then_some(()))
    }

    fn until<T>(&mut self, what: &str, mut seen: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            if let Some(value) = seen() {
                return Ok(value);
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("it ended before it did {what}: {status}");
            }
            if start.elapsed() > SETTLING {
                bail!("it did not {what} in {} s", SETTLING.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("no such pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Whether the very process still lives.
    pub(crate) fn lives(&self) -> bool {
        Stat::read(self.pid)
            .is_some_and(|stat| stat.start == self.start && !matches!(stat.state, 'Z' | 'X'))
    }

    /// Takes note of its end, as the parent that it has.
    pub(crate) fn reap(&mut self) -> Option<std::process::ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// All its processes.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mut processes = procfs::group(self.process.id());
        for pid in self.told.pids.iter().chain([&self.pid]) {
            if !processes.contains(pid) {
                processes.push(*pid);
            }
        }
        processes
    }

    /// The group that ends with it, for the guardian.
    pub(crate) fn group(&self) -> Option<u32> {
        (!matches!(self.case.program, Program::Frozen)).then(|| self.process.id())
    }
}

impl Patient {
    /// Ends it, and everything that it started.
    pub(crate) fn end(&mut self) {
        // What is frozen is thawed by its keeper, which must not be killed.
        drop(self.process.stdin.take());
        if self.group().is_some() {
            launch::end_group(self.process.id(), 0);
            self.process.kill().ok();
        }
        self.process.wait().ok();
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        self.end();
    }
}

fn command(case: &Case, clinic: &Clinic<'_>, told: &mut Told) -> anyhow::Result<Command> {
    let shop = clinic.workshop;
    let how = How { loud: case.loud, user: clinic.user };
    let start = |program: &Path| launch::command(clinic.own, how, program);
    let found = |program: &str| launch::command(clinic.own, how, program);
    let fill = |args: &[&str]| -> Vec<String> {
        args.iter().map(|arg| arg.replace("{backend}", &clinic.silent.port.to_string())).collect()
    };
    Ok(match case.program {
        Program::C(name, args) => with(start(&shop.path(name)), &fill(args)),
        Program::Musl(name, args) => with(start(&shop.path(&format!("{name}-musl"))), &fill(args)),
        Program::Rust(mode) => with(start(clinic.own), &["be", mode]),
        Program::Python(script, args) => {
            let mut command = found("python3");
            command.arg(shop.path(script));
            with(command, &fill(args))
        }
        Program::Java(options, class, args) => {
            let mut command = with(found("java"), options);
            command.arg("-cp").arg(shop.path("")).arg(class);
            with(command, args)
        }
        Program::Node(script) => {
            let mut command = found("node");
            command.arg(shop.path(script));
            command
        }
        Program::Go(name) => start(&shop.path(&format!("{name}-go"))),
        Program::Nginx => {
            let port = *told.port.insert(traffic::free_port()?);
            let mut command = found("nginx");
            command.args(["-e", "stderr", "-c"]).arg(shop.nginx(port)?);
            command
        }
        Program::Redis => {
            let port = told.port.insert(traffic::free_port()?).to_string();
            with(
                found("redis-server"),
                &["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            )
        }
        Program::Frozen => {
            let mut command = Command::new("unshare");
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            command.arg("--mount").arg(clinic.own).arg("freezer");
            command.arg(shop.path("frozen")).arg(shop.path("spin"));
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            command
        }
    })
}

fn with<S: AsRef<std::ffi::OsStr>>(mut command: Command, args: &[S]) -> Command {
    command.args(args);
    command
}
