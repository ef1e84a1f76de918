//! Whose turn it is to be asked by its runtime's own means.

use std::collections::BTreeMap;
use std::time::Duration;

use gadget_core::{ProcessId, Timestamp};

/// The most processes that are asked in turn.
const MOST: usize = 1_024;

/// Processes whose runtime can be asked, and when each is due.
///
/// A provider asks what is watched. From outside, a virtual machine with a deadlock looks like an idle one: its own timers
/// keep threads running, so that it has to be asked to tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runtimes {
    due: BTreeMap<ProcessId, Timestamp>,
    /// The earliest of these times.
    next: Option<Timestamp>,
}

impl Runtimes {
    /// One that can be asked was seen.
    pub(crate) fn seen(&mut self, id: ProcessId, at: Timestamp) {
        if self.due.len() < MOST && !self.due.contains_key(&id) {
            self.set(id, at);
        }
    }

    /// True if it is one of them.
    pub(crate) fn knows(&self, id: ProcessId) -> bool {
        self.due.contains_key(&id)
    }

    /// It has answered, or was given up: it is due again after `every`.
    pub(crate) fn answered(&mut self, id: ProcessId, at: Timestamp, every: Duration) {
        if self.due.contains_key(&id) {
            self.set(id, at + every);
        }
    }

    pub(crate) fn gone(&mut self, id: ProcessId) {
        self.due.remove(&id);
    }

    /// Calls `ask` with each that is due; it is due again after `every`, should no answer come.
    pub(crate) fn due(&mut self, now: Timestamp, every: Duration, mut ask: impl FnMut(ProcessId)) {
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        for (id, due) in &mut self.due {
            if *due <= now {
                ask(*id);
                *due = now + every;
            }
        }
        self.next = self.due.values().min().copied();
    }

    fn set(&mut self, id: ProcessId, due: Timestamp) {
        self.due.insert(id, due);
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_asked_once_in_its_time() {
        let every = Duration::from_secs(600);
        let (one, other) = (ProcessId { pid: 1, start: 1 }, ProcessId { pid: 2, start: 1 });
        let mut runtimes = Runtimes::default();
        let asked = |runtimes: &mut Runtimes, second| {
            let mut asked = Vec::new();
            runtimes.due(Timestamp::from_secs(second), every, |id| asked.push(id.pid));
            asked
        };
        assert_eq!(asked(&mut runtimes, 0), [0; 0]);
        runtimes.seen(one, Timestamp::from_secs(5));
        assert_eq!(asked(&mut runtimes, 5), [1]);
        assert_eq!(asked(&mut runtimes, 300), [0; 0]);
        runtimes.answered(one, Timestamp::from_secs(10), every);
        runtimes.seen(other, Timestamp::from_secs(400));
        assert_eq!(asked(&mut runtimes, 400), [2]);
        assert_eq!(asked(&mut runtimes, 610), [1]);
        runtimes.gone(one);
        assert_eq!(asked(&mut runtimes, 5_000), [2]);
    }
}
