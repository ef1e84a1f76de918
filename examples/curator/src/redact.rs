//! Lines in, redacted lines out.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use gadget_core::{
    Clock as _, LogBatch, LogInput, LogRead, LogSources, RuleStates, SystemClock, ensure_regular,
    replace_file,
};
use gadget_curator::label::TriageSettings;
use gadget_curator::learn::RuleBook;
use gadget_curator::{Entity, Labeller, Pipeline, PipelineSettings, RuleReports, Scanner, Style};
use gadget_signals::logs::{LineReader, Refine, RefineSettings, Tail};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::cli::Asked;
use crate::control::Control;
use crate::{load, say};

/// With nothing to read, one looks around so often.
const IDLE: Duration = Duration::from_millis(200);
/// The agent hears of rules, and rules are kept, so often.
const TOLD: Duration = Duration::from_millis(500);

/// What signals ask for.
#[derive(Clone, Default)]
struct Wishes {
    end: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
}

/// Redacts until the input ends, or a signal says so.
pub(crate) fn run(asked: &Asked) -> anyhow::Result<()> {
    let (states, sources) = (RuleStates::default(), LogSources::default());
    let book = match &asked.rules {
        Some(path) => load(path)?,
        None => RuleBook::default(),
    };
    let mut pipeline = pipeline(asked, (states.clone(), book), sources.clone())?;
    let mut input = input(asked, &sources)?;
    let reports = RuleReports::new(states.clone());
    let control = Control::start(asked, states, reports.clone())?;
    let wishes = Wishes::default();
    listen(wishes.clone())?;
    let result = redact(asked, &mut pipeline, &mut *input, &reports, &wishes);
    control.end();
    let result = result.and_then(|lost| {
        keep(asked, &mut pipeline)?;
        report(asked, &mut pipeline, lost)
    });
    match result {
        // A reader that has seen enough, as `head` does, is no error.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn pipeline(
    asked: &Asked,
    held: (RuleStates, RuleBook),
    sources: LogSources,
) -> anyhow::Result<Pipeline> {
    if !(0.0..=100.0).contains(&asked.slow_path_budget) {
        bail!("--slow-path-budget is a share of 0 to 100 percent, not {}", asked.slow_path_budget);
    }
    let style = match &asked.key_file {
        Some(path) => {
            let key = fs::read(path)
                .with_context(|| format!("cannot read the key in {}", path.display()))?;
            if key.trim_ascii().len() < 16 {
                bail!("the key in {} has less than 16 bytes", path.display());
            }
            Style::keyed(key.trim_ascii())
        }
        None => Style::new(),
    };
    let kinds = if asked.entities.is_empty() { Entity::ALL } else { &asked.entities };
    let per_million = (asked.slow_path_budget * 10_000.0) as u32;
    // None at all is none at the start either.
    let burst = if per_million == 0 { 0 } else { TriageSettings::default().burst };
    let triage = TriageSettings { per_million, burst, ..TriageSettings::default() };
    let settings = PipelineSettings { style, triage, ..PipelineSettings::default() };
    Ok(Pipeline::new(settings, Scanner::new().only(kinds), Labeller::shipped(), held, sources))
}

fn input(asked: &Asked, sources: &LogSources) -> anyhow::Result<Box<dyn LogInput>> {
    if asked.files.is_empty() {
        return Ok(Box::new(LineReader::stdin(&asked.service, sources)?));
    }
    let mut builder = Tail::builder().sources(sources.clone());
    for pattern in &asked.files {
        builder = builder.files(pattern);
    }
    if let Some(path) = &asked.checkpoint {
        builder = builder.checkpoint(path);
    }
    // Out of what container runtimes make of lines, and with keys over several lines in one piece.
    let tail = builder.build().context("cannot follow the files")?;
    Ok(Box::new(Refine::new(tail, sources.clone(), RefineSettings::default())))
}

/// The loop; lines that were lost.
fn redact(
    asked: &Asked,
    pipeline: &mut Pipeline,
    input: &mut dyn LogInput,
    reports: &RuleReports,
    wishes: &Wishes,
) -> anyhow::Result<u64> {
    let mut out = io::stdout().lock();
    let (mut batch, mut redacted) = (LogBatch::default(), LogBatch::default());
    let (mut written, mut lost) = (0, 0);
    let (mut told, mut reported) = (Instant::now(), Instant::now());
    let clock = SystemClock::new();
    while !wishes.end.load(Ordering::Relaxed) {
        batch.clear();
        redacted.clear();
        let read = input.read(&mut batch, IDLE);
        lost += batch.lost;
        if !batch.is_empty() {
            pipeline.redact(&batch, &mut redacted);
            out.write_all(redacted.block())?;
            out.flush()?;
            written += redacted.block().len() as u64;
            input.commit(written).context("cannot remember how far was read")?;
            if !asked.quiet {
                for leak in pipeline.report().news() {
                    eprintln!("{}", say::news(leak, asked.json));
                }
            }
        }
        if told.elapsed() >= TOLD {
            told = Instant::now();
            reports.put(pipeline.rule_reports(clock.now()));
            keep(asked, pipeline)?;
        }
        let due = asked.report_every.is_some_and(|every| reported.elapsed() >= every);
        if due || wishes.report.swap(false, Ordering::Relaxed) {
            reported = Instant::now();
            report(asked, pipeline, lost)?;
        }
        if read.context("cannot read lines")? == LogRead::End {
            break;
        }
    }
    Ok(lost)
}

/// Keeps what was learned, if there is a place for it.
fn keep(asked: &Asked, pipeline: &mut Pipeline) -> anyhow::Result<()> {
    let Some(path) = &asked.rules else { return Ok(()) };
    pipeline.unsaved().map_or(Ok(()), |book| book.save(path)).context("what was learned is lost")
}

fn report(asked: &Asked, pipeline: &mut Pipeline, lost: u64) -> anyhow::Result<()> {
    let (counts, learned) = (pipeline.counts(), pipeline.learner().counts());
    let rules = pipeline.learner().rules().cloned().collect();
    let report = say::Report { leaks: pipeline.report(), counts, learned, rules, lost };
    let text = if asked.json { format!("{}\n", report.json()) } else { report.text() };
    match &asked.report {
        Some(path) => put(path, &text).with_context(|| format!("cannot write {}", path.display())),
        None => Ok(io::stderr().write_all(text.as_bytes())?),
    }
}

/// Puts a report in place of the one before it; a pipe or a device gets one after the other.
fn put(path: &Path, text: &str) -> io::Result<()> {
    match ensure_regular(path) {
        Ok(_) => replace_file(path, text.as_bytes(), 0o666),
        Err(_) => fs::write(path, text),
    }
}

fn listen(wishes: Wishes) -> anyhow::Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGUSR1]).context("cannot wait for signals")?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let wish = if signal == SIGUSR1 { &wishes.report } else { &wishes.end };
            wish.store(true, Ordering::Relaxed);
        }
    })?;
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
