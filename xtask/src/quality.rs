//! The quality of what the Curator finds and of what the Archivist is triggered by, measured on labelled data.

use anyhow::Result;
use clap::Args;

use crate::run;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Write the Curator's table to gadgets/curator/QUALITY.md as well.
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut curator = workspace.cargo();
    curator.args(["run", "--release", "-p", "gadget-curator-train", "--", "quality"]);
    run::run(curator.args(options.write.then_some("--write")))?;
    let mut archivist = workspace.cargo();
    run::run(archivist.args(["run", "--release", "-p", "archivist", "--", "replay"]))
}
