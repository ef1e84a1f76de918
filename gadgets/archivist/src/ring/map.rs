//! A file in memory. The only place with unsafe code.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapMut, MmapOptions};

/// A locked file of fixed length, mapped and shared, so that what is written to it is there after the process was killed.
pub(super) struct Map {
    bytes: MmapMut,
    /// Keeps the lock.
    _file: File,
}

impl Map {
    /// Maps `file`, which the caller has locked and given its length.
    pub(super) fn new(file: File) -> io::Result<Self> {
        // SAFETY: the file is locked, of mode 0600 and owned by this user, its blocks are allocated, and nobody who minds the lock
        // truncates it or writes to it while it is mapped. All that is read of it is checked as bytes of any content.
        let bytes = unsafe { MmapMut::map_mut(&file) }?;
        Ok(Self { bytes, _file: file })
    }

    /// Maps the beginning of `file`, which the caller has locked and has found to be that long. What is written to it is seen by this
    /// process alone.
    pub(super) fn private(file: File, length: usize) -> io::Result<Self> {
        // SAFETY: as above; the file takes its name once it is written, and is only removed from then on.
        let bytes = unsafe { MmapOptions::new().len(length).map_copy(&file) }?;
        Ok(Self { bytes, _file: file })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes what nobody reads before it is committed.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes a word that says that what was written before is there. A process that is killed has written either all before
    /// it and the word, or not the word.
    pub(super) fn commit(&mut self, at: usize, word: u64) {
        let place = self.bytes[at..at + 8].as_mut_ptr().cast::<u64>();
        assert!(place.is_aligned(), "commit words are where pages begin");
        // SAFETY: eight bytes of the mapping, aligned, and borrowed by this call alone in this process.
        let place = unsafe { AtomicU64::from_ptr(place) };
        place.store(word.to_le(), Ordering::Release);
    }
}
