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
            let lines = lines(&folder.join(format!("{}.jsonl.gz", entry.name)))?;
            Ok(Stream { entry, lines })
        })
        .collect()
}

/// The lines of one stream: a file of JSON lines, compressed by gzip.
pub(crate) fn lines(path: &Path) -> anyhow::Result<Vec<Line>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    BufReader::new(GzDecoder::new(file))
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<anyhow::Result<_>>()
        .with_context(|| format!("cannot understand {}", path.display()))
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As they were recorded: time, severity, logger, ids of the trace and of the span, message.
    Recorded,
    /// An object of JSON with the same parts.
    Json,
    /// As a program writes to syslog: no severity, no ids.
    Syslog,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Recorded, Self::Json, Self::Syslog];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recorded => "as recorded",
            Self::Json => "JSON",
            Self::Syslog => "syslog, without severity",
        }
    }

    /// The line in this format; one that has not the usual parts stays as it is.
    fn write(self, line: &Line) -> String {
        let mut parts = line.line.split_ascii_whitespace();
        let mut next = || parts.next().unwrap_or_default();
        let (time, severity, logger) = (next(), next(), next());
        let (trace, span) = ((next(), next()).1, (next(), next()).1);
        let message = line.line.split_once(span).map_or("", |(_, message)| message.trim_start());
        match self {
            Self::Json if !span.is_empty() => serde_json::json!({
                "time": format!("2023-01-29T{time}Z"),
                "level": severity,
                "logger": logger,
                "trace_id": trace,
                "span_id": span,
                "message": message,
            })
            .to_string(),
            Self::Syslog if !span.is_empty() => {
                let (service, time) = (&line.service, time.get(..8).unwrap_or(time));
                format!("Jan 29 {time} host-3 {service}[812]: {logger}: {message}")
            }
            _ => line.line.clone(),
        }
    }

    /// The streams with all lines in this format.
    pub(crate) fn of(self, streams: &[Stream]) -> Vec<Stream> {
        let written = |line: &Line| Line { line: self.write(line), ..line.clone() };
        let all = |stream: &Stream| Stream {
            entry: stream.entry.clone(),
            lines: stream.lines.iter().map(written).collect(),
        };
        streams.iter().map(all).collect()
    }
}
