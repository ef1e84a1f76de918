//! Steps that may take long without anything to do for us meanwhile, each on a thread of its own.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gadget_core::{ActionError, Effect, PlanId, Summary, Timestamp};

use crate::linux::done;

/// A step under way on its own thread.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) plan: PlanId,
    thread: Option<JoinHandle<Result<Summary, ActionError>>>,
    next: Option<Timestamp>,
}

impl Job {
    /// Starts `step`.
    pub(crate) fn start(
        plan: PlanId,
        step: impl FnOnce() -> Result<Summary, ActionError> + Send + 'static,
    ) -> Result<Self, ActionError> {
        let thread = thread::Builder::new().name("gadget-action".into()).spawn(step);
        let thread = thread.map_err(|source| ActionError::System {
            attempt: "start a thread for the step",
            source,
        })?;
        Ok(Self { plan, thread: Some(thread), next: None })
    }

    /// What it did, once it is over.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Option<Result<Effect, ActionError>> {
        self.next = Some(now + LOOK);
        let thread = self.thread.take_if(|thread| thread.is_finished())?;
        let panicked = || {
            let source = io::Error::other("its thread panicked");
            ActionError::System { attempt: "carry out the step", source }
        };
        Some(thread.join().unwrap_or_else(|_| Err(panicked())).map(done))
    }

    /// When to call [`advance`](Self::advance) next.
    pub(crate) fn next(&self) -> Timestamp {
        self.next.unwrap_or(Timestamp::EPOCH)
    }
}

/// How often to look whether it is over.
const LOOK: Duration = Duration::from_millis(100);
