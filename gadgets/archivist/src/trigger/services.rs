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

/// What is known of a service.
#[derive(Clone, Debug, Default)]
pub(super) struct Service {
    /// How long it was watched since its first line.
    pub(super) age: Duration,
    /// News of trouble in the last hour, since it was learned: the past fades.
    troubles: f64,
    /// News of any kind, likewise.
    news: f64,
    faded: Timestamp,
}

impl Service {
    fn fade(&mut self, now: Timestamp) {
        let hours = now.since(self.faded).as_secs_f64() / HOUR.as_secs_f64();
        let left = (-hours).exp();
        (self.troubles, self.news, self.faded) = (self.troubles * left, self.news * left, now);
    }

    /// Takes note of a new template, and says how many of trouble, and of any kind, there were in the last hour before it.
    pub(super) fn note(&mut self, trouble: bool, now: Timestamp) -> (f64, f64) {
        self.fade(now);
        let before = (self.troubles, self.news);
        self.news += 1.0;
        self.troubles += f64::from(u8::from(trouble));
        before
    }
}

/// The services by name.
#[derive(Clone, Debug)]
pub(super) struct Services {
    learning: Duration,
    known: BTreeMap<Arc<str>, Service>,
    /// Triggers of news in the last hour, of all services.
    alarms: Service,
    /// Seconds in which a service beyond the bound logged.
    unknown: u64,
}

impl Services {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            learning: settings.learning,
            known: BTreeMap::new(),
            alarms: Service::default(),
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

    /// Triggers of news in the last hour before now.
    pub(super) fn alarms(&mut self, now: Timestamp) -> f64 {
        self.alarms.fade(now);
        self.alarms.troubles
    }

    /// Takes note of one.
    pub(super) fn alarmed(&mut self, now: Timestamp) {
        self.alarms.note(true, now);
    }

    /// What is known of a service that was watched for long enough.
    pub(super) fn learned(&mut self, service: &str) -> Option<&mut Service> {
        self.known.get_mut(service).filter(|service| service.age >= self.learning)
    }

    pub(super) fn is_learned(&self, service: &str) -> bool {
        self.known.get(service).is_some_and(|service| service.age >= self.learning)
    }
}
