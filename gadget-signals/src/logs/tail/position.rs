//! How far a file was read, and how to tell that it is still that file.

use std::io;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::generation::Stat;

/// How many bytes from a file's start tell it apart.
pub(super) const HEAD: usize = 256;
/// How many bytes before a position tell that it is a position in this content.
pub(super) const TAIL: usize = 64;

/// A hash of some bytes, and of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) len: u16,
    pub(crate) hash: u64,
}

impl Digest {
    /// Of all of `bytes`, of which there are few: FNV-1a, the same in every build, for it is kept in checkpoints.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { len: bytes.len() as u16, hash }
    }

    /// True if `bytes` begin with those.
    pub(super) fn begins(self, bytes: &[u8]) -> bool {
        bytes.get(..usize::from(self.len)).is_some_and(|bytes| Self::of(bytes) == self)
    }
}

/// What else is known of a file's generation, as bits that checkpoints keep.
pub(crate) mod state {
    /// The rest of a line that was cut is skipped.
    pub(crate) const SKIPPING: u8 = 1;
    /// Its path leads elsewhere by now.
    pub(crate) const RETIRED: u8 = 1 << 1;
    /// It was read to its end, and nothing more is expected of it.
    pub(crate) const FINISHED: u8 = 1 << 2;
    /// It was copied from the file that was read, which was truncated: nobody writes to it.
    pub(crate) const COPY: u8 = 1 << 3;
    /// It was empty when its siblings were last looked at: what it held then may have been copied and truncated since.
    pub(crate) const EMPTY: u8 = 1 << 4;
}

/// A place in a file, with what tells this file from others: device, inode, its first bytes, and the bytes before the place, since
/// inodes are given again and files are truncated and written anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    /// Where content begins: after a hole, where a writer went on after a truncation.
    pub(crate) base: u64,
    /// The first bytes from there, 256 at most, as far as they were there.
    pub(crate) head: Digest,
    /// Where the first line begins that was not delivered.
    pub(crate) offset: u64,
    /// The bytes before that.
    pub(crate) tail: Digest,
    /// When it was last seen to be written while its path led to it; nanoseconds since the Unix epoch.
    pub(crate) written: i64,
    /// Of [`state`].
    pub(crate) state: u8,
}

impl Position {
    pub(super) fn has(&self, state: u8) -> bool {
        self.state & state != 0
    }

    pub(super) fn set(&mut self, state: u8, to: bool) {
        self.state = if to { self.state | state } else { self.state & !state };
    }

    /// The end of a file, as if it had been read.
    pub(super) fn end_of(file: BorrowedFd<'_>, stat: &Stat) -> io::Result<Self> {
        let mut bytes = [0; HEAD];
        let base = first_byte(file)?;
        let n = pread(file, &mut bytes, base)?;
        let head = Digest::of(&bytes[..n]);
        let from = stat.size.saturating_sub(TAIL as u64);
        let n = pread(file, &mut bytes[..TAIL], from)?;
        let (dev, ino, written) = (stat.dev, stat.ino, stat.written);
        let (offset, tail) = (from + n as u64, Digest::of(&bytes[..n]));
        Ok(Self { dev, ino, base, head, offset, tail, written, state: 0 })
    }

    /// How `file`, of whatever inode, relates to the content that was read.
    pub(super) fn content(&self, file: BorrowedFd<'_>) -> io::Result<Content> {
        let mut bytes = [0; HEAD];
        let n = pread(file, &mut bytes, self.base)?;
        if self.head.len == 0 || !self.head.begins(&bytes[..n]) {
            return Ok(Content::Other);
        }
        let len = usize::from(self.tail.len).min(TAIL);
        let n = pread(file, &mut bytes[..len], self.offset.saturating_sub(len as u64))?;
        Ok(match n == len {
            true if self.tail.begins(&bytes[..n]) => Content::Same,
            true => Content::Other,
            false => Content::Shorter,
        })
    }
}

/// What a file holds, compared with what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What was read, and perhaps more.
    Same,
    /// It begins like it and ends before the place to which it was read.
    Shorter,
    /// Something else, or nothing that could be compared.
    Other,
}

/// Where the first byte is that is not NUL; the end, if there is none.
pub(super) fn first_byte(file: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes = [0; 4096];
    let mut at = 0;
    loop {
        let n = pread(file, &mut bytes, at)?;
        match bytes[..n].iter().position(|&byte| byte != 0) {
            Some(first) => return Ok(at + first as u64),
            None if n < bytes.len() => return Ok(at + n as u64),
            // Not reading what is not there.
            None => {
                let next = at + n as u64;
                at = seek(file, SeekFrom::Data(next)).map_or(next, |data| data.max(next));
            }
        }
    }
}

/// Fills `into` from `offset` of a file, unless the file ends before.
pub(super) fn pread(file: impl AsFd, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut n = 0;
    while n < into.len() {
        match rustix::io::pread(&file, &mut into[n..], offset + n as u64) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(n)
}
