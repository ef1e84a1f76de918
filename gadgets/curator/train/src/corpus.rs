//! Lines with labels in formats that the generator does not have: the shared corpus, and formats of others. Nothing is trained on them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::read::GzDecoder;
use serde::Deserialize;

/// A labelled line.
#[derive(Clone, Debug, Deserialize)]
pub struct Labelled {
    /// Its number in its file.
    pub id: u64,
    /// The line.
    pub text: String,
    /// Values.
    pub spans: Vec<Place>,
    /// Places where finding something neither counts nor does not.
    pub ignore: Vec<Place>,
    /// The system whose line it is.
    pub src: String,
    /// `pii`, `hardneg` or `plain`.
    pub kind: String,
}

/// Bytes of a line.
#[derive(Clone, Debug, Deserialize)]
pub struct Place {
    start: usize,
    end: usize,
    #[serde(default, rename = "type")]
    kind: String,
}

impl Place {
    /// What the corpus calls it.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The bytes.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Where the data are: `GADGET_DATA`, or beside the workspace.
#[must_use]
pub fn data() -> PathBuf {
    std::env::var_os("GADGET_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from)
}

/// A file of labelled lines; `None` where it is not there.
///
/// # Errors
/// If it is there and cannot be read.
pub fn read(file: &Path) -> anyhow::Result<Option<Vec<Labelled>>> {
    if !file.exists() {
        return Ok(None);
    }
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    Ok(Some(lines.with_context(|| format!("{} is not as it should be", file.display()))?))
}

/// Lines in the formats of others, which are part of this crate: see `formats/README.md`.
///
/// # Errors
/// If they are damaged.
pub fn formats() -> anyhow::Result<Vec<Labelled>> {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../formats/lines.jsonl.gz")[..]).read_to_string(&mut text)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// The family of each line with values: what stands before the first value, between values, and their types. Families of fewer
/// than `least` lines are joined by their types.
#[must_use]
pub fn families(lines: &[Labelled], least: usize) -> Vec<String> {
    let keys: Vec<String> = lines.iter().map(key).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for key in &keys {
        *counts.entry(key).or_default() += 1;
    }
    let name = |(key, line): (&String, &Labelled)| {
        if counts[key.as_str()] >= least {
            key.clone()
        } else {
            let types: Vec<String> =
                line.spans.iter().map(|span| format!("<{}>", span.kind)).collect();
            format!("other {}", types.join(" "))
        }
    };
    keys.iter().zip(lines).map(name).collect()
}

/// The two words before the first value, and all from there to the last value, with the values masked.
fn key(line: &Labelled) -> String {
    let Some(first) = line.spans.first() else { return line.kind.clone() };
    let before = line.text[..first.start].replace("\\\"", "\"");
    let words: Vec<&str> = before.split(' ').filter(|word| !word.is_empty()).collect();
    let mut key = words[words.len().saturating_sub(2)..].join(" ");
    if !before.ends_with(['=', '"', '\'']) {
        key.push(' ');
    }
    let mut at = first.start;
    for span in &line.spans {
        key.push_str(&line.text[at..span.start].replace("\\\"", "\""));
        key.push_str(&format!("<{}>", span.kind));
        at = span.end;
    }
    key.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}
