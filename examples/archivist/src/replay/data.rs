//! The recorded streams: lines with their time and service, and what is known of the faults in them.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::Context as _;
use flate2::read::GzDecoder;
use serde::Deserialize;

/// One line of a stream.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) t_ns: u64,
    pub(crate) service: String,
    pub(crate) line: String,
}

/// What the index says of a stream.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The service with the fault; none where there is no fault.
    pub(crate) service: Option<String>,
    pub(crate) inject_ns: Option<u64>,
    #[serde(default)]
    pub(crate) new_template_lines_of_service_ns: Vec<u64>,
}

/// A stream with what is known of it.
pub(crate) struct Stream {
    pub(crate) entry: Entry,
    pub(crate) lines: Vec<Line>,
}

/// Every stream of `data/log_replay`.
pub(crate) fn load(data: &Path) -> anyhow::Result<Vec<Stream>> {
    let folder = data.join("log_replay");
    let index = folder.join("index.json");
    let text = std::fs::read(&index).with_context(|| format!("cannot read {}", index.display()))?;
    let entries: Vec<Entry> = serde_json::from_slice(&text)
        .with_context(|| format!("cannot understand {}", index.display()))?;
    entries
        .into_iter()
        .map(|entry| {
            let path = folder.join(format!("{}.jsonl.gz", entry.name));
            let file =
                File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let lines = BufReader::new(GzDecoder::new(file))
                .lines()
                .map(|line| Ok(serde_json::from_str(&line?)?))
                .collect::<anyhow::Result<_>>()
                .with_context(|| format!("cannot understand {}", path.display()))?;
            Ok(Stream { entry, lines })
        })
        .collect()
}
