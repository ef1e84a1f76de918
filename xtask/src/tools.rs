//! cargo's companions: wheels in an environment of our own, or from source when there is no python3.

use std::process::Command;

use anyhow::Result;

use crate::needs::Purpose;
use crate::run;
use crate::workspace::{program_exists, tools};

/// A cargo subcommand that a purpose needs. Versions are pinned, so that a gate says the same tomorrow.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) purpose: Purpose,
}

const TOOLS: &[Tool] = &[
    Tool { name: "cargo-deny", version: "0.20.2", purpose: Purpose::Gates },
    Tool { name: "cargo-shear", version: "1.14.0", purpose: Purpose::Gates },
    Tool { name: "cargo-fuzz", version: "0.13.2", purpose: Purpose::Fuzz },
];

/// The tools that these purposes need and this machine lacks.
pub(crate) fn missing(purposes: &[Purpose]) -> Vec<&'static Tool> {
    let wanted = |tool: &&Tool| purposes.contains(&tool.purpose) && !program_exists(tool.name);
    TOOLS.iter().filter(wanted).collect()
}

/// Installs them under `target/tools`.
pub(crate) fn install(tools: &[&Tool]) -> Result<()> {
    if tools.is_empty() {
        return Ok(());
    }
    if let Err(error) = from_wheels(tools) {
        eprintln!("xtask: no wheels ({error:#}); building from source, which takes minutes");
        return from_source(tools);
    }
    Ok(())
}

/// The wheels of the `astral-dev-toolchain-` family hold the unchanged programs.
fn from_wheels(wanted: &[&Tool]) -> Result<()> {
    run::run(Command::new("python3").args(["-m", "venv"]).arg(tools()))?;
    let named = |tool: &&Tool| format!("astral-dev-toolchain-{}=={}", tool.name, tool.version);
    let mut pip = Command::new(tools().join("bin/python3"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run::run(pip.arg("--only-binary=:all:").args(wanted.iter().map(named)))
}

fn from_source(wanted: &[&Tool]) -> Result<()> {
    for Tool { name, version, .. } in wanted {
        let mut install = Command::new("cargo");
        install.args(["install", "--locked", name, "--version", version, "--root"]);
        run::run(install.arg(tools()))?;
    }
    Ok(())
}
