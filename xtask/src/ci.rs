//! Runs the gates one after another, all of them, and sums up.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::gates::{self, Verdict};
use crate::needs::{self, Purpose};
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Only these gates.
    #[arg(value_name = "GATE")]
    only: Vec<String>,
}

struct Line {
    gate: &'static str,
    result: Result<Verdict>,
    took: Duration,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, install: bool) -> Result<()> {
    let names: Vec<&str> = gates::ALL.iter().map(|(name, _)| *name).collect();
    for name in &options.only {
        ensure!(names.contains(&name.as_str()), "no gate {name}; there are: {}", names.join(", "));
    }
    needs::setup(&[Purpose::Gates, Purpose::Fuzz, Purpose::RegenerateBpf], install)?;
    let mut lines = Vec::new();
    for (gate, check) in gates::ALL {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == gate) {
            continue;
        }
        println!("\n==== {gate} ====");
        let began = Instant::now();
        let result = check(workspace);
        if let Err(error) = &result {
            println!("{gate} failed: {error:#}");
        }
        lines.push(Line { gate, result, took: began.elapsed() });
    }
    println!("\n{}", summary(&lines));
    let failed: Vec<&str> =
        lines.iter().filter(|line| line.result.is_err()).map(|line| line.gate).collect();
    if failed.is_empty() { Ok(()) } else { bail!("gates failed: {}", failed.join(", ")) }
}

fn summary(lines: &[Line]) -> String {
    let mut text = String::from("gate          seconds  result\n");
    for Line { gate, result, took } in lines {
        let result = match result {
            Ok(Verdict::Passed(note)) if note.is_empty() => "passed".to_owned(),
            Ok(Verdict::Passed(note)) => format!("passed: {note}"),
            Ok(Verdict::Skipped(why)) => format!("SKIPPED: {why}"),
            Err(error) => format!("FAILED: {error}"),
        };
        text.push_str(&format!("{gate:<13} {:>7.1}  {result}\n", took.as_secs_f64()));
    }
    let count =
        |of: fn(&Result<Verdict>) -> bool| lines.iter().filter(|line| of(&line.result)).count();
    let passed = count(|it| matches!(it, Ok(Verdict::Passed(_))));
    let skipped = count(|it| matches!(it, Ok(Verdict::Skipped(_))));
    text.push_str(&format!(
        "gates: {passed} passed, {} failed, {skipped} skipped",
        count(Result::is_err)
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_gate_is_not_counted_as_passed() {
        let line = |gate, result| Line { gate, result, took: Duration::from_millis(1500) };
        let lines = [
            line("fmt", Ok(Verdict::Passed(String::new()))),
            line("fuzz", Ok(Verdict::Skipped("no targets".to_owned()))),
            line("deny", Err(anyhow::anyhow!("a licence"))),
        ];
        let summary = summary(&lines);
        assert!(summary.contains("fmt               1.5  passed\n"), "{summary}");
        assert!(summary.contains("SKIPPED: no targets\n"), "{summary}");
        assert!(summary.contains("FAILED: a licence\n"), "{summary}");
        assert!(summary.ends_with("gates: 1 passed, 1 failed, 1 skipped"), "{summary}");
    }
}
