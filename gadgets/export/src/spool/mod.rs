//! Records that wait on disk until somebody has them.
//!
//! - Form: segments, files named by the number of their first record; each record has a magic, a CRC, its length and its number, so
//!   that reading goes on behind damage and what is missing is known by the numbers. `position` holds the first record that is not
//!   acknowledged and the counts. What is in the folder is for its owner alone.
//! - Bound: segments have at most the set bytes together. The oldest segment, a sixteenth of the room and at most 8 MiB, makes room for
//!   a new record; what of it was not acknowledged is counted as dropped.
//! - Death of the process loses nothing that [`Spool::append`] returned from. Loss of power loses what was written since the segment
//!   began or since [`Spool::sync`], whichever is later: a segment is brought to the disk when it is full, a position before a segment
//!   is removed. Records whose acknowledgement was lost are read again.
//! - A disk that takes nothing: records wait in memory, within a bound of its own, and go to the disk when it takes them again. Records
//!   that there is no room for then are counted as dropped. A folder that cannot be opened: in memory for good, the oldest goes first.

mod disk;
mod frame;
mod position;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use frame::{Frame, Frames};

use disk::Disk;

/// Where records wait, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolOptions {
    /// The folder, made if it is not there. None: in memory.
    pub directory: Option<PathBuf>,
    /// Bytes on disk at most. Default 256 MiB.
    pub bytes: u64,
    /// How long records wait on disk, by the time of day and to a sixteenth: what is older goes by the segment and is counted as
    /// dropped. Default 3 days.
    pub age: Duration,
    /// Bytes in memory at most, where the disk takes nothing. Default 16 MiB.
    pub memory_bytes: usize,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            directory: None,
            bytes: 256 << 20,
            age: Duration::from_secs(3 * 86400),
            memory_bytes: 16 << 20,
        }
    }
}

/// One record that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// One more than that of the record before.
    pub number: u64,
    /// What was appended.
    pub bytes: Vec<u8>,
}

/// How a spool is. Counts of a spool on disk outlast the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolStats {
    /// Records that wait.
    pub records: u64,
    /// Bytes of segments on disk.
    pub bytes: u64,
    /// Of the records, how many are in memory.
    pub memory_records: u64,
    /// Their bytes.
    pub memory_bytes: usize,
    /// Records that there was no room for, or that had to make room.
    pub dropped: u64,
    /// Records that could not be read back.
    pub damaged: u64,
    /// Bytes of a record that was being written when the process before ended; they were cut off.
    pub cut: u64,
    /// How often the disk failed.
    pub failures: u64,
    /// What it said last.
    pub last_error: Option<String>,
    /// Why all is in memory, if it is.
    pub in_memory: Option<String>,
}

/// See the [module](self). One thread uses it.
///
/// ```
/// # use gadget_export::{Spool, SpoolOptions};
/// # let folder = tempfile::tempdir()?;
/// let options = SpoolOptions { directory: Some(folder.path().into()), ..Default::default() };
/// let mut spool = Spool::open(options.clone());
/// spool.append(b"one");
/// spool.append(b"two");
/// drop(spool);
///
/// let mut spool = Spool::open(options);
/// let records = spool.peek(10, 1 << 20);
/// assert_eq!(records[0].bytes, b"one");
/// spool.acknowledge(records[0].number);
/// assert_eq!(spool.stats().records, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Spool {
    disk: Option<Disk>,
    /// What the disk did not take, in the order of their numbers.
    memory: VecDeque<Record>,
    memory_bytes: usize,
    most_memory: usize,
    /// The number of the next record.
    next: u64,
    /// One more than the number of the last record that was read.
    read: u64,
    /// Of those in memory, where there is no disk.
    dropped: u64,
    failures: u64,
    last_error: Option<String>,
    in_memory: Option<String>,
}

impl Spool {
    /// Opens or makes it. Where the folder cannot be opened it is in memory, and its [`stats`](Self::stats) say why.
    #[must_use]
    pub fn open(options: SpoolOptions) -> Self {
        let (disk, in_memory) = match &options.directory {
            None => (None, Some("no folder is set".to_owned())),
            Some(directory) => match Disk::open(directory, options.bytes, options.age) {
                Ok(disk) => (Some(disk), None),
                Err(error) => (None, Some(format!("cannot use {}: {error}", directory.display()))),
            },
        };
        Self {
            next: disk.as_ref().map_or(0, Disk::next),
            disk,
            memory: VecDeque::new(),
            memory_bytes: 0,
            most_memory: options.memory_bytes,
            read: 0,
            dropped: 0,
            failures: 0,
            last_error: None,
            in_memory,
        }
    }

