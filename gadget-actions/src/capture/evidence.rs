//! One capture: what is read first, what into which file, and what is said of it.

use std::fmt::Write as _;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use gadget_core::{ActionError, Plan, StepKind, Summary, summary};
use rustix::io::Errno;

use super::folder::{self, Folder, Written};
use super::threads::Threads;
use super::{Captures, TIME, dump, lock};
use crate::error::unsupported;
use crate::file;
use crate::process::Target;
use crate::runtime;

/// What was captured so far.
struct Record {
    folder: Folder,
    until: Instant,
    got: Vec<String>,
    not: Vec<String>,
}

/// Captures what there is time for, and says in one line what that was. What could not be had costs nothing else.
pub(crate) fn capture(
    plan: &Plan,
    target: &Target,
    captures: &Captures,
    timeout: Duration,
) -> Result<Summary, ActionError> {
    let until = Instant::now() + TIME;
    let lacks = unsupported(StepKind::CaptureStacks, "a folder for captures");
    let dir = captures.dir.as_ref().ok_or(lacks)?;
    let mut comm = [0; 64];
    let comm = file::read_into(target.dir.as_fd(), "comm", &mut comm).unwrap_or_default();
    let comm = String::from_utf8_lossy(comm);
    let name = folder::name(plan.at, plan.id.0, target.id.pid, comm.trim_end_matches('\n'));
    let folder = {
        let _one = lock(&captures.making_room);
        Folder::begin(dir, captures.bound, &name)
    };
    let folder = folder.map_err(|source| ActionError::System {
        attempt: "make the folder of the capture",
        source,
    })?;
    let mut record = Record { folder, until, got: Vec::new(), not: Vec::new() };
    record.write("incident.txt", incident(plan).as_bytes());
    // What takes no lock of the process comes first: a process that sleeps with that of its memory makes readers wait.
    record.threads(target);
    record.embedder(plan, captures);
    record.runtime(plan, target, captures, timeout);
    record.user_stacks(target, captures);
    Ok(record.finish(target))
}

/// What led to it.
fn incident(plan: &Plan) -> String {
    let mut text = plan.to_string().replace(char::is_control, " ");
    text.push('\n');
    for (name, value) in &plan.evidence {
        let _ = writeln!(text, "  {name} = {value}");
    }
    text
}

impl Record {
    fn write(&mut self, name: &str, bytes: &[u8]) -> bool {
        match self.folder.write(name, bytes) {
            Ok(Written::Whole) => {}
            Ok(Written::Cut) => self.not.push(format!("the end of {name} (no room)")),
            Err(error) => {
                self.not.push(format!("{name} ({error})"));
                return false;
            }
        }
        true
    }

    fn threads(&mut self, target: &Target) {
        let threads = match Threads::read(target) {
            Ok(threads) => threads,
            Err(error) => return self.not.push(format!("threads ({error})")),
        };
        if self.write("threads.txt", threads.table().as_bytes()) {
            self.got.push(format!("{} threads", threads.list.len()));
        }
        match threads.kernel_stacks() {
            Ok((text, count)) => {
                if self.write("kernel-stacks.txt", text.as_bytes()) {
                    self.got.push(format!("{count} kernel stacks"));
                }
            }
            Err(Errno::ACCESS) => self.not.push("kernel stacks (CAP_SYS_ADMIN)".to_owned()),
            Err(error) => self.not.push(format!("kernel stacks ({error})")),
        }
    }

    fn embedder(&mut self, plan: &Plan, captures: &Captures) {
        let Some(callback) = &captures.on_capture else { return };
        // Not ours: what it does wrong costs its own files alone.
        let call = std::panic::AssertUnwindSafe(|| lock(callback)(plan));
        let Ok(files) = std::panic::catch_unwind(call) else {
            return self.not.push("files of the embedder (its callback panicked)".to_owned());
        };
        let written = files.iter().filter(|(name, bytes)| self.write(name, bytes)).count();
        self.got.push(format!("{written} files of the embedder"));
    }

    fn runtime(&mut self, plan: &Plan, target: &Target, captures: &Captures, timeout: Duration) {
        let exe = runtime::exe_name(target);
        let got = if let Some(argv) = captures.dumpers.get(&exe) {
            dump::output(plan, argv, self.until.min(Instant::now() + timeout)).map(
                |(mut text, ended)| {
                    text.extend_from_slice(format!("\n[{ended}]\n").as_bytes());
                    ("dumper.txt", text)
                },
            )
        } else if runtime::is_jvm(target) {
            let left = self.until.saturating_duration_since(Instant::now());
            runtime::thread_dump(target, left).map(|text| ("jvm-threads.txt", text))
        } else {
            return;
        };
        match got {
            Ok((name, text)) => {
                if self.write(name, &text) {
                    self.got.push(name.to_owned());
                }
            }
            Err(error) => self.not.push(format!("the runtime's dump ({error})")),
        }
    }

    fn user_stacks(&mut self, target: &Target, captures: &Captures) {
        // Looked at anew: a runtime that was asked for its dump has run since.
        let Some(threads) = Threads::read(target).ok().filter(|threads| !threads.list.is_empty())
        else {
            return;
        };
        let mut registers = |tid| {
            let source = captures.registers.as_ref()?;
            lock(source).registers(tid)
        };
        let until = self.until;
        // Tables and symbols come from the process's own files: if one makes the unwinder panic, the rest stands.
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            user_stacks(target, &threads, until, &mut registers)
        }));
        let failed = match unwound {
            Ok(Ok(stacks)) => {
                if self.write("user-stacks.txt", stacks.text.as_bytes()) {
                    self.got.push(format!("{} user stacks", stacks.count));
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its files cannot be understood".to_owned(),
        };
        self.not.push(format!("user stacks ({failed})"));
    }

    /// Says what there is and what is missing: in a file, and in one line.
    fn finish(mut self, target: &Target) -> Summary {
        if target.exited() {
            self.not.push("the rest (it has ended)".to_owned());
        }
        let mut text = String::new();
        for (what, list) in [("captured", &self.got), ("not captured", &self.not)] {
            for one in list {
                let _ = writeln!(text, "{what}: {one}");
            }
        }
        let _ = writeln!(text, "older captures removed: {}", self.folder.removed);
        self.write("captured.txt", text.as_bytes());
        let Self { folder, got, not, .. } = self;
        let (removed, got) = (folder.removed, got.join(", "));
        let not = if not.is_empty() { String::new() } else { format!("; not {}", not.join(", ")) };
        let removed =
            if removed == 0 { String::new() } else { format!("; {removed} older removed") };
        summary(format_args!("{}: {got}{not}{removed}", folder.name))
    }
}

#[cfg(all(feature = "stacks", target_arch = "x86_64"))]
use super::user::stacks as user_stacks;

/// Without an unwinder there are none.
#[cfg(not(all(feature = "stacks", target_arch = "x86_64")))]
fn user_stacks(
    _: &Target,
    _: &Threads,
    _: Instant,
    _: &mut dyn FnMut(u32) -> Option<super::UserRegisters>,
) -> Result<super::UserStacks, ActionError> {
    Err(unsupported(StepKind::CaptureStacks, "the feature `stacks` on x86-64"))
}
