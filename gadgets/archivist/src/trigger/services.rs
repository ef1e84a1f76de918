//! Which services are known well enough for news of them to mean something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{LogActivity, Timestamp};

use crate::settings::Settings;

/// Services that are told apart; a service beyond is learning for ever, which is counted.
const MOST: usize = 1024;

/// A reading covers at most this much: whatever was not watched was not learned.
const LONGEST: Duration = Duration::from_secs(10);

/// News of the last hour counts.
const HOUR: Duration = Duration::from_secs(3600);

/// News of trouble within this time of the first is one episode, as one incident holds it: a database that crashes brings a dozen.
const EPISODE: Duration = Duration::from_secs(120);

/// Episodes of the last hour: the past fades.
#[derive(Clone, Debug, Default)]
pub(super) struct Episodes {
    count: f64,
    began: Option<Timestamp>,
    /// Triggers in the last one.
    triggers: u32,
    faded: Timestamp,
}

impl Episodes {
    fn fade(&mut self, now: Timestamp) {
        self.count *= faded(self.faded, now);
        self.faded = now;
    }

    /// Those before the one that `now` is in, and the triggers in that one.
    fn before(&mut self, now: Timestamp) -> (f64, u32) {
        self.fade(now);
        if self.is_in(now) { ((self.count - 1.0).max(0.0), self.triggers) } else { (self.count, 0) }
    }

    fn is_in(&self, now: Timestamp) -> bool {
        self.began.is_some_and(|began| now.since(began) < EPISODE)
    }

    /// Takes note of news of trouble.
    fn note(&mut self, now: Timestamp) {
        self.fade(now);
        if !self.is_in(now) {
            self.count += 1.0;
            (self.began, self.triggers) = (Some(now), 0);
        }
    }
}

/// What is left of an hour's past.
fn faded(since: Timestamp, now: Timestamp) -> f64 {
    (-now.since(since).as_secs_f64() / HOUR.as_secs_f64()).exp()
}

/// What is known of a service.
#[derive(Clone, Debug, Default)]
pub(super) struct Service {
    /// How long it was watched since its first line.
    pub(super) age: Duration,
    troubles: Episodes,
    /// News of any kind in the last hour, since it was learned.
    news: f64,
    faded: Timestamp,
}

/// What a service has brought in the last hour, before something new.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Past {
    /// Episodes of news of trouble, before this one.
    pub(super) episodes: f64,
    /// Triggers in this one.
    pub(super) triggers: u32,
    /// News of any kind.
    pub(super) news: f64,
}

impl Service {
    /// Takes note of a new template, and says what there was before it.
    pub(super) fn note(&mut self, trouble: bool, now: Timestamp) -> Past {
        let news = self.news * faded(self.faded, now);
        let (episodes, triggers) = self.troubles.before(now);
        (self.news, self.faded) = (news + 1.0, now);
        if trouble {
            self.troubles.note(now);
        }
        Past { episodes, triggers, news }
    }
}

/// The services by name.
#[derive(Clone, Debug)]
pub(super) struct Services {
    learning: Duration,
    known: BTreeMap<Arc<str>, Service>,
    /// Triggers of news, of all services.
    alarms: Episodes,
    /// Seconds in which a service beyond the bound logged.
    unknown: u64,
}

impl Services {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            learning: settings.learning,
            known: BTreeMap::new(),
            alarms: Episodes::default(),
            unknown: 0,
        }
    }

    pub(super) fn observe(&mut self, activity: &LogActivity, now: Timestamp) {
        let over = activity.over.min(LONGEST);
        for service in self.known.values_mut() {
            service.age += over;
        }
        for logs in &activity.services {
            if self.known.contains_key(&logs.service) {
                continue;
            }
            if self.known.len() < MOST {
                let new = Service { faded: now, ..Service::default() };
                self.known.insert(Arc::clone(&logs.service), new);
            } else {
                self.unknown += 1;
            }
        }
    }

    /// Episodes with triggers of news in the last hour, of any service, before the one that is now.
    pub(super) fn alarms(&mut self, now: Timestamp) -> f64 {
        self.alarms.before(now).0
    }

    /// Takes note of a trigger.
    pub(super) fn alarmed(&mut self, service: &str, now: Timestamp) {
        self.alarms.note(now);
        if let Some(service) = self.known.get_mut(service) {
            service.troubles.triggers += 1;
        }
    }

    /// What is known of a service that was watched for long enough.
    pub(super) fn learned(&mut self, service: &str) -> Option<&mut Service> {
        self.known.get_mut(service).filter(|service| service.age >= self.learning)
    }

    pub(super) fn is_learned(&self, service: &str) -> bool {
        self.known.get(service).is_some_and(|service| service.age >= self.learning)
    }
}
