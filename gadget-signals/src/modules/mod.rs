//! What the agent itself uses, and each of its parts.

mod handle;
#[cfg(test)]
mod tests;
mod track;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gadget_core::{
    ModuleUse, Name, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
    resident,
};
use rustix::time::ClockId;

use crate::file::{Buffer, FOLDER, KernelFile, failed};

pub use handle::{Here, ModuleHandle, Watched};
use handle::{Parts, clock, monotonic};
use track::Track;

/// CPU time is told over this long, so that the pause between two pieces of work is no sign of calm.
const OVER: Duration = Duration::from_secs(10);

/// What the agent itself uses, and each of its parts that says who it is.
///
/// - Gives: a [`Reading::ModuleUse`] of [`Subject::Agent`] for the agent as a whole, [`ModuleUse::WHOLE`], and one for each part
///   that a [`ModuleHandle`] was made for, as long as one of its threads lives or has died of a panic.
/// - CPU time is over the last 10 s, or since the part began if that is less.
/// - Source: the process CPU clock, `/proc/self/statm`, the size of `/proc/self/fd` (Linux 6.2; else its entries); for parts
///   `/proc/thread-self/schedstat`, Documentation/scheduler/sched-stats.rst, which is kept open.
/// - Absent: memory and files of a part that does not [say](ModuleHandle::keeps) what it keeps; silence of one that never
///   [said](ModuleHandle::beat) that it is alive.
/// - Cost: four system calls, and one for each thread.
///
/// ```
/// use gadget_signals::Modules;
///
/// let modules = Modules::host()?;
/// let export = modules.module("export");
/// let thread = std::thread::spawn(move || {
///     let _here = export.enter(); // this thread's CPU time is that of `export`
///     for _ in 0..3 {
///         export.beat(); // and it is alive
///     }
/// });
/// # thread.join().unwrap();
/// # Ok::<(), gadget_core::SignalError>(())
/// ```
pub struct Modules {
    parts: Arc<Parts>,
    whole: Track,
    buffer: Buffer,
    fds: Fds,
}

impl Modules {
    /// Of the agent that this process is.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] without `CONFIG_SCHED_INFO`.
    pub fn host() -> Result<Self, SignalError> {
        Self::over(OVER)
    }

    /// As [`host`](Self::host), with CPU time over the last `over`: longer than the pauses between two pieces of work.
    ///
    /// # Errors
    /// As [`host`](Self::host).
    pub fn over(over: Duration) -> Result<Self, SignalError> {
        KernelFile::open("/proc/thread-self/schedstat".into(), "CONFIG_SCHED_INFO")?;
        let mut whole = Track::new(over);
        whole.push(monotonic(), clock(ClockId::ProcessCPUTime));
        Ok(Self {
            parts: Arc::new(Parts::new(over)),
            whole,
            buffer: Buffer::default(),
            fds: Fds::new(Path::new("/proc/self/fd"))?,
        })
    }

    /// A part of the agent. The same name is the same part.
    #[must_use]
    pub fn module(&self, name: impl Into<Name>) -> ModuleHandle {
        self.parts.handle(name.into())
    }

    /// `provider` as a part of the agent, under `name`: the thread that samples it, which is alive as long as it does.
    pub fn watch<P: SignalProvider>(&self, name: impl Into<Name>, provider: P) -> Watched<P> {
        Watched::new(provider, self.module(name))
    }

    /// Parts and threads that are not watched, for there were too many.
    #[must_use]
    pub fn unwatched(&self) -> u64 {
        self.parts.unwatched.load(Ordering::Relaxed)
    }
}

impl SignalProvider for Modules {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if !scope.holds(Subject::Agent) {
            return Ok(());
        }
        let mut tell = |used| out.push(Subject::Agent, Reading::ModuleUse(Box::new(used)));
        let now = monotonic();
        self.whole.push(now, clock(ClockId::ProcessCPUTime));
        let (cpu, over) = self.whole.used();
        tell(ModuleUse {
            module: Name::Borrowed(ModuleUse::WHOLE),
            cpu,
            over,
            memory: resident(),
            fds: Some(self.fds.count()?),
            silent: None,
        });
        for part in self.parts.all() {
            if let Some(used) = part.used(now, &mut self.buffer) {
                tell(used);
            }
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        "modules"
    }
}

/// How many files are open.
#[derive(Debug)]
struct Fds {
    path: std::path::PathBuf,
    /// The folder has the number as its size.
    sized: bool,
}

impl Fds {
    fn new(path: &Path) -> Result<Self, SignalError> {
        let stat = rustix::fs::stat(path).map_err(|error| failed(path, error, "/proc"))?;
        Ok(Self { path: path.to_owned(), sized: stat.st_size > 0 })
    }

    fn count(&self) -> Result<u32, SignalError> {
        let count = if self.sized { self.size() } else { self.entries() };
        count.map_err(|error| failed(self.path.as_path(), error, "/proc"))
    }

    fn size(&self) -> rustix::io::Result<u32> {
        Ok(u32::try_from(rustix::fs::stat(&self.path)?.st_size).unwrap_or(u32::MAX))
    }

    fn entries(&self) -> rustix::io::Result<u32> {
        let folder = rustix::fs::open(&self.path, FOLDER, rustix::fs::Mode::empty())?;
        let mut count = 0;
        for entry in rustix::fs::Dir::new(folder)? {
            count += u32::from(entry?.file_name().to_bytes()[0] != b'.');
        }
        // The folder itself was open.
        Ok(count.saturating_sub(1))
    }
}
