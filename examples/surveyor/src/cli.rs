//! What can be asked of the program.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gadget_core::TelemetryLevel;
use gadget_example_common::{EXIT_CODES, Watch};

/// Counts every process of this host; sends those that matter in full, all others in exact sums, and distributions as sketches.
///
/// It changes nothing but what it sends itself: less where its own limits are passed, by a policy that permits just that.
#[derive(Debug, Parser)]
#[command(name = "surveyor", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
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

    /// Settings (the `settings` command prints every one with its default); watched, and in force within a second of a change
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,

    /// How much is sent, in place of what the settings say
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,

    /// A Unix socket that takes settings while it runs (`surveyor set`)
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control: Option<PathBuf>,

    /// Where Prometheus may scrape
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9589")]
    pub(crate) listen: SocketAddr,

    /// Write every envelope as a line of JSON into this file; - for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) envelopes: Option<PathBuf>,

    /// A signed plug-in that truncates or redacts what is sent; repeatable
    #[cfg(feature = "plugins")]
    #[arg(long, value_name = "FILE", requires = "plugin_keys")]
    pub(crate) plugin: Vec<PathBuf>,

    /// The public keys whose plug-ins are run
    #[cfg(feature = "plugins")]
    #[arg(long, value_name = "FILE")]
    pub(crate) plugin_keys: Option<PathBuf>,

    /// How processes are read; the cheapest way that this kernel offers if not named
    #[arg(long, value_enum)]
    pub(crate) source: Option<Source>,
}

/// How much is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The processes that matter in full, all others in sums, and sketches
    Smart,
    /// The same without sketches
    Sums,
    /// Every process in full, once a window
    Bypass,
    /// Every process, each scan
    Raw,
    /// The host's totals alone
    Heartbeat,
}

impl From<Mode> for TelemetryLevel {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Smart => Self::Sketches,
            Mode::Sums => Self::Smart,
            Mode::Bypass => Self::Bypass,
            Mode::Raw => Self::Raw,
            Mode::Heartbeat => Self::Heartbeat,
        }
    }
}

/// How processes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// A BPF program walks the kernel's list
    BpfWalk,
    /// A BPF iterator
    BpfIterator,
    /// Files that are kept open
    KeptFiles,
    /// Files, opened each time
    Files,
}

impl From<Source> for gadget_core::CensusSource {
    fn from(source: Source) -> Self {
        match source {
            Source::BpfWalk => Self::BpfWalk,
            Source::BpfIterator => Self::BpfIterator,
            Source::KeptFiles => Self::KeptFiles,
            Source::Files => Self::Files,
        }
    }
}

/// Everything besides watching.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print settings with every key, its meaning and its default
    Settings {
        /// As a table, in Markdown
        #[arg(long)]
        table: bool,
    },
    /// Give a running program settings, whole or in part
    Set {
        /// The socket it was given as --control
        socket: PathBuf,
        /// As they stand in a file: 'top.most = 50'
        settings: Vec<String>,
    },
    /// Print what a running program has in force
    Show {
        /// The socket it was given as --control
        socket: PathBuf,
    },
    /// Record this host: every process once a second, every end of one, pressure and cgroups
    Record {
        /// Where to
        file: PathBuf,
        /// For how long
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        seconds: u64,
    },
    /// Put a recording through the gadget and print the envelopes, a line of JSON each
    Replay {
        /// The recording
        file: PathBuf,
        /// Settings
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
    },
    /// Compare what would have been sent of recordings with the exact answer; fails if it is not as near as is asked for
    Report {
        /// Recordings, or a folder of them
        #[arg(required = true)]
        recordings: Vec<PathBuf>,
        /// Settings
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
    },
    #[command(flatten)]
    Common(gadget_example_common::Command),
}
