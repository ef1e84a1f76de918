//! Children that make known calls and waits.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use gadget_core::ProcessId;
use gadget_signals::parse;

use crate::support::Process;

/// A child that does what it is told, each time that it is told to.
pub(crate) struct Caller {
    pub(crate) process: Process,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    pub(crate) id: ProcessId,
}

impl Caller {
    /// One that makes calls by their numbers; `None`, and a line that says so, on another architecture than x86-64.
    pub(crate) fn making_calls(does: &str) -> Option<Self> {
        if !cfg!(target_arch = "x86_64") {
            println!("SKIPPED: the numbers of calls are those of x86-64");
            return None;
        }
        Self::new(does)
    }

    /// `does` is Perl; `None`, and a line that says so, without it.
    pub(crate) fn new(does: &str) -> Option<Self> {
        let mut caller = Self::begin(does)?;
        caller.answer();
        Some(caller)
    }

    /// The same, not yet ready for [`go`](Self::go): there is one more [`answer`](Self::answer) to come.
    pub(crate) fn begin(does: &str) -> Option<Self> {
        let script = format!(
            "$| = 1; print qq(\\n); while (sysread(STDIN, $_, 1)) {{ {does}; print qq(\\n) }}"
        );
        let mut command = Command::new("perl");
        command.args(["-e", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                println!("SKIPPED: cannot run perl: {error}");
                return None;
            }
        };
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let id = identity(child.id());
        Some(Self { process: Process(child), to, from: BufReader::new(from), id })
    }

    /// Waits until it has done what it was told.
    pub(crate) fn answer(&mut self) {
        self.from.read_line(&mut String::new()).unwrap();
        // Back in its read when it sleeps.
        let stat = format!("/proc/{}/stat", self.id.pid);
        while !fs::read_to_string(&stat).unwrap().contains(") S ") {
            std::thread::yield_now();
        }
        // It is said to sleep a little before it has left the processor.
        std::thread::sleep(Duration::from_millis(5));
    }

    /// Has it do its part once; returns when that is done.
    pub(crate) fn go(&mut self) {
        self.to.write_all(b"x").unwrap();
        self.answer();
    }
}

/// Who has this process id.
pub(crate) fn identity(pid: u32) -> ProcessId {
    let text = fs::read(format!("/proc/{pid}/stat")).unwrap();
    ProcessId { pid, start: parse::process_stat(&text, "stat".as_ref()).unwrap().start }
}
