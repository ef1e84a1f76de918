//! Reading a ledger back.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::frame::{Flaw, Hash, Head, link, parse_record, parse_start};
use super::store::Directory;
use super::{LedgerError, Record};

/// The lines of one segment, each checked against its CRC and the one before.
#[derive(Debug)]
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
        match File::open(&path) {
            Ok(file) => Self::new(BufReader::with_capacity(1 << 16, file), path, first),
            Err(source) => Err(LedgerError::io("open", &path, source)),
        }
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
#[derive(Debug)]
pub struct Records {
    directory: Directory,
    /// Segments still to be read, newest first.
    segments: Vec<u64>,
    lines: Option<Lines<BufReader<File>>>,
    failed: Option<LedgerError>,
}

pub(super) fn read(dir: &Path) -> Records {
    let directory = Directory::at(dir);
    let (mut segments, failed) = match directory.segments() {
        Ok(segments) => (segments, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    segments.reverse();
    Records { directory, segments, lines: None, failed }
}

impl Iterator for Records {
    type Item = Result<Record<'static>, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(error) = self.failed.take() {
                return Some(Err(error));
            }
            let Some(lines) = &mut self.lines else {
                match Lines::open(&self.directory, self.segments.pop()?) {
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
            let path = lines.path().to_owned();
            match lines.next() {
                Ok(Some(Line { offset, content: Ok((_, payload)), .. })) => {
                    return Some(decode(&path, offset, payload));
                }
                Ok(Some(Line { offset, content: Err(Flaw::Broken(what)), .. })) => {
                    return Some(Err(LedgerError::damaged(&path, offset, what)));
                }
                // What is being written, or was when its writer died.
                Ok(Some(Line { content: Err(Flaw::Torn), .. })) => {}
                Ok(None) => self.lines = None,
                Err(error) => {
                    self.lines = None;
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
