//! Opening the files of processes by number.

use std::ffi::CStr;
use std::io::Write;
use std::ops::BitOr;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, openat, readlinkat_raw, statat};
use rustix::io::Errno;

use crate::file::{Buffer, READ};

/// Which files of a process are read besides `stat` and `statm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessFiles(u8);

impl ProcessFiles {
    /// None besides them, the default.
    pub const USAGE: Self = Self(0);
    /// `smaps_rollup`, for processes that gadgets asked for by name: it walks the whole address space.
    pub const SMAPS: Self = Self(1);
    /// `io`, whenever a process is read.
    pub const IO: Self = Self(2);

    /// True if all of `files` are among these.
    #[must_use]
    pub const fn contains(self, files: Self) -> bool {
        self.0 & files.0 == files.0
    }
}

impl BitOr for ProcessFiles {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The folder `/proc`, and memory for one file of it at a time.
pub(crate) struct Proc {
    pub(crate) folder: OwnedFd,
    path: Vec<u8>,
    buffer: Buffer,
}

impl Proc {
    pub(crate) fn new(folder: OwnedFd) -> Self {
        Self { folder, path: Vec::with_capacity(64), buffer: Buffer::default() }
    }

    /// Makes the path `PID/NAME`.
    fn aim<'b>(path: &'b mut Vec<u8>, pid: u32, name: &str) -> &'b CStr {
        path.clear();
        // Writing to a vector cannot fail.
        let _ = write!(path, "{pid}/{name}\0");
        CStr::from_bytes_until_nul(path).unwrap_or_default()
    }

    pub(crate) fn open(&mut self, pid: u32, name: &str) -> Result<OwnedFd, Errno> {
        openat(&self.folder, Self::aim(&mut self.path, pid, name), READ, Mode::empty())
    }

    /// The owner of `PID`, who is the process's effective user.
    pub(crate) fn owner(&mut self, pid: u32) -> Result<u32, Errno> {
        let path = Self::aim(&mut self.path, pid, "");
        Ok(statat(&self.folder, path, AtFlags::empty())?.st_uid)
    }

    /// Where a link points to; the number of bytes read.
    pub(crate) fn link(&mut self, pid: u32, name: &str, into: &mut [u8]) -> Result<usize, Errno> {
        readlinkat_raw(&self.folder, Self::aim(&mut self.path, pid, name), into)
    }

    /// A file that shows itself in one read.
    pub(crate) fn read(&mut self, pid: u32, name: &str) -> Result<&[u8], Errno> {
        let fd = self.open(pid, name)?;
        self.buffer.read_once(&fd)
    }

    /// A file that shows itself record by record.
    pub(crate) fn read_all(&mut self, pid: u32, name: &str) -> Result<&[u8], Errno> {
        let fd = self.open(pid, name)?;
        self.buffer.read_all(&fd)
    }

    /// An open file.
    pub(crate) fn reread(&mut self, fd: &OwnedFd) -> Result<&[u8], Errno> {
        self.buffer.read_once(fd)
    }
}
