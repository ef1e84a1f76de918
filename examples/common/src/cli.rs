//! What can be asked of a watching program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::ledger;

/// What a program exits with, for its help.
pub const EXIT_CODES: &str = "\
Exit codes: 0 it ended as asked; 1 it could not do what was asked, the reason is on standard error;
2 the arguments are wrong; 3 `ledger verify` found the ledger changed.";

/// Watching, the default.
#[derive(Args, Clone, Debug, Default)]
pub struct Watch {
    /// Act where the policy permits it; needs --policy and --ledger
    #[arg(long, requires = "policy", requires = "ledger", conflicts_with = "replay")]
    pub act: bool,

    /// What may be done (the `policy` command prints a documented one)
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Programs that may be run: restarts, garbage collectors, hooks (TOML; see the README)
    #[arg(long, value_name = "FILE", requires = "act")]
    pub programs: Option<PathBuf>,

    /// Directory that keeps everything that was seen, decided and done; in memory without
    #[arg(long, value_name = "DIR")]
    pub ledger: Option<PathBuf>,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,

    /// Record what was seen into this file
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Read a recording instead of this host, and print what would have been done
    #[arg(long, value_name = "FILE", conflicts_with_all = ["record", "seconds"])]
    pub replay: Option<PathBuf>,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
}

/// Everything besides watching.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
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
#[derive(Args, Clone, Debug)]
pub struct Answer {
    /// The number of the plan, as it was printed
    pub plan: u64,
    /// The directory given to the running program as --ledger
    #[arg(long, value_name = "DIR")]
    pub ledger: PathBuf,
}

/// What to do with a ledger.
#[derive(Clone, Debug, Subcommand)]
pub enum LedgerCommand {
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

/// Does what was asked of the program called `name`: a command, or else to `watch`. An error is printed.
pub fn run(
    name: &str,
    command: Option<Command>,
    watch: impl FnOnce() -> anyhow::Result<()>,
) -> ExitCode {
    let result = match command {
        None => watch().map(|()| ExitCode::SUCCESS),
        Some(Command::Policy) => ledger::print(gadget_core::REFERENCE_POLICY),
        Some(Command::Ledger(command)) => ledger::read(name, &command),
        Some(Command::Approve(answer)) => ledger::answer(&answer, true),
        Some(Command::Decline(answer)) => ledger::answer(&answer, false),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{name}: {error:#}");
        ExitCode::from(1)
    })
}
