//! From the thread of the logs to the agent: readings, a bounded number of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use gadget_core::{Scope, Signal, SignalError, SignalProvider, Signals, Timestamp};

/// Batches of readings that may wait for the agent.
const WAITING: usize = 64;

/// Where the thread of the logs puts readings. Never waits: an agent that is busy misses some, which is counted.
#[derive(Clone)]
pub(crate) struct Teller {
    sender: Sender<Vec<Signal>>,
    lost: Arc<AtomicU64>,
}

impl Teller {
    /// Hands readings over.
    pub(crate) fn tell(&self, readings: Vec<Signal>) {
        if let Err(TrySendError::Full(readings)) = self.sender.try_send(readings) {
            self.lost.fetch_add(readings.len() as u64, Ordering::Relaxed);
        }
    }

    /// Readings that the agent never got.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Gives them to the agent as they come.
pub(crate) struct LogReadings {
    receiver: Receiver<Vec<Signal>>,
    next: Option<Vec<Signal>>,
}

/// Both ends.
pub(crate) fn readings() -> (Teller, LogReadings) {
    let (sender, receiver) = bounded(WAITING);
    (Teller { sender, lost: Arc::default() }, LogReadings { receiver, next: None })
}

impl SignalProvider for LogReadings {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if matches!(scope, Scope::Only(_)) {
            return Ok(());
        }
        for signal in self.next.take().into_iter().chain(self.receiver.try_iter()).flatten() {
            out.push(signal.subject, signal.reading);
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        if self.next.is_none() {
            match self.receiver.recv_timeout(timeout) {
                Ok(readings) => self.next = Some(readings),
                Err(RecvTimeoutError::Timeout) => {}
                // The logs have ended; nothing more will come.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(timeout),
            }
        }
        Some(Ok(self.next.is_some()))
    }

    fn name(&self) -> &'static str {
        "logs"
    }
}
