//! Beside the logs: which lines are news, and how much each service logs.

use std::collections::HashMap;
use std::sync::Arc;

use gadget_core::{
    LogActivity, LogBatch, LogMeta, LogSources, LogTemplate, Reading, ServiceLogs, Severity,
    Signal, SourceId, Subject, Timestamp,
};
use gadget_template::{Miner, MinerSettings, Seen};

use super::spans::{Spans, is_failure};
use crate::ring::Entry;

/// News told at a time; of more, the rest is counted.
const MOST_NEWS: usize = 512;

/// Services that are told apart; the lines of more are those of [`OTHER`].
const MOST_SERVICES: usize = 4096;
const OTHER: &str = "other";

/// Templates that are watched for being logged again.
const MOST_YOUNG: usize = 1024;

/// So long after its first line, a template is told again as it doubles.
const YOUNG_NANOS: u64 = 60_000_000_000;

#[derive(Debug)]
struct Service {
    name: Arc<str>,
    lines: u64,
    errors: u64,
    bytes: u64,
    lost: u64,
}

/// A template within its first minute.
#[derive(Debug)]
struct Young {
    template: u32,
    service: u32,
    severity: Option<Severity>,
    since: Timestamp,
    told: u64,
}

/// Turns lines into readings: what is new, and how much there is. It keeps no line. Belongs beside the logs, on the thread that reads
/// them; what it makes of them goes to the agent.
#[derive(Debug)]
pub struct LogWatch {
    miner: Miner,
    services: Vec<Service>,
    by_name: HashMap<Arc<str>, u32>,
    /// The service of each source, by the source's place.
    by_source: Vec<Option<(SourceId, u32)>>,
    young: Vec<Young>,
    spans: Spans,
    news: Vec<LogTemplate>,
    /// Of the last batch.
    templates: Vec<u32>,
    untold: u64,
    since: Option<Timestamp>,
}

impl Default for LogWatch {
    fn default() -> Self {
        Self::new(MinerSettings::default())
    }
}

