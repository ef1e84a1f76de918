//! Sending what led to an incident: everything that was logged in its time, what is new first.

mod budget;
mod file;
mod json;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use gadget_core::FlushRequest;

use crate::ring::{Archive, Entry};
use crate::trigger::LogWatch;

pub use budget::{Budget, BudgetError, BudgetSettings, Spent};
pub use file::FileSink;

/// So many templates come first...
const FIRST: usize = 64;
/// ...with so many lines each.
const OF_EACH: u32 = 32;
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
    let mut count = Count::default();
    archive.read(request.from, request.until, |entry| count.line(entry, watch));
    let summary = count.summary(request, watch);
    sink.begin(&summary)?;
    let first: HashMap<u32, usize> = count.order.iter().copied().zip(0..).collect();
    let mut result = Ok(());
    if !first.is_empty() {
        let mut heads: Vec<Vec<Kept>> = vec![Vec::new(); first.len()];
        archive.read(request.from, request.until, |entry| {
            if let Some(&nth) = first.get(&watch.template_of(entry))
                && heads[nth].len() < OF_EACH as usize
            {
                heads[nth].push(Kept::of(entry));
            }
        });
        for (lines, news) in heads.iter().zip(&summary.news) {
            for line in lines {
                sink.line(&line.entry(), Some(news.novelty))?;
            }
        }
    }
    let mut given = vec![0; first.len()];
    archive.read(request.from, request.until, |entry| {
        if !first.is_empty()
            && let Some(&nth) = first.get(&watch.template_of(entry))
            && given[nth] < OF_EACH
        {
            given[nth] += 1;
        } else if result.is_ok() {
            result = sink.line(entry, None);
        }
    });
    result?;
    sink.end()?;
    Ok(summary)
}

/// A line that is held for a moment.
#[derive(Clone)]
struct Kept {
    service: String,
    text: Vec<u8>,
    rest: Entry<'static>,
}

impl Kept {
    fn of(entry: &Entry<'_>) -> Self {
        let rest = Entry { service: "", text: b"", ..*entry };
        Self { service: entry.service.to_owned(), text: entry.text.to_vec(), rest }
    }

    fn entry(&self) -> Entry<'_> {
        Entry { service: &self.service, text: &self.text, ..self.rest }
    }
}

/// What is in the time of an incident.
#[derive(Default)]
struct Count {
    lines: u64,
    bytes: u64,
    services: BTreeSet<Arc<str>>,
    /// Lines of each service, and of each template with the service that it is of.
    of_service: HashMap<String, u64>,
    of_template: HashMap<u32, (u64, Option<Arc<str>>)>,
    /// The templates that come first.
    order: Vec<u32>,
}

impl Count {
    fn line(&mut self, entry: &Entry<'_>, watch: &LogWatch) {
        self.lines += 1;
        self.bytes += entry.text.len() as u64;
        match self.of_service.get_mut(entry.service) {
            Some(lines) => *lines += 1,
            None => {
                self.services.insert(entry.service.into());
                self.of_service.insert(entry.service.to_owned(), 1);
            }
        }
        let services = &self.services;
        let of = || (0, services.get(entry.service).cloned());
        self.of_template.entry(watch.template_of(entry)).or_insert_with(of).0 += 1;
    }

    /// Weighs the templates: by the logarithm of how rare one was among the lines of its service before this time, and a little by the
    /// logarithm of how often it is there in it.
    fn summary(&mut self, request: &FlushRequest, watch: &LogWatch) -> Summary {
        let mut news: Vec<(u32, News)> = Vec::new();
        for (&template, (lines, service)) in &self.of_template {
            let (Some(known), Some(service)) = (watch.miner().template(template), service) else {
                continue;
            };
            if template == 0 {
                continue;
            }
            let all = watch.lines_of(service);
            let now = self.of_service.get(&**service).copied().unwrap_or(0);
            let (before, of_it) = (all.saturating_sub(now), known.count().saturating_sub(*lines));
            let rarity = |of: u64, among: u64| ((1.0 + among as f64) / (1.0 + of as f64)).ln();
            // Where there was little before this time, by how rare it is in all.
            let rare = rarity(of_it, before).max(rarity(known.count(), all));
            let novelty = rare * (1.0 + OFTEN * (*lines as f64).ln());
            if rare >= NEWS {
                let (service, lines) = (Arc::clone(service), *lines);
                news.push((
                    template,
                    News { service, template: known.to_string(), lines, novelty },
                ));
            }
        }
        let order = |(left, a): &(u32, News), (right, b): &(u32, News)| {
            b.novelty.total_cmp(&a.novelty).then(left.cmp(right))
        };
        news.sort_by(order);
        news.truncate(FIRST);
        self.order = news.iter().map(|(template, _)| *template).collect();
        Summary {
            request: request.clone(),
            lines: self.lines,
            bytes: self.bytes,
            services: self.services.iter().cloned().collect(),
            news: news.into_iter().map(|(_, news)| news).collect(),
        }
    }
}
