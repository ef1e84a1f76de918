//! Watching: one thread for the logs, and an agent that decides when they are sent.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use gadget_archivist::{Archivist, POLICY, Settings};
use gadget_core::{FlushQueue, LogInput, LogSources, SignalProvider, Stop};
use gadget_example_common::{Program, Statements};
use gadget_signals::logs::{LineReader, Refine, RefineSettings, Start, Tail};
use gadget_signals::{CgroupLayout, Cgroups, Chosen, ExitsProvider, HostProviders};
use signal_hook::consts::SIGUSR1;

use crate::NAME;
use crate::cli::Asked;
use crate::keep::Keep;
use crate::plane::Plane;
use crate::readings::{LogReadings, readings};
use crate::redact::Redact;

/// Follows, keeps and writes until it is told to end.
pub(crate) fn watch(asked: &Asked) -> anyhow::Result<()> {
    for dir in [&asked.keep, &asked.out] {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let secs = Duration::from_secs;
    let settings = Settings {
        before: secs(asked.before),
        after: secs(asked.after),
        learning: secs(asked.learning),
        ..Settings::default()
    };
    let sources = LogSources::default();
    let (keep, left) = Keep::open(asked)?;
    let mut archivist = Archivist::builder().settings(settings);
    if let Some((first, last)) = left {
        archivist = archivist.left_behind(first, last);
    }
    let called = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, Arc::clone(&called)).context("cannot take SIGUSR1")?;
    let (teller, readings) = readings();
    let (flushes, stop) = (FlushQueue::default(), Stop::new());
    let plane = Plane {
        input: input(asked, &sources)?,
        redact: if asked.plain { Redact::Plain } else { Redact::curator(&sources) },
        keep,
        sources,
        teller,
        flushes: flushes.clone(),
        called,
        stop: stop.clone(),
    };
    let logs = std::thread::Builder::new().name("logs".to_owned()).spawn(move || {
        let result = plane.run();
        if let Err(error) = &result {
            eprintln!("{NAME}: {error:#}: nothing more is kept");
        }
        result
    })?;
    let program = Program {
        name: NAME,
        gadget: archivist.build()?,
        tongue: Statements("keeps"),
        policy: Some(POLICY),
    };
    let result = program.run(
        &asked.watch,
        || Ok(providers(readings)),
        |backend| backend.log_flushes(flushes),
    );
    stop.stop();
    logs.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(result)
}

/// Files, or standard input; stack traces are joined either way.
fn input(asked: &Asked, sources: &LogSources) -> anyhow::Result<Box<dyn LogInput>> {
    let refined = RefineSettings::default();
    if asked.files.is_empty() {
        let lines =
            LineReader::stdin(&asked.service, sources).context("cannot read standard input")?;
        return Ok(Box::new(Refine::new(lines, sources.clone(), refined)));
    }
    let checkpoint = asked.keep.join("checkpoint");
    // What was logged before anybody watched is old; what was logged since an earlier life of ours was not read yet.
    let tail = Tail::builder().sources(sources.clone()).checkpoint(checkpoint).start(Start::End);
    let tail = asked.files.iter().fold(tail, |tail, file| tail.files(file));
    let tail = tail.build().context("cannot follow the files")?;
    Ok(Box::new(Refine::new(tail, sources.clone(), refined)))
}

/// News of the logs, ends of processes, and the names of containers.
fn providers(logs: LogReadings) -> HostProviders {
    let second = Duration::from_secs(1);
    let mut host = HostProviders { chosen: Vec::new(), missing: Vec::new() };
    host.chosen.push(chosen("what is new in the logs".to_owned(), logs, second));
    match ExitsProvider::host() {
        Ok(exits) => host.chosen.push(chosen(exits.describe(), exits, second)),
        Err(error) => host.missing.push(format!("without ends of processes: {error}")),
    }
    match CgroupLayout::detect().and_then(Cgroups::of) {
        Ok(cgroups) => host.chosen.push(chosen(cgroups.describe(), cgroups, 10 * second)),
        Err(error) => host.missing.push(format!("without the names of containers: {error}")),
    }
    host
}

fn chosen(decided: String, provider: impl SignalProvider + 'static, every: Duration) -> Chosen {
    Chosen { provider: Box::new(provider), every, decided }
}
