//! Recordings through the gadget, and how near it comes to the exact answer.

mod exact;
mod replay;
mod report;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use gadget_export::JsonLines;
use gadget_surveyor::settings::Settings;

/// What a settings file says; the defaults without one.
pub(crate) fn settings(path: Option<&Path>) -> anyhow::Result<Settings> {
    let Some(path) = path else { return Ok(Settings::default()) };
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Settings::default()
        .patch_beside(&text, &["export"])
        .with_context(|| format!("cannot use {}", path.display()))
}

/// Prints the envelopes of a recording as JSON, a line each.
pub(crate) fn replay(path: &Path, chosen: Option<&Path>) -> anyhow::Result<()> {
    let settings = settings(chosen)?;
    let replayed = replay::replay(path, &settings, settings.telemetry)?;
    let mut lines = JsonLines::new(io::BufWriter::new(io::stdout().lock()));
    for envelope in &replayed.envelopes {
        match lines.write(envelope) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            other => other?,
        }
    }
    Ok(())
}

/// Prints the report of recordings.
pub(crate) fn report(paths: &[PathBuf], chosen: Option<&Path>) -> anyhow::Result<()> {
    let settings = settings(chosen)?;
    let mut all = Vec::new();
    for path in paths {
        for recording in report::recordings(path)? {
            all.push(report::judge(&recording, &settings)?);
        }
    }
    print!("{}", report::table(&all));
    let misses: Vec<_> = all.iter().flat_map(report::Numbers::misses).collect();
    if misses.is_empty() {
        println!("\nAll of it is as near as is asked for.");
        return Ok(());
    }
    bail!("not as near as is asked for:\n  {}", misses.join("\n  "))
}
