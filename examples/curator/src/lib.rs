//! The Curator as a program: lines in, redacted lines out, and beside it an agent that adopts what is learned.

mod cli;
mod control;
mod redact;
mod say;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser as _;
use gadget_core::RuleState;
use gadget_curator::learn::RuleBook;

use cli::{Cli, Command, Rules};

const NAME: &str = "curator";

/// Does what the arguments ask for.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { command, asked } = Cli::parse();
    let common = match command {
        Some(Command::Common(command)) => Some(command),
        Some(Command::Rules(rules)) => {
            return gadget_example_common::run(NAME, None, || perform(&rules));
        }
        None => None,
    };
    gadget_example_common::run(NAME, common, || redact::run(&asked))
}

fn perform(rules: &Rules) -> anyhow::Result<()> {
    match rules {
        Rules::Show { file } => print!("{}", say::rules(load(file)?.rules())),
        Rules::Retire { file, rule } => {
            let mut book = load(file)?;
            if !book.set(*rule, RuleState::Retired) {
                bail!("{} has no rule {rule}", file.display());
            }
            book.save(file)?;
        }
    }
    Ok(())
}

/// The rules in a file; what is none is said.
fn load(file: &Path) -> anyhow::Result<RuleBook> {
    let book = RuleBook::load(file).with_context(|| format!("cannot use {}", file.display()))?;
    for (rule, why) in book.dropped() {
        eprintln!("{NAME}: rule {rule} of {} is left out: {why}", file.display());
    }
    Ok(book)
}
