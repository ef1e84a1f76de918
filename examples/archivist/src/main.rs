//! The Archivist as a program: follows logs, keeps the last minutes compressed and redacted, and writes what led to an incident.

mod cli;
mod keep;
mod plane;
mod readings;
mod redact;
mod replay;
mod watch;
mod write;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

const NAME: &str = "archivist";

fn main() -> ExitCode {
    let Cli { command, asked } = Cli::parse();
    let common = match command {
        Some(Command::Common(command)) => Some(command),
        Some(Command::Replay { data }) => {
            return gadget_example_common::run(NAME, None, || replayed(data));
        }
        None => None,
    };
    gadget_example_common::run(NAME, common, || watch::watch(&asked))
}

fn replayed(data: Option<PathBuf>) -> anyhow::Result<()> {
    let data = data.or_else(|| std::env::var_os("GADGET_DATA").map(PathBuf::from));
    let data = data.unwrap_or_else(|| PathBuf::from("../shared/data"));
    let report = if data.is_file() { replay::recording(&data) } else { replay::report(&data) }?;
    match io::stdout().write_all(report.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
