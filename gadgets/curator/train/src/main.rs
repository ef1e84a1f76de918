//! `train` writes the labeller's model.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use gadget_curator_train::{Draw, Generator, Training, held_out, read_scores, reliability, train};

/// The seed of the shipped model.
const SEED: u64 = 1;
/// Lines that it is trained on.
const LINES: usize = 120_000;

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("train") => write_model(),
        _ => bail!("usage: gadget-curator-train train"),
    }
}

/// A file of the Curator's crate.
fn curator(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn write_model() -> anyhow::Result<()> {
    let generator = Generator::default();
    let examples = held_out(&generator, SEED, LINES / 2);
    let mut trained = train(&generator, &Training { seed: SEED, lines: LINES, draw: Draw::All });
    trained.origin.labels = read_scores(&examples);
    println!(
        "Brier score on held-out families {:.4}",
        reliability(&examples, &trained.origin.labels).brier
    );
    let path = curator("src/label/model.bin");
    std::fs::write(&path, trained.to_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}: {:?}", path.display(), trained.origin);
    Ok(())
}
