//! The tests of what touches a host, in a guest with a Debian kernel where only cgroup v2 exists.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::needs::{self, Purpose};
use crate::run;
use crate::testing::Counts;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Debian's kernel of this version.
    #[arg(long, default_value = "6.12", value_parser = ["6.1", "6.12"])]
    kernel: String,
    /// Handed on to each test binary, for example a test's name.
    #[arg(last = true)]
    args: Vec<String>,
}

/// The packages that read or change a host.
const PACKAGES: &[&str] = &["gadget-actions", "gadget-signals"];

/// What their tests start, and what they read of the workspace.
const WITH: &str =
    "sh,sleep,head,tail,cat,cp,seq,dd,true,false,nice,ionice,taskset,perl,gadget-signals/testdata";

/// The compilers of the programs whose threads are looked at: the guest has none, so it is given the programs.
const WAITS: &[(&str, &[&str])] = &[("gcc", &[]), ("musl-gcc", &["-static"])];

/// One test after another, since they share one emulated processor. What asks for cgroup v1, a JVM, D-Bus or a file system to
/// freeze has nothing to do there.
const ARGS: &[&str] = &[
    "--nocapture",
    "--test-threads=1",
    "--skip=tests::cgroups",
    "--skip=tests::programs::a_jvm",
    "--skip=tests::programs::a_real_jvm",
    "--skip=tests::jvm",
    "--skip=tests::uninterruptible",
    "--skip=a_real_bus",
];

pub(crate) fn run(workspace: &Workspace, options: &Options, install: bool) -> Result<()> {
    needs::setup(&[Purpose::Vm], install)?;
    let mut build = workspace.cargo();
    build.args(["test", "--no-run", "--lib", "--tests", "--message-format=json"]);
    build.args(PACKAGES.iter().flat_map(|name| ["-p", name])).stderr(Stdio::inherit());
    let output = build.output().context("cannot run cargo test")?;
    run::succeeded(output.status, &run::line(&build))?;
    let programs = executables(&String::from_utf8_lossy(&output.stdout));
    ensure!(!programs.is_empty(), "there are no test programs");

    let mut with = WITH.to_owned();
    for (compiler, flags) in WAITS {
        let program = workspace.target.join(format!("waits-{compiler}"));
        let mut compile = Command::new(compiler);
        compile.args(["-O1", "-pthread", "gadget-signals/tests/programs/waits.c", "-o"]);
        run::run(compile.arg(&program).args(*flags).current_dir(&workspace.root))?;
        with = format!("{with},{}", program.display());
    }
    let mut lab = workspace.cargo();
    lab.args(["run", "-q", "-p", "gadget-lab", "--", "vm", "--kernel", &options.kernel, "exec"]);
    lab.args(programs).args(["--with", &with, "--"]).args(ARGS).args(&options.args);
    let (status, lines) = run::tee_status(&mut lab)?;
    let counts = lines.iter().filter_map(|line| Counts::parse(line)).sum::<Counts>();
    println!("\non Linux {} with cgroup v2 alone: {counts}", options.kernel);
    run::succeeded(status, "the tests in the guest")?;
    ensure!(counts.passed > 0, "no test ran");
    let skipped = lines.iter().filter(|line| line.contains("SKIPPED")).count();
    ensure!(skipped == 0, "{skipped} tests skipped what this guest is for");
    Ok(())
}

/// The test programs among cargo's messages, one JSON object a line.
pub(crate) fn executables(messages: &str) -> Vec<PathBuf> {
    let program = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let test = message["profile"]["test"].as_bool()?;
        test.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    };
    messages.lines().filter_map(program).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_told_from_what_else_cargo_builds() {
        let messages = "{\"reason\":\"compiler-artifact\",\"profile\":{\"test\":false},\"executable\":\"/t/lab\"}\n\
                        {\"reason\":\"compiler-artifact\",\"profile\":{\"test\":true},\"executable\":\"/t/live-1\"}\n\
                        {\"reason\":\"compiler-artifact\",\"profile\":{\"test\":true},\"executable\":null}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\nnoise";
        assert_eq!(executables(messages), [PathBuf::from("/t/live-1")]);
    }
}
