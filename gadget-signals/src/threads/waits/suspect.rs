//! A process that is looked at again and again.

use std::collections::HashMap;
use std::time::Duration;

use gadget_core::{Listener, Thread, Threads, Timestamp, Wait};

use super::super::candidates::Candidate;
use super::{KERNEL, PEER};

/// Clients that wait for so long without one's being accepted are worth a look.
pub(super) const QUEUE: Duration = Duration::from_secs(10);
/// Threads that are read in every sweep; a process with more of them waits for its turn.
pub(super) const THREADS_AT_ONCE: usize = 256;
/// A process that merely waits for a peer is looked at so often.
const PEER_EVERY: Duration = Duration::from_secs(60);

/// What is remembered of a process between two looks.
#[derive(Default)]
pub(super) struct Suspect {
    /// It was told of.
    pub(super) told: bool,
    /// The threads at the last look: their slices, and since when they have been that many.
    before: HashMap<u32, (u64, Timestamp)>,
    /// Threads that rest for so long already, which were found before the first look.
    resting: HashMap<u32, Timestamp>,
    sweeps_left: usize,
    not_before: Option<Timestamp>,
}

impl Suspect {
    /// A thread of it has not run for a while.
    pub(super) fn rests(&mut self, candidate: &Candidate, now: Timestamp) {
        if !self.told {
            self.resting.insert(candidate.tid, now - candidate.still);
        }
    }

    /// True if it is to be looked at in this sweep.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        if self.sweeps_left > 0 {
            self.sweeps_left -= 1;
            return false;
        }
        self.not_before.is_none_or(|time| now >= time)
    }

    /// Takes note of a look; true if what it shows is worth telling.
    pub(super) fn looks(&mut self, threads: &Threads, now: Timestamp) -> bool {
        let rests_since = |thread: &Thread| match self.before.get(&thread.tid) {
            Some((slices, since)) => (*slices == thread.slices).then_some(*since),
            None => self.resting.get(&thread.tid).copied(),
        };
        let mut after = HashMap::with_capacity(threads.threads.len());
        let mut closed = threads.left_out == 0 && !threads.threads.is_empty();
        let (mut stuck, mut asked) = (false, false);
        for thread in &threads.threads {
            let since = rests_since(thread);
            after.insert(thread.tid, (thread.slices, since.unwrap_or(now)));
            let still = since.map(|since| now.since(since));
            match &thread.wait {
                Wait::Futex(futex) if !futex.timed => {
                    let owner = futex.lock.and_then(|lock| lock.owner);
                    stuck |= owner.is_some() && still.is_some();
                    continue;
                }
                Wait::Kernel { .. } => stuck |= still.is_some_and(|still| still >= KERNEL),
                Wait::Peer(peer) => {
                    asked |= peer.sent.is_some() && still.is_some_and(|still| still >= PEER);
                }
                _ => {}
            }
            closed = false;
        }
        let crowded = threads.listeners.iter().any(|listener| is_crowded(listener, QUEUE));
        self.before = after;
        self.resting.clear();
        self.sweeps_left = threads.threads.len() / THREADS_AT_ONCE;
        let stuck = stuck || closed || crowded;
        self.not_before = (asked && !stuck).then_some(now + PEER_EVERY);
        stuck || asked
    }
}

/// True if clients wait and for `patience` none has been accepted.
pub(super) fn is_crowded(listener: &Listener, patience: Duration) -> bool {
    listener.queued > 0 && listener.still >= patience
}
