//! Asking a process's runtime: to collect garbage, or what its threads do.

mod attach;
mod deadlocks;
mod jvm;
mod report;

use gadget_core::{ActionError, Effect, Plan, ProcessId, StepKind, summary};
use rustix::fd::AsFd as _;
use rustix::fs::readlinkat_raw;
use rustix::process::Signal;

use crate::command::{Argv, Running};
use crate::error::unsupported;
use crate::file;
use crate::job::Job;
use crate::linux::{Linux, Work, done};
use crate::process::Target;

pub use deadlocks::deadlocks;
pub(crate) use jvm::thread_dump;
pub use report::RuntimeReports;

/// How a runtime other than the JVM is asked to collect garbage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collector {
    /// With a signal that the program handles so. It is sent only to a process that catches it: otherwise it would end it.
    Signal(u8),
    /// By running a program.
    Command(Argv),
}

/// How one process is asked.
#[derive(Debug)]
enum How {
    Jvm,
    Signal(Signal),
    Command(Argv),
}

impl Linux {
    pub(crate) fn prepare_collection(&self, plan: &Plan, id: ProcessId) -> Result<(), ActionError> {
        self.how(&Target::open(self.proc(plan.step.kind())?, id)?).map(drop)
    }

    pub(crate) fn apply_collection(
        &mut self,
        plan: &Plan,
        id: ProcessId,
    ) -> Result<Effect, ActionError> {
        let target = Target::open(self.proc(plan.step.kind())?, id)?;
        let name = plan.target.name.clone();
        match self.how(&target)? {
            How::Jvm => {
                let line = summary(format_args!("GC.run in {} ({name}) begun", id.pid));
                let job = Job::start(plan.id, move || jvm::collect(&target, &name))?;
                Ok(self.begin(Work::Job(job), line))
            }
            How::Signal(signal) => {
                target.signal(signal)?;
                Ok(done(summary(format_args!("signal {} to {} ({name})", signal.as_raw(), id.pid))))
            }
            How::Command(argv) => {
                let what = summary(format_args!("collector of {} ({name})", id.pid));
                let running = Running::start(plan, &argv, what, self.settings().timeout)?;
                Ok(self.begin(Work::Running(running), what))
            }
        }
    }

    fn how(&self, target: &Target) -> Result<How, ActionError> {
        let refuse = |needs| Err(unsupported(StepKind::CollectGarbage, needs));
        let exe = exe_name(target);
        match self.settings().collectors.get(&exe) {
            Some(Collector::Command(argv)) => Ok(How::Command(argv.clone())),
            Some(Collector::Signal(number)) => match Signal::from_named_raw(i32::from(*number)) {
                Some(signal) if catches(target, i32::from(*number)) => Ok(How::Signal(signal)),
                _ => refuse("a process that catches the configured signal"),
            },
            None if is_jvm(target) => Ok(How::Jvm),
            None if exe == "java" => refuse("a JVM that catches SIGQUIT (it runs with -Xrs)"),
            None => refuse("a JVM, or a collector configured for the executable"),
        }
    }
}

/// The file name of its executable; empty if that cannot be read.
pub(crate) fn exe_name(target: &Target) -> String {
    let mut buffer = [0_u8; 4096];
    let exe = readlinkat_raw(&target.dir, c"exe", &mut buffer[..]).map_or(0, |len| len);
    let exe = std::str::from_utf8(buffer.get(..exe).unwrap_or_default()).unwrap_or_default();
    exe.rsplit('/').next().unwrap_or_default().to_owned()
}

/// True for a JVM that can be asked: one that does not catch it would be ended by the signal that asks it to listen.
pub(crate) fn is_jvm(target: &Target) -> bool {
    exe_name(target) == "java" && catches(target, Signal::QUIT.as_raw())
}

/// True if the process catches the signal (`SigCgt` in `/proc/PID/status`).
fn catches(target: &Target, signal: i32) -> bool {
    let Some(mask) = status_field(target, "SigCgt:") else { return false };
    let mask = u64::from_str_radix(&mask, 16).unwrap_or(0);
    (1..=64).contains(&signal) && mask >> (signal - 1) & 1 == 1
}

/// A field of `/proc/PID/status`.
fn status_field(target: &Target, key: &str) -> Option<String> {
    let mut buffer = [0; 8192];
    let text = file::read_into(target.dir.as_fd(), "status", &mut buffer).ok()?;
    let text = String::from_utf8_lossy(text);
    text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned())
}
