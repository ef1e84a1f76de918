//! Programs that the operator configured, run without a shell.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gadget_core::{ActionError, Effect, Plan, PlanId, Subject, Summary, Timestamp, summary};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::linux::done;
use crate::sys;

/// How long a program may run before it and all of its process group are killed, unless [`LinuxBuilder::timeout`] says
/// otherwise.
///
/// [`LinuxBuilder::timeout`]: crate::LinuxBuilder::timeout
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A program with its arguments.
///
/// In each argument `{pid}`, `{cgroup}` and `{name}` stand for the target's process id, its cgroup path and its name; the
/// first is the absolute path of the program. It gets them as `GADGET_PID`, `GADGET_CGROUP` and `GADGET_NAME` too, besides
/// `PATH` and nothing else of the agent's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv(Vec<String>);

/// An argument list that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAbsolute(pub String);

impl fmt::Display for NotAbsolute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a program is named by its absolute path, found {:?}", self.0)
    }
}

impl std::error::Error for NotAbsolute {}

impl Argv {
    /// From the program's absolute path and its arguments.
    ///
    /// # Errors
    /// [`NotAbsolute`], also for an empty list.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Result<Self, NotAbsolute> {
        let argv: Vec<String> = argv.into_iter().map(Into::into).collect();
        match argv.first() {
            Some(program) if program.starts_with('/') => Ok(Self(argv)),
            other => Err(NotAbsolute(other.cloned().unwrap_or_default())),
        }
    }

    /// The program for the target of `plan`, in a process group of its own. What it prints goes nowhere.
    pub(crate) fn command(&self, plan: &Plan) -> Command {
        let (pid, cgroup) = match plan.target.subject {
            Subject::Process(id) => (id.pid.to_string(), String::new()),
            Subject::Cgroup(_) => (String::new(), plan.target.name.to_string()),
            _ => (String::new(), String::new()),
        };
        let name = &*plan.target.name;
        let fill = |argument: &String| {
            argument.replace("{pid}", &pid).replace("{cgroup}", &cgroup).replace("{name}", name)
        };
        let mut argv = self.0.iter().map(fill);
        let mut command = Command::new(argv.next().unwrap_or_default());
        command
            .args(argv)
            .env_clear()
            .env(
                "PATH",
                std::env::var_os("PATH")
                    .unwrap_or_else(|| OsString::from("/usr/sbin:/usr/bin:/sbin:/bin")),
            )
            .envs([("GADGET_PID", &*pid), ("GADGET_CGROUP", &cgroup), ("GADGET_NAME", name)])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        sys::give_back_what_survives(&mut command);
        command
    }
}

/// A program that runs. Its time is the agent's, counted from the first call after it was started.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) plan: PlanId,
    child: Child,
    what: Summary,
    timeout: Duration,
    until: Option<Timestamp>,
    killed: bool,
    next: Option<Timestamp>,
}

/// How often to look whether it has ended.
const LOOK: Duration = Duration::from_millis(100);

impl Running {
    /// Starts it; `what` it is for, in a few words.
    pub(crate) fn start(
        plan: &Plan,
        argv: &Argv,
        what: Summary,
        timeout: Duration,
    ) -> Result<Self, ActionError> {
        let child = argv.command(plan).spawn().map_err(|source| ActionError::System {
            attempt: "start the configured program",
            source,
        })?;
        Ok(Self { plan: plan.id, child, what, timeout, until: None, killed: false, next: None })
    }

    /// Carries on; the result once it is over.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Option<Result<Effect, ActionError>> {
        let refused =
            |source| ActionError::System { attempt: "run the configured program", source };
        match self.child.try_wait() {
            Ok(None) => {}
            Ok(Some(_)) if self.killed => {
                return Some(Err(refused(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "it ran too long and was killed",
                ))));
            }
            Ok(Some(status)) if status.success() => {
                return Some(Ok(done(summary(format_args!("{} succeeded", self.what)))));
            }
            Ok(Some(status)) => return Some(Err(refused(io::Error::other(status.to_string())))),
            Err(source) => return Some(Err(refused(source))),
        }
        let until = *self.until.get_or_insert(now + self.timeout);
        if now >= until && !self.killed {
            // Its group's id is its own, and stays its own until it is waited for.
            if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            self.killed = true;
        }
        self.next = Some(now + LOOK);
        None
    }

    /// When to call [`advance`](Self::advance) next.
    pub(crate) fn next(&self) -> Timestamp {
        self.next.unwrap_or(Timestamp::EPOCH)
    }
}
