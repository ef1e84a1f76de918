//! One file as it is now: one inode with one content, read in blocks.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use gadget_core::{LogBatch, LogFlags, LogMeta};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

use super::position::{Content, Digest, HEAD, Position, TAIL, first_byte, pread, state};

/// What is read of one file before the next one's turn.
pub(super) const BLOCK: usize = 64 << 10;

/// A file that is followed, with where it was read to.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) at: Position,
    /// There is no line break between the position and here.
    seen: u64,
    /// Open, unless it must be looked for or was closed to spare descriptors.
    pub(super) file: Option<OwnedFd>,
    /// Since when its path leads elsewhere, or the last time it grew after that.
    pub(super) retired: Option<Instant>,
}

/// What a look at a generation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing new that could be delivered.
    End,
    /// Something to deliver: the buffer holds this many bytes.
    Data(usize),
    /// More to read, and nothing of it to deliver.
    Passed,
    /// It holds something else than before: it was truncated, or the inode is another file's.
    Replaced,
}

/// Counts of what was delivered, as [`TailStats`](super::TailStats) has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) lines: u64,
    pub(super) bytes: u64,
    pub(super) cut: u64,
    pub(super) partial: u64,
    pub(super) nuls: u64,
}

/// To whom lines go.
pub(super) struct Out<'a> {
    pub(super) batch: &'a mut LogBatch,
    pub(super) meta: LogMeta,
    pub(super) longest: usize,
    pub(super) count: &'a mut Delivered,
}

impl Out<'_> {
    fn push(&mut self, line: &[u8], flags: LogFlags) {
        let kept = &line[..line.len().min(self.longest)];
        let cut = kept.len() < line.len();
        let flags = if cut { flags.with(LogFlags::CUT) } else { flags };
        self.count.lines += 1;
        self.count.cut += u64::from(flags.has(LogFlags::CUT));
        self.count.partial += u64::from(flags.has(LogFlags::PARTIAL));
        self.batch.push(LogMeta { flags, ..self.meta }, kept);
    }
}

/// Opens a file for reading, if it is one: nothing that waits or acts when it is opened or read.
pub(super) fn open(path: &Path) -> io::Result<(OwnedFd, Stat)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let found = Stat::of(path)?;
    if !found.is_file {
        return Err(io::Error::other("not a regular file"));
    }
    let file = openat(CWD, path, flags, Mode::empty())?;
    let stat = Stat::of_open(&file)?;
    if stat.is_file { Ok((file, stat)) } else { Err(io::Error::other("not a regular file")) }
}

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) size: u64,
    pub(super) written: i64,
    pub(super) links: u64,
    pub(super) is_file: bool,
}

impl Stat {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let it = std::fs::metadata(path)?;
        Ok(Self {
            dev: it.dev(),
            ino: it.ino(),
            size: it.size(),
            written: it.mtime().saturating_mul(1_000_000_000).saturating_add(it.mtime_nsec()),
            links: it.nlink(),
            is_file: it.is_file(),
        })
    }

    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        reason = "widths differ between architectures"
    )]
    pub(super) fn of_open(file: impl AsFd) -> io::Result<Self> {
        let it = fstat(file)?;
        let written = (it.st_mtime as i64).saturating_mul(1_000_000_000);
        Ok(Self {
            dev: it.st_dev,
            ino: it.st_ino,
            size: it.st_size as u64,
            written: written.saturating_add(it.st_mtime_nsec as i64),
            links: it.st_nlink as u64,
            is_file: FileType::from_raw_mode(it.st_mode).is_file(),
        })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    pub(super) fn is(&self, at: &Position) -> bool {
        (self.dev, self.ino) == (at.dev, at.ino)
    }
}

impl Generation {
    /// A file of which nothing was read.
    pub(super) fn new(file: OwnedFd, stat: Stat) -> Self {
        let Stat { dev, ino, written, .. } = stat;
        let at = Position { dev, ino, written, state: state::EMPTY, ..Position::default() };
        Self { at, seen: 0, file: Some(file), retired: None }
    }

    /// A file that was read to `at`.
    pub(super) fn resumed(at: Position, file: Option<OwnedFd>) -> Self {
        Self { at, seen: at.offset, file, retired: None }
    }

