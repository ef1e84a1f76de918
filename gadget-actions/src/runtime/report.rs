//! What runtimes say of their own threads, as readings.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use gadget_core::{
    ActionError, ProcessId, Reading, RuntimeReport, Scope, SignalError, SignalProvider, Signals,
    Subject, Timestamp,
};
use rustix::fs::{Mode, OFlags};

use super::{deadlocks::deadlocks, is_jvm, jvm};
use crate::process::Target;

/// How often one process is asked.
const EVERY: Duration = Duration::from_secs(60);

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most processes that wait to be asked; further ones are asked at a later sample.
const MAX_WAITING: usize = 8;

/// The most processes whose turn is remembered.
const MAX_KNOWN: usize = 1024;

type Answer = (ProcessId, Result<RuntimeReport, ActionError>);

/// Asks the JVMs that gadgets watch for a thread dump, each at most once a minute, and reports the deadlocks in it.
///
/// To ask is to act: a JVM that does not listen yet gets `SIGQUIT`, makes a socket in its `/tmp`, and stops its threads at a
/// safepoint to dump them. So nothing is asked until an agent is given this provider, and then only processes that a
/// gadget asked for by name. A sample does not wait: the answer, taken on a thread of its own, is in a later one.
///
/// - Shape: a [`RuntimeReport`], also an empty one, for each JVM that answered.
/// - Source: the attach socket of the JVM (`jstack` uses it too).
/// - Absent: for what is no JVM, or runs with `-Xrs`.
pub struct RuntimeReports {
    proc: OwnedFd,
    path: PathBuf,
    /// When each process was last found to be asked, or not to be a JVM.
    known: BTreeMap<ProcessId, Timestamp>,
    asking: SyncSender<Target>,
    answers: Receiver<Answer>,
}

impl fmt::Debug for RuntimeReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeReports").field("known", &self.known).finish_non_exhaustive()
    }
}

impl RuntimeReports {
    /// For the processes of this host.
    ///
    /// # Errors
    /// [`SignalError::Read`] if `/proc` cannot be opened or no thread be started.
    pub fn host() -> Result<Self, SignalError> {
        Self::at("/proc")
    }

    /// For the processes below `proc`.
    ///
    /// # Errors
    /// As [`host`](Self::host).
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        let path = proc.as_ref().to_path_buf();
        let failed = |source| SignalError::Read { path: path.clone(), source };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc =
            rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let (asking, asked) = sync_channel::<Target>(MAX_WAITING);
        let (answer, answers) = sync_channel(MAX_KNOWN);
        // Ends when the provider is dropped, after what it is asking.
        let work = move || {
            while let Ok(target) = asked.recv() {
                let dump = jvm::thread_dump(&target, PATIENCE);
                let report = dump.map(|dump| deadlocks(&String::from_utf8_lossy(&dump)));
                if answer.send((target.id, report)).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new().name("gadget-runtime".into()).spawn(work).map_err(failed)?;
        Ok(Self { proc, path, known: BTreeMap::new(), asking, answers })
    }

    #[cfg(test)]
    pub(crate) fn known(&self) -> Vec<(ProcessId, Timestamp)> {
        self.known.iter().map(|(id, at)| (*id, *at)).collect()
    }

    /// Has `id` asked, if it is a JVM whose turn it is.
    fn ask(&mut self, id: ProcessId, now: Timestamp) {
        if self.known.contains_key(&id) || self.known.len() >= MAX_KNOWN {
            return;
        }
        let Ok(target) = Target::open(self.proc.as_fd(), id) else { return };
        // One that waits is asked later: it is not known yet then.
        if !is_jvm(&target) || self.asking.try_send(target).is_ok() {
            self.known.insert(id, now);
        }
    }
}

impl SignalProvider for RuntimeReports {
    fn sample(
        &mut self,
        now: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        self.known.retain(|_, asked| now.since(*asked) < EVERY);
        if let Scope::Only(subjects) = scope {
            for subject in subjects {
                if let Subject::Process(id) = *subject {
                    self.ask(id, now);
                }
            }
        }
        let mut failed = Ok(());
        loop {
            match self.answers.try_recv() {
                Ok((id, Ok(report))) => {
                    out.push(Subject::Process(id), Reading::RuntimeReport(Box::new(report)));
                }
                // It ended meanwhile; who lists processes says so.
                Ok((_, Err(ActionError::Stale { .. }))) => {}
                Ok((id, Err(error))) => {
                    let path = self.path.join(id.pid.to_string());
                    let source = match error {
                        ActionError::System { source, .. } => source,
                        other => io::Error::other(other),
                    };
                    failed = Err(SignalError::Read { path, source });
                }
                Err(TryRecvError::Empty) => return failed,
                Err(TryRecvError::Disconnected) => {
                    let source = io::Error::other("the thread that asks has ended");
                    return Err(SignalError::Read { path: self.path.clone(), source });
                }
            }
        }
    }

    fn name(&self) -> &'static str {
        "runtime reports"
    }
}
