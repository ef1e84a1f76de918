//! The clinic: build the watcher and the clinic in release, then hand over.

use std::process::Command;

use anyhow::{Context, Result};

use crate::needs::{self, Purpose};
use crate::run;
use crate::workspace::Workspace;

/// The clinic's own commands; any other first word belongs to `run`.
const COMMANDS: &[&str] = &["run", "list", "help", "--help", "-h"];

pub(crate) fn run(workspace: &Workspace, args: &[String], install: bool) -> Result<()> {
    needs::setup(&[Purpose::Clinic], install)?;
    let packages = ["-p", "pathologist", "-p", "gadget-clinic"];
    run::run(workspace.cargo().args(["build", "--release"]).args(packages))?;
    let release = workspace.target.join("release");
    let watcher = release.join("pathologist");
    let watcher = watcher.to_str().context("the target folder's name is no UTF-8")?;
    let mut clinic = Command::new(release.join("clinic"));
    run::run(clinic.current_dir(&workspace.root).args(clinic_args(args, watcher)))
}

/// What the clinic is called with: no command means `run`, and who watches is added where nobody said.
fn clinic_args(args: &[String], watcher: &str) -> Vec<String> {
    let first = args.first().map_or("run", String::as_str);
    let mut made: Vec<String> = Vec::new();
    if !COMMANDS.contains(&first) || args.is_empty() {
        made.push("run".to_owned());
    }
    // What follows `--` is the watcher's.
    let end = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    made.extend_from_slice(&args[..end]);
    let runs = made[0] == "run";
    let said = made.iter().any(|arg| arg.starts_with("--watcher") || arg == "--no-watcher");
    if runs && !said {
        made.extend(["--watcher".to_owned(), watcher.to_owned()]);
    }
    made.extend_from_slice(&args[end..]);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        clinic_args(&words, "WATCHER").join(" ")
    }

    #[test]
    fn without_a_command_the_clinic_runs_and_is_watched() {
        assert_eq!(args(""), "run --watcher WATCHER");
        assert_eq!(args("--runs 5"), "run --runs 5 --watcher WATCHER");
        assert_eq!(args("run --only abba"), "run --only abba --watcher WATCHER");
    }

    #[test]
    fn the_watcher_gets_its_own_words_last() {
        assert_eq!(args("--runs 2 -- --fast"), "run --runs 2 --watcher WATCHER -- --fast");
    }

    #[test]
    fn who_says_who_watches_is_heard() {
        assert_eq!(args("run --no-watcher"), "run --no-watcher");
        assert_eq!(args("--watcher=x"), "run --watcher=x");
        assert_eq!(args("list"), "list");
    }
}
