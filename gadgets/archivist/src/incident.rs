//! Triggers that belong together, and when what led to them is sent.

use std::sync::Arc;
use std::time::Duration;

use gadget_core::Timestamp;

use crate::settings::Settings;
use crate::trigger::{Cause, Trigger};

/// Triggers of an incident that are told one by one; the rest is counted.
const MOST_TOLD: usize = 8;

/// Triggers whose times overlap.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Incident {
    /// Its number since the agent began.
    pub(crate) number: u64,
    /// What is sent begins here...
    pub(crate) from: Timestamp,
    /// ...and ends here; complete when this moment has passed.
    pub(crate) until: Timestamp,
    /// The first so many of its triggers, in the order they came.
    pub(crate) triggers: Vec<Trigger>,
    /// How many there were.
    pub(crate) count: u32,
    /// It goes on where an earlier one was sent.
    pub(crate) goes_on: bool,
}

impl Incident {
    /// The first trigger's, which is what it is about.
    pub(crate) fn about(&self) -> Arc<str> {
        self.triggers.first().map_or_else(|| "host".into(), |first| Arc::clone(&first.about))
    }

    pub(crate) fn is_called_for(&self) -> bool {
        self.triggers.iter().any(|trigger| trigger.cause == Cause::Call)
    }

    /// In a few words: the causes, and whom it is about.
    pub(crate) fn reason(&self) -> String {
        let mut causes: Vec<_> = self.triggers.iter().map(|trigger| trigger.cause).collect();
        causes.sort_unstable();
        causes.dedup();
        let causes: Vec<_> = causes.into_iter().map(Cause::name).collect();
        let more = if self.goes_on { ", goes on" } else { "" };
        format!("incident {}{more}: {} in {}", self.number, causes.join(", "), self.about())
    }
}

/// The incident that is open, and those that wait to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Incidents {
    before: Duration,
    after: Duration,
    open: Option<Incident>,
    /// Up to where the last one was sent, or given up.
    sent_until: Timestamp,
    number: u64,
}

impl Incidents {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (before, after) = (settings.before, settings.after);
        Self { before, after, open: None, sent_until: Timestamp::EPOCH, number: 0 }
    }

    /// Takes in a trigger: part of the open incident if their times overlap, which is closed before if they do not.
    pub(crate) fn take(&mut self, trigger: Trigger) -> Option<Incident> {
        let from = Timestamp::from_nanos(
            trigger.at.as_nanos().saturating_sub(self.before.as_nanos() as u64),
        );
        let until = trigger.at + self.after;
        // What keeps logs holds little more than one such time, so an incident is not drawn out beyond its first.
        let longest = self.before + self.after + self.after;
        if let Some(open) = &mut self.open
            && from <= open.until
            && until.since(open.from) <= longest
        {
            open.from = open.from.min(from.max(self.sent_until));
            open.until = open.until.max(until);
            open.count += 1;
            if open.triggers.len() < MOST_TOLD {
                open.triggers.push(trigger);
            }
            return None;
        }
        let closed = self.open.take();
        if let Some(closed) = &closed {
            self.sent_until = closed.until;
        }
        let goes_on = from < self.sent_until;
        self.number += u64::from(!goes_on || self.number == 0);
        self.open = Some(Incident {
            number: self.number,
            // What was sent is not sent again.
            from: from.max(self.sent_until).min(until),
            until,
            triggers: vec![trigger],
            count: 1,
            goes_on,
        });
        closed
    }

    /// An incident of what an earlier life left behind, from `from` to the moment of its trigger: complete, and it goes on now.
    pub(crate) fn left_behind(
        &mut self,
        from: Timestamp,
        trigger: Trigger,
        now: Timestamp,
    ) -> Incident {
        self.number += 1;
        self.sent_until = trigger.at;
        let triggers = vec![trigger.clone()];
        let (number, until) = (self.number, trigger.at);
        let sent = Incident { number, from, until, triggers, count: 1, goes_on: false };
        // What was logged while nobody watched has been read only now.
        let (from, until) = (now.max(trigger.at), now + self.after);
        let triggers = vec![trigger];
        self.open = Some(Incident { number, from, until, triggers, count: 1, goes_on: true });
        sent
    }

    /// The open incident, once all of it has been logged.
    pub(crate) fn complete(&mut self, now: Timestamp) -> Option<Incident> {
        let done = self.open.take_if(|open| open.until <= now)?;
        self.sent_until = done.until;
        Some(done)
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::Evidence;

    use super::*;

    fn trigger(secs: u64) -> Trigger {
        Trigger {
            at: Timestamp::from_secs(secs),
            about: "api".into(),
            cause: Cause::News,
            statement: "".into(),
            evidence: Evidence::new(),
        }
    }

    /// What is sent, in seconds, of triggers at these.
    fn sent(triggers: &[u64]) -> Vec<(u64, u64, u32)> {
        let mut incidents = Incidents::new(&Settings::default());
        let mut out = Vec::new();
        let secs = |at: Timestamp| at.as_nanos() / 1_000_000_000;
        for now in 1_000..2_000 {
            for _ in triggers.iter().filter(|&&at| at == now) {
                out.extend(incidents.take(trigger(now)));
            }
            out.extend(incidents.complete(Timestamp::from_secs(now)));
        }
        out.iter().map(|sent| (secs(sent.from), secs(sent.until), sent.count)).collect()
    }

    #[test]
    fn one_trigger_is_one_incident() {
        assert_eq!(sent(&[1200]), [(1110, 1230, 1)]);
    }

    #[test]
    fn triggers_that_overlap_are_one() {
        assert_eq!(sent(&[1200, 1205, 1220]), [(1110, 1250, 3)]);
    }

    #[test]
    fn what_goes_on_is_sent_on_and_nothing_twice() {
        let all = sent(&[1200, 1225, 1250, 1275, 1300, 1500]);
        assert_eq!(all, [(1110, 1255, 2), (1255, 1330, 3), (1410, 1530, 1)]);
        for pair in all.windows(2) {
            assert!(pair[0].1 <= pair[1].0);
        }
    }
}
