//! One thread that takes envelopes from the outbox and brings them to a receiver, through stages and the spool.
//!
//! What it promises: an envelope that reached a spool on disk arrives at least once and in order, unless the spool's bounds make it go,
//! the receiver refuses it, or power is lost; each of these but the last is counted. It arrives twice where an answer is lost.

mod backoff;
mod run;
mod settings;
mod stats;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use gadget_envelope::{Envelope, Outbox};
use parking_lot::Mutex;

pub use settings::{ExportError, ExportSettings, Protocol};
pub use stats::ExportStats;

use crate::prometheus::AgentMetric;

/// Sees every envelope before it is spooled: a filter, or somebody who shows or writes it elsewhere.
pub trait Stage: Send {
    /// The envelope as it goes on; none if it goes no further, which is counted.
    fn pass(&mut self, envelope: Envelope) -> Option<Envelope>;
}

impl<F: FnMut(Envelope) -> Option<Envelope> + Send> Stage for F {
    fn pass(&mut self, envelope: Envelope) -> Option<Envelope> {
        self(envelope)
    }
}

/// What goes in one request.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The envelopes, the oldest first.
    pub envelopes: &'a [Envelope],
    /// Numbers about the agent as they are now; these do not wait in the spool.
    pub agent: &'a [AgentMetric],
    /// When the pipeline began, nanoseconds since 1970.
    pub began_ns: u64,
    /// The time of day, nanoseconds since 1970.
    pub now_ns: u64,
    /// How long it may take.
    pub within: Duration,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Accepted {
        /// Points that it would not have.
        rejected_points: u64,
        /// What it said of them, or warned of.
        message: Option<String>,
        /// Whether its answer was what an answer has to be.
        understood: bool,
    },
    /// It may have it later.
    Retry {
        /// How long it asks to be left alone.
        after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// It will never have it.
    Refused {
        /// What it said.
        reason: String,
    },
    /// It will not have so much at once.
    TooLong,
}

/// Carries batches to a receiver.
pub trait Sender: Send {
    /// Sends one, and returns within [`Batch::within`].
    fn send(&mut self, batch: &Batch<'_>) -> Outcome;
}

impl<S: Sender + ?Sized> Sender for Box<S> {
    fn send(&mut self, batch: &Batch<'_>) -> Outcome {
        (**self).send(batch)
    }
}

type Agent = Box<dyn FnMut() -> Vec<AgentMetric> + Send>;
type Heartbeat = Box<dyn FnMut() + Send>;

/// A pipeline that is being put together.
///
/// ```
/// # use std::time::Duration;
/// # use gadget_envelope::{AgentDiagEvent, Envelope, Outbox};
/// # use gadget_export::{ExportSettings, Pipeline};
/// let outbox = Outbox::new(1000);
/// let handle = Pipeline::new(outbox.clone(), ExportSettings::default())?
///     .stage(|envelope: Envelope| Some(envelope))
///     .spawn()?;
/// outbox.push(AgentDiagEvent::default().into());
/// assert!(handle.stop(Duration::from_secs(5)));
/// assert_eq!(handle.stats().taken, 1);
/// # Ok::<(), gadget_export::ExportError>(())
/// ```
pub struct Pipeline {
    outbox: Outbox,
    settings: ExportSettings,
    stages: Vec<Box<dyn Stage>>,
    sender: Option<Box<dyn Sender>>,
    agent: Option<Agent>,
    heartbeat: Option<Heartbeat>,
    seed: u64,
}

impl Pipeline {
    /// One that sends nothing yet.
    ///
    /// # Errors
    /// What [`ExportSettings::validate`] says.
    pub fn new(outbox: Outbox, settings: ExportSettings) -> Result<Self, ExportError> {
        settings.validate()?;
        Ok(Self {
            outbox,
            settings,
            stages: Vec::new(),
            sender: None,
            agent: None,
            heartbeat: None,
            seed: u64::from(std::process::id()),
        })
    }

    /// Adds a stage behind those there are.
    #[must_use]
    pub fn stage(mut self, stage: impl Stage + 'static) -> Self {
        self.stages.push(Box::new(stage));
        self
    }

    /// Sends by this; without one nothing is spooled.
    #[must_use]
    pub fn sender(mut self, sender: impl Sender + 'static) -> Self {
        self.sender = Some(Box::new(sender));
        self
    }

    /// Asked for numbers about the agent before each request.
    #[must_use]
    pub fn agent(mut self, agent: impl FnMut() -> Vec<AgentMetric> + Send + 'static) -> Self {
        self.agent = Some(Box::new(agent));
        self
    }

    /// Called in each turn of the thread: four times a second at least, but for requests, that take up to their timeout.
    #[must_use]
    pub fn heartbeat(mut self, heartbeat: impl FnMut() + Send + 'static) -> Self {
        self.heartbeat = Some(Box::new(heartbeat));
        self
    }

    /// What waits are drawn from; by default the process id, so that hosts do not retry in step.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Opens the spool and begins.
    ///
    /// # Errors
    /// [`ExportError::Start`] if there can be no thread.
    pub fn spawn(self) -> Result<ExportHandle, ExportError> {
        let shared = Arc::new(Shared::default());
        let (ended, end) = channel::<()>();
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("export".into())
            .spawn(move || {
                // Closed when the thread ends, however it does.
                let _ended = ended;
                run::Run::new(self, theirs).run();
            })
            .map_err(|error| ExportError::Start(error.into()))?;
        Ok(ExportHandle { shared, end: Mutex::new(end) })
    }
}

/// Between the thread and its handle.
#[derive(Debug, Default)]
struct Shared {
    stats: Mutex<ExportStats>,
    /// When it has to be over, once it is asked to stop.
    stop: Mutex<Option<Instant>>,
}

/// A pipeline that runs. It stops, without waiting for anything, when this is dropped.
#[derive(Debug)]
pub struct ExportHandle {
    shared: Arc<Shared>,
    end: Mutex<Receiver<()>>,
}

impl ExportHandle {
    /// How it goes, as of the thread's last turn.
    #[must_use]
    pub fn stats(&self) -> ExportStats {
        self.shared.stats.lock().clone()
    }

    /// Whether the thread is there.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.end.lock().recv_timeout(Duration::ZERO) == Err(RecvTimeoutError::Timeout)
    }

    /// Takes what is in the outbox, sends what can be sent, leaves the rest in the spool, and ends: within this time if it can.
    /// Whether it did; if not it still ends as soon as it comes back from whatever it is in.
    pub fn stop(&self, within: Duration) -> bool {
        let now = Instant::now();
        *self.shared.stop.lock() = Some(now.checked_add(within).unwrap_or(now));
        // The deadline is the thread's; what it then still has to do is to close the spool.
        self.end.lock().recv_timeout(within + Duration::from_millis(500))
            == Err(RecvTimeoutError::Disconnected)
    }
}

impl Drop for ExportHandle {
    fn drop(&mut self) {
        self.shared.stop.lock().get_or_insert_with(Instant::now);
    }
}
