//! What can be asked of the program.

use std::path::PathBuf;

use clap::{Args, Parser};
use gadget_core::Glob;
use gadget_example_common::{Command, EXIT_CODES, Watch};

/// Finds processes on this host that live but do not work, proves deadlocks, and acts on them when told to.
///
/// Without --act it only observes and prints what it would do.
#[derive(Debug, Parser)]
#[command(name = "pathologist", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
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

    /// Directory for stacks, lock graphs and thread dumps, taken before a process is ended
    #[arg(long, value_name = "DIR", requires = "act")]
    pub(crate) incidents: Option<PathBuf>,

    /// Ask Java virtual machines that seem stuck for a thread dump
    #[arg(long, conflicts_with = "replay")]
    pub(crate) ask_runtimes: bool,

    /// Look at the processes of this name all the time, `*` stands for any characters; repeatable
    #[arg(long, value_name = "COMM", value_parser = |name: &str| Glob::new(name))]
    pub(crate) study: Vec<Glob>,

    /// Tell every change of every process's state, also between working and idle
    #[arg(long)]
    pub(crate) all: bool,
}
