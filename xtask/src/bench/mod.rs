//! The benches' numbers beside their budgets, in one table.

mod criterion;
mod table;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};
use clap::Args;

use crate::run;
use crate::workspace::Workspace;
use table::{Row, Verdict};

/// Under the target folder: number lines that other commands left for the table.
pub(crate) const NUMBERS_DIR: &str = "numbers";

/// How budgets are read.
const GRAMMAR: &str = "\
A bench carries its budget in its name, such as `psi/500_cgroups (budget 2 ms)`:
  (budget 2 ms)          at most this time
  (budget 5 us each)     at most this time for each element of its criterion throughput
  (budget 0.5x by_path)  at most this share of the bench `by_path` of the same group
  (baseline)             what the others of its group are shown beside

What criterion cannot time is printed, by a bench or by the lab, as a line of its own; the last field may be left out:
  GADGET-NUMBER name | value | unit | budget | pass or fail | baseline";

#[derive(Args)]
#[command(after_help = GRAMMAR)]
pub(crate) struct Options {
    /// Also write the table to `benches/RESULTS.md`.
    #[arg(long)]
    write: bool,
    /// Fail when a number misses its budget.
    #[arg(long)]
    strict: bool,
    /// Handed on to `cargo bench`, for example a bench's name.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let began = SystemTime::now();
    let mut bench = workspace.cargo();
    bench.args(["bench", "-p", "gadget-benches", "--benches"]).args(&options.args);
    let (status, lines) = run::tee_status(&mut bench)?;

    let mut rows = criterion::rows(&workspace.target.join("criterion"), began)?;
    rows.extend(lines.iter().filter_map(|line| table::parse_number(line)));
    rows.extend(kept_numbers(&workspace.target.join(NUMBERS_DIR))?);
    let table = table::render(&rows);
    println!("\n{table}");
    if options.write {
        let text = format!("{}\n{table}", heading());
        fs::write(workspace.root.join("benches/RESULTS.md"), text)
            .context("cannot write the results")?;
    }
    let missed = rows.iter().filter(|row| row.verdict == Verdict::Fail).count();
    println!("{} numbers, {missed} over their budget", rows.len());
    run::succeeded(status, "cargo bench")?;
    anyhow::ensure!(!rows.is_empty(), "no bench gave a number");
    anyhow::ensure!(!options.strict || missed == 0, "{missed} numbers are over their budget");
    Ok(())
}

/// The number lines among what a program printed, as they were.
pub(crate) fn number_lines(lines: &[String]) -> String {
    let numbers = lines.iter().filter(|line| table::parse_number(line).is_some());
    numbers.map(|line| format!("{line}\n")).collect()
}

fn kept_numbers(dir: &Path) -> Result<Vec<Row>> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        rows.extend(text.lines().filter_map(table::parse_number));
    }
    Ok(rows)
}

/// What the numbers depend on.
fn heading() -> String {
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output();
        output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!(
        "# Results\n\nWritten by `cargo xtask bench --write` on {date}: {model}, {cores} cores, Linux {kernel}, {rustc}.\n\
         Times are medians with their 95 % interval; on a shared machine read the ratios, not the times.\n",
        date = said("date", &["--utc", "+%Y-%m-%d"]),
        kernel = said("uname", &["-r"]),
        rustc = said("rustc", &["--version"]),
    )
}
