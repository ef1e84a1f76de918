//! Every test of the workspace, and one count of them all.

use std::env;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::embed;
use crate::needs::{self, Purpose};
use crate::run;
use crate::workspace::{Workspace, program_exists};

/// Tests of features whose dependencies are heavy: built after everything else, so that nobody waits for them who need not.
const HEAVY: &[(&str, &str)] = &[("gadget-filter", "wasm"), ("gadget-archivist", "otlp")];

/// Runs them all, also when some fail, and ends with one line of counts.
pub(crate) fn run(workspace: &Workspace, install: bool) -> Result<()> {
    let python = peers(workspace, install);
    let mut failures = Vec::new();
    let mut sum = Counts::default();
    let mut unable = Vec::new();
    let mut stages = vec![
        ("tests".to_owned(), tests(workspace, &["--workspace"])),
        ("doctests".to_owned(), doctests(workspace)),
    ];
    stages.extend(HEAVY.iter().map(|(package, features)| {
        let only = ["-p", package, "--features", features];
        (format!("{package} with {features}"), tests(workspace, &only))
    }));
    // Where nextest puts it, wherever cargo builds.
    let junit = workspace.root.join("target/nextest/default/junit.xml");
    for (name, mut command) in stages {
        if junit.exists() {
            fs::remove_file(&junit)?;
        }
        if let Some(python) = &python {
            command.env("GADGET_PYTHON", python);
        }
        let (status, lines) = run::tee_status(&mut command)?;
        let counts = lines.iter().filter_map(|line| Counts::parse(line)).sum::<Counts>();
        sum = sum + counts;
        if !status.success() {
            // A build that failed ran no test, yet is no success.
            sum.failed += usize::from(counts.failed == 0);
            failures.push(name);
        }
        unable.extend(self::unable(&fs::read_to_string(&junit).unwrap_or_default()));
    }
    match embed::run(workspace) {
        Ok(counts) => sum = sum + counts,
        Err(error) => {
            eprintln!("xtask: the README does not hold: {error:#}");
            failures.push("embed".to_owned());
            sum.failed += 1;
        }
    }
    for line in &unable {
        println!("could not run here: {line}");
    }
    sum.passed = sum.passed.saturating_sub(unable.len());
    sum.skipped += unable.len();
    println!("\n{sum}");
    if failures.is_empty() { Ok(()) } else { bail!("failed: {}", failures.join(", ")) }
}

/// Gets what tests exchange data with where nobody minds what is installed: in CI. Elsewhere a test that lacks one says so. The python
/// that has DataDog's package.
fn peers(workspace: &Workspace, install: bool) -> Option<PathBuf> {
    let folder = workspace.root.join("target/python");
    let python = folder.join("bin/python3");
    if env::var_os("CI").is_none() || !install {
        return python.exists().then_some(python);
    }
    let made = needs::setup(&[Purpose::Peers], install).and_then(|()| {
        if !python.exists() {
            run::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        }
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        run::run(pip.args(["ddsketch==3.0.1", "protobuf==7.36.2"]))
    });
    match made {
        Ok(()) => Some(python),
        Err(error) => {
            eprintln!(
                "xtask: without some of the programs that tests exchange data with: {error:#}"
            );
            None
        }
    }
}

/// `cargo nextest` where it is installed: it runs the test binaries side by side and bounds each test's time.
fn tests(workspace: &Workspace, which: &[&str]) -> Command {
    let mut command = workspace.cargo();
    if program_exists("cargo-nextest") {
        command.args(["nextest", "run", "--no-fail-fast"]).args(which);
    } else {
        // Documentation tests come next, whichever runner this was.
        command.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]).args(which);
    }
    command
}

/// The tests that passed only because they found that they cannot run on this machine: they print `SKIPPED` and why.
///
/// Read from nextest's report; `cargo test` keeps what a test that passed has printed to itself.
fn unable(junit: &str) -> Vec<String> {
    let mut tests: Vec<String> = Vec::new();
    let mut name = None;
    for line in junit.lines() {
        if let Some((_, rest)) = line.split_once("<testcase name=\"") {
            name = rest.split_once('"').map(|(name, _)| name);
        }
        if let Some(at) = line.find("SKIPPED")
            && let Some(name) = name.take()
        {
            tests.push(format!("{name}: {}", &line[at..]));
        }
    }
    tests
}

fn doctests(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
    command
}

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    /// Reads a summary line of cargo test (`test result: ok. 5 passed; ...`) or of nextest
    /// (`Summary [ 1.2s] 5 tests run: 5 passed, ...`).
    ///
    /// What nextest shows of a test that failed is indented, the summary of its own program too: that counts already.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = without_escapes(line);
        let counts = match line.strip_prefix("test result:") {
            Some(rest) => rest,
            None => line.trim_start().strip_prefix("Summary [")?.split_once("run:")?.1,
        };
        let number_before = |words: &[&str]| {
            let parts = counts.split([';', ',', '.', '(']).map(str::trim);
            let of = |part: &str| {
                let (number, what) = part.split_once(' ')?;
                words.contains(&what.trim()).then(|| number.parse::<usize>().ok())?
            };
            parts.filter_map(of).sum()
        };
        Some(Self {
            passed: number_before(&["passed"]),
            failed: number_before(&["failed", "timed out", "exec failed"]),
            skipped: number_before(&["skipped", "ignored"]),
        })
    }
}

impl std::ops::Add for Counts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), std::ops::Add::add)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The line without terminal colours (`ESC [ ... m`).
fn without_escapes(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: usize, failed: usize, skipped: usize) -> Option<Counts> {
        Some(Counts { passed, failed, skipped })
    }

    #[test]
    fn both_runners_are_understood() {
        let cargo = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(Counts::parse(cargo), counts(5, 2, 1));
        let nextest = "     Summary [   1.204s] 14 tests run: 11 passed (1 slow, 1 leaky), 2 failed, 1 timed out, 3 skipped";
        assert_eq!(Counts::parse(nextest), counts(11, 3, 3));
    }

    #[test]
    fn colours_do_not_hide_a_summary() {
        let coloured = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, 0 skipped";
        assert_eq!(Counts::parse(coloured), counts(2, 0, 0));
    }

    #[test]
    fn a_line_that_only_speaks_of_passing_is_no_summary() {
        assert_eq!(Counts::parse("5 passed, 2 failed"), None);
        let shown = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured";
        assert_eq!(Counts::parse(shown), None);
        assert_eq!(Counts::parse("        PASS [   0.003s] xtask readme::tests::x"), None);
    }

    #[test]
    fn a_test_that_says_that_it_cannot_run_is_found_once_with_its_reason() {
        let junit = "<testcase name=\"a::b\" classname=\"x\">\n<system-out>running 1 test</system-out>\n\
                     <system-err>SKIPPED: no memory controller\nSKIPPED: nor anything else\n</system-err>\n\
                     </testcase>\n<testcase name=\"c\">\n<system-err>fine</system-err>\n</testcase>\n";
        assert_eq!(unable(junit), ["a::b: SKIPPED: no memory controller"]);
        assert!(unable("").is_empty());
    }

    #[test]
    fn the_sum_prints_as_one_plain_line() {
        let sum: Counts = [counts(3, 0, 1), counts(2, 1, 0)].into_iter().flatten().sum();
        assert_eq!(sum.to_string(), "5 passed, 1 failed, 1 skipped");
    }
}
