//! Reading a ledger back.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::frame::{Flaw, Hash, Head, link, parse_record, parse_start};
use super::store::Directory;
use super::{LedgerError, Record};

/// The lines of one segment, each checked against its CRC and the one before.
pub(super) struct Lines<R> {
    input: R,
    path: PathBuf,
    /// The hash before the next line; none after a flaw, so that the next line starts a chain anew.
    chain: Option<Hash>,
    /// What is wrong with the segment's first line.
    start: Option<Flaw>,
    /// Where the next line begins.
    offset: u64,
    line: Vec<u8>,
}

/// One line of a segment.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// Where it begins.
    pub(super) offset: u64,
    /// Where it ends.
    pub(super) end: u64,
    /// The record's hash and payload.
    pub(super) content: Result<(Hash, &'a [u8]), Flaw>,
}

impl Lines<BufReader<File>> {
    /// The segment of `directory` that begins with record `first`.
    pub(super) fn open(directory: &Directory, first: u64) -> Result<Self, LedgerError> {
        let path = directory.segment(first);
        Self::new(open(&path)?, path, first)
    }
}

fn open(path: &Path) -> Result<BufReader<File>, LedgerError> {
    match File::open(path) {
        Ok(file) => Ok(BufReader::with_capacity(1 << 16, file)),
        Err(source) => Err(LedgerError::io("open", path, source)),
    }
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, path: PathBuf, first: u64) -> Result<Self, LedgerError> {
        let mut lines = Self { input, path, chain: None, start: None, offset: 0, line: Vec::new() };
        lines.advance()?;
        match parse_start(&lines.line, first) {
            Ok(hash) => lines.chain = Some(hash),
            Err(flaw) => lines.start = Some(flaw),
        }
        Ok(lines)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The hash before the first record, or what is wrong with the line that states it.
    pub(super) fn start(&self) -> Result<Option<Hash>, Flaw> {
        self.start.map_or(Ok(self.chain), Err)
    }

    /// The next line, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, LedgerError> {
        let offset = self.offset;
        if self.advance()? == 0 {
            return Ok(None);
        }
        let mut content = parse_record(&self.line);
        if let (Ok((hash, payload)), Some(chain)) = (&content, &self.chain)
            && link(chain, payload) != *hash
        {
            content = Err(Flaw::Broken("the hash is not that of this record after the one before"));
        }
        self.chain = content.as_ref().ok().map(|(hash, _)| *hash);
        Ok(Some(Line { offset, end: self.offset, content }))
    }

    /// The next record. The end of the file within a record is the end: it is being written, or was when its writer
    /// died.
    fn next_record(&mut self) -> Result<Option<Record<'static>>, LedgerError> {
        let path = self.path.clone();
        let Some(line) = self.next()? else { return Ok(None) };
        match line.content {
            Ok((_, payload)) => decode(&path, line.offset, payload).map(Some),
            Err(Flaw::Torn) => Ok(None),
            Err(Flaw::Broken(what)) => Err(LedgerError::damaged(&path, line.offset, what)),
        }
    }

    fn advance(&mut self) -> Result<usize, LedgerError> {
        self.line.clear();
        let read = self
            .input
            .read_until(b'\n', &mut self.line)
            .map_err(|source| LedgerError::io("read", &self.path, source))?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// The records of a ledger, oldest first. What cannot be read is an error in its place, and reading goes on behind it.
pub struct Records {
    /// Segments still to be read, newest first.
    waiting: Vec<Segment>,
    lines: Option<Lines<Box<dyn BufRead + Send>>>,
    failed: Option<LedgerError>,
}

enum Segment {
    File(Directory, u64),
    Bytes(u64, Vec<u8>),
}

pub(super) fn read(dir: &Path) -> Records {
    let directory = Directory::at(dir);
    let (segments, failed) = match directory.segments() {
        Ok(segments) => (segments, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let file = |first: &u64| Segment::File(directory.clone(), *first);
    Records { waiting: segments.iter().rev().map(file).collect(), lines: None, failed }
}

impl Records {
    /// The records in the bytes of segments, one after the other.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        const START: &[u8] = b"gadget-ledger ";
        let mut waiting = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match waiting.last_mut() {
                Some(Segment::Bytes(_, segment)) if !line.starts_with(START) => {
                    segment.extend_from_slice(line);
                }
                _ => {
                    let first = line.get(16..36).and_then(|d| std::str::from_utf8(d).ok());
                    let first = first.and_then(|digits| digits.parse().ok()).unwrap_or(0);
                    waiting.push(Segment::Bytes(first, line.to_vec()));
                }
            }
        }
        waiting.reverse();
        Self { waiting, lines: None, failed: None }
    }

    fn open(segment: Segment) -> Result<Lines<Box<dyn BufRead + Send>>, LedgerError> {
        let (input, path, first): (Box<dyn BufRead + Send>, _, _) = match segment {
            Segment::File(directory, first) => {
                let path = directory.segment(first);
                (Box::new(open(&path)?), path, first)
            }
            Segment::Bytes(first, bytes) => {
                (Box::new(io::Cursor::new(bytes)), PathBuf::from("memory"), first)
            }
        };
        Lines::new(input, path, first)
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("segments_left", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

impl Iterator for Records {
    type Item = Result<Record<'static>, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(error) = self.failed.take() {
                return Some(Err(error));
            }
            let Some(lines) = &mut self.lines else {
                match Self::open(self.waiting.pop()?) {
                    Ok(lines) => {
                        if let Err(Flaw::Broken(what)) = lines.start() {
                            self.failed = Some(LedgerError::damaged(lines.path(), 0, what));
                        }
                        self.lines = Some(lines);
                    }
                    // Rotated away since the directory was listed.
                    Err(LedgerError::Io { source, .. })
                        if source.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => self.failed = Some(error),
                }
                continue;
            };
            match lines.next_record() {
                Ok(Some(record)) => return Some(Ok(record)),
                Ok(None) => self.lines = None,
                Err(error) => {
                    if matches!(error, LedgerError::Io { .. }) {
                        self.lines = None;
                    }
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Reads one payload.
pub(super) fn decode(
    path: &Path,
    offset: u64,
    payload: &[u8],
) -> Result<Record<'static>, LedgerError> {
    serde_json::from_slice(payload).map_err(|source| LedgerError::Unreadable {
        path: path.to_owned(),
        offset,
        source,
    })
}

/// Reads the head file; `None` inside if its bytes are not those of a head.
pub(super) fn head(directory: &Directory) -> io::Result<Option<Head>> {
    std::fs::read(directory.head()).map(|bytes| Head::parse(&bytes))
}
