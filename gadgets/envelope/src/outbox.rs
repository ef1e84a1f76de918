//! The queue between whoever makes envelopes and whoever sends them.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::envelope::Envelope;

/// Envelopes on their way out, the oldest first. Clones are the same queue.
///
/// It never holds up whoever makes envelopes: when it is full the oldest goes, and is counted.
///
/// ```
/// # use std::time::Duration;
/// # use gadget_envelope::{AgentDiagEvent, Envelope, Outbox};
/// let outbox = Outbox::new(2);
/// for seq in 1..=3 {
///     outbox.push(AgentDiagEvent { seq, ..Default::default() }.into());
/// }
/// assert_eq!((outbox.len(), outbox.dropped()), (2, 1));
/// let oldest = outbox.take(Duration::ZERO);
/// assert_eq!(oldest, Some(AgentDiagEvent { seq: 2, ..Default::default() }.into()));
/// ```
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

struct Shared {
    most: usize,
    most_bytes: usize,
    queue: Mutex<Queue>,
    arrived: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Queue {
    /// Each with the length of its message.
    envelopes: VecDeque<(Envelope, usize)>,
    bytes: usize,
}

impl Queue {
    fn pop(&mut self) -> Option<Envelope> {
        let (envelope, length) = self.envelopes.pop_front()?;
        self.bytes -= length;
        Some(envelope)
    }
}

impl Outbox {
    /// What the messages of all envelopes may have together by default, encoded.
    pub const BYTES: usize = 32 << 20;

    /// For at most `capacity` envelopes, and at least one, of [`BYTES`](Self::BYTES) together.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self::with_bytes(capacity, Self::BYTES)
    }

    /// For at most `capacity` envelopes, of at most `bytes` together; the newest is held whatever its length.
    #[must_use]
    pub fn with_bytes(capacity: usize, bytes: usize) -> Self {
        Self(Arc::new(Shared {
            most: capacity.max(1),
            most_bytes: bytes,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            dropped: AtomicU64::new(0),
        }))
    }

    /// Puts an envelope at the end; those that it leaves no room for are dropped at the front.
    pub fn push(&self, envelope: Envelope) {
        let length = envelope.message_len();
        // Freed after the lock.
        let mut dropped = Vec::new();
        {
            let mut queue = self.0.queue.lock();
            while queue.envelopes.len() >= self.0.most
                || queue.bytes.saturating_add(length) > self.0.most_bytes
            {
                let Some(oldest) = queue.pop() else { break };
                dropped.push(oldest);
            }
            queue.bytes += length;
            queue.envelopes.push_back((envelope, length));
        }
        self.0.dropped.fetch_add(dropped.len() as u64, Ordering::Relaxed);
        self.0.arrived.notify_one();
    }

    /// The oldest envelope; waits for one as long as `timeout`.
    #[must_use]
    pub fn take(&self, timeout: Duration) -> Option<Envelope> {
        let until = Instant::now().checked_add(timeout);
        let mut queue = self.0.queue.lock();
        loop {
            if let Some(envelope) = queue.pop() {
                return Some(envelope);
            }
            match until {
                Some(until) if self.0.arrived.wait_until(&mut queue, until).timed_out() => {
                    return queue.pop();
                }
                Some(_) => {}
                None => self.0.arrived.wait(&mut queue),
            }
        }
    }

    /// Hands over everything that is there now, the oldest first, without keeping others from pushing meanwhile.
    pub fn drain(&self, each: impl FnMut(Envelope)) {
        let taken = mem::take(&mut *self.0.queue.lock());
        taken.envelopes.into_iter().map(|(envelope, _)| envelope).for_each(each);
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.queue.lock().envelopes.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the messages of those that wait have together, encoded.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.queue.lock().bytes
    }

    /// How many were dropped for want of room since it was made.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, dropped) = (self.len(), self.dropped());
        f.debug_struct("Outbox").field("len", &len).field("dropped", &dropped).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::generated::AgentDiagEvent;

    fn event(seq: u64, reason: &str) -> Envelope {
        AgentDiagEvent { seq, reason: reason.into(), ..Default::default() }.into()
    }

    fn seqs(outbox: &Outbox) -> Vec<u64> {
        let mut seqs = Vec::new();
        outbox.drain(|envelope| match envelope {
            Envelope::Diag(event) => seqs.push(event.seq),
            other => panic!("{other:?}"),
        });
        seqs
    }

    #[test]
    fn a_full_outbox_drops_the_oldest_and_counts_it() {
        let outbox = Outbox::new(3);
        (1..=5).for_each(|seq| outbox.push(event(seq, "")));
        assert_eq!(outbox.dropped(), 2);
        assert_eq!(seqs(&outbox), [3, 4, 5]);
        assert_eq!((outbox.len(), outbox.bytes()), (0, 0));
    }

    #[test]
    fn it_is_full_by_bytes_too() {
        let reason = "r".repeat(100);
        let one = event(1, &reason).message_len();
        let outbox = Outbox::with_bytes(100, 2 * one);
        (1..=3).for_each(|seq| outbox.push(event(seq, &reason)));
        assert_eq!((outbox.len(), outbox.bytes(), outbox.dropped()), (2, 2 * one, 1));
        // One that is longer than all of it goes alone.
        outbox.push(event(4, &"r".repeat(1000)));
        assert_eq!(outbox.dropped(), 3);
        assert_eq!(seqs(&outbox), [4]);
    }

    #[test]
    fn taking_waits_for_what_comes_and_not_for_ever() {
        let outbox = Outbox::new(8);
        assert_eq!(outbox.take(Duration::from_millis(1)), None);
        let maker = {
            let outbox = outbox.clone();
            thread::spawn(move || outbox.push(event(1, "")))
        };
        assert_eq!(outbox.take(Duration::MAX), Some(event(1, "")));
        maker.join().unwrap();
    }

    #[test]
    fn what_is_pushed_while_it_drains_stays() {
        let outbox = Outbox::new(8);
        outbox.push(event(1, ""));
        outbox.drain(|_| outbox.push(event(2, "")));
        assert_eq!(seqs(&outbox), [2]);
    }

    #[test]
    fn nothing_is_lost_uncounted_between_threads() {
        let outbox = Outbox::new(16);
        let makers: Vec<_> = (0..4)
            .map(|_| {
                let outbox = outbox.clone();
                thread::spawn(move || (0..500).for_each(|seq| outbox.push(event(seq, ""))))
            })
            .collect();
        let mut taken = 0;
        while makers.iter().any(|maker| !maker.is_finished()) {
            taken += u64::from(outbox.take(Duration::from_millis(1)).is_some());
        }
        makers.into_iter().for_each(|maker| maker.join().unwrap());
        taken += seqs(&outbox).len() as u64;
        assert_eq!(taken + outbox.dropped(), 2000);
    }
}
