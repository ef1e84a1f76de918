//! The Oracle as a program: watches this host, forecasts, and acts when told to.

mod cli;
mod ledger;
mod programs;
mod say;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => watch::watch(&cli.watch).map(|()| ExitCode::SUCCESS),
        Some(Command::Policy) => ledger::print(gadget_core::REFERENCE_POLICY),
        Some(Command::Ledger(command)) => ledger::read(&command),
        Some(Command::Approve(answer)) => ledger::answer(&answer, true),
        Some(Command::Decline(answer)) => ledger::answer(&answer, false),
    };
    result.unwrap_or_else(|error| {
        eprintln!("oracle: {error:#}");
        ExitCode::from(1)
    })
}
