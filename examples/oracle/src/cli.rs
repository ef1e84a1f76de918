//! What can be asked of the program.

use clap::{Args, Parser};
use gadget_example_common::{Command, EXIT_CODES, Watch};

/// Foresees out of memory on this host and in every cgroup with a limit, and acts on it when told to.
///
/// Without --act it only observes and prints what it would do.
#[derive(Debug, Parser)]
#[command(name = "oracle", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Watching, the default.
#[derive(Args, Debug)]
pub(crate) struct Asked {
    #[command(flatten)]
    pub(crate) watch: Watch,

    /// Watch only this cgroup and what is below it, as a path below the hierarchy's root; repeatable
    #[arg(long, value_name = "PATH", conflicts_with = "replay")]
    pub(crate) cgroup: Vec<String>,
}
