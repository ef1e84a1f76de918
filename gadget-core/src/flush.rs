//! Asking whoever keeps logs to send a part of them.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde::{Deserialize, Serialize};

use crate::plan::PlanId;
use crate::units::Timestamp;

/// What is to be sent, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushRequest {
    /// The plan that asks for it: the incident's number.
    pub plan: PlanId,
    /// The first moment...
    pub from: Timestamp,
    /// ...and the last.
    pub until: Timestamp,
    /// Why, as the plan says.
    pub reason: Arc<str>,
    /// The service it began with, or `host`.
    pub about: Arc<str>,
}

/// Requests on their way to whoever keeps the logs. Bounded: a full queue refuses.
#[derive(Clone, Debug)]
pub struct FlushQueue {
    sender: Sender<FlushRequest>,
    receiver: Receiver<FlushRequest>,
}

impl Default for FlushQueue {
    fn default() -> Self {
        let (sender, receiver) = bounded(16);
        Self { sender, receiver }
    }
}

impl FlushQueue {
    /// Puts a request in; gives it back where 16 wait already.
    ///
    /// # Errors
    /// The request.
    pub fn ask(&self, request: FlushRequest) -> Result<(), FlushRequest> {
        self.sender.try_send(request).map_err(TrySendError::into_inner)
    }

    /// The oldest request that waits.
    #[must_use]
    pub fn next(&self) -> Option<FlushRequest> {
        self.receiver.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_in_order_and_a_full_queue_refuses() {
        let queue = FlushQueue::default();
        let request = |id| FlushRequest {
            plan: PlanId(id),
            from: Timestamp::EPOCH,
            until: Timestamp::from_secs(120),
            reason: "never seen before".into(),
            about: "api".into(),
        };
        for id in 0..16 {
            assert_eq!(queue.ask(request(id)), Ok(()));
        }
        assert_eq!(queue.ask(request(16)), Err(request(16)));
        assert_eq!(queue.clone().next(), Some(request(0)));
        assert_eq!(queue.next().map(|request| request.plan), Some(PlanId(1)));
    }
}
