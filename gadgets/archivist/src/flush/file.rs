//! An incident as a file of lines of JSON.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gadget_core::{Bytes, FlushRequest, Timestamp, sync_folder};
use serde_json::json;
use zstd::stream::write::Encoder;

use super::json::{self, Times};
use super::{Sink, Summary};
use crate::ring::Entry;

/// So much is written at once.
const PART: usize = 1 << 20;

/// Zstandard's level: 2.7 GB of JSON become 0.2 GB, and take no more CPU time than to be written as they are (4.4 s against 4.4 to 5.2 s).
const LEVEL: i32 = 1;

/// An incident of so much text is compressed.
const LARGE: Bytes = Bytes::new(100_000_000);

/// Writes each incident to a file of its own in a folder, `incident-TIME-PLAN.jsonl`: what it is in the first line, then a line for each
/// line. A large one is compressed with Zstandard, and its name ends in `.jsonl.zst`: `zstdcat` and `zstdgrep` read it. A file has
/// its name once all of it is on storage; one that is not complete ends in `.part`.
pub struct FileSink {
    folder: PathBuf,
    large: Bytes,
    file: Option<(To, PathBuf)>,
    out: Vec<u8>,
    times: Times,
    written: u64,
    last: Option<PathBuf>,
}

impl std::fmt::Debug for FileSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSink")
            .field("folder", &self.folder)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl FileSink {
    /// Into `folder`, which is there.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let (times, out) = (Times::default(), Vec::new());
        let folder = folder.into();
        Self { folder, large: LARGE, file: None, out, times, written: 0, last: None }
    }

    /// From how much text on a file is compressed. Default 100 MB; zero compresses all of them, `u64::MAX` none.
    #[must_use]
    pub const fn compress_from(mut self, text: Bytes) -> Self {
        self.large = text;
        self
    }

    /// The file of the last incident that was written as a whole.
    #[must_use]
    pub fn last(&self) -> Option<&Path> {
        self.last.as_deref()
    }

    /// Bytes of JSON in all files, before they were compressed.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    fn put(&mut self, least: usize) -> io::Result<()> {
        if self.out.len() > least {
            let (to, _) = self.file.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            to.put(&self.out)?;
            self.written += self.out.len() as u64;
            self.out.clear();
        }
        Ok(())
    }
}

/// A file that is being written.
enum To {
    Plain(File),
    Packed(Encoder<'static, File>),
}

impl To {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Packed(encoder) => encoder.write_all(bytes),
        }
    }

    fn end(self) -> io::Result<File> {
        match self {
            Self::Plain(file) => Ok(file),
            Self::Packed(encoder) => encoder.finish(),
        }
    }
}

impl Sink for FileSink {
    fn begin(&mut self, summary: &Summary) -> io::Result<()> {
        let request = &summary.request;
        let large = summary.bytes >= self.large.get();
        let path = self.folder.join(name(request, if large { "jsonl.zst" } else { "jsonl" }));
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(part(&path))?;
        let to = if large { To::Packed(Encoder::new(file, LEVEL)?) } else { To::Plain(file) };
        (self.file, self.times) = (Some((to, path)), Times::default());
        self.out.clear();
        let news = summary.news.iter().map(|news| {
            json!({
                "service": news.service, "template": news.template, "lines": news.lines,
                "novelty": (news.novelty * 100.0).round() / 100.0,
            })
        });
        let head = json!({
            "incident": request.plan.0, "about": request.about, "reason": request.reason,
            "from": request.from.to_string(), "until": request.until.to_string(),
            "lines": summary.lines, "bytes": summary.bytes, "services": summary.services,
            "news": news.collect::<Vec<_>>(),
        });
        serde_json::to_writer(&mut self.out, &head)?;
        self.out.push(b'\n');
        Ok(())
    }

    fn line(&mut self, entry: &Entry<'_>, novelty: Option<f64>) -> io::Result<()> {
        json::line(&mut self.out, entry, novelty, &mut self.times);
        self.put(PART)
    }

    fn end(&mut self) -> io::Result<()> {
        self.put(0)?;
        let (to, path) = self.file.take().ok_or(io::ErrorKind::NotConnected)?;
        self.out = Vec::new();
        to.end()?.sync_all()?;
        fs::rename(part(&path), &path)?;
        sync_folder(&path)?;
        self.last = Some(path);
        Ok(())
    }
}

/// The name of an incident's file.
pub(super) fn name(request: &FlushRequest, ending: &str) -> String {
    format!("incident-{}-{}.{ending}", stamp(request.until), request.plan.0)
}

/// The name of a file until all of it is on storage.
pub(super) fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// A time as a part of a file's name: `20261127T035925Z`.
fn stamp(at: Timestamp) -> String {
    let text = Timestamp::from_secs(at.as_nanos() / 1_000_000_000).to_string();
    text.replace(['-', ':'], "").replace(".000", "")
}
