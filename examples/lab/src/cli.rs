//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use gadget_lab::{Guest, Layout, Report, Request, Scenario, Size, numbers, stage, table};

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
    #[command(flatten)]
    Staged(Staged),
    /// Does the same in a QEMU guest with a Debian kernel, where only cgroup v2 exists, or runs other programs there.
    Vm {
        /// Kernel series: 6.1 or 6.12.
        #[arg(long)]
        kernel: String,
        /// RAM of the guest.
        #[arg(long, default_value = "1G")]
        memory: Size,
        /// Guest time follows the host's clock instead of the guest's instructions.
        #[arg(long)]
        wall_clock: bool,
        /// Where kernels are kept.
        #[arg(long, default_value = "target/lab/kernels")]
        cache: PathBuf,
        #[command(subcommand)]
        inside: Inside,
    },
    /// Lists the scenarios.
    List,
    /// Runs one workload in this process; `lab load --help` tells more.
    Load,
}

/// What a guest is for.
#[derive(Debug, Subcommand)]
enum Inside {
    #[command(flatten)]
    Staged(Staged),
    /// Runs programs of this host, as root, with every cgroup v2 controller; fails with the first that fails.
    Exec {
        /// Their files; shared libraries come along.
        #[arg(required = true)]
        programs: Vec<PathBuf>,
        /// Programs on PATH and folders that they need, separated by commas.
        #[arg(long, value_delimiter = ',')]
        with: Vec<PathBuf>,
        /// Where the guest leaves its console.
        #[arg(long, default_value = "target/lab/exec")]
        reports: PathBuf,
        /// Arguments that each of them gets.
        #[arg(last = true)]
        args: Vec<String>,
    },
}

/// What runs here or in a guest.
#[derive(Debug, Subcommand)]
enum Staged {
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
        /// Which, separated by commas; all that can run if absent.
        #[arg(long, value_enum, value_delimiter = ',')]
        scenarios: Vec<Scenario>,
        /// How many at a time.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        #[command(flatten)]
        options: Options,
    },
}

impl Staged {
    fn options(&self) -> &Options {
        match self {
            Self::Run { options, .. } | Self::Matrix { options, .. } => options,
        }
    }

    /// The same again, as the lab in the guest reads it; the guest adds where its files go.
    fn guest_args(&self) -> Vec<String> {
        let mut args = match self {
            Self::Run { scenario, seed, .. } => {
                vec!["run".into(), scenario.name(), format!("--seed={seed}")]
            }
            Self::Matrix { seeds, scenarios, jobs, .. } => {
                let mut args =
                    vec!["matrix".into(), format!("--seeds={seeds}"), format!("--jobs={jobs}")];
                args.extend(scenarios.iter().map(|one| format!("--scenarios={}", one.name())));
                args
            }
        };
        let options = self.options();
        args.push(format!("--limit={}", options.limit.unwrap_or(Size(160 << 20))));
        if options.layout == Layout::Split {
            args.push("--layout=split".into());
        }
        if options.no_watcher {
            args.push("--no-watcher".into());
        }
        if options.record.is_some() {
            args.push("--record=/tmp/reports/recordings".into());
        }
        args
    }
}

#[derive(Clone, Debug, Args)]
struct Options {
    /// Memory limit of the group; everything scales with it. Default 384M, in a guest 160M.
    #[arg(long)]
    limit: Option<Size>,
    /// Whether all processes share one cgroup.
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// The program to judge; `oracle` beside this executable if absent.
    #[arg(long)]
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
        Ok(Request {
            scenario,
            seed,
            limit: self.limit.unwrap_or(Size(384 << 20)),
            layout: self.layout,
            watcher: self.watcher_path()?,
            act: !self.no_watcher,
            record: self.record.clone(),
            report: self.reports.join(format!("{}-{seed}", scenario.name())),
        })
    }

    /// The watcher to start: none, the one named, or the one beside this executable.
    fn watcher_path(&self) -> anyhow::Result<Option<PathBuf>> {
        if self.no_watcher && self.record.is_none() {
            return Ok(None);
        }
        if let Some(path) = &self.watcher {
            return Ok(Some(path.clone()));
        }
        let beside = std::env::current_exe()?.with_file_name("oracle");
        if !beside.is_file() {
            bail!(
                "no {} here: build it, name one with --watcher, or use --no-watcher",
                beside.display()
            );
        }
        Ok(Some(beside))
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
        Cmd::Staged(staged) => {
            let reports = match &staged {
                Staged::Run { scenario, seed, options } => {
                    vec![stage(options.request(*scenario, *seed)?)?]
                }
                Staged::Matrix { seeds, scenarios, jobs, options } => {
                    matrix(*seeds, scenarios, *jobs, options)?
                }
            };
            print(&reports, &staged)
        }
        Cmd::Vm { kernel, memory, wall_clock, cache, inside } => {
            let reports = match &inside {
                Inside::Staged(staged) => &staged.options().reports,
                Inside::Exec { reports, .. } => reports,
            };
            let reports = reports.join(format!("vm-{kernel}"));
            let guest =
                Guest { kernel, memory, icount: !wall_clock, cache, reports: reports.clone() };
            let line = |line: &str| eprintln!("{line}");
            match inside {
                Inside::Staged(staged) => {
                    let options = staged.options();
                    let watcher = options.watcher_path()?;
                    let results = guest.run(watcher.as_deref(), staged.guest_args(), line)?;
                    if let Some(directory) = &options.record {
                        collect(&reports.join("recordings"), directory)?;
                    }
                    print(&results, &staged)
                }
                Inside::Exec { programs, with, args, .. } => {
                    let codes = guest.exec(&programs, &args, &with, line)?;
                    for (program, code) in programs.iter().zip(&codes) {
                        println!("{}: exit code {code}", program.display());
                    }
                    Ok(codes.len() == programs.len() && codes.iter().all(|code| *code == 0))
                }
            }
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

/// Copies the recordings of a guest to where they were asked for.
fn collect(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).context("the guest sent no recordings")?.flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn print(reports: &[Report], staged: &Staged) -> anyhow::Result<bool> {
    if staged.options().json {
        for report in reports {
            println!("{}", serde_json::to_string(report)?);
        }
    } else {
        print!("{}", table(reports));
        if matches!(staged, Staged::Matrix { .. }) {
            print!("{}", numbers(reports));
        }
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
