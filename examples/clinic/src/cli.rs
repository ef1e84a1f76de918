//! The command line.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use gadget_clinic::{CASES, Case, Report, Request, find};

#[derive(Debug, Parser)]
#[command(
    name = "clinic",
    about = "Runs programs whose condition is known, and judges what a watcher says of them",
    after_help = "Exit codes: 0 no promise was broken; 1 one was, or the clinic could not work; 2 the arguments are wrong."
)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Runs cases beside a watcher, and prints a table.
    Run(Run),
    /// Lists the cases and the truth about them.
    List,
}

#[derive(Debug, Args)]
struct Run {
    /// Which cases, separated by commas; all if absent.
    #[arg(long, value_delimiter = ',', value_parser = case)]
    only: Vec<&'static Case>,
    /// How often.
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// How long each batch is watched. Waits in the kernel count as stuck after two minutes.
    #[arg(long, default_value_t = 140)]
    seconds: u64,
    /// How long, at most, a batch of cases that eat CPU is watched.
    #[arg(long, default_value_t = 100)]
    loud_seconds: u64,
    /// The watcher; the pathologist beside this program if absent.
    #[arg(long, value_name = "PATH")]
    watcher: Option<PathBuf>,
    /// Check only that the cases are what they claim to be.
    #[arg(long, conflicts_with_all = ["watcher", "record"])]
    no_watcher: bool,
    /// At the end let it act, on two deadlocks of another user and on nothing of root's.
    #[arg(long, conflicts_with = "no_watcher")]
    act: bool,
    /// How long it then has until both are ended and the service is back.
    #[arg(long, value_name = "N", default_value_t = 180)]
    act_seconds: u64,
    /// Where the watcher's recordings and their labels go.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Where programs are built, and where logs and the watcher's lines go.
    #[arg(long, value_name = "DIR", default_value = "target/clinic")]
    dir: PathBuf,
    /// Write the table into this file as well.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Handed to the watcher as they are.
    #[arg(last = true)]
    args: Vec<String>,
}

fn case(name: &str) -> Result<&'static Case, String> {
    find(name).ok_or_else(|| "no such case; `clinic list` names them".to_owned())
}

pub(crate) fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Cmd::Run(options) => run(options),
        Cmd::List => {
            list();
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("clinic: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    println!("{:20} {:8} {:16} {:9} may be ended", "case", "family", "truth", "evidence");
    for case in CASES {
        let proof: Vec<String> = case.truth.proof.iter().map(u8::to_string).collect();
        let proof = if proof.is_empty() { "-".to_owned() } else { proof.join(" or ") };
        let family = format!("{:?}", case.family).to_lowercase();
        let end = if case.truth.may_end { "yes" } else { "no" };
        println!("{:20} {family:8} {:16} {proof:9} {end}", case.name, case.truth.state.label());
    }
}

fn run(options: Run) -> anyhow::Result<bool> {
    let watcher = match (options.no_watcher, options.watcher) {
        (true, _) => None,
        (false, Some(program)) => Some(program),
        (false, None) => {
            let beside = std::env::current_exe()?.with_file_name("pathologist");
            if !beside.is_file() {
                bail!("there is no {}; build it, or name a --watcher", beside.display());
            }
            Some(beside)
        }
    };
    let all = || CASES.iter().collect();
    let request = Request {
        cases: if options.only.is_empty() { all() } else { options.only },
        runs: options.runs,
        watch: Duration::from_secs(options.seconds),
        watch_loud: Duration::from_secs(options.loud_seconds.min(options.seconds)),
        watcher,
        args: options.args,
        directory: options.dir,
        act: options.act.then(|| Duration::from_secs(options.act_seconds)),
        record: options.record,
    };
    let report = gadget_clinic::run(&request)?;
    println!("{report}");
    if let Some(file) = options.markdown {
        fs::write(&file, document(&report, &request))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(report.passed())
}

fn document(report: &Report, request: &Request) -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release: Vec<&str> = kernel.trim().splitn(3, '.').take(2).collect();
    let summary: String = report.summary().iter().map(|line| format!("- {line}\n")).collect();
    let args: String = request.args.iter().map(|arg| format!(" {arg}")).collect();
    format!(
        "# What the clinic found\n\nWritten by `clinic run --runs {} --markdown`, on Linux {} with {} cores; the watcher \
         was given `--json --all{args}`. Times count from the watcher's start.\n\n{summary}\n{}",
        request.runs,
        release.join("."),
        std::thread::available_parallelism().map_or(0, usize::from),
        report.markdown(),
    )
}
