//! The demo and the lab: build what they run in release, then hand over.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::bench;
use crate::needs::{self, Purpose};
use crate::run;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Stage it in a QEMU guest with Debian's kernel of this version: 6.1 or 6.12.
    #[arg(long, value_name = "KERNEL", value_parser = ["6.1", "6.12"])]
    vm: Option<String>,
    /// A scenario or a lab command (`list` names the scenarios), then its options.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    args: Vec<String>,
}

/// The lab's own commands; any other first word is a scenario to run.
const COMMANDS: &[&str] = &["run", "matrix", "list", "vm", "help", "--help", "-h"];

pub(crate) fn demo(workspace: &Workspace, args: &[String]) -> Result<()> {
    build(workspace)?;
    run::run(release(workspace, "demo").args(args))
}

pub(crate) fn run(workspace: &Workspace, options: &Options, install: bool) -> Result<()> {
    if options.vm.is_some() || options.args[0] == "vm" {
        needs::setup(&[Purpose::Vm], install)?;
    }
    build(workspace)?;
    let watcher = workspace.target.join("release/oracle");
    let watcher = watcher.to_str().context("the target folder's name is no UTF-8")?;
    let args = lab_args(options.vm.as_deref(), &options.args, watcher);
    let mut lab = release(workspace, "lab");
    lab.args(&args);
    if options.args[0] != "matrix" {
        return run::run(&mut lab);
    }
    // The lab's numbers belong into the table of `cargo xtask bench`, also those that missed.
    let (status, lines) = run::tee_status(&mut lab)?;
    let dir = workspace.target.join(bench::NUMBERS_DIR);
    fs::create_dir_all(&dir)?;
    let kernel = options.vm.as_deref().unwrap_or("host");
    let kept = dir.join(format!("lab-{kernel}.txt"));
    fs::write(kept, bench::number_lines(&lines)).context("cannot keep the lab's numbers")?;
    run::succeeded(status, "the lab's matrix")
}

fn build(workspace: &Workspace) -> Result<()> {
    let packages = ["-p", "demo", "-p", "oracle", "-p", "gadget-lab"];
    run::run(workspace.cargo().args(["build", "--release"]).args(packages))
}

fn release(workspace: &Workspace, name: &str) -> Command {
    let mut command = Command::new(workspace.target.join("release").join(name));
    command.current_dir(&workspace.root);
    command
}

/// What the lab is called with: a bare scenario means `run`, and who watches is added where nobody said.
fn lab_args(vm: Option<&str>, args: &[String], watcher: &str) -> Vec<String> {
    let mut made = Vec::new();
    let mut add = |words: &[&str]| made.extend(words.iter().map(|word| (*word).to_owned()));
    if let Some(kernel) = vm {
        add(&["vm", "--kernel", kernel]);
    }
    if !COMMANDS.contains(&args[0].as_str()) {
        add(&["run"]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    add(&args);
    let stages = !matches!(args[0], "list" | "help" | "--help" | "-h");
    let said = args.iter().any(|arg| arg.starts_with("--watcher") || *arg == "--no-watcher");
    if stages && !said {
        add(&["--watcher", watcher]);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(vm: Option<&str>, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        lab_args(vm, &words, "ORACLE").join(" ")
    }

    #[test]
    fn a_bare_scenario_is_run_and_watched() {
        assert_eq!(args(None, "slow-leak --seed 7"), "run slow-leak --seed 7 --watcher ORACLE");
        assert_eq!(args(None, "matrix --seeds 10"), "matrix --seeds 10 --watcher ORACLE");
    }

    #[test]
    fn who_says_who_watches_is_heard() {
        assert_eq!(args(None, "slow-leak --no-watcher"), "run slow-leak --no-watcher");
        assert_eq!(args(None, "run burst --watcher=x"), "run burst --watcher=x");
    }

    #[test]
    fn questions_are_handed_on_as_they_are() {
        assert_eq!(args(None, "list"), "list");
        assert_eq!(args(None, "--help"), "--help");
    }

    #[test]
    fn a_guest_gets_the_same_words_behind_its_kernel() {
        assert_eq!(
            args(Some("6.1"), "fast-leak"),
            "vm --kernel 6.1 run fast-leak --watcher ORACLE"
        );
    }
}
