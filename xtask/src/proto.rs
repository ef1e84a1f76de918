//! Writes the messages that the Surveyor sends from their `.proto` files, or looks whether that is needed.

use anyhow::{Context, Result};
use clap::Args;

use crate::gates::Verdict;
use crate::run;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing; fail if what is checked in is not what the files give.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.check {
        return check(workspace).map(drop);
    }
    generate(workspace, &[])
}

pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    generate(workspace, &["--check"]).context("messages are stale: run `cargo xtask proto`")?;
    Ok(Verdict::Passed(String::new()))
}

fn generate(workspace: &Workspace, args: &[&str]) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "-p", "gadget-proto", "--"]);
    run::run(cargo.args(args))
}
