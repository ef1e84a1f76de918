//! What is in the time of an incident, and which of it comes first.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

use gadget_core::FlushRequest;
use gadget_template::{Trouble, trouble_in};
use serde::{Deserialize, Serialize};

use super::{News, Sink, Summary};
use crate::ring::{Archive, Entry, Place, Tally, Visit};
use crate::trigger::LogWatch;

/// So many templates come first...
const FIRST: usize = 64;
/// ...with so many lines each.
const OF_EACH: usize = 4;
/// From this much on a template is news: before, it was less than one in twenty lines of its service.
pub(super) const NEWS: f64 = 3.0;
/// How much more a template counts that is there more often: a hundred times by half.
const OFTEN: f64 = 0.1;

/// The order in which an incident is sent. Holds for a copy of the archive as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) summary: Summary,
    /// For each of the summary's news: its template, and where its first lines are.
    first: Vec<(u32, Vec<Place>)>,
}

impl Order {
    /// Of what was logged in the time of `request`. Few lines are read for it: most chains know how many of each template they hold.
    pub(super) fn of(archive: &Archive, request: &FlushRequest, watch: &LogWatch) -> Self {
        let (from, until) = (request.from, request.until);
        let mut count = Count::new(watch);
        archive.visit(from, until, &mut count);
        let (summary, templates) = count.summary(request);
        let mut first = First { watch, places: BTreeMap::new() };
        let mut services: Vec<u32> = Vec::new();
        for (template, service) in &templates {
            first.places.insert(*template, Vec::new());
            services.push(*service);
        }
        services.sort_unstable();
        services.dedup();
        services.iter().for_each(|it| archive.visit_one(*it, from, until, &mut first));
        let places = |(template, _)| (template, first.places.remove(&template).unwrap_or_default());
        let first = templates.into_iter().map(places).collect();
        Self { summary, first }
    }

    /// Gives every line to a sink, those of news first.
    pub(super) fn give(&self, archive: &Archive, sink: &mut dyn Sink) -> io::Result<()> {
        sink.begin(&self.summary)?;
        let mut result = Ok(());
        let mut given: HashSet<Place> = HashSet::new();
        for ((_, places), news) in self.first.iter().zip(&self.summary.news) {
            archive.at(places, |entry| {
                if result.is_ok() {
                    result = sink.line(entry, Some(news.novelty));
                }
            });
            given.extend(places);
        }
        // Most lines are of a template that is no news: no set is looked through for them.
        let most = self.first.iter().map(|(template, _)| *template as usize + 1).max().unwrap_or(0);
        let mut rare = vec![false; most];
        self.first.iter().for_each(|(template, _)| rare[*template as usize] = true);
        let FlushRequest { from, until, .. } = self.summary.request;
        archive.merged(from, until, |place, entry| {
            let rare = entry.template.is_none_or(|it| rare.get(it as usize).is_some_and(|it| *it));
            if result.is_ok() && !(rare && given.contains(&place)) {
                result = sink.line(entry, None);
            }
        });
        result?;
        sink.end()
    }
}

/// What is in the time of an incident.
struct Count<'a> {
    watch: &'a LogWatch,
    lines: u64,
    bytes: u64,
    /// By the archive's number of a service: its name and its lines.
    services: BTreeMap<u32, (Arc<str>, u64)>,
    /// By number.
    templates: Vec<OfTemplate>,
}

#[derive(Clone, Default)]
struct OfTemplate {
    lines: u64,
    service: u32,
}

impl<'a> Count<'a> {
    fn new(watch: &'a LogWatch) -> Self {
        Self { watch, lines: 0, bytes: 0, services: BTreeMap::new(), templates: Vec::new() }
    }

    /// Counts lines of a template.
    fn add(&mut self, service: u32, template: u32, lines: u64) {
        let nth = template as usize;
        if nth >= self.templates.len() {
            // A number that was never given is not worth a place.
            if self.watch.miner().template(template).is_none() {
                return;
            }
            self.templates.resize(nth + 1, OfTemplate::default());
        }
        let of = &mut self.templates[nth];
        of.lines += lines;
        of.service = service;
    }

    /// Counts lines of a service.
    fn all(&mut self, service: u32, name: &str, lines: u64, bytes: u64) {
        self.lines += lines;
        self.bytes += bytes;
        self.services.entry(service).or_insert_with(|| (name.into(), 0)).1 += lines;
    }

    /// Weighs the templates: by the logarithm of how rare one was among the lines of its service before this time, and a little by the
    /// logarithm of how often it is there in it. With the templates that come first, and the services they are of.
    fn summary(self, request: &FlushRequest) -> (Summary, Vec<(u32, u32)>) {
        let Self { watch, lines, bytes, services, templates } = self;
        let mut news: Vec<(u32, News, u32)> = Vec::new();
        let before_all = services.values().map(|(name, _)| watch.lines_of(name)).sum::<u64>();
        let before_all = before_all.saturating_sub(lines);
        for (template, of) in (0..).zip(templates).skip(1).filter(|(_, of)| of.lines > 0) {
            let Some(known) = watch.miner().template(template) else { continue };
            let Some((service, now)) = services.get(&of.service) else { continue };
            let all = watch.lines_of(service);
            let (before, of_it) =
                (all.saturating_sub(*now), known.count().saturating_sub(of.lines));
            let rarity = |of: u64, among: u64| ((1.0 + among as f64) / (1.0 + of as f64)).ln();
            // Where there was little before this time, by how rare it is in all.
            let rare = rarity(of_it, before).max(rarity(known.count(), all));
            let template_text = known.to_string();
            // A service that logs little is no lesser witness of trouble: that is as rare as it is among the lines of all.
            let is_first = of_it == 0 && trouble_in(&template_text) == Trouble::Clear;
            let rare = if is_first { rare.max(rarity(0, before_all)) } else { rare };
            if rare >= NEWS {
                let novelty = rare * (1.0 + OFTEN * (of.lines as f64).ln());
                let service = Arc::clone(service);
                let one = News { service, template: template_text, lines: of.lines, novelty };
                news.push((template, one, of.service));
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
            news.into_iter().map(|(template, news, its)| (news, (template, its))).unzip();
        (Summary { request: request.clone(), lines, bytes, services: names, news }, first)
    }
}

impl Visit for Count<'_> {
    fn chain(&mut self, service: u32, name: &Arc<str>, tally: &Tally, whole: bool) -> bool {
        if whole {
            self.all(service, name, tally.lines, tally.bytes);
            for (template, lines) in &tally.templates {
                self.add(service, *template, (*lines).into());
            }
        }
        !whole
    }

    fn line(&mut self, place: Place, entry: &Entry<'_>) {
        self.all(place.service, entry.service, 1, entry.text.len() as u64);
        self.add(place.service, self.watch.template_of(entry), 1);
    }
}

/// Where the first lines of some templates are.
struct First<'a> {
    watch: &'a LogWatch,
    places: BTreeMap<u32, Vec<Place>>,
}

impl Visit for First<'_> {
    fn chain(&mut self, _: u32, _: &Arc<str>, tally: &Tally, _: bool) -> bool {
        tally.any(|it| self.places.get(&it).is_some_and(|places| places.len() < OF_EACH))
    }

    fn line(&mut self, place: Place, entry: &Entry<'_>) {
        if let Some(places) = self.places.get_mut(&self.watch.template_of(entry))
            && places.len() < OF_EACH
        {
            places.push(place);
        }
    }
}
