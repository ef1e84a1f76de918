//! Reading a ring buffer record by record.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gadget_core::SignalError;
use libbpf_rs::{MapCore, RingBuffer, RingBufferBuilder};
use parking_lot::Mutex;

use super::record::Record;

/// The records of one ring buffer, in order.
pub(super) struct Ring<R> {
    // libbpf calls back with each record, from `take` and `wait` alone: the lock is never waited for.
    records: Arc<Mutex<Vec<R>>>,
    malformed: Arc<AtomicU64>,
    ring: RingBuffer<'static>,
    provider: &'static str,
}

impl<R: Record + Send> Ring<R> {
    pub(super) fn of(map: &dyn MapCore, provider: &'static str) -> Result<Self, SignalError> {
        let records = Arc::new(Mutex::new(Vec::new()));
        let malformed = Arc::new(AtomicU64::new(0));
        let (sink, misses) = (Arc::clone(&records), Arc::clone(&malformed));
        let failed = |error: libbpf_rs::Error| SignalError::Program {
            attempt: "read the ring of",
            provider,
            source: io::Error::other(error),
        };
        let mut builder = RingBufferBuilder::new();
        builder
            .add(map, move |bytes| {
                match R::from_bytes(bytes) {
                    Some(record) => sink.lock().push(record),
                    None => {
                        misses.fetch_add(1, Ordering::Relaxed);
                    }
                }
                0
            })
            .map_err(failed)?;
        let ring = builder.build().map_err(failed)?;
        Ok(Self { records, malformed, ring, provider })
    }

    /// Waits until a program wakes us, or for `timeout`; true if there are records.
    pub(super) fn wait(&mut self, timeout: Duration) -> Result<bool, SignalError> {
        let result = self.ring.poll_raw(timeout);
        // A signal is no error: there are no records yet.
        if result < 0 && result != -rustix::io::Errno::INTR.raw_os_error() {
            return Err(self.failed(-result));
        }
        Ok(!self.records.lock().is_empty())
    }

    /// Gives each record that has come to `f`, without waiting.
    pub(super) fn take(&mut self, mut f: impl FnMut(&R)) -> Result<(), SignalError> {
        let result = self.ring.consume_raw();
        let mut records = self.records.lock();
        records.iter().for_each(&mut f);
        records.clear();
        drop(records);
        if result < 0 { Err(self.failed(-result)) } else { Ok(()) }
    }

    /// Records that were too short to be any.
    pub(super) fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    fn failed(&self, errno: i32) -> SignalError {
        SignalError::Program {
            attempt: "read the ring of",
            provider: self.provider,
            source: io::Error::from_raw_os_error(errno),
        }
    }
}
