//! The Surveyor as a program: counts every process of this host, and sends those that matter in full and the rest in sums and
//! sketches.

mod cli;
mod out;
mod survey;
mod watch;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use gadget_signals::SettingsWatch;
use gadget_surveyor::settings;

use cli::{Cli, Command};

const NAME: &str = "surveyor";

fn main() -> ExitCode {
    let Cli { command, asked } = Cli::parse();
    let common = match command {
        Some(Command::Common(command)) => Some(command),
        Some(command) => return gadget_example_common::run(NAME, None, || perform(command)),
        None => None,
    };
    gadget_example_common::run(NAME, common, || watch::watch(&asked))
}

fn perform(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Settings { table } => {
            print(&if table { settings::docs() } else { settings::default_file() })
        }
        Command::Set { socket, settings } => ask(&socket, "set", &settings.join("\n")),
        Command::Show { socket } => ask(&socket, "show", ""),
        Command::Record { file, seconds } => watch::record(&file, seconds),
        Command::Replay { file, settings } => survey::replay(&file, settings.as_deref()),
        Command::Report { recordings, settings } => {
            survey::report(&recordings, settings.as_deref())
        }
        Command::Common(_) => Ok(()),
    }
}

fn ask(socket: &Path, command: &str, text: &str) -> anyhow::Result<()> {
    let answer = SettingsWatch::ask(socket, command, text)
        .with_context(|| format!("cannot reach a surveyor at {}", socket.display()))?;
    match answer {
        Ok(text) => print(&text),
        Err(wrong) => bail!("refused, nothing was changed: {wrong}"),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
