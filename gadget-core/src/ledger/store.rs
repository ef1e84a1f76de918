//! Where the bytes of a ledger are: in a directory, or in memory.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::LedgerError;
use super::crash::crash_point;
use super::sync::Syncer;

const EXTENSION: &str = ".ledger";

/// The files of one ledger.
#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn head(&self) -> PathBuf {
        self.0.join("head")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The segment that begins with record `first`.
    pub(super) fn segment(&self, first: u64) -> PathBuf {
        self.0.join(format!("{first:020}{EXTENSION}"))
    }

    /// The first record of each segment, in order.
    pub(super) fn segments(&self) -> Result<Vec<u64>, LedgerError> {
        let failed = |source| LedgerError::io("list", &self.0, source);
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(EXTENSION));
            segments.extend(
                digits.filter(|digits| digits.len() == 20).and_then(|d| d.parse::<u64>().ok()),
            );
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// Makes the directory and takes its lock.
    pub(super) fn acquire(&self, pid: u32) -> Result<Lock, LedgerError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(|source| LedgerError::io("make", &self.0, source))?;
        let path = self.lock();
        let failed = |source| LedgerError::io("lock", &path, source);
        let file = options().open(&path).map_err(failed)?;
        // A verification asks for the lock for a moment.
        for _ in 0..20 {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    let line = format!("{pid}\n");
                    file.set_len(0)
                        .and_then(|()| file.write_all_at(line.as_bytes(), 0))
                        .map_err(failed)?;
                    return Ok(Lock(file));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(10)),
                Err(errno) => return Err(failed(errno.into())),
            }
        }
        let by = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
        Err(LedgerError::Locked { path, by })
    }

    /// True if an agent has the ledger open.
    pub(super) fn in_use(&self) -> bool {
        File::open(self.lock()).is_ok_and(|file| {
            flock(&file, FlockOperation::NonBlockingLockShared)
                == Err(rustix::io::Errno::WOULDBLOCK)
        })
    }

    /// Removes a segment; one that is gone already is fine.
    pub(super) fn remove(&self, first: u64) -> Result<(), LedgerError> {
        let path = self.segment(first);
        crash_point();
        let removed = fs::remove_file(&path);
        crash_point();
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LedgerError::io("remove", &path, error))
            }
            _ => Ok(()),
        }
    }
}

/// The lock of a ledger, held until this is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would leave it with a child process that is between fork and exec.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Where a ledger writes.
#[derive(Debug)]
pub(super) enum Store {
    Disk(Disk),
    Memory {
        /// Each segment's bytes, oldest first.
        segments: VecDeque<Vec<u8>>,
    },
}

#[derive(Debug)]
pub(super) struct Disk {
    directory: Directory,
    path: PathBuf,
    segment: Arc<File>,
    head: Arc<File>,
    syncer: Syncer,
    /// Dropped last: what follows the lock's release sees synced files.
    _lock: Lock,
}

impl Disk {
    /// Writes on at the segment that begins with record `first`, which is made if it is not there.
    pub(super) fn open(directory: Directory, lock: Lock, first: u64) -> Result<Self, LedgerError> {
        let path = directory.segment(first);
        let open = |path: &Path| {
            options().open(path).map_err(|source| LedgerError::io("open", path, source))
        };
        let (segment, head) = (Arc::new(open(&path)?), Arc::new(open(&directory.head())?));
        let syncer = File::open(directory.path())
            .and_then(|dir| Syncer::start(dir, Arc::clone(&head), Arc::clone(&segment)))
            .map_err(|source| LedgerError::io("sync", directory.path(), source))?;
        Ok(Self { directory, path, segment, head, syncer, _lock: lock })
    }

    #[cfg(test)]
    pub(super) fn sync_by(&mut self, directory: File) {
        self.syncer =
            Syncer::start(directory, Arc::clone(&self.head), Arc::clone(&self.segment)).unwrap();
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Store {
    /// Writes `bytes` at the end of the segment, which is at `offset`.
    pub(super) fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LedgerError> {
        match self {
            Self::Disk(disk) => {
                crash_point();
                let written = disk.segment.write_all_at(bytes, offset);
                crash_point();
                written.map_err(|source| LedgerError::io("write", &disk.path, source))
            }
            Self::Memory { segments } => {
                if let Some(segment) = segments.back_mut() {
                    segment.extend_from_slice(bytes);
                }
                Ok(())
            }
        }
    }

    /// Cuts the segment at `offset`.
    pub(super) fn cut(&mut self, offset: u64) -> Result<(), LedgerError> {
        let Self::Disk(disk) = self else { return Ok(()) };
        crash_point();
        let cut = disk.segment.set_len(offset);
        crash_point();
        cut.map_err(|source| LedgerError::io("cut", &disk.path, source))
    }

    /// Rewrites the head. All heads have one length, within one sector.
    pub(super) fn head(&mut self, bytes: &[u8]) -> Result<(), LedgerError> {
        let Self::Disk(disk) = self else { return Ok(()) };
        crash_point();
        let written = disk.head.write_all_at(bytes, 0);
        crash_point();
        written.map_err(|source| LedgerError::io("write", &disk.directory.head(), source))
    }

    /// Starts the segment of record `first`, of which `keep` are kept, with `bytes`. All or nothing.
    pub(super) fn start(
        &mut self,
        first: u64,
        bytes: &[u8],
        keep: usize,
    ) -> Result<(), LedgerError> {
        match self {
            Self::Disk(disk) => {
                let path = disk.directory.segment(first);
                crash_point();
                let made = options().truncate(true).open(&path).and_then(|file| {
                    crash_point();
                    file.write_all_at(bytes, 0).map(|()| file)
                });
                crash_point();
                let file = match made {
                    Ok(file) => Arc::new(file),
                    Err(source) => {
                        let _ = fs::remove_file(&path);
                        return Err(LedgerError::io("start", &path, source));
                    }
                };
                disk.syncer.rotated(Arc::clone(&file), keep);
                (disk.segment, disk.path) = (file, path);
            }
            Self::Memory { segments } => segments.push_back(bytes.to_vec()),
        }
        Ok(())
    }

    /// Removes the oldest segment, which begins with record `first`.
    pub(super) fn remove(&mut self, first: u64) -> Result<(), LedgerError> {
        match self {
            Self::Disk(disk) => disk.directory.remove(first),
            Self::Memory { segments } => {
                segments.pop_front();
                Ok(())
            }
        }
    }

    /// Wakes the background sync; gives the error of one that failed, once.
    pub(super) fn written(&self) -> Option<io::Error> {
        let Self::Disk(disk) = self else { return None };
        disk.syncer.written()
    }

    /// Waits until the records are on storage, and with `head` also where they end.
    pub(super) fn sync(&self, head: bool) -> Result<(), LedgerError> {
        let Self::Disk(disk) = self else { return Ok(()) };
        crash_point();
        let synced = disk.syncer.wait(head);
        crash_point();
        synced.map_err(|source| LedgerError::io("sync", &disk.path, source))
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}
