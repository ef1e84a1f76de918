//! Set-up, tests, demo, lab, benches and gates of this workspace.
//!
//! Building this needs what building any Rust program needs: a toolchain and a C linker (`gcc`). Everything beyond
//! that is found, and installed where it may be, by the command that needs it.

mod bench;
mod bpf;
mod ci;
mod clinic;
mod embed;
mod gates;
mod guest_test;
mod kernels;
mod lab;
mod needs;
mod new_gadget;
mod proto;
mod quality;
mod readme;
mod run;
mod survey;
mod testing;
mod tools;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::needs::Purpose;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, disable_help_subcommand = true)]
struct Cli {
    /// Install nothing: print the line that would, and stop when something is missing.
    #[arg(long, global = true)]
    no_install: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find what is missing for a purpose, and install it with apt-get where that is allowed.
    Setup {
        /// What to get ready for.
        #[arg(default_value = "build")]
        purposes: Vec<Purpose>,
    },
    /// Run every test: unit, integration, documentation, and the README embedded in a crate outside the workspace.
    Test,
    /// Run the tests that touch a host in a QEMU guest, where only cgroup v2 exists.
    GuestTest(guest_test::Options),
    /// Run every gate; all of them run even when one fails.
    Ci(ci::Options),
    /// Build the demo and run it.
    Demo(Rest),
    /// Stage memory incidents, on this host or in a virtual machine.
    Lab(lab::Options),
    /// Run programs whose condition is known beside the Pathologist, and judge what it says of them.
    Clinic(Rest),
    /// Run the benches and print each number beside its budget.
    Bench(bench::Options),
    /// Compile the BPF programs and write their skeletons, which are checked in.
    Bpf(bpf::Options),
    /// Write the messages that the Surveyor sends from their `.proto` files; they are checked in.
    Proto(proto::Options),
    /// Say what each of the kernel's providers uses on this host and in QEMU guests, and run their tests there.
    Kernels(kernels::Options),
    /// Record this host under real loads, put recordings through the Surveyor, and report how near it comes.
    Survey(survey::Options),
    /// Measure on labelled data what the Curator hides and what triggers the Archivist, and print the tables.
    Quality(quality::Options),
    /// Make a gadget that compiles, tests and runs in an example of the same name.
    NewGadget {
        /// Lower-case letters, digits and dashes: `surveyor`.
        name: String,
    },
}

#[derive(Args)]
struct Rest {
    /// Handed on as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn main() -> ExitCode {
    match perform(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(cli: Cli) -> Result<()> {
    let install = !cli.no_install;
    if let Task::Setup { purposes } = &cli.task {
        // Before the workspace is read: that takes a cargo which may itself lack something.
        return needs::setup(purposes, install);
    }
    needs::setup(&[Purpose::Build], install)?;
    let workspace = Workspace::load()?;
    match cli.task {
        Task::Setup { .. } => Ok(()),
        Task::Test => testing::run(&workspace, install),
        Task::GuestTest(options) => guest_test::run(&workspace, &options, install),
        Task::Ci(options) => ci::run(&workspace, &options, install),
        Task::Demo(rest) => lab::demo(&workspace, &rest.args),
        Task::Lab(options) => lab::run(&workspace, &options, install),
        Task::Bpf(options) => bpf::run(&workspace, &options, install),
        Task::Proto(options) => proto::run(&workspace, &options),
        Task::Clinic(rest) => clinic::run(&workspace, &rest.args, install),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Kernels(options) => kernels::run(&workspace, &options, install),
        Task::Survey(options) => survey::run(&workspace, &options, install),
        Task::Quality(options) => quality::run(&workspace, &options),
        Task::NewGadget { name } => new_gadget::run(&workspace, &name),
    }
}
