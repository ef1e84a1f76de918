//! The Oracle as a program: watches this host, forecasts, and acts when told to.

mod cli;
mod say;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use cli::{Asked, Cli};
use gadget_example_common::Program;
use gadget_oracle::Oracle;
use gadget_signals::HostProviders;

const NAME: &str = "oracle";

fn main() -> ExitCode {
    let Cli { command, asked } = Cli::parse();
    gadget_example_common::run(NAME, command, || watch(&asked))
}

fn watch(asked: &Asked) -> anyhow::Result<()> {
    let program = Program {
        name: NAME,
        gadget: Oracle::builder().build()?,
        tongue: say::Forecasts::default(),
        policy: None,
    };
    let providers = || {
        let subtrees: Vec<&str> = asked.cgroup.iter().map(String::as_str).collect();
        HostProviders::for_memory(&subtrees).context("cannot read this host")
    };
    program.run(&asked.watch, providers, |backend| backend)
}
