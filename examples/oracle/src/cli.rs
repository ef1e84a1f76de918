//! What can be asked of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Foresees out of memory on this host and in every cgroup with a limit, and acts on it when told to.
///
/// Without --act it only observes and prints what it would do.
#[derive(Debug, Parser)]
#[command(name = "oracle", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) watch: Watch,
}

const EXIT_CODES: &str = "\
Exit codes: 0 it ended as asked; 1 it could not do what was asked, the reason is on standard error;
2 the arguments are wrong; 3 `ledger verify` found the ledger changed.";

/// Watching, the default.
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// Act where the policy permits it; needs --policy and --ledger
    #[arg(long, requires = "policy", requires = "ledger", conflicts_with = "replay")]
    pub(crate) act: bool,

    /// What may be done (`oracle policy` prints a documented one)
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,

    /// Programs that may be run: restarts, garbage collectors, hooks (TOML; see the README)
    #[arg(long, value_name = "FILE", requires = "act")]
    pub(crate) programs: Option<PathBuf>,

    /// Directory that keeps everything that was foreseen, decided and done; in memory without
    #[arg(long, value_name = "DIR")]
    pub(crate) ledger: Option<PathBuf>,

    /// Watch only this cgroup and what is below it, as a path below the hierarchy's root; repeatable
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Vec<String>,

    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,

    /// Record what was seen into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Read a recording instead of this host, and print what would have been done
    #[arg(long, value_name = "FILE", conflicts_with_all = ["record", "cgroup", "seconds"])]
    pub(crate) replay: Option<PathBuf>,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
}

/// Everything besides watching.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a policy with every key, its meaning and its default
    Policy,
    /// Read a ledger
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Say yes to a plan that awaits approval
    Approve(Answer),
    /// Say no to a plan that awaits approval
    Decline(Answer),
}

/// Which plan.
#[derive(Args, Debug)]
pub(crate) struct Answer {
    /// The number of the plan, as it was printed
    pub(crate) plan: u64,
    /// The directory given to the running program as --ledger
    #[arg(long, value_name = "DIR")]
    pub(crate) ledger: PathBuf,
}

/// What to do with a ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Print it, a record a line
    Show {
        /// The ledger's directory
        dir: PathBuf,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Check that no record was changed and none is missing
    Verify {
        /// The ledger's directory
        dir: PathBuf,
    },
}