    /// Puts a record at the end.
    pub fn append(&mut self, bytes: &[u8]) {
        self.settle();
        if let Some(disk) = &mut self.disk {
            if !disk.fits(bytes.len()) {
                disk.count_dropped();
                return;
            }
            if self.memory.is_empty() {
                disk.skip_to(self.next);
                match disk.append(bytes) {
                    Ok(()) => {
                        self.next = disk.next();
                        return;
                    }
                    Err(error) => self.failed(&error),
                }
            }
        }
        self.keep(bytes);
    }

    /// Keeps a record in memory. Behind a disk the newest has to go where there is no room: those on disk are older, and numbers have
    /// no gaps.
    fn keep(&mut self, bytes: &[u8]) {
        while self.memory_bytes + bytes.len() > self.most_memory {
            if let Some(disk) = &mut self.disk {
                disk.count_dropped();
                return;
            }
            self.dropped += 1;
            let Some(oldest) = self.memory.pop_front() else { return };
            self.memory_bytes -= oldest.bytes.len();
        }
        self.memory_bytes += bytes.len();
        self.memory.push_back(Record { number: self.next, bytes: bytes.to_vec() });
        self.next += 1;
    }

    /// Brings what is in memory to the disk, as far as that takes it.
    fn settle(&mut self) {
        let Some(disk) = &mut self.disk else { return };
        while let Some(first) = self.memory.front() {
            // Some of them may be acknowledged already.
            disk.skip_to(first.number);
            if let Err(error) = disk.append(&first.bytes) {
                self.failed(&error);
                return;
            }
            self.memory_bytes -= first.bytes.len();
            self.memory.pop_front();
        }
    }

    /// The oldest records: at most so many, and no more than so many bytes unless the first alone is longer. They stay until they are
    /// [acknowledged](Self::acknowledge).
    pub fn peek(&mut self, most: usize, most_bytes: usize) -> Vec<Record> {
        let most = most.max(1);
        let mut records = Vec::new();
        if let Some(disk) = &mut self.disk {
            match disk.peek(most, most_bytes) {
                Ok(read) => records = read,
                Err(error) => {
                    self.failed(&error);
                    return Vec::new();
                }
            }
        }
        let read = records.last().map(|it| it.number + 1);
        // Those in memory are newer than all on disk.
        if self.disk.as_ref().is_none_or(|disk| disk.records() == 0 || read == Some(disk.next())) {
            let mut bytes: usize = records.iter().map(|it| it.bytes.len()).sum();
            for record in &self.memory {
                bytes += record.bytes.len();
                if records.len() >= most || !records.is_empty() && bytes > most_bytes {
                    break;
                }
                records.push(record.clone());
            }
        }
        self.read = records.last().map_or(self.read, |it| it.number + 1);
        records
    }

    /// All records up to the one of this number, and with it, are where they belong and may go. Those that were not read since they
    /// were appended stay.
    pub fn acknowledge(&mut self, upto: u64) {
        if let Some(disk) = &mut self.disk
            && let Err(error) = disk.acknowledge(upto)
        {
            self.failed(&error);
        }
        // Those on disk are older.
        if self.disk.as_ref().is_none_or(|disk| disk.records() == 0) {
            let end = self.read.min(upto.saturating_add(1));
            while let Some(record) = self.memory.pop_front_if(|it| it.number < end) {
                self.memory_bytes -= record.bytes.len();
            }
        }
    }

    /// Drops and counts what has waited on disk for too long; to be called now and then.
    pub fn expire(&mut self) {
        if let Some(disk) = &mut self.disk
            && let Err(error) = disk.expire()
        {
            self.failed(&error);
        }
    }

    /// Brings everything to the disk, so that loss of power does not lose it.
    pub fn sync(&mut self) {
        self.settle();
        if let Some(disk) = &mut self.disk
            && let Err(error) = disk.sync()
        {
            self.failed(&error);
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.disk.as_ref().is_none_or(|disk| disk.records() == 0)
    }

    /// How it is.
    #[must_use]
    pub fn stats(&self) -> SpoolStats {
        let disk = self.disk.as_ref();
        let position = disk.map(Disk::position).unwrap_or_default();
        let memory_records = self.memory.len() as u64;
        SpoolStats {
            records: memory_records + disk.map_or(0, Disk::records),
            bytes: disk.map_or(0, Disk::bytes),
            memory_records,
            memory_bytes: self.memory_bytes,
            dropped: self.dropped + position.dropped,
            damaged: position.damaged,
            cut: disk.map_or(0, |it| it.cut),
            failures: self.failures,
            last_error: self.last_error.clone(),
            in_memory: self.in_memory.clone(),
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.failures += 1;
        self.last_error = Some(error.to_string());
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.sync();
    }
}
