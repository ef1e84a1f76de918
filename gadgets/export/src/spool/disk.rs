//! The part of a spool that is on disk: segments of records, the oldest first.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::Record;
use super::frame::{self, Frames, HEAD, Head};
use super::position::{Position, PositionFile};

/// Into how many segments the room is divided: what has to make room goes by the segment.
const SEGMENTS: u64 = 16;
/// No segment is planned longer: reading behind damage takes one into memory.
const MOST_SEGMENT: u64 = 8 << 20;
const SUFFIX: &str = ".seg";

#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    /// Held for as long as it is open: one process writes.
    _lock: File,
    position_file: PositionFile,
    position: Position,
    /// The oldest first; the last one is written to.
    segments: VecDeque<Segment>,
    writer: Option<File>,
    /// Since when the last segment is written to.
    began: Instant,
    age: Duration,
    /// The segment that was read last.
    reader: Option<(u64, File)>,
    /// The number of the next record.
    next: u64,
    /// Where in the first segment the first record that is not acknowledged is, or damage before it.
    offset: u64,
    most: u64,
    segment: u64,
    /// Where the records end that were read last, by their numbers.
    read: Vec<Mark>,
    frame: Vec<u8>,
    /// Bytes behind the last whole record that were cut off at the start.
    pub(super) cut: u64,
    /// Fails the next writes, after so many bytes of each.
    #[cfg(test)]
    pub(super) fails: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// The number of its first record, and its name.
    first: u64,
    length: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    number: u64,
    /// First record of the segment that it is in.
    segment: u64,
    end: u64,
}