    /// How far it is known: to here it was read.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    pub(super) fn retire(&mut self, now: Instant) {
        self.at.set(state::RETIRED, true);
        self.retired = Some(now);
    }

    /// True if it may hold what was not read.
    pub(super) fn has_more(&self) -> bool {
        let Some(file) = &self.file else { return false };
        Stat::of_open(file).is_ok_and(|stat| stat.size != self.seen)
    }

    /// Notes the first bytes, of which more may be there by now; false if they are others than before.
    pub(super) fn learn_head(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        let mut bytes = [0; HEAD];
        if self.at.head.len == 0 {
            self.at.base = first_byte(file.as_fd())?;
        }
        let n = pread(file, &mut bytes, self.at.base)?;
        let same = self.at.head.begins(&bytes[..n]);
        if same {
            self.at.head = Digest::of(&bytes[..n]);
        }
        Ok(same)
    }

    /// Goes to the end, past a line that is being written.
    pub(super) fn skip_to_end(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        self.at = Position::end_of(file.as_fd(), &Stat::of_open(file)?)?;
        self.seen = self.at.offset;
        let mut last = [0];
        let n = pread(file, &mut last, self.at.offset.saturating_sub(1))?;
        self.at.set(state::EMPTY, n == 0);
        self.at.set(state::SKIPPING, n == 1 && last != [b'\n']);
        Ok(())
    }

    /// Reads on into `buffer`, which then begins with the bytes before the position: as many as `at.tail` is of.
    ///
    /// Whether the content is still the one that was read is seen from the bytes before the position, that are read with those
    /// after it, and from the first bytes, that are read once more after them: a truncation between the two shows.
    pub(super) fn look(
        &mut self,
        buffer: &mut Vec<u8>,
        longest: usize,
        count: &mut Delivered,
    ) -> io::Result<Look> {
        let Some(file) = &self.file else { return Ok(Look::End) };
        let size = Stat::of_open(file)?.size;
        if size < self.seen {
            return Ok(Look::Replaced);
        }
        if self.at.head.len == 0 {
            self.learn_head()?;
            if self.at.head.len == 0 {
                // Nothing, or nothing but NULs.
                self.seen = size;
                return Ok(Look::End);
            }
        }
        if self.at.offset < self.at.base {
            count.nuls += self.at.base - self.at.offset;
            let nuls = [0; TAIL];
            self.at.offset = self.at.base;
            self.at.tail = Digest::of(&nuls[..self.at.base.min(TAIL as u64) as usize]);
            self.seen = self.at.base;
        }
        let Some(file) = &self.file else { return Ok(Look::End) };
        let before = usize::from(self.at.tail.len).min(TAIL);
        let partial = self.seen - self.at.offset;
        // Of a long line only what came since the last look is searched, so that it is not read again for every part of it.
        if partial > BLOCK as u64 && !self.at.has(state::SKIPPING) && partial <= longest as u64 {
            buffer.resize(BLOCK, 0);
            let n = pread(file, buffer, self.seen)?;
            if memchr::memchr(b'\n', &buffer[..n]).is_none() && partial + n as u64 <= longest as u64
            {
                self.seen += n as u64;
                return Ok(if n == BLOCK { Look::Passed } else { Look::End });
            }
        } else if size == self.seen && partial > 0 {
            let same = self.at.content(file.as_fd())? == Content::Same;
            return Ok(if same { Look::End } else { Look::Replaced });
        }
        let mut want = before + BLOCK;
        let n = loop {
            buffer.resize(want, 0);
            let n = pread(file, buffer, self.at.offset - before as u64)?;
            let new = buffer.get(before..n).unwrap_or_default();
            let enough = n < want
                || want > before + longest.max(BLOCK)
                || self.at.has(state::SKIPPING)
                || memchr::memchr(b'\n', new).is_some();
            if enough {
                break n;
            }
            want = (before + 2 * (want - before)).min(before + longest.max(BLOCK) + 1);
        };
        if n < before || !self.at.tail.begins(&buffer[..n]) {
            return Ok(Look::Replaced);
        }
        if n == before
            && u64::from(self.at.head.len) == (self.at.offset - self.at.base).min(HEAD as u64)
        {
            return Ok(Look::End);
        }
        if !self.learn_head()? {
            return Ok(Look::Replaced);
        }
        Ok(if n > before { Look::Data(n) } else { Look::End })
    }

    /// Delivers what a look brought: whole lines, until the batch is full. True if there may be more.
    pub(super) fn deliver(&mut self, buffer: &[u8], out: &mut Out<'_>) -> bool {
        let before = usize::from(self.at.tail.len).min(TAIL);
        let whole = buffer.len() >= before + BLOCK;
        let mut at = before;
        if self.at.has(state::SKIPPING) {
            match memchr::memchr(b'\n', &buffer[at..]) {
                Some(end) => {
                    at += end + 1;
                    self.at.set(state::SKIPPING, false);
                }
                None => at = buffer.len(),
            }
        }
        let mut full = false;
        let from = at;
        for end in memchr::memchr_iter(b'\n', &buffer[from..]) {
            if out.batch.is_full() {
                full = true;
                break;
            }
            out.push(&buffer[at..from + end], LogFlags::default());
            at = from + end + 1;
        }
        // Longer than lines may be, and no end of it yet.
        if !full && buffer.len() - at > out.longest {
            out.push(&buffer[at..], LogFlags::default());
            at = buffer.len();
            self.at.set(state::SKIPPING, true);
        }
        self.advance(buffer, before, at, out);
        self.seen = self.at.offset + if full { 0 } else { (buffer.len() - at) as u64 };
        full || whole
    }

    /// Delivers the line that has no end, of a file that will not go on.
    pub(super) fn deliver_rest(
        &mut self,
        buffer: &mut Vec<u8>,
        out: &mut Out<'_>,
    ) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let before = usize::from(self.at.tail.len).min(TAIL);
        let want = (self.seen - self.at.offset).min(out.longest as u64 + 1) as usize;
        if want == 0 {
            return Ok(());
        }
        buffer.resize(before + want, 0);
        let n = pread(file, buffer, self.at.offset - before as u64)?;
        let rest = buffer.get(before..n).unwrap_or_default();
        if self.at.tail.begins(&buffer[..n]) && !self.at.has(state::SKIPPING) && !rest.is_empty() {
            out.push(rest, LogFlags::PARTIAL);
            self.advance(&buffer[..n], before, n, out);
        }
        Ok(())
    }

    /// Moves to what is at `to` in the buffer.
    fn advance(&mut self, buffer: &[u8], before: usize, to: usize, out: &mut Out<'_>) {
        out.count.bytes += (to - before) as u64;
        self.at.offset += (to - before) as u64;
        self.at.tail = Digest::of(&buffer[to.saturating_sub(TAIL)..to]);
        self.seen = self.at.offset;
    }

    pub(super) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}
