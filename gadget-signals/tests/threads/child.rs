//! Programs of our own, that end with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use gadget_core::{Futex, ProcessId, Thread, Threads, Wait};
use gadget_signals::{ThreadReader, parse};
use rustix::process::{Pid, Signal, kill_process};

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    reader: ThreadReader,
    /// What it said before it was ready.
    pub(crate) said: Vec<String>,
}

/// `tests/programs/waits.c`, compiled with `compiler` once, or brought along on `PATH` as `waits-COMPILER`. `None`, after
/// saying why, where neither is there.
fn compiled(compiler: &str, flags: &[&str]) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let brought = std::env::split_paths(&folders).map(|it| it.join(format!("waits-{compiler}")));
    if let Some(program) = brought.into_iter().find(|program| program.is_file()) {
        return Some(program);
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let new = folder.join(format!("waits-{compiler}-{}", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/waits.c");
    let status = Command::new(compiler)
        .args(["-O1", "-Wall", "-Werror", "-pthread", "-o"])
        .args([new.as_path(), source.as_path()])
        .args(flags)
        .status();
    match status {
        Ok(status) => {
            assert!(status.success(), "{compiler} refuses the program");
            // Another test program may have made the same meanwhile.
            let program = folder.join(format!("waits-{compiler}"));
            std::fs::rename(new, &program).unwrap();
            Some(program)
        }
        Err(error) => {
            eprintln!("SKIPPED: {compiler}: {error}");
            None
        }
    }
}

impl Program {
    /// Starts the program and waits until it is ready and rests.
    pub(crate) fn start(mode: &[&str]) -> Option<Self> {
        let mut program = Self::start_restless(mode)?;
        program.settle();
        Some(program)
    }

    /// Starts the program and waits until it is ready.
    pub(crate) fn start_restless(mode: &[&str]) -> Option<Self> {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        Self::run(PROGRAM.get_or_init(|| compiled("gcc", &[])).as_deref()?, mode)
    }

    /// The same, of musl.
    pub(crate) fn start_with_musl(mode: &[&str]) -> Option<Self> {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        let program = PROGRAM.get_or_init(|| compiled("musl-gcc", &["-static"])).as_deref()?;
        let mut program = Self::run(program, mode)?;
        program.settle();
        Some(program)
    }

    /// Starts a program that says `ready`.
    fn run(program: &Path, arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let reader = ThreadReader::host().unwrap();
        // From here on it ends with the test, whatever it says.
        let mut program = Self { child, reader, said: Vec::new() };
        for line in BufReader::new(output).lines() {
            let line = line.unwrap();
            if line == "ready" {
                return Some(program);
            }
            program.said.push(line);
        }
        panic!("it ended before it was ready");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn id(&self) -> ProcessId {
        identity(self.pid()).unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it.
    pub(crate) fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until none of its threads has run for a while.
    pub(crate) fn settle(&mut self) {
        let mut before = Vec::new();
        for _ in 0..500 {
            std::thread::sleep(Duration::from_millis(20));
            let threads = self.look().threads;
            let now: Vec<_> = threads.iter().map(|thread| (thread.tid, thread.slices)).collect();
            if now == before && threads.iter().all(|thread| thread.wait != Wait::Running) {
                return;
            }
            before = now;
        }
        panic!("it does not come to rest");
    }

    /// One look at its threads.
    pub(crate) fn look(&mut self) -> Threads {
        let threads = self.reader.read(self.id()).unwrap().unwrap();
        assert_eq!(threads.left_out, 0);
        threads
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The identity of a process that runs.
pub(crate) fn identity(pid: u32) -> Option<ProcessId> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = parse::process_stat(&text, Path::new("stat")).unwrap();
    Some(ProcessId { pid, start: stat.start })
}

/// The futex a thread waits for.
pub(crate) fn futex(thread: &Thread) -> &Futex {
    match &thread.wait {
        Wait::Futex(futex) => futex,
        wait => panic!("{thread:?} waits for {wait:?}"),
    }
}

/// The threads besides the first, each of which has to wait for a futex.
pub(crate) fn waiters(threads: &Threads) -> Vec<&Thread> {
    let waiters: Vec<_> = threads.threads.iter().skip(1).collect();
    for waiter in &waiters {
        futex(waiter);
    }
    waiters
}