impl Disk {
    pub(super) fn open(directory: &Path, most: u64, age: Duration) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let lock = private().create(true).open(directory.join("lock"))?;
        lock_alone(&lock)?;
        let (position_file, position) = PositionFile::open(directory)?;
        let segments = segments(directory)?;
        let segment = (most / SEGMENTS).clamp(1, MOST_SEGMENT);
        let mut disk = Self {
            directory: directory.to_owned(),
            _lock: lock,
            position_file,
            position: position.unwrap_or_default(),
            segments,
            writer: None,
            began: Instant::now(),
            age,
            reader: None,
            next: 0,
            offset: 0,
            most,
            segment,
            read: Vec::new(),
            frame: Vec::new(),
            cut: 0,
            #[cfg(test)]
            fails: None,
        };
        disk.recover(position.is_none())?;
        Ok(disk)
    }

    /// Cuts off what was being written when the last writer ended, and finds where to go on.
    fn recover(&mut self, anew: bool) -> io::Result<()> {
        if anew && let Some(oldest) = self.segments.front() {
            self.position.acknowledged = oldest.first;
        }
        let mut end = self.position.acknowledged;
        if let Some(last) = self.segments.back_mut() {
            let path = path(&self.directory, last.first);
            let bytes = fs::read(&path)?;
            let frame = Frames::of(&bytes).last();
            end = frame.map_or(last.first, |it| it.number + 1).max(end);
            let whole = frame.map_or(0, |it| it.end) as u64;
            let file = private().open(&path)?;
            if bytes.len() as u64 > whole {
                file.set_len(whole)?;
                self.cut = bytes.len() as u64 - whole;
            }
            last.length = whole;
            if self.position.written <= end {
                self.writer = Some(append(&path)?);
            }
            // Otherwise records are gone from its end, and a new segment tells their number.
        }
        self.next = end.max(self.position.written);
        // They may have been left when the last process ended.
        while self.end_of(0).is_some_and(|end| end <= self.position.acknowledged) {
            self.remove_first()?;
        }
        if let Some(first) = self.segments.front() {
            // Older ones that are not there are known by their number when this one is read.
            let mut offset = 0;
            if first.first < self.position.acknowledged {
                let bytes = fs::read(path(&self.directory, first.first))?;
                let before = self.position.acknowledged;
                offset = Frames::of(&bytes)
                    .take_while(|it| it.number < before)
                    .last()
                    .map_or(0, |it| it.end);
            }
            self.offset = offset as u64;
        }
        Ok(())
    }

    /// The number of the next record.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) const fn position(&self) -> Position {
        self.position
    }

    /// Records that are not acknowledged, those that cannot be read among them.
    pub(super) const fn records(&self) -> u64 {
        self.next.saturating_sub(self.position.acknowledged)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|it| it.length).sum()
    }

    pub(super) const fn fits(&self, payload: usize) -> bool {
        (HEAD + payload) as u64 <= self.most && payload <= frame::MOST
    }

    /// Writes the next record. Nothing of it is there after an error. The oldest segments go to make room for it, also then.
    pub(super) fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        self.frame.clear();
        frame::put(&mut self.frame, self.next, payload);
        let length = self.frame.len() as u64;
        while self.bytes() + length > self.most && !self.segments.is_empty() {
            self.drop_first()?;
        }
        match self.write() {
            Err(_) if self.records() == 0 && self.bytes() > 0 => {
                // All that is there has been acknowledged: its room is free.
                self.position_file.sync()?;
                while !self.segments.is_empty() {
                    self.remove_first()?;
                }
                self.write()
            }
            done => done,
        }
    }

    /// Writes the frame that is made.
    fn write(&mut self) -> io::Result<()> {
        let length = self.frame.len() as u64;
        let full = self.segments.back().is_none_or(|last| {
            let old = self.began.elapsed() > self.age / SEGMENTS as u32;
            self.writer.is_none() || last.length > 0 && (old || last.length + length > self.segment)
        });
        if full {
            self.roll()?;
        }
        let (Some(file), Some(last)) = (self.writer.as_mut(), self.segments.back_mut()) else {
            return Err(ErrorKind::NotFound.into());
        };
        #[cfg(test)]
        if let Some(part) = self.fails {
            let part = part.min(self.frame.len());
            file.write_all(&self.frame[..part])?;
            file.set_len(last.length)?;
            return Err(ErrorKind::StorageFull.into());
        }
        if let Err(error) = file.write_all(&self.frame) {
            if file.set_len(last.length).is_err() {
                // What is there of it is skipped by whoever reads.
                last.length = file.metadata().map_or(last.length, |it| it.len());
                self.writer = None;
            }
            return Err(error);
        }
        last.length += length;
        self.next += 1;
        Ok(())
    }

    /// Begins a new segment; the one before is brought to the disk.
    fn roll(&mut self) -> io::Result<()> {
        if let Some(before) = self.writer.take()
            && self.records() > 0
        {
            before.sync_data()?;
        }
        let path = path(&self.directory, self.next);
        // One of this name would be empty.
        let _ = private().create(true).truncate(true).open(&path)?;
        (self.writer, self.began) = (Some(append(&path)?), Instant::now());
        if self.segments.back().is_none_or(|last| last.first != self.next) {
            self.segments.push_back(Segment { first: self.next, length: 0 });
        } else if let Some(last) = self.segments.back_mut() {
            last.length = 0;
        }
        self.write_position()?;
        File::open(&self.directory)?.sync_all()
    }

    /// The oldest segment makes room.
    fn drop_first(&mut self) -> io::Result<()> {
        let Some(end) = self.end_of(0) else { return Ok(()) };
        let lost = end.saturating_sub(self.position.acknowledged);
        self.position.dropped += lost;
        self.go_to(end, 0);
        self.read.retain(|mark| mark.number >= end);
        self.write_position()?;
        self.position_file.sync()?;
        self.remove_first()
    }

    /// Segments go that were last written to too long ago, by the time of day.
    pub(super) fn expire(&mut self) -> io::Result<()> {
        let now = SystemTime::now();
        while let Some(first) = self.segments.front() {
            let written = match fs::metadata(path(&self.directory, first.first)) {
                Ok(metadata) => metadata.modified()?,
                // Somebody removed it: whoever reads counts that.
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
            // One from the future stays: the clock was set back.
            if first.length == 0 || now.duration_since(written).unwrap_or_default() <= self.age {
                break;
            }
            self.drop_first()?;
        }
        Ok(())
    }

    /// Removes the oldest segment; what is in it was counted as acknowledged or as dropped, durably.
    fn remove_first(&mut self) -> io::Result<()> {
        let Some(first) = self.segments.pop_front() else { return Ok(()) };
        if self.segments.is_empty() {
            (self.writer, self.offset) = (None, 0);
        }
        self.reader.take_if(|(of, _)| *of == first.first);
        match fs::remove_file(path(&self.directory, first.first)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The number after the last record of a segment.
    fn end_of(&self, index: usize) -> Option<u64> {
        self.segments.get(index)?;
        Some(self.segments.get(index + 1).map_or(self.next, |it| it.first))
    }

    /// The next record has this number: those before it were acknowledged and never came here.
    pub(super) fn skip_to(&mut self, number: u64) {
        if number > self.next {
            (self.next, self.position.acknowledged) = (number, number);
            // A new segment tells the number.
            self.writer = None;
        }
    }

    /// A record there was no room for.
    pub(super) const fn count_dropped(&mut self) {
        self.position.dropped += 1;
    }

    fn go_to(&mut self, number: u64, offset: u64) {
        self.position.acknowledged = self.position.acknowledged.max(number);
        self.offset = offset;
    }

    fn write_position(&mut self) -> io::Result<()> {
        self.position.written = self.next;
        self.position_file.write(&self.position)
    }

    /// The oldest records that are not acknowledged: at most so many, of at most so many bytes unless the first is longer.
    pub(super) fn peek(&mut self, most: usize, most_bytes: usize) -> io::Result<Vec<Record>> {
        self.read.clear();
        let (mut records, mut bytes) = (Vec::new(), 0);
        let (mut index, mut offset) = (0, self.offset);
        let mut expected = self.position.acknowledged;
        while records.len() < most
            && let Some(&segment) = self.segments.get(index)
        {
            let Some((number, payload, end)) = self.read_at(segment, offset, expected)? else {
                (index, offset) = (index + 1, 0);
                continue;
            };
            bytes += payload.len();
            if !records.is_empty() && bytes > most_bytes {
                break;
            }
            records.push(Record { number, bytes: payload });
            self.read.push(Mark { number, segment: segment.first, end });
            (expected, offset) = (number + 1, end);
        }
        if records.is_empty() {
            // Nothing of what is left can be read.
            self.position.damaged += self.records();
            self.pass(self.next, None)?;
        }
        Ok(records)
    }

    /// The next record of a segment from `offset` on: its number, what it holds, and where it ends.
    fn read_at(
        &mut self,
        segment: Segment,
        offset: u64,
        least: u64,
    ) -> io::Result<Option<(u64, Vec<u8>, u64)>> {
        if offset >= segment.length {
            return Ok(None);
        }
        let Some(file) = self.reader(segment.first)? else { return Ok(None) };
        let mut head = [0; HEAD];
        let read = read_exact(file, &mut head, offset)?;
        if let Some(head) = Head::of(&head).filter(|it| read && it.number >= least) {
            let end = offset + (HEAD + head.length) as u64;
            if end <= segment.length {
                let mut payload = vec![0; head.length];
                if read_exact(file, &mut payload, offset + HEAD as u64)? && head.holds(&payload) {
                    return Ok(Some((head.number, payload, end)));
                }
            }
        }
        let mut rest = vec![0; (segment.length - offset) as usize];
        if !read_exact(file, &mut rest, offset)? {
            // The disk does not give it back; parts of it may be there.
            rest.clear();
            let mut part = [0; 4096];
            let mut at = offset;
            while at < segment.length {
                let length = part.len().min((segment.length - at) as usize);
                part.fill(0);
                let _ = file.read_at(&mut part[..length], at);
                rest.extend_from_slice(&part[..length]);
                at += length as u64;
            }
        }
        let found = Frames::of(&rest).find(|it| it.number >= least);
        Ok(found.map(|it| (it.number, it.payload.to_vec(), offset + it.end as u64)))
    }

    /// The file of a segment; none if somebody removed it.
    fn reader(&mut self, first: u64) -> io::Result<Option<&File>> {
        if self.reader.as_ref().is_none_or(|(of, _)| *of != first) {
            self.reader = match File::open(path(&self.directory, first)) {
                Ok(file) => Some((first, file)),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        Ok(self.reader.as_ref().map(|(_, file)| file))
    }

    /// All records up to this one, and with it, of those that were read last, are where they belong.
    pub(super) fn acknowledge(&mut self, upto: u64) -> io::Result<()> {
        let from = self.position.acknowledged;
        let had = self.read.iter().filter(|mark| (from..=upto).contains(&mark.number)).count();
        let Some(mark) =
            self.read.iter().rfind(|mark| (from..=upto).contains(&mark.number)).copied()
        else {
            return Ok(());
        };
        self.read.retain(|it| it.number > mark.number);
        self.position.damaged += mark.number + 1 - from - had as u64;
        self.pass(mark.number + 1, Some(mark))
    }

    /// Goes on behind what was acknowledged or cannot be read: to `mark`, or to the end.
    fn pass(&mut self, to: u64, mark: Option<Mark>) -> io::Result<()> {
        self.go_to(to, self.offset);
        self.write_position()?;
        // The last one is written to.
        let mut done = 0;
        while done + 1 < self.segments.len() && self.end_of(done).is_some_and(|end| end <= to) {
            done += 1;
        }
        if let Some(first) = self.segments.get(done) {
            self.offset = match mark {
                Some(mark) if mark.segment == first.first => mark.end,
                Some(_) => 0,
                None => first.length,
            };
        }
        if done > 0 {
            // Else records that were acknowledged could be taken for lost ones.
            self.position_file.sync()?;
        }
        for _ in 0..done {
            self.remove_first()?;
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = &self.writer {
            file.sync_data()?;
        }
        self.write_position()?;
        self.position_file.sync()
    }
}

/// A child that is being made holds the lock of its parent until it executes its program: that is waited for.
fn lock_alone(lock: &File) -> io::Result<()> {
    for _ in 0..20 {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(Duration::from_millis(10)),
            done => return done.map_err(io::Error::from),
        }
    }
    Err(io::Error::new(ErrorKind::ResourceBusy, "another process has it open"))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

fn path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:016x}{SUFFIX}"))
}

fn segments(directory: &Path) -> io::Result<VecDeque<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let digits =
            name.to_str().and_then(|it| it.strip_suffix(SUFFIX)).filter(|it| it.len() == 16);
        let Some(first) = digits.and_then(|it| u64::from_str_radix(it, 16).ok()) else { continue };
        if first > frame::LAST {
            continue;
        }
        segments.push(Segment { first, length: entry.metadata()?.len() });
    }
    segments.sort_by_key(|it| it.first);
    Ok(segments.into())
}

/// Whether all of it could be read; an error is one that may pass.
fn read_exact(file: &File, to: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(to, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
