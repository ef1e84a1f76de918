//! Recording what every thread of a process does, before anybody ends it.
//!
//! The process is only read: its files below `/proc`, its memory, the files that it has mapped. Nothing stops it. Its runtime
//! is asked for a dump of its own where it is a JVM, or where a program is configured for it.

mod dump;
mod evidence;
mod folder;
mod threads;
#[cfg(all(feature = "stacks", target_arch = "x86_64"))]
mod user;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gadget_core::{ActionError, Bytes, Effect, Name, Plan, ProcessId, StepKind, summary};

use crate::command::Argv;
use crate::error::unsupported;
use crate::job::Job;
use crate::linux::{Linux, LinuxBuilder, Work};
use crate::process::Target;

use folder::Bound;
pub use threads::{Left, parse_syscall};
#[cfg(all(feature = "stacks", target_arch = "x86_64"))]
pub use user::{Mapping, follow, parse_maps};

/// The most captures at the same time, those included that were given up and have not come back.
const MAX_AT_ONCE: usize = 4;

/// How long a capture may take: what it has not begun by then is left out.
const TIME: Duration = Duration::from_secs(20);

/// When a capture that does not come back is given up. A process that holds the lock of its own memory in an
/// uninterruptible sleep keeps everybody waiting who reads its mappings.
const GIVEN_UP: Duration = Duration::from_secs(40);

/// The user registers of one thread that unwinding starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRegisters {
    /// The instruction pointer.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer; none if it is not known.
    pub fp: Option<u64>,
}

/// Where to get the user registers of a thread from, if not from `/proc/PID/task/TID/syscall`, which shows no frame pointer
/// and nothing of a thread that runs.
pub trait Registers: Send {
    /// Those of a thread, by its id; none if this source has none, and `/proc` is asked.
    fn registers(&mut self, tid: u32) -> Option<UserRegisters>;
}

type Callback = Arc<Mutex<dyn FnMut(&Plan) -> Vec<(Name, Vec<u8>)> + Send>>;

/// What the operator and the embedder configured.
#[derive(Clone)]
pub(crate) struct Captures {
    pub(crate) dir: Option<PathBuf>,
    bound: Bound,
    on_capture: Option<Callback>,
    dumpers: BTreeMap<String, Argv>,
    registers: Option<Arc<Mutex<dyn Registers>>>,
    at_once: Arc<AtomicUsize>,
    /// Held while room is made.
    making_room: Arc<Mutex<()>>,
}

impl Default for Captures {
    fn default() -> Self {
        Self {
            dir: None,
            bound: Bound { folders: 64, bytes: 256 << 20 },
            on_capture: None,
            dumpers: BTreeMap::new(),
            registers: None,
            at_once: Arc::default(),
            making_room: Arc::default(),
        }
    }
}

impl fmt::Debug for Captures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dir, bound, dumpers, .. } = self;
        f.debug_struct("Captures")
            .field("dir", dir)
            .field("bound", bound)
            .field("dumpers", dumpers)
            .finish_non_exhaustive()
    }
}

/// User stacks as text, and of how many threads.
#[derive(Debug)]
pub(crate) struct UserStacks {
    pub(crate) text: String,
    pub(crate) count: usize,
}

/// A capture that is under way, counted until its thread ends.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>) -> Result<Self, ActionError> {
        let place = Self(Arc::clone(count));
        if count.fetch_add(1, Ordering::Relaxed) < MAX_AT_ONCE {
            Ok(place)
        } else {
            Err(unsupported(
                StepKind::CaptureStacks,
                "one of 4 captures under way to come back first",
            ))
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A lock whose holder may have panicked: what it guards is still of use.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Linux {
    pub(crate) fn prepare_capture(&self, plan: &Plan, id: ProcessId) -> Result<(), ActionError> {
        Target::open(self.proc(plan.step.kind())?, id)?;
        Place::take(&self.settings().captures.at_once).map(drop)
    }

    pub(crate) fn apply_capture(
        &mut self,
        plan: &Plan,
        id: ProcessId,
    ) -> Result<Effect, ActionError> {
        let target = Target::open(self.proc(plan.step.kind())?, id)?;
        let (captures, timeout) = (self.settings().captures.clone(), self.settings().timeout);
        let place = Place::take(&captures.at_once)?;
        let line = summary(format_args!("capture of {} ({}) begun", id.pid, plan.target.name));
        let of = plan.clone();
        let job = Job::start_within(plan.id, GIVEN_UP, move || {
            let _place = place;
            evidence::capture(&of, &target, &captures, timeout)
        })?;
        Ok(self.begin(Work::Job(job), line))
    }
}

impl LinuxBuilder {
    /// Records captures ([`Step::CaptureStacks`](gadget_core::Step::CaptureStacks)) below this folder, each in one of its
    /// own, named by time, plan and process. It is made, for its owner alone, if it is not there. Default: none, and such
    /// steps are refused.
    pub fn capture(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings().captures.dir = Some(dir.into());
        self
    }

    /// How many captures are kept, and how much memory on disk: before one more is made, the oldest are removed until it
    /// fits. Default 64 and 256 MiB; at least 4, which is how many may be under way; one capture writes at most 16 MiB. What
    /// we did not name ourselves is never removed.
    pub fn captures_kept(mut self, captures: usize, bytes: Bytes) -> Self {
        let folders = captures.max(MAX_AT_ONCE);
        self.settings().captures.bound = Bound { folders, bytes: bytes.get() };
        self
    }

    /// Adds files of the embedder's own to each capture: their names and contents, for example a lock graph. Called on the
    /// thread of the capture.
    pub fn on_capture(
        mut self,
        files: impl FnMut(&Plan) -> Vec<(Name, Vec<u8>)> + Send + 'static,
    ) -> Self {
        self.settings().captures.on_capture = Some(Arc::new(Mutex::new(files)));
        self
    }

    /// Runs `argv` for a capture of processes of the executable with this file name, and keeps what it prints: a dumper of
    /// the stacks of an interpreter, for example. It may take as long as [`timeout`](Self::timeout) says, and not longer
    /// than the capture. JVMs (`java`) need no setting.
    pub fn dumper(mut self, executable: impl Into<String>, argv: Argv) -> Self {
        self.settings().captures.dumpers.insert(executable.into(), argv);
        self
    }

    /// Takes the user registers of threads from here. Default: from `/proc/PID/task/TID/syscall`.
    pub fn registers(mut self, source: impl Registers + 'static) -> Self {
        self.settings().captures.registers = Some(Arc::new(Mutex::new(source)));
        self
    }
}
