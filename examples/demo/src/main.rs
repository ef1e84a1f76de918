//! The Oracle saving a real service from a real leak, on a terminal.

mod plain;
mod postmortem;
mod story;
mod svg;
mod view;

use std::io::{IsTerminal as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use gadget_lab::{Layout, Phase, Request, Run, Scenario, Size, TICK};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::plain::Plain;
use crate::story::Story;

/// Stages a leak in a cgroup of its own, beside an innocent service and a big process, and lets the Oracle act.
///
/// Nothing outside that cgroup is watched or touched, and it is gone afterwards, also when this is killed.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Cli {
    /// What happens
    #[arg(default_value = "slow-leak")]
    scenario: Scenario,
    /// Decides sizes and rates
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Limit of the cgroup
    #[arg(long, default_value = "384M")]
    limit: Size,
    /// Print lines, also on a terminal
    #[arg(long)]
    plain: bool,
    /// Draw a picture of the run into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The Oracle's program [default: `oracle` beside this one]
    #[arg(long, value_name = "FILE")]
    oracle: Option<PathBuf>,
}

fn main() -> ExitCode {
    // The lab's processes are this program, started again.
    if let Some(code) = gadget_lab::dispatch() {
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    match demo(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if the incident ended as it should.
fn demo(cli: &Cli) -> Result<bool> {
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("oracle"));
    let oracle = cli.oracle.clone().or_else(beside).filter(|path| path.is_file());
    let oracle =
        oracle.context("the program `oracle` is not beside this one; build it or give --oracle")?;
    let report = std::env::temp_dir().join(format!("gadget-demo-{}", std::process::id()));
    let mut run = Run::start(Request {
        scenario: cli.scenario,
        seed: cli.seed,
        limit: cli.limit,
        layout: Layout::Shared,
        watcher: Some(oracle),
        act: true,
        record: None,
        report: report.clone(),
    })?;
    let mut story = Story::new(&run, cli.limit.0);
    let whole = if stdout().is_terminal() && !cli.plain {
        on_terminal(&mut run, &mut story)?
    } else {
        in_lines(&mut run, &mut story)?
    };
    if !whole {
        std::fs::remove_dir_all(&report).ok();
        return Ok(true);
    }
    let judged = run.finish()?;
    println!("\nPost-mortem of {} in {}\n", cli.scenario.name(), story.group);
    for line in postmortem::lines(&story, &judged) {
        println!("{line}");
    }
    println!("\nVerdict:  {}", judged.verdict.reason);
    if let Some(path) = &cli.svg {
        std::fs::write(path, svg::draw(&story))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    std::fs::remove_dir_all(&report).ok();
    Ok(judged.verdict.pass)
}

/// Shows it on the terminal; false if the person has ended it.
fn on_terminal(run: &mut Run, story: &mut Story) -> Result<bool> {
    let mut terminal = ratatui::try_init()?;
    let result = loop {
        let phase = story.look(run);
        if let Err(error) = terminal.draw(|frame| view::draw(frame, story)) {
            break Err(error.into());
        }
        if phase == Phase::Over {
            break Ok(true);
        }
        match asked_to_end(TICK) {
            Ok(false) => {}
            Ok(true) => break Ok(false),
            Err(error) => break Err(error),
        }
    };
    ratatui::restore();
    result
}

/// Waits for `wait`; true if q, Escape or Ctrl-C was pressed.
fn asked_to_end(wait: Duration) -> Result<bool> {
    if !event::poll(wait)? {
        return Ok(false);
    }
    let Event::Key(key) = event::read()? else { return Ok(false) };
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let ends = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) || interrupt;
    Ok(ends && key.kind == KeyEventKind::Press)
}

/// Prints it in lines.
fn in_lines(run: &mut Run, story: &mut Story) -> Result<bool> {
    let mut plain = Plain::default();
    loop {
        let phase = story.look(run);
        plain.tell(story);
        if phase == Phase::Over {
            return Ok(true);
        }
        std::thread::sleep(TICK);
    }
}
