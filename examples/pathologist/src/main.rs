//! The Pathologist as a program: watches this host, proves deadlocks, and acts when told to.

mod cli;
mod incident;
mod say;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use cli::{Asked, Cli};
use gadget_actions::{LinuxBuilder, RuntimeReports};
use gadget_core::SignalProvider;
use gadget_example_common::{Program, Programs};
use gadget_pathologist::Pathologist;
use gadget_signals::{CgroupLayout, Chosen, HostProviders, Processes, ThreadReader, Waits};

const NAME: &str = "pathologist";
/// How often a runtime is asked that nothing is known of.
const ASK: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let Cli { command, asked } = Cli::parse();
    gadget_example_common::run(NAME, command, || watch(&asked))
}

fn watch(asked: &Asked) -> anyhow::Result<()> {
    let restartable: Vec<Arc<str>> =
        Programs::load(asked.watch.programs.as_deref())?.restartable().map(Arc::from).collect();
    let gadget = Pathologist::builder()
        .restartable(restartable)
        .ask_runtimes(asked.ask_runtimes.then_some(ASK))
        .studied(asked.study.clone())
        .every_state(asked.all)
        .build()?;
    let program = Program { name: NAME, gadget, tongue: say::Findings::default(), policy: None };
    program.run(&asked.watch, || providers(asked), |backend| recording_incidents(backend, asked))
}

/// All processes twice a minute, and the threads of those that may be stuck every ten seconds.
fn providers(asked: &Asked) -> anyhow::Result<HostProviders> {
    let secs = Duration::from_secs;
    let mut host = HostProviders { chosen: Vec::new(), missing: Vec::new() };
    let layout = CgroupLayout::detect();
    if let Err(error) = &layout {
        host.missing.push(format!("without the names of services: {error}"));
    }
    let processes = Processes::at("/proc", layout.ok()).context("cannot read processes")?;
    let waits = Waits::host().context("cannot read threads")?;
    host.chosen.push(chosen(processes.describe(), processes, secs(30)));
    host.chosen.push(chosen(waits.describe(), waits, secs(10)));
    if asked.ask_runtimes {
        let reports = RuntimeReports::host().context("cannot ask runtimes")?;
        let decided = "thread dumps of Java virtual machines, when they are due".to_owned();
        host.chosen.push(chosen(decided, reports, secs(60)));
    }
    Ok(host)
}

fn chosen(decided: String, provider: impl SignalProvider + 'static, every: Duration) -> Chosen {
    Chosen { provider: Box::new(provider), every, decided }
}

/// Before a process is ended, its stacks and its lock graph are kept.
fn recording_incidents(backend: LinuxBuilder, asked: &Asked) -> LinuxBuilder {
    let Some(directory) = &asked.incidents else { return backend };
    let backend = backend.capture(directory);
    match ThreadReader::host() {
        Ok(mut reader) => backend.on_capture(move |plan| incident::lock_graph(&mut reader, plan)),
        Err(error) => {
            eprintln!("{NAME}: incidents have no lock graph: {error}");
            backend
        }
    }
}
