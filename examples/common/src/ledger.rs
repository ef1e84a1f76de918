//! Reading a ledger, and answering what awaits approval.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context;
use gadget_core::{ApprovalInbox, Ledger, LedgerError, PlanId};

use crate::cli::{Answer, LedgerCommand};
use crate::watch::APPROVALS;

/// What `ledger verify` exits with when a record was changed or is missing.
const CHANGED: u8 = 3;

pub(crate) fn read(name: &str, command: &LedgerCommand) -> anyhow::Result<ExitCode> {
    match command {
        LedgerCommand::Show { dir, json } => {
            let mut out = io::stdout().lock();
            for record in Ledger::read(dir) {
                let record = record?;
                let written = if *json {
                    serde_json::to_writer(&mut out, &record)
                        .map_err(io::Error::from)
                        .and_then(|()| writeln!(out))
                } else {
                    writeln!(out, "{record}")
                };
                if let Err(error) = written {
                    return end_of_output(error);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        LedgerCommand::Verify { dir } => match Ledger::verify(dir) {
            Ok(verified) => print(&format!(
                "{} records, {} to {}, from {} to {}, in {} files of {}: whole\n",
                verified.records(),
                verified.first,
                verified.last,
                verified.from,
                verified.to,
                verified.segments,
                gadget_core::Bytes::new(verified.bytes)
            )),
            Err(error @ LedgerError::Io { .. }) => Err(error.into()),
            Err(error) => {
                eprintln!("{name}: {:#}", anyhow::Error::from(error));
                Ok(ExitCode::from(CHANGED))
            }
        },
    }
}

pub(crate) fn answer(answer: &Answer, yes: bool) -> anyhow::Result<ExitCode> {
    ApprovalInbox::answer(answer.ledger.join(APPROVALS), PlanId(answer.plan), yes)
        .context("cannot leave the answer")?;
    let word = if yes { "approved" } else { "declined" };
    print(&format!(
        "plan #{} is {word}; the running program takes it up within a second\n",
        answer.plan
    ))
}

pub(crate) fn print(text: &str) -> anyhow::Result<ExitCode> {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => end_of_output(error),
    }
}

/// A reader that has seen enough, as `head` does, is no error.
fn end_of_output(error: io::Error) -> anyhow::Result<ExitCode> {
    if error.kind() == ErrorKind::BrokenPipe { Ok(ExitCode::SUCCESS) } else { Err(error.into()) }
}
