//! Sending what led to an incident: everything that was logged in its time, what is new first.

mod budget;
mod file;
mod json;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

use gadget_core::FlushRequest;

use crate::ring::{Archive, Entry, Place};
use crate::trigger::LogWatch;

pub use budget::{Budget, BudgetError, BudgetSettings, Spent};
pub use file::FileSink;
#[cfg(feature = "otlp")]
pub use otlp::OtlpSink;

/// So many templates come first...
const FIRST: usize = 64;
/// ...with so many lines each.
const OF_EACH: usize = 32;
/// From this much on a template is news: before, it was less than one in twenty lines of its service.
const NEWS: f64 = 3.0;
/// How much more a template counts that is there more often: a hundred times by half.
const OFTEN: f64 = 0.1;

/// What is sent, before its lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Why, and of which time.
    pub request: FlushRequest,
    /// Lines in that time.
    pub lines: u64,
    /// Bytes of their text.
    pub bytes: u64,
    /// The services that they are of.
    pub services: Vec<Arc<str>>,
    /// Templates that come first, the newest first, with their novelty.
    pub news: Vec<News>,
}

/// A template that is rare for its service, or was never there before.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// The service.
    pub service: Arc<str>,
    /// The template, its values masked.
    pub template: String,
    /// Its lines in this time.
    pub lines: u64,
    /// How new: its frequency in this time, weighed by how rare it was before (TF-IDF).
    pub novelty: f64,
}

/// Where an incident is sent to.
pub trait Sink {
    /// Begins with what is to come.
    ///
    /// # Errors
    /// What keeps it from being taken. The incident is not sent then.
    fn begin(&mut self, summary: &Summary) -> io::Result<()>;

    /// Takes a line. Those with a novelty come first, in its order; then all others, in order of time. Each line comes once.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn line(&mut self, entry: &Entry<'_>, novelty: Option<f64>) -> io::Result<()>;

    /// Ends it: all of it is durable when this returns.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn end(&mut self) -> io::Result<()>;
}

/// A function of the embedder's, called with each line.
impl<F: FnMut(&Entry<'_>, Option<f64>) -> io::Result<()>> Sink for F {
    fn begin(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }
    fn line(&mut self, entry: &Entry<'_>, novelty: Option<f64>) -> io::Result<()> {
        self(entry, novelty)
    }
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends what was logged in the time of `request`, and says what that was. Everything is sent; what is new comes first.
///
/// # Errors
/// Those of the sink.
pub fn flush(
    archive: &Archive,
    request: &FlushRequest,
    watch: &LogWatch,
    sink: &mut dyn Sink,
) -> io::Result<Summary> {
    let mut count = Count::new(watch);
    archive.by_service(request.from, request.until, |place, entry| count.line(place, entry));
    let (summary, first) = count.summary(request);
    sink.begin(&summary)?;
    let mut result = Ok(());
    let mut given: HashSet<Place> = HashSet::new();
    for ((_, places), news) in first.iter().zip(&summary.news) {
        archive.at(places, |entry| {
            if result.is_ok() {
                result = sink.line(entry, Some(news.novelty));
            }
        });
        given.extend(places);
    }
    // Most lines are of a template that is no news: no set is looked through for them.
    let most = first.iter().map(|(template, _)| *template as usize + 1).max().unwrap_or(0);
    let mut rare = vec![false; most];
    first.iter().for_each(|(template, _)| rare[*template as usize] = true);
    archive.merged(request.from, request.until, |place, entry| {
        let rare = entry.template.is_none_or(|it| rare.get(it as usize).is_some_and(|it| *it));
        if result.is_ok() && !(rare && given.contains(&place)) {
            result = sink.line(entry, None);
        }
    });
    result?;
    sink.end()?;
    Ok(summary)
}

/// What is in the time of an incident.
struct Count<'a> {
    watch: &'a LogWatch,
    lines: u64,
    bytes: u64,
    /// By the archive's number of a service: its name and its lines.
    services: BTreeMap<u32, (Arc<str>, u64)>,
    /// Of the service that is being read.
    service: u32,
    of_service: u64,
    /// By number.
    templates: Vec<OfTemplate>,
}

#[derive(Clone, Default)]
struct OfTemplate {
    lines: u64,
    service: u32,
    places: Vec<Place>,
}

impl<'a> Count<'a> {
    fn new(watch: &'a LogWatch) -> Self {
        let (services, templates) = (BTreeMap::new(), Vec::new());
        Self { watch, lines: 0, bytes: 0, services, service: 0, of_service: 0, templates }
    }

    fn line(&mut self, place: Place, entry: &Entry<'_>) {
        self.lines += 1;
        self.bytes += entry.text.len() as u64;
        if place.service != self.service || self.of_service == 0 {
            self.turn();
            self.service = place.service;
            self.services.insert(place.service, (entry.service.into(), 0));
        }
        self.of_service += 1;
        let template = self.watch.template_of(entry) as usize;
        if template >= self.templates.len() {
            // A number that was never given is not worth a place.
            if self.watch.miner().template(template as u32).is_none() {
                return;
            }
            self.templates.resize(template + 1, OfTemplate::default());
        }
        let of = &mut self.templates[template];
        of.lines += 1;
        of.service = place.service;
        if of.places.len() < OF_EACH {
            of.places.push(place);
        }
    }

    /// Ends the service that is being read.
    fn turn(&mut self) {
        if let Some((_, lines)) = self.services.get_mut(&self.service) {
            *lines += self.of_service;
        }
        self.of_service = 0;
    }

    /// Weighs the templates: by the logarithm of how rare one was among the lines of its service before this time, and a little by the
    /// logarithm of how often it is there in it. With the templates that come first: their numbers, and where their first lines are.
    fn summary(mut self, request: &FlushRequest) -> (Summary, Vec<(u32, Vec<Place>)>) {
        self.turn();
        let Self { watch, lines, bytes, services, templates, .. } = self;
        let mut news: Vec<(u32, News, Vec<Place>)> = Vec::new();
        for (template, of) in (0..).zip(templates).skip(1).filter(|(_, of)| of.lines > 0) {
            let Some(known) = watch.miner().template(template) else { continue };
            let Some((service, now)) = services.get(&of.service) else { continue };
            let all = watch.lines_of(service);
            let (before, of_it) =
                (all.saturating_sub(*now), known.count().saturating_sub(of.lines));
            let rarity = |of: u64, among: u64| ((1.0 + among as f64) / (1.0 + of as f64)).ln();
            // Where there was little before this time, by how rare it is in all.
            let rare = rarity(of_it, before).max(rarity(known.count(), all));
            if rare >= NEWS {
                let novelty = rare * (1.0 + OFTEN * (of.lines as f64).ln());
                let (service, template_text) = (Arc::clone(service), known.to_string());
                let one = News { service, template: template_text, lines: of.lines, novelty };
                news.push((template, one, of.places));
            }
        }
        news.sort_by(|(left, a, _), (right, b, _)| {
            b.novelty.total_cmp(&a.novelty).then(left.cmp(right))
        });
        news.truncate(FIRST);
        let mut names: Vec<Arc<str>> = services.into_values().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let (news, first) =
            news.into_iter().map(|(template, news, places)| (news, (template, places))).unzip();
        (Summary { request: request.clone(), lines, bytes, services: names, news }, first)
    }
}
