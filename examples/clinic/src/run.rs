//! Runs of the whole clinic.

use std::path::PathBuf;
use std::time::Duration;

use crate::batch::{self, Plan};
use crate::case::Case;
use crate::judge::Grade;
use crate::report::Report;
use crate::treatment;

/// What to run.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which cases.
    pub cases: Vec<&'static Case>,
    /// How often.
    pub runs: u32,
    /// How long each batch is watched.
    pub watch: Duration,
    /// How long a batch of cases that eat CPU is watched; nothing in it takes minutes to show.
    pub watch_loud: Duration,
    /// Who watches; nobody, and only the cases themselves are checked.
    pub watcher: Option<PathBuf>,
    /// What it is told besides `--json --all`.
    pub args: Vec<String>,
    /// Where programs, logs and lines go.
    pub directory: PathBuf,
    /// How long the watcher has to end two deadlocks and to bring a service back; it is not let act if none.
    pub act: Option<Duration>,
    /// Where recordings and labels go.
    pub record: Option<PathBuf>,
}

/// Runs everything, a batch at a time, and tells on standard error how it goes.
///
/// # Errors
/// If the clinic itself cannot work, or its watcher ends.
pub fn run(request: &Request) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for number in 1..=request.runs {
        for (loud, name) in [(false, "quiet"), (true, "loud")] {
            let cases: Vec<_> =
                request.cases.iter().copied().filter(|case| case.loud == loud).collect();
            if cases.is_empty() {
                continue;
            }
            eprintln!("clinic: run {number} of {}: {} {name} cases", request.runs, cases.len());
            let ward = batch::run(&Plan {
                name: format!("run-{number}-{name}"),
                cases,
                watch: if loud { request.watch_loud } else { request.watch },
                watcher: request.watcher.clone(),
                args: request.args.clone(),
                directory: request.directory.clone(),
                record: request.record.clone(),
            })?;
            for finding in &ward.findings {
                if finding.grade != Grade::Right {
                    eprintln!("clinic: {}: {}", finding.case.name, finding.grade);
                }
            }
            report.add(ward);
        }
    }
    if let (Some(patience), Some(watcher)) = (request.act, &request.watcher) {
        eprintln!("clinic: treatment");
        report.treated = Some(treatment::run(&treatment::Plan {
            watcher: watcher.clone(),
            args: request.args.clone(),
            directory: request.directory.clone(),
            patience,
        })?);
    }
    Ok(report)
}
