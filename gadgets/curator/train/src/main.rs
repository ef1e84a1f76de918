//! `train` writes the labeller's model, `quality` measures what is hidden, `predict` writes what is found in the shared corpus, or in
//! another file of its kind, for another scorer.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use gadget_curator_train::{
    Draw, Generator, Report, Training, held_out, predictions, read_scores, reliability, train,
};

/// The seed of the shipped model.
const SEED: u64 = 1;
/// Lines that it is trained on.
const LINES: usize = 200_000;
/// Lines of each model that leaves families out.
const HELD_OUT_LINES: usize = 40_000;

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("train") => write_model(),
        Some("quality") => quality(std::env::args().nth(2).as_deref() == Some("--write")),
        Some("predict") => {
            let file = std::env::args_os().nth(2).map(PathBuf::from);
            let Some(predictions) = predictions(file.as_deref())? else {
                bail!("no such file, or GADGET_DATA names no folder with the shared corpus")
            };
            print!("{predictions}");
            Ok(())
        }
        _ => bail!("usage: gadget-curator-train train|quality [--write]|predict [FILE]"),
    }
}

/// A file of the Curator's crate.
fn curator(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn write_model() -> anyhow::Result<()> {
    let generator = Generator::default();
    let examples = held_out(&generator, SEED, HELD_OUT_LINES);
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

fn quality(write: bool) -> anyhow::Result<()> {
    let report = Report::measure(SEED, HELD_OUT_LINES)?.to_string();
    println!("{report}");
    if write {
        let path = curator("QUALITY.md");
        std::fs::write(&path, report)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
