//! Recorded lines with a fast clock, through all that live ones pass: joined, redacted, kept, mined, and sent when something triggers.

use std::time::Duration;

use anyhow::Context as _;
use gadget_archivist::flush::flush;
use gadget_archivist::{Archive, ArchiveSettings, Archivist, LogWatch, Settings};
use gadget_core::{
    Bytes, FlushRequest, Gadget as _, HostFacts, LogBatch, LogFlags, LogInput, LogMeta, LogRead,
    LogSource, LogSources, Name, Plans, SignalError, Step, Timestamp, World,
};
use gadget_signals::logs::{Refine, RefineSettings};

use super::SECOND;
use super::data::Line;
use crate::redact::Redact;

/// So many of an incident's lines are told.
const FIRST: usize = 20;

/// What was found in a recording.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// Records, once lines were joined.
    pub(crate) lines: u64,
    pub(crate) triggers: Vec<Triggered>,
    pub(crate) incidents: Vec<Incident>,
}

/// A trigger, as the gadget says it.
#[derive(Debug)]
pub(crate) struct Triggered {
    pub(crate) at: Timestamp,
    pub(crate) cause: Name,
    pub(crate) statement: String,
}

/// What was sent of an incident.
#[derive(Debug)]
pub(crate) struct Incident {
    pub(crate) until: Timestamp,
    pub(crate) reason: String,
    /// Its lines, and the first of them, which are the newest in kind, after their services.
    pub(crate) lines: u64,
    pub(crate) first: Vec<String>,
}

/// Plays `lines`, which are in the order of time, to an agent that knows nothing before the first.
///
/// # Errors
/// Where nothing can be kept.
pub(crate) fn play(lines: Vec<Line>, settings: Settings) -> anyhow::Result<Played> {
    let mut played = Played::default();
    let Some(begin) = lines.first().map(|line| line.t_ns / SECOND * SECOND) else {
        return Ok(played);
    };
    let end = lines.last().map_or(begin, |line| line.t_ns) + settings.after.as_nanos() as u64;
    let sources = LogSources::default();
    let kept = tempfile::tempdir().context("cannot keep lines")?;
    let most = ArchiveSettings { bytes: Bytes::new(16_000_000), ..ArchiveSettings::default() };
    let (mut archive, _) = Archive::open(kept.path().join("archive"), most)?;
    let facts = HostFacts { boot_id: "-".into(), kernel: "-".into(), agent_pid: 1, cpus: 1 };
    let (world, mut plans) = (World::new(facts), Plans::default());
    let mut archivist = Archivist::builder().settings(settings).build()?;
    let mut watch = LogWatch::default();
    let mut redact = Redact::curator(&sources);
    let seconds = Seconds { lines, given: 0, until: begin, sources: sources.clone() };
    // All of a second is read at once, so nothing has to wait for more.
    let at_once = RefineSettings { hold: Duration::ZERO, ..RefineSettings::default() };
    let mut input = Refine::new(seconds, sources.clone(), at_once);
    let (mut raw, mut clean) = (LogBatch::default(), LogBatch::default());
    for now in (begin..=end + SECOND).step_by(SECOND as usize).skip(1) {
        raw.clear();
        clean.clear();
        input.read(&mut raw, Duration::ZERO)?;
        redact.batch(&raw, &mut clean);
        played.lines += clean.len() as u64;
        let templates = watch.observe(&clean, &sources);
        archive.append_batch(&clean, &sources, templates);
        let now = Timestamp::from_nanos(now);
        archive.expire(now);
        let mut readings = Vec::new();
        watch.readings(now, &mut readings);
        readings.iter().for_each(|reading| archivist.observe(reading));
        plans.clear();
        archivist.plan(now, &world, &mut plans);
        played.triggers.extend(plans.records().iter().map(|said| Triggered {
            at: said.at,
            cause: said.class.clone(),
            statement: said.statement.as_deref().unwrap_or_default().to_owned(),
        }));
        for plan in plans.proposals() {
            let Step::FlushLogs { from, until } = plan.step else { continue };
            let (reason, about) = (plan.reason.as_ref().into(), plan.target.name.clone());
            let request = FlushRequest { plan: plan.id, from, until, reason, about };
            let mut first = Vec::new();
            let mut take = |entry: &gadget_archivist::Entry<'_>, _: Option<f64>| {
                if first.len() < FIRST {
                    let text = String::from_utf8_lossy(entry.text);
                    first.push(format!("{}: {text}", entry.service));
                }
                Ok(())
            };
            let lines = flush(&archive, &request, &watch, &mut take)?.lines;
            let reason = plan.reason.to_string();
            played.incidents.push(Incident { until, reason, lines, first });
            archivist.done(plan);
        }
    }
    archive.close();
    Ok(played)
}

/// A second of the lines for each read.
struct Seconds {
    lines: Vec<Line>,
    given: usize,
    until: u64,
    sources: LogSources,
}

impl LogInput for Seconds {
    fn read(&mut self, batch: &mut LogBatch, _: Duration) -> Result<LogRead, SignalError> {
        self.until += SECOND;
        let left = &self.lines[self.given..];
        let due = left.partition_point(|line| line.t_ns < self.until);
        for line in &left[..due] {
            let service = line.service.as_str().into();
            let source = LogSource { service, origin: "recording".into(), container: None };
            let meta = LogMeta {
                source: self.sources.id(&source),
                at: Timestamp::from_nanos(line.t_ns),
                written: None,
                severity: None,
                flags: LogFlags::default(),
            };
            batch.push(meta, line.line.as_bytes());
        }
        self.given += due;
        Ok(if due > 0 { LogRead::Lines } else { LogRead::Nothing })
    }
}
