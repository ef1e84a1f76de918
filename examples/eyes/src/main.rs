//! What each of the kernel's providers uses on this host, and for some seconds what it sees.

mod say;
mod watched;

use std::time::{Duration, Instant};

use clap::Parser;
use gadget_core::{Clock as _, SystemClock};
use gadget_signals::KernelProviders;
use serde::Serialize;

use watched::Watched;

/// How often each provider is asked.
const EVERY: Duration = Duration::from_millis(500);

/// Watches the kernel by BPF where it lets us and by files else: says for each provider which of them, and what it sees.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// For how long to look.
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Say only what each provider uses and costs; look for 2 s unless told otherwise.
    #[arg(long)]
    once: bool,
    /// For machines: one line of JSON in the end.
    #[arg(long)]
    json: bool,
    /// The most lines for a provider.
    #[arg(long, default_value_t = 8)]
    lines: usize,
}

/// What a machine is told.
#[derive(Serialize)]
struct Report<'a> {
    kernel: String,
    providers: Vec<Seen<'a>>,
    missing: &'a [String],
}

/// One provider.
#[derive(Serialize)]
struct Seen<'a> {
    provider: &'a str,
    /// `bpf` or `files`.
    by: &'static str,
    used: &'a str,
    readings: u64,
    errors: &'a [String],
    /// Of its programs, while they were measured; none if it has no programs or the kernel does not tell.
    runs: Option<u64>,
    ns_per_run: Option<f64>,
    percent_of_a_core: Option<f64>,
    lost: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let found = KernelProviders::host();
    let mut all: Vec<Watched> = found.chosen.into_iter().map(Watched::new).collect();
    let clock = SystemClock::new();
    let seconds = if cli.once { cli.seconds.min(2.0) } else { cli.seconds };
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    loop {
        all.iter_mut().for_each(|it| it.look(clock.now()));
        let Some(left) = end.checked_duration_since(Instant::now()) else { break };
        std::thread::sleep(left.min(EVERY));
    }
    if cli.json {
        let report = Report {
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            providers: all.iter().map(Seen::of).collect(),
            missing: &found.missing,
        };
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    for it in &all {
        println!("{}: {}", it.name(), it.used());
        if let Some(cost) = it.cost() {
            println!("    {}", say::cost(cost));
        }
        for error in it.errors() {
            println!("    {error}");
        }
        if !cli.once {
            let lines = it.lines();
            lines.iter().take(cli.lines).for_each(|line| println!("    {line}"));
            if lines.len() > cli.lines {
                println!("    and {} more", lines.len() - cli.lines);
            }
        }
    }
    found.missing.iter().for_each(|line| println!("{line}"));
    Ok(())
}

impl<'a> Seen<'a> {
    fn of(it: &'a Watched) -> Self {
        let cost = it.cost();
        let measured = cost.filter(|cost| !cost.over.is_zero());
        Self {
            provider: it.name(),
            by: if it.used().starts_with("BPF") { "bpf" } else { "files" },
            used: it.used(),
            readings: it.readings(),
            errors: it.errors(),
            runs: measured.map(|cost| cost.runs),
            ns_per_run: measured.and_then(say::nanos_per_run),
            percent_of_a_core: measured.map(say::percent),
            lost: cost.map(|cost| cost.lost),
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    (0.0..=3600.0).contains(&seconds).then_some(seconds).ok_or_else(|| "0 to 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        assert!(Cli::try_parse_from(["eyes", "--seconds", "-1"]).is_err());
        assert!(Cli::try_parse_from(["eyes", "--seconds", "inf"]).is_err());
        assert!(Cli::try_parse_from(["eyes", "--once", "--json", "--seconds", "0.5"]).is_ok());
    }
}