impl LogWatch {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: MinerSettings) -> Self {
        Self {
            miner: Miner::new(settings),
            services: Vec::new(),
            by_name: HashMap::new(),
            by_source: Vec::new(),
            young: Vec::new(),
            spans: Spans::default(),
            news: Vec::new(),
            templates: Vec::new(),
            untold: 0,
            since: None,
        }
    }

    /// Takes in a batch, and gives the number of each line's template; lines must have passed whatever redacts them, since a template
    /// holds the words of a line.
    pub fn observe(&mut self, batch: &LogBatch, sources: &LogSources) -> &[u32] {
        let mut templates = std::mem::take(&mut self.templates);
        templates.clear();
        for (meta, text) in batch.iter() {
            let service = self.service(meta.source, sources);
            templates.push(self.line(service, meta, text).template);
        }
        self.templates = templates;
        if batch.lost > 0
            && let Some(first) = batch.lines().first()
        {
            let service = self.service(first.meta.source, sources) as usize;
            self.services[service].lost += batch.lost;
        }
        &self.templates
    }

    /// Takes in one line of a service that is known by name.
    pub fn observe_line(&mut self, service: &str, meta: &LogMeta, text: &[u8]) -> Seen {
        let service = self.service_named(service);
        self.line(service, meta, text)
    }

    /// Takes in a line that an earlier life has kept: it is known from then on, and no news.
    pub fn learn(&mut self, service: &str, text: &[u8]) {
        let service = self.service_named(service);
        self.miner.observe(service, text);
    }

    /// The template of a line that is kept; zero where it is not known.
    #[must_use]
    pub fn template_of(&self, entry: &Entry<'_>) -> u32 {
        entry.template.unwrap_or_else(|| {
            let service = self.by_name.get(entry.service);
            service.and_then(|service| self.miner.peek(*service, entry.text)).unwrap_or(0)
        })
    }

    /// How many lines of a service were seen.
    #[must_use]
    pub fn lines_of(&self, service: &str) -> u64 {
        self.by_name.get(service).map_or(0, |service| self.miner.lines(*service))
    }

    /// The miner within.
    #[must_use]
    pub fn miner(&self) -> &Miner {
        &self.miner
    }

    /// News that was not told since there was too much at a time.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.untold
    }

    /// Adds what there is to say since the last time: news, and the activity of each service. Meant to be asked each second.
    pub fn readings(&mut self, now: Timestamp, out: &mut Vec<Signal>) {
        self.repeated(now);
        let signal = |reading| Signal { at: now, subject: Subject::Host, reading };
        out.extend(self.news.drain(..).map(|news| signal(Reading::LogTemplate(news.into()))));
        let (services, miner) = (&self.services, &self.miner);
        let names = |service: u32, template: u32| {
            let name = miner.template(template).map(ToString::to_string).unwrap_or_default();
            (Arc::clone(&services[service as usize].name), name.into())
        };
        self.spans.take(now, names, |it| out.push(signal(Reading::SpanStats(it.into()))));
        let over = now.since(self.since.replace(now).unwrap_or(now));
        let services: Vec<_> = self.services.iter_mut().filter_map(Service::taken).collect();
        let activity = LogActivity { over, services };
        out.push(signal(Reading::LogActivity(activity.into())));
    }

    fn service(&mut self, source: SourceId, sources: &LogSources) -> u32 {
        let place = source.place();
        if let Some(&Some((known, service))) = self.by_source.get(place)
            && known == source
        {
            return service;
        }
        let service = self.service_named(&sources.get(source).service);
        if place >= self.by_source.len() {
            self.by_source.resize(place + 1, None);
        }
        self.by_source[place] = Some((source, service));
        service
    }

    fn service_named(&mut self, name: &str) -> u32 {
        if let Some(&service) = self.by_name.get(name) {
            return service;
        }
        if self.services.len() >= MOST_SERVICES && name != OTHER {
            return self.service_named(OTHER);
        }
        let (service, name) = (self.services.len() as u32, Arc::<str>::from(name));
        let new = Service { name: Arc::clone(&name), lines: 0, errors: 0, bytes: 0, lost: 0 };
        self.services.push(new);
        self.by_name.insert(name, service);
        service
    }

    fn line(&mut self, service: u32, meta: &LogMeta, text: &[u8]) -> Seen {
        let its = &mut self.services[service as usize];
        its.lines += 1;
        its.bytes += text.len() as u64;
        // A server that answers with its own failure logs that as it logs all requests.
        its.errors += u64::from(meta.severity >= Some(Severity::Error) || is_failure(text));
        let seen = self.miner.observe(service, text);
        self.spans.line((service, seen.template), meta.severity, meta.at, text);
        if seen.new {
            self.tell(service, seen.template, meta.severity, meta.at, 1);
            if self.young.len() < MOST_YOUNG {
                let (template, severity, since) = (seen.template, meta.severity, meta.at);
                self.young.push(Young { template, service, severity, since, told: 1 });
            }
        }
        seen
    }

    fn tell(
        &mut self,
        service: u32,
        id: u32,
        severity: Option<Severity>,
        at: Timestamp,
        count: u64,
    ) {
        let Some(template) = self.miner.template(id).filter(|_| self.news.len() < MOST_NEWS) else {
            self.untold += 1;
            return;
        };
        self.news.push(LogTemplate {
            service: Arc::clone(&self.services[service as usize].name),
            template: template.to_string().into(),
            id,
            severity,
            at,
            known: self.miner.known(service).saturating_sub(1),
            lines: self.miner.lines(service).saturating_sub(count),
            kin: template.kin(),
            count,
            elsewhere: template.elsewhere(),
        });
    }

    /// Tells again of young templates that were logged twice as often as when they were last told.
    fn repeated(&mut self, now: Timestamp) {
        let mut young = std::mem::take(&mut self.young);
        young.retain_mut(|young| {
            let count = self.miner.template(young.template).map_or(0, |it| it.count());
            if count >= young.told * 2 {
                young.told = count;
                self.tell(young.service, young.template, young.severity, now, count);
            }
            now.as_nanos().saturating_sub(young.since.as_nanos()) < YOUNG_NANOS
        });
        self.young = young;
    }
}

