//! What can be asked of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use gadget_example_common::{EXIT_CODES, Watch};

/// Follows logs, keeps the last minutes of every service compressed and redacted, and writes what led to an incident.
///
/// It changes nothing on the host: a flush is a plan by a policy that permits just that.
#[derive(Debug, Parser)]
#[command(name = "archivist", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
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

    /// Log files to follow, patterns like /var/log/*.log too; standard input without any
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Where what is kept lies: it outlives the program, also a SIGKILL
    #[arg(long, value_name = "DIR", default_value = "archive")]
    pub(crate) keep: PathBuf,

    /// Where incidents are written, a file each
    #[arg(long, value_name = "DIR", default_value = "incidents")]
    pub(crate) out: PathBuf,

    /// Also send incidents to this receiver of OTLP over HTTP, as log records: http://127.0.0.1:4318
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,

    /// MB that are kept at most, of all services
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) memory: u64,

    /// MB that are written in a day at most
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub(crate) per_day: u64,

    /// Seconds before a trigger that are written
    #[arg(long, value_name = "N", default_value_t = 90)]
    pub(crate) before: u64,

    /// Seconds after it
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(crate) after: u64,

    /// Seconds for which a service is watched before news of it counts
    #[arg(long, value_name = "N", default_value_t = 120)]
    pub(crate) learning: u64,

    /// Who lines on standard input are of
    #[arg(long, value_name = "NAME", default_value = "stdin")]
    pub(crate) service: String,

    /// Keep lines as they are; for logs that something else has redacted
    #[arg(long)]
    pub(crate) plain: bool,
}

/// Everything besides watching.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replay recorded logs of a system with faults: which are found, how soon, and how often there is an alarm without one
    Replay {
        /// The directory of the recordings, or a file of lines as there: what triggers in it; by default what GADGET_DATA names
        data: Option<PathBuf>,
    },
    #[command(flatten)]
    Common(gadget_example_common::Command),
}
