//! What can be asked of the program.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use gadget_curator::Entity;
use gadget_example_common::EXIT_CODES;

/// Redacts personal data and secrets in the lines of standard input, or of files that it follows, and says who leaks what.
///
/// Redacted lines go to standard output, everything else to standard error. What the slow path finds and no rule does is learned: a new
/// rule is tried first, and adopted as the policy permits.
#[derive(Debug, Parser)]
#[command(name = "curator", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Everything besides redacting.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Read or change the file of learned rules, while no curator uses it
    #[command(subcommand)]
    Rules(Rules),
    #[command(flatten)]
    Common(gadget_example_common::Command),
}

/// What to do with learned rules.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Rules {
    /// Print every rule with how it did
    Show {
        /// The file given to the program as --rules
        file: PathBuf,
    },
    /// Take a rule out of use
    Retire {
        /// The file given to the program as --rules
        file: PathBuf,
        /// The rule's number
        rule: u32,
    },
}

/// Redacting, the default.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Follow these files, or those that a pattern means, instead of reading standard input; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub(crate) files: Vec<PathBuf>,

    /// Remember in this file how far the followed files were read
    #[arg(long, value_name = "FILE", requires = "files")]
    pub(crate) checkpoint: Option<PathBuf>,

    /// Whose lines those of standard input are
    #[arg(long, value_name = "NAME", default_value = "stdin")]
    pub(crate) service: String,

    /// Keep learned rules in this file; without, they end with the program
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,

    /// What may be done with learned rules; without, they are adopted and retired by themselves
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,

    /// Directory that keeps everything that was decided and done about rules; in memory without
    #[arg(long, value_name = "DIR")]
    pub(crate) ledger: Option<PathBuf>,

    /// Put a hash of each value under the key in this file in its place, so that equal values can be joined
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// The kinds of value that built-in rules look for; all without. The slow path looks for every kind
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', value_parser = entity)]
    pub(crate) entities: Vec<Entity>,

    /// Lines of a hundred that may go to the slow path, and so be learned from
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    pub(crate) slow_path_budget: f64,

    /// Write the report into this file instead of to standard error
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Report so often, besides at the end and on SIGUSR1; in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) report_every: Option<Duration>,

    /// Report and say everything as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Say nothing but the report
    #[arg(long)]
    pub(crate) quiet: bool,
}

fn entity(text: &str) -> Result<Entity, String> {
    Entity::ALL.iter().copied().find(|entity| entity.name() == text).ok_or_else(|| {
        let names: Vec<&str> = Entity::ALL.iter().map(|entity| entity.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a whole number of seconds".to_owned()),
    }
}
