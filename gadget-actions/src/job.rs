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
    /// How long it may take. Time is the agent's, counted from the first look.
    limit: Option<Duration>,
    until: Option<Timestamp>,
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
        Ok(Self { plan, thread: Some(thread), limit: None, until: None, next: None })
    }

    /// Starts `step`, and gives it up after `limit`: its thread is left to itself then, for nothing can end it.
    pub(crate) fn start_within(
        plan: PlanId,
        limit: Duration,
        step: impl FnOnce() -> Result<Summary, ActionError> + Send + 'static,
    ) -> Result<Self, ActionError> {
        Ok(Self { limit: Some(limit), ..Self::start(plan, step)? })
    }

    /// What it did, once it is over.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Option<Result<Effect, ActionError>> {
        self.next = Some(now + LOOK);
        if let Some(limit) = self.limit {
            self.until.get_or_insert(now + limit);
        }
        let Some(thread) = self.thread.take_if(|thread| thread.is_finished()) else {
            let overdue = self.until.is_some_and(|until| now >= until);
            let source = io::Error::new(io::ErrorKind::TimedOut, "it does not come back");
            return overdue
                .then_some(Err(ActionError::System { attempt: "carry out the step", source }));
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_does_not_come_back_is_given_up_when_the_agents_time_says_so() {
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let limit = Duration::from_secs(40);
        let step = move || wait.recv().map_or(Ok(Summary::new()), |()| Ok(Summary::new()));
        let mut job = Job::start_within(PlanId(1), limit, step).unwrap();
        let start = Timestamp::from_secs(1_000);
        for passed in [0, 39] {
            assert!(job.advance(start + Duration::from_secs(passed)).is_none());
        }
        let over = job.advance(start + limit).unwrap();
        let Err(ActionError::System { source, .. }) = over else { panic!("{over:?}") };
        assert_eq!(source.kind(), io::ErrorKind::TimedOut);
        drop(go_on);
    }
}
