//! Checking that a ledger is whole.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use super::LedgerError;
use super::frame::{Flaw, GENESIS, Hash, Head};
use super::read::{Lines, head};
use super::store::Directory;
use crate::units::Timestamp;

/// What a ledger that is whole holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The first record that is kept.
    pub first: u64,
    /// The last record.
    pub last: u64,
    /// When the first one was written.
    pub from: Timestamp,
    /// When the last one was written.
    pub to: Timestamp,
    /// Files of records.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of a record that a crash left half-written; the next start cuts them.
    pub torn: u64,
    /// An agent was writing meanwhile.
    pub in_use: bool,
}

impl Verified {
    /// How many records there are.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// A record's place, whatever it says.
#[derive(Deserialize)]
struct Place {
    seq: u64,
    at: Timestamp,
}

/// Where a record ends, to be compared with the head.
#[derive(Clone, Copy, PartialEq, Eq)]
struct End {
    seq: u64,
    segment: u64,
    offset: u64,
    hash: Hash,
}

pub(super) fn verify(dir: &Path) -> Result<Verified, LedgerError> {
    let directory = Directory::at(dir);
    // A writer may rotate files away, or be in the midst of the head, while they are read.
    for _ in 0..10 {
        let in_use = directory.in_use();
        match check(&directory, in_use) {
            Err(_) if in_use => {}
            result => return result,
        }
    }
    check(&directory, directory.in_use())
}

fn check(directory: &Directory, in_use: bool) -> Result<Verified, LedgerError> {
    let path = directory.head();
    let head = match head(directory) {
        Ok(Some(head)) => Some(head),
        // A crash before the very first head.
        Ok(None) if std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) => None,
        Ok(None) => return Err(LedgerError::damaged(&path, 0, "not a head")),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(source) => return Err(LedgerError::io("read", &path, source)),
    };
    let segments = directory.segments()?;
    let mut walk = Walk { head, in_use, before: None, last: None, found: None };
    for &first in &segments {
        if in_use && head.is_some_and(|head| first > head.segment) {
            break;
        }
        walk.segment(directory, first, Some(first) == segments.last().copied())?;
    }
    walk.finish(&path, segments.first().copied())
}

struct Walk {
    head: Option<Head>,
    in_use: bool,
    before: Option<End>,
    last: Option<End>,
    found: Option<Verified>,
}

impl Walk {
    fn segment(
        &mut self,
        directory: &Directory,
        first: u64,
        newest: bool,
    ) -> Result<(), LedgerError> {
        let mut lines = Lines::open(directory, first)?;
        let path = lines.path().to_owned();
        let damaged = |offset, what| LedgerError::damaged(&path, offset, what);
        let torn = |offset, flaw| match flaw {
            Flaw::Torn if newest => {
                Ok(std::fs::metadata(&path).map_or(0, |file| file.len() - offset))
            }
            Flaw::Torn => Err(damaged(offset, "the file ends within a record")),
            Flaw::Broken(what) => Err(damaged(offset, what)),
        };
        match self.last {
            Some(last) if last.seq + 1 < first => {
                return Err(LedgerError::Missing { from: last.seq + 1, to: first - 1 });
            }
            Some(last) if last.seq + 1 > first => {
                return Err(damaged(0, "an earlier segment holds these records too"));
            }
            _ => {}
        }
        let before = match lines.start() {
            Ok(before) => before,
            Err(flaw) => return torn(0, flaw).map(|bytes| self.torn(bytes)),
        };
        if let (Some(last), Some(before)) = (self.last, before)
            && last.hash != before
        {
            return Err(damaged(0, "it does not follow the segment before"));
        }
        if first == 0 && before != Some(GENESIS) {
            return Err(damaged(0, "something stands before the first record"));
        }
        let mut seq = first;
        while let Some(line) = lines.next()? {
            let (offset, end) = (line.offset, line.end);
            let (hash, payload) = match line.content {
                Ok(content) => content,
                Err(flaw) => return torn(offset, flaw).map(|bytes| self.torn(bytes)),
            };
            let place: Place = serde_json::from_slice(payload)
                .map_err(|source| LedgerError::Unreadable { path: path.clone(), offset, source })?;
            if place.seq != seq {
                return Err(damaged(offset, "the number is not the next one"));
            }
            self.record(place.at, End { seq, segment: first, offset: end, hash }, offset);
            if self.in_use && self.at_head() {
                return Ok(());
            }
            seq += 1;
        }
        if seq == first && !newest {
            return Err(damaged(0, "there is no record in this segment"));
        }
        Ok(())
    }

    /// True once the record that the head names was read.
    fn at_head(&self) -> bool {
        self.head.is_some_and(|head| self.last.is_some_and(|last| last.seq == head.seq))
    }

    fn torn(&mut self, bytes: u64) {
        if let Some(found) = &mut self.found {
            found.torn = bytes;
        }
    }

    fn record(&mut self, at: Timestamp, end: End, offset: u64) {
        let new_segment = self.last.is_none_or(|last| last.segment != end.segment);
        (self.before, self.last) = (self.last, Some(end));
        let found = self.found.get_or_insert(Verified {
            first: end.seq,
            last: end.seq,
            from: at,
            to: at,
            segments: 0,
            bytes: 0,
            torn: 0,
            in_use: self.in_use,
        });
        (found.last, found.to) = (end.seq, at);
        found.segments += usize::from(new_segment);
        // The first record of a segment brings the line before it along.
        found.bytes += end.offset - if new_segment { 0 } else { offset };
    }

    fn finish(self, path: &Path, oldest: Option<u64>) -> Result<Verified, LedgerError> {
        let damaged = |what| Err(LedgerError::damaged(path, 0, what));
        let (Some(last), Some(found)) = (self.last, self.found) else {
            return match self.head {
                Some(head) => Err(LedgerError::Missing { from: head.oldest, to: head.seq }),
                None => Err(LedgerError::io("find a record in", path, ErrorKind::NotFound.into())),
            };
        };
        let Some(head) = self.head else {
            return if last.seq == 0 { Ok(found) } else { damaged("there is no head") };
        };
        if oldest > Some(head.oldest) {
            return Err(LedgerError::Missing { from: head.oldest, to: found.first - 1 });
        }
        if head.seq > last.seq {
            return Err(LedgerError::Missing { from: last.seq + 1, to: head.seq });
        }
        let stated =
            End { seq: head.seq, segment: head.segment, offset: head.offset, hash: head.hash };
        // A crash may come between a record and its head.
        if Some(stated) == self.last || Some(stated) == self.before {
            Ok(found)
        } else {
            damaged("it does not name the last record, nor the one before")
        }
    }
}
