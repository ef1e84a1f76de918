//! What threads wait for, as a provider over all processes.

mod queues;
mod suspect;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use gadget_core::{
    ProcessId, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};

use super::candidates::{Candidate, Candidates, Suspicion};
use super::reader::ThreadReader;
use super::walk::ProcWalk;
use queues::Queues;
use suspect::{QUEUE, Suspect, THREADS_AT_ONCE};

/// The most processes that are looked at again and again.
const MAX_SUSPECTS: usize = 256;
/// A thread in state `D` for so long is worth a look.
const KERNEL: Duration = Duration::from_secs(30);
/// A thread that waits for the other end of a connection for so long is worth a look.
const PEER: Duration = Duration::from_secs(60);
/// A process that was asked for by name is not read again for so long, for each [`THREADS_AT_ONCE`] of its threads.
const LARGE_EVERY: Duration = Duration::from_secs(1);

/// Finds the processes of a host that may be stuck, and reads what their threads wait for.
///
/// - Gives, of [`Subject::Process`]: [`Reading::Threads`]. In a sweep for the few that are worth it: all threads wait for
///   futexes without a time out; a thread that does not run waits for a lock whose owner is known; one is in state `D`
///   for half a minute, or waits for the other end of a connection for a minute; clients wait at a listening socket and
///   none is accepted. And once more when nothing of that holds any longer; [`Reading::Gone`] if such a process ends.
/// - Each process that a gadget asks for by name is read, whatever its threads do; one with more than 256 threads not
///   again for a second for each 256 of them.
/// - Source: [`ThreadReader`] for the processes, [`Candidates`] for which of them.
/// - A process with more than 256 threads is looked at in one of several sweeps, one that merely waits for a peer once a
///   minute. At most 256 processes are followed; [`left_out`](Self::left_out) counts the others.
///
/// ```
/// use gadget_core::{Scope, SignalProvider, Signals, Timestamp};
/// use gadget_signals::Waits;
///
/// let mut waits = Waits::host()?;
/// println!("{}", waits.describe());
/// let now = Timestamp::from_secs(1); // an agent's clock tells it
/// let mut signals = Signals::at(now);
/// waits.sample(now, Scope::Everything, &mut signals)?;
/// for signal in &signals {
///     println!("{} may be stuck", signal.subject);
/// }
/// # Ok::<(), gadget_core::SignalError>(())
/// ```
pub struct Waits {
    reader: ThreadReader,
    candidates: Box<dyn Candidates + Send>,
    queues: Option<Queues>,
    suspects: BTreeMap<ProcessId, Suspect>,
    found: Vec<Candidate>,
    /// Processes with many threads that were asked for by name, and until when they are not read again.
    large: HashMap<ProcessId, Timestamp>,
    left_out: u64,
}

impl Waits {
    /// Of this host, by a walk of the kernel's own threads with feature `bpf` where the kernel takes it from us, and by one
    /// over `/proc` else.
    ///
    /// # Errors
    /// If `/proc` cannot be opened.
    pub fn host() -> Result<Self, SignalError> {
        Ok(Self::with(ThreadReader::host()?, candidates()?))
    }

    /// Of the processes that `candidates` finds, read by `reader`.
    #[must_use]
    pub fn with(reader: ThreadReader, candidates: Box<dyn Candidates + Send>) -> Self {
        let queues = reader.sockets.then(|| Queues::with(QUEUE));
        let suspects = BTreeMap::new();
        Self {
            reader,
            candidates,
            queues,
            suspects,
            found: Vec::new(),
            large: HashMap::new(),
            left_out: 0,
        }
    }

    /// Processes that the last sweep found worth a look and that are not followed, because 256 are.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// One line for a person: how processes are found, and what is read of them.
    #[must_use]
    pub fn describe(&self) -> String {
        let with = |part: bool| if part { "with" } else { "without" };
        format!(
            "{}, {} foreign memory, {} sockets",
            self.candidates.describe(),
            with(self.reader.memory),
            with(self.reader.sockets)
        )
    }

    fn sweep(&mut self, now: Timestamp, out: &mut Signals) -> Result<(), SignalError> {
        self.left_out = 0;
        let walked = self.candidates.find(now, &mut self.found);
        let mut found = std::mem::take(&mut self.found);
        for candidate in found.drain(..) {
            if !self.suspects.contains_key(&candidate.process) && self.is_worth_it(&candidate) {
                self.suspect(candidate.process);
            }
            if let Some(suspect) = self.suspects.get_mut(&candidate.process) {
                suspect.rests(&candidate, now);
            }
        }
        self.found = found;
        if let Some(queues) = &mut self.queues {
            for process in queues.stuck(&mut self.reader, now) {
                self.suspect(process);
            }
        }
        let mut first = walked.err();
        let suspects = std::mem::take(&mut self.suspects);
        for (id, mut suspect) in suspects {
            if !suspect.is_due(now) {
                self.suspects.insert(id, suspect);
                continue;
            }
            match self.reader.read(id) {
                Ok(Some(threads)) => {
                    let worth = suspect.looks(&threads, now);
                    // What is new and not worth it was seen in passing.
                    if worth || suspect.told {
                        out.push(Subject::Process(id), Reading::Threads(Box::new(threads)));
                    }
                    if worth {
                        suspect.told = true;
                        self.suspects.insert(id, suspect);
                    }
                }
                Ok(None) if suspect.told => out.push(Subject::Process(id), Reading::Gone),
                Ok(None) => {}
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn suspect(&mut self, process: ProcessId) {
        if self.suspects.contains_key(&process) {
            return;
        }
        if self.suspects.len() < MAX_SUSPECTS {
            self.suspects.insert(process, Suspect::default());
        } else {
            self.left_out += 1;
        }
    }

    /// What can be said of a thread without a look at the whole process.
    fn is_worth_it(&mut self, candidate: &Candidate) -> bool {
        match candidate.suspicion {
            Suspicion::Closed => true,
            Suspicion::Futex(call) => self.reader.may_be_lock(candidate.tid, &call),
            Suspicion::Kernel => candidate.still >= KERNEL,
            Suspicion::Read { fd } => {
                candidate.still >= PEER && self.reader.has_asked(candidate.process.pid, fd)
            }
        }
    }
}

/// Finds candidates in the cheapest way that this host offers.
fn candidates() -> Result<Box<dyn Candidates + Send>, SignalError> {
    #[cfg(feature = "bpf")]
    if let Ok(threads) = crate::bpf::BlockedThreads::host() {
        return Ok(Box::new(threads));
    }
    Ok(Box::new(ProcWalk::host()?))
}

impl SignalProvider for Waits {
    fn sample(
        &mut self,
        now: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        let Scope::Only(subjects) = scope else { return self.sweep(now, out) };
        let mut first = None;
        self.large.retain(|_, until| now < *until);
        for &subject in subjects {
            let Subject::Process(id) = subject else { continue };
            if self.large.contains_key(&id) {
                continue;
            }
            match self.reader.read(id) {
                Ok(Some(threads)) => {
                    let turns = (threads.threads.len() / THREADS_AT_ONCE) as u32;
                    if turns > 0 {
                        self.large.insert(id, now + LARGE_EVERY * turns);
                    }
                    out.push(subject, Reading::Threads(Box::new(threads)));
                }
                Ok(None) => {}
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn name(&self) -> &'static str {
        "waits"
    }
}

#[cfg(test)]
mod tests;
