//! Compiles the BPF programs again, or looks whether that is needed.

use anyhow::Result;
use clap::Args;

use crate::gates::Verdict;
use crate::needs::{self, Purpose};
use crate::run;
use crate::workspace::Workspace;

/// How the generator says that another clang wrote what is checked in.
const OTHER_CLANG: i32 = 77;

#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing; fail if what is checked in is not what the sources give.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options, install: bool) -> Result<()> {
    needs::setup(&[Purpose::RegenerateBpf], install)?;
    if options.check {
        return check(workspace).map(drop);
    }
    run::run(workspace.cargo().args(["run", "--quiet", "-p", "gadget-bpf"]))
}

pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let mut command = workspace.cargo();
    command.args(["run", "--quiet", "-p", "gadget-bpf", "--", "--check"]);
    eprintln!("$ {}", run::line(&command));
    let status = command.status()?;
    match status.code() {
        Some(0) => Ok(Verdict::Passed(String::new())),
        Some(OTHER_CLANG) => Ok(Verdict::Skipped("another version of clang".to_owned())),
        _ => anyhow::bail!("objects or skeletons are stale: run `cargo xtask bpf`"),
    }
}
