//! Where envelopes go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use gadget_core::Stop;
use gadget_envelope::Outbox;
use gadget_export::{Exposition, JsonLines};
use gadget_signals::ModuleHandle;

/// Whoever waits for envelopes looks up this often.
const LOOK_UP: Duration = Duration::from_secs(1);

type Lines = JsonLines<Box<dyn Write + Send>>;

/// A file for lines of JSON, or standard output for `-`.
pub(crate) fn lines(path: Option<&Path>) -> anyhow::Result<Option<Lines>> {
    let Some(path) = path else { return Ok(None) };
    let to: Box<dyn Write + Send> = match path.to_str() {
        Some("-") => Box::new(io::stdout()),
        _ => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
    };
    Ok(Some(JsonLines::new(to)))
}

/// Carries what comes into `outbox` to all of them, until `stop`.
pub(crate) fn carry(
    outbox: Outbox,
    exposition: Exposition,
    mut lines: Option<Lines>,
    module: ModuleHandle,
    stop: Stop,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("export".to_owned()).spawn(move || {
        let _here = module.enter();
        while !stop.is_stopped() {
            module.beat();
            let Some(envelope) = outbox.take(LOOK_UP) else { continue };
            exposition.absorb(&envelope);
            if let Some(to) = &mut lines
                && let Err(error) = to.write(&envelope)
            {
                eprintln!("{}: envelopes are written no more: {error}", crate::NAME);
                lines = None;
            }
        }
    })
}
