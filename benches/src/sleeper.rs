//! Processes by their identity.

use std::process::{Child, Command};

use anyhow::{Context as _, Result};
use gadget_core::ProcessId;
use gadget_signals::parse;

/// The identity of the process that has this id now.
///
/// # Errors
/// If there is none.
pub fn identity(pid: u32) -> Result<ProcessId> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(ProcessId { pid, start: parse::process_stat(&text, path.as_ref())?.start })
}

/// A process that does nothing; ends with the bench.
#[derive(Debug)]
pub struct Sleeper(Child);

impl Sleeper {
    /// Starts it.
    ///
    /// # Errors
    /// Without `sleep`.
    pub fn start() -> Result<Self> {
        Ok(Self(Command::new("sleep").arg("600").spawn().context("cannot start sleep")?))
    }

    /// Who it is.
    ///
    /// # Errors
    /// Once it has ended.
    pub fn id(&self) -> Result<ProcessId> {
        identity(self.0.id())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