impl Service {
    /// What it logged since the last time, if anything.
    fn taken(&mut self) -> Option<ServiceLogs> {
        let Self { name, lines, errors, bytes, lost } = self;
        let logs = ServiceLogs {
            service: Arc::clone(name),
            lines: std::mem::take(lines),
            errors: std::mem::take(errors),
            bytes: std::mem::take(bytes),
            lost: std::mem::take(lost),
        };
        (logs.lines > 0 || logs.lost > 0).then_some(logs)
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::{LogFlags, LogSource};

    use super::*;

    fn meta(source: SourceId, secs: u64, severity: Option<Severity>) -> LogMeta {
        let (at, flags) = (Timestamp::from_secs(secs), LogFlags::default());
        LogMeta { source, at, written: None, severity, flags }
    }

    fn split(out: Vec<Signal>) -> (Vec<LogTemplate>, LogActivity) {
        let (mut news, mut last) = (Vec::new(), None);
        for signal in out {
            match signal.reading {
                Reading::LogTemplate(template) => news.push(*template),
                Reading::LogActivity(activity) => last = Some((*activity).clone()),
                other => panic!("{other:?}"),
            }
        }
        (news, last.unwrap())
    }

    #[test]
    fn a_batch_becomes_news_and_sums() {
        let (mut watch, sources) = (LogWatch::default(), LogSources::default());
        let source = LogSource { service: "api".into(), ..LogSource::default() };
        let id = sources.id(&source);
        let mut batch = LogBatch::default();
        for n in 0..5 {
            batch.push(meta(id, 10, None), format!("request {n} served").as_bytes());
        }
        batch.push(meta(id, 10, Some(Severity::Error)), b"upstream of 10.0.0.1 is gone");
        batch.push(meta(id, 10, None), b"request 9 served, status=503");
        batch.lost = 2;
        assert_eq!(watch.observe(&batch, &sources), [1, 1, 1, 1, 1, 2, 3]);
        let mut out = Vec::new();
        watch.readings(Timestamp::from_secs(11), &mut out);
        let (news, activity) = split(out);
        let texts: Vec<_> = news.iter().map(|news| (&*news.template, news.count)).collect();
        let expected = [
            ("request <*> served", 1),
            ("upstream of <*> is gone", 1),
            ("request <*> served, status=<*>", 1),
            ("request <*> served", 5),
        ];
        assert_eq!(texts, expected);
        let api = &activity.services[0];
        assert_eq!((&*api.service, api.lines, api.errors, api.lost), ("api", 7, 2, 2));
    }

    #[test]
    fn repetition_is_told_for_a_minute() {
        let mut watch = LogWatch::default();
        let mut told = Vec::new();
        for secs in 0..200 {
            watch.observe_line(
                "db",
                &meta(SourceId::OTHER, secs, None),
                b"vacuum of table 7 failed",
            );
            let mut out = Vec::new();
            watch.readings(Timestamp::from_secs(secs), &mut out);
            told.extend(split(out).0.iter().map(|news| news.count));
        }
        assert_eq!(told, [1, 2, 4, 8, 16, 32]);
    }

    #[test]
    fn what_was_learned_is_no_news() {
        let mut watch = LogWatch::default();
        watch.learn("db", b"checkpoint 17 done");
        assert!(
            !watch.observe_line("db", &meta(SourceId::OTHER, 1, None), b"checkpoint 18 done").new
        );
        let mut out = Vec::new();
        watch.readings(Timestamp::from_secs(2), &mut out);
        assert!(split(out).0.is_empty());
    }

    #[test]
    fn too_much_news_at_a_time_is_counted() {
        let mut watch = LogWatch::default();
        for n in 0..MOST_NEWS + 10 {
            let words = "ab ".repeat(n % 60);
            let line =
                format!("{} {words}", char::from(b'a' + (n / 60) as u8).to_string().repeat(9));
            watch.observe_line(
                &format!("s{}", n / 60),
                &meta(SourceId::OTHER, 1, None),
                line.as_bytes(),
            );
        }
        let mut out = Vec::new();
        watch.readings(Timestamp::from_secs(2), &mut out);
        assert_eq!(split(out).0.len(), MOST_NEWS);
        assert_eq!(watch.untold(), 10);
    }
}
