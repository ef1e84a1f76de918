//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use gadget_lab::{Layout, Report, Request, Scenario, Size, stage, table};

#[derive(Debug, Parser)]
#[command(
    name = "lab",
    about = "Stages real memory incidents in cgroups of its own, and judges what a watcher did"
)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Stages one incident.
    Run {
        /// Which; see `lab list`.
        #[arg(value_enum)]
        scenario: Scenario,
        /// Decides sizes, rates and jitter.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        options: Options,
    },
    /// Stages many, and prints a table.
    Matrix {
        /// Seeds 1 to this, for each scenario.
        #[arg(long, default_value_t = 10)]
        seeds: u64,
        /// Which, separated by commas; all that can run here if absent.
        #[arg(long, value_enum, value_delimiter = ',')]
        scenarios: Vec<Scenario>,
        /// How many at a time.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        #[command(flatten)]
        options: Options,
    },
    /// Lists the scenarios.
    List,
    /// Runs one workload in this process; `lab load --help` tells more.
    Load,
}

#[derive(Clone, Debug, Args)]
struct Options {
    /// Memory limit of the group; everything scales with it.
    #[arg(long, default_value = "384M")]
    limit: Size,
    /// Whether all processes share one cgroup.
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// The program to judge; `oracle` beside this executable if absent.
    #[arg(long, conflicts_with = "no_watcher")]
    watcher: Option<PathBuf>,
    /// Nobody acts: the kernel's OOM killer shows what it does. With --record, a watcher looks on.
    #[arg(long)]
    no_watcher: bool,
    /// Where the watcher's recordings and their labels go.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Where each run leaves its files.
    #[arg(long, default_value = "target/lab/runs")]
    reports: PathBuf,
    /// Prints JSON lines instead of a table.
    #[arg(long)]
    json: bool,
}

impl Options {
    fn request(&self, scenario: Scenario, seed: u64) -> anyhow::Result<Request> {
        let watcher = if self.no_watcher && self.record.is_none() {
            None
        } else {
            Some(self.find_watcher()?)
        };
        Ok(Request {
            scenario,
            seed,
            limit: self.limit,
            layout: self.layout,
            watcher,
            act: !self.no_watcher,
            record: self.record.clone(),
            report: self.reports.join(format!("{}-{seed}", scenario.name())),
        })
    }

    fn find_watcher(&self) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.watcher {
            return Ok(path.clone());
        }
        let beside = std::env::current_exe()?.with_file_name("oracle");
        if !beside.is_file() {
            bail!(
                "no {} here: build it, name one with --watcher, or use --no-watcher",
                beside.display()
            );
        }
        Ok(beside)
    }
}

pub(crate) fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// True when all runs passed.
fn run(command: Cmd) -> anyhow::Result<bool> {
    match command {
        Cmd::List | Cmd::Load => list(),
        Cmd::Run { scenario, seed, options } => {
            let report = stage(options.request(scenario, seed)?)?;
            print(&[report], options.json)
        }
        Cmd::Matrix { seeds, scenarios, jobs, options } => {
            let reports = matrix(seeds, &scenarios, jobs, &options)?;
            print(&reports, options.json)
        }
    }
}

fn list() -> anyhow::Result<bool> {
    for scenario in Scenario::all() {
        let kind = if scenario.is_leak() { "leak" } else { "benign" };
        let note = scenario.missing().map(|what| format!("  (needs {what})")).unwrap_or_default();
        println!("{:18} {kind:7} {}{note}", scenario.name(), scenario.class());
    }
    Ok(true)
}

fn print(reports: &[Report], json: bool) -> anyhow::Result<bool> {
    if json {
        for report in reports {
            println!("{}", serde_json::to_string(report)?);
        }
    } else {
        print!("{}", table(reports));
    }
    Ok(reports.iter().all(|report| report.verdict.pass))
}

fn matrix(
    seeds: u64,
    scenarios: &[Scenario],
    jobs: usize,
    options: &Options,
) -> anyhow::Result<Vec<Report>> {
    let chosen: Vec<Scenario> = if scenarios.is_empty() {
        Scenario::all().iter().copied().filter(|scenario| scenario.missing().is_none()).collect()
    } else {
        scenarios.to_vec()
    };
    let requests: Vec<Request> = chosen
        .iter()
        .flat_map(|scenario| (1..=seeds).map(|seed| options.request(*scenario, seed)))
        .collect::<anyhow::Result<_>>()?;
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, anyhow::Result<Report>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(request) = requests.get(index) else { return };
                    let result = stage(request.clone());
                    note(request, &result);
                    if let Ok(mut done) = done.lock() {
                        done.push((index, result));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter()
        .map(|(index, result)| {
            let request = &requests[index];
            result
                .with_context(|| format!("{} with seed {}", request.scenario.name(), request.seed))
        })
        .collect()
}

fn note(request: &Request, result: &anyhow::Result<Report>) {
    let said = match result {
        Ok(report) if report.verdict.pass => format!("pass: {}", report.verdict.reason),
        Ok(report) => format!("FAIL: {}", report.verdict.reason),
        Err(error) => format!("error: {error:#}"),
    };
    eprintln!("{} seed {}: {said}", request.scenario.name(), request.seed);
}
