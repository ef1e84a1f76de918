//! The thread of the logs: reads, redacts, keeps, tells the agent what is new, and writes what the agent asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use gadget_archivist::LogWatch;
use gadget_core::{
    CaptureCall, Clock as _, FlushQueue, LogBatch, LogInput, LogRead, LogSources, Reading, Signal,
    Stop, Subject, SystemClock, Timestamp,
};

use crate::NAME;
use crate::keep::Keep;
use crate::readings::Teller;
use crate::redact::Redact;

/// How long a read waits for lines.
const PATIENCE: Duration = Duration::from_millis(100);

/// So long after a small read others may write: woken for each of some hundred lines a second, it took five times the time.
const REST: Duration = Duration::from_millis(25);

/// A read of more lines is no small one; whoever sends so many should not wait.
const SMALL: usize = 256;

/// How often the agent is told, whether there is news or not.
const TELL: Duration = Duration::from_millis(500);

/// Everything on the way of a line.
pub(crate) struct Plane {
    pub(crate) input: Box<dyn LogInput>,
    pub(crate) redact: Redact,
    pub(crate) keep: Keep,
    pub(crate) sources: LogSources,
    pub(crate) teller: Teller,
    pub(crate) flushes: FlushQueue,
    /// Somebody asks for what was logged of late.
    pub(crate) called: Arc<AtomicBool>,
    /// Ends it.
    pub(crate) stop: Stop,
}

impl Plane {
    /// Runs until it is stopped. When the input ends, what is kept stays available.
    ///
    /// # Errors
    /// What keeps lines from being read or kept.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let clock = SystemClock::new();
        let (mut raw, mut clean) = (LogBatch::default(), LogBatch::default());
        let mut watch = LogWatch::default();
        self.keep.teach(&mut watch);
        let (mut told, mut ended) = (Timestamp::EPOCH, false);
        loop {
            // Asked before the last look, so that what was permitted is still written.
            let stops = self.stop.is_stopped();
            if ended {
                std::thread::sleep(PATIENCE);
            } else {
                raw.clear();
                ended = self.input.read(&mut raw, PATIENCE).context("cannot read the logs")?
                    == LogRead::End;
                clean.clear();
                self.redact.batch(&raw, &mut clean);
                let templates = watch.observe(&clean, &self.sources);
                self.keep.batch(&clean, &self.sources, templates);
                // What is kept outlives us from here on.
                self.input.commit(0).context("cannot remember how far the logs were read")?;
                if (1..SMALL).contains(&raw.len()) {
                    std::thread::sleep(REST);
                }
            }
            let now = clock.now();
            if now.since(told) >= TELL {
                told = now;
                self.keep.expire(now);
                let mut readings = self.calls(now);
                watch.readings(now, &mut readings);
                self.teller.tell(readings);
            }
            while let Some(request) = self.flushes.next() {
                eprintln!("{NAME}: {}", self.keep.flush(&request, &watch, now));
            }
            if stops {
                if self.teller.lost() > 0 {
                    eprintln!(
                        "{NAME}: {} readings came too fast for the agent",
                        self.teller.lost()
                    );
                }
                self.keep.close();
                return Ok(());
            }
        }
    }

    fn calls(&self, at: Timestamp) -> Vec<Signal> {
        if !self.called.swap(false, Ordering::Relaxed) {
            return Vec::new();
        }
        let call = CaptureCall { by: "SIGUSR1".into(), reason: "asked for".into(), service: None };
        vec![Signal { at, subject: Subject::Host, reading: Reading::CaptureCall(call.into()) }]
    }
}
