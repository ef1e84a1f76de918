//! Who leaks what: once for each source, line shape and kind of value, so that it can be ended where it begins. Never a value.

mod head;
mod mask;
mod print;

use std::collections::HashMap;
use std::sync::Arc;

use gadget_core::{LogSources, SourceId, Timestamp};
use serde::Serialize;

use crate::entity::Entity;

pub(crate) use mask::template;

/// The most leaks that are told apart.
pub const MOST_LEAKS: usize = 4096;
/// The most shapes of lines that are remembered, of which several may be one template.
const MOST_PLACES: usize = 4 * MOST_LEAKS;

/// What is leaked, by whom, in what kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    source: SourceId,
    shape: u64,
    entity: Entity,
}

/// One leak. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// The service.
    pub service: Arc<str>,
    /// The file, or what else its lines come through.
    pub origin: Arc<str>,
    /// Who in the service writes the line, as its head says: `com.shop.Billing`.
    pub logger: Option<Box<str>>,
    /// What is leaked.
    pub entity: Entity,
    /// The line, redacted and its other values masked.
    pub template: Box<str>,
    /// Values.
    pub values: u64,
    /// The first...
    pub first: Timestamp,
    /// ...and the last.
    pub last: Timestamp,
}

/// Values of one kind in one line.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Where the line is from.
    pub source: SourceId,
    /// When it was read.
    pub at: Timestamp,
    /// The line with each value replaced by its kind.
    pub redacted: &'a [u8],
    /// The shape of that.
    pub shape: u64,
    /// What was found.
    pub entity: Entity,
    /// How many.
    pub values: u64,
}

/// All leaks so far. Bounded: those beyond [`MOST_LEAKS`] are one sum.
#[derive(Clone, Debug, Default)]
pub struct LeakReport {
    places: HashMap<Place, u32>,
    by_template: HashMap<(SourceId, Entity, Box<str>), u32>,
    leaks: Vec<Leak>,
    /// Values of leaks that are not told apart.
    other: u64,
    /// How many leaks were told of as news.
    told: usize,
}

impl LeakReport {
    /// Counts. Allocates for a line of a new shape alone.
    pub fn add(&mut self, found: Found<'_>, sources: &LogSources) {
        let Found { source, at, redacted, shape, entity, values } = found;
        let place = Place { source, shape, entity };
        let known = match self.places.get(&place) {
            Some(&known) => Some(known),
            None => self.place(place, redacted, at, sources),
        };
        match known.and_then(|known| self.leaks.get_mut(known as usize)) {
            Some(leak) => {
                leak.values += values;
                leak.last = leak.last.max(at);
            }
            None => self.other += values,
        }
    }

    /// The leak that lines of a shape not seen before are of; none if there are too many.
    fn place(
        &mut self,
        place: Place,
        redacted: &[u8],
        at: Timestamp,
        sources: &LogSources,
    ) -> Option<u32> {
        if self.places.len() >= MOST_PLACES {
            return None;
        }
        let Place { source, entity, .. } = place;
        let template: Box<str> = template(redacted).into();
        let same = (source, entity, template.clone());
        let leak = match self.by_template.get(&same) {
            Some(&leak) => leak,
            None if self.leaks.len() >= MOST_LEAKS => return None,
            None => {
                let leak = self.leaks.len() as u32;
                let from = sources.get(source);
                self.leaks.push(Leak {
                    service: Arc::clone(&from.service),
                    origin: Arc::clone(&from.origin),
                    logger: head::logger(redacted).map(Into::into),
                    entity,
                    template,
                    values: 0,
                    first: at,
                    last: at,
                });
                self.by_template.insert(same, leak);
                leak
            }
        };
        self.places.insert(place, leak);
        Some(leak)
    }

    /// Every leak, in the order they were found.
    #[must_use]
    pub fn leaks(&self) -> &[Leak] {
        &self.leaks
    }

    /// Values of leaks beyond [`MOST_LEAKS`].
    #[must_use]
    pub const fn other(&self) -> u64 {
        self.other
    }

    /// The leaks that were found since this was last asked.
    pub fn news(&mut self) -> &[Leak] {
        let told = std::mem::replace(&mut self.told, self.leaks.len());
        &self.leaks[told..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gadget_core::LogSource;

    fn add(report: &mut LeakReport, sources: &LogSources, service: &str, line: &str, secs: u64) {
        let source = sources.id(&LogSource {
            service: service.into(),
            origin: "stdin".into(),
            container: None,
        });
        let redacted = line.as_bytes();
        let shape = gadget_template::shape_of(redacted);
        let at = Timestamp::from_secs(secs);
        report.add(Found { source, at, redacted, shape, entity: Entity::Ssn, values: 1 }, sources);
    }

    #[test]
    fn a_leak_is_one_for_each_service_and_line_shape() {
        let (mut report, sources) = (LeakReport::default(), LogSources::default());
        add(
            &mut report,
            &sources,
            "api",
            "INFO com.shop.Billing - order 17: ssn [SSN_REDACTED]",
            10,
        );
        add(
            &mut report,
            &sources,
            "api",
            "INFO com.shop.Billing - order 18: ssn [SSN_REDACTED]",
            20,
        );
        add(
            &mut report,
            &sources,
            "api",
            "INFO com.shop.Billing - refund 18: ssn [SSN_REDACTED]",
            20,
        );
        add(
            &mut report,
            &sources,
            "db",
            "INFO com.shop.Billing - order 18: ssn [SSN_REDACTED]",
            30,
        );
        let counts: Vec<u64> = report.leaks().iter().map(|leak| leak.values).collect();
        assert_eq!(counts, [2, 1, 1]);
        let first = &report.leaks()[0];
        assert_eq!((first.first, first.last), (Timestamp::from_secs(10), Timestamp::from_secs(20)));
        assert_eq!(first.logger.as_deref(), Some("com.shop.Billing"));
        assert_eq!(&*first.template, "INFO com.shop.Billing - order <*> ssn [SSN_REDACTED]");
    }

    #[test]
    fn a_leak_is_told_once() {
        let (mut report, sources) = (LeakReport::default(), LogSources::default());
        add(&mut report, &sources, "api", "ssn [SSN_REDACTED]", 10);
        assert_eq!(report.news().len(), 1);
        add(&mut report, &sources, "api", "ssn [SSN_REDACTED]", 11);
        assert!(report.news().is_empty());
    }

    #[test]
    fn leaks_beyond_the_bound_are_one_sum() {
        let (mut report, sources) = (LeakReport::default(), LogSources::default());
        let source = SourceId::OTHER;
        let (at, entity) = (Timestamp::EPOCH, Entity::Email);
        for shape in 0..MOST_LEAKS as u64 + 3 {
            let letter = |shift: u64| char::from(b'a' + (shape >> shift & 15) as u8);
            let redacted: String = [12, 8, 4, 0].map(letter).into_iter().collect();
            let redacted = redacted.as_bytes();
            report.add(Found { source, at, redacted, shape, entity, values: 2 }, &sources);
        }
        assert_eq!((report.leaks().len(), report.other()), (MOST_LEAKS, 6));
    }
}
