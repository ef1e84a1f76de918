//! Opening the files of one process and of its threads.

use std::ffi::CStr;
use std::fmt::Arguments;
use std::io::Write;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, RawDir, openat, readlinkat_raw, statat};
use rustix::io::Errno;

use crate::file::{Buffer, FOLDER, READ};
use crate::text::digits;

/// A folder of `/proc`, and memory for one file below it at a time.
///
/// What is read through the open folder of a process is of that process, whoever is given its number later.
#[derive(Default)]
pub(crate) struct Files {
    path: Vec<u8>,
    buffer: Buffer,
    listing: Vec<u8>,
}

impl Files {
    fn aim<'b>(path: &'b mut Vec<u8>, name: Arguments<'_>) -> &'b CStr {
        path.clear();
        // Writing to a vector cannot fail.
        let _ = write!(path, "{name}\0");
        CStr::from_bytes_until_nul(path).unwrap_or_default()
    }

    /// Opens a folder.
    pub(crate) fn folder(
        &mut self,
        below: &OwnedFd,
        name: Arguments<'_>,
    ) -> Result<OwnedFd, Errno> {
        openat(below, Self::aim(&mut self.path, name), FOLDER, Mode::empty())
    }

    /// Opens a folder by its whole path.
    pub(crate) fn root(path: &std::path::Path) -> Result<OwnedFd, Errno> {
        openat(CWD, path, FOLDER, Mode::empty())
    }

    /// Opens a file for reading.
    pub(crate) fn open(&mut self, below: &OwnedFd, name: Arguments<'_>) -> Result<OwnedFd, Errno> {
        openat(below, Self::aim(&mut self.path, name), READ, Mode::empty())
    }

    /// The content of a file that shows itself in one read.
    pub(crate) fn read(&mut self, below: &OwnedFd, name: Arguments<'_>) -> Result<&[u8], Errno> {
        let fd = self.open(below, name)?;
        self.buffer.read_once(&fd)
    }

    /// The content of a file that shows itself record by record.
    pub(crate) fn read_all(
        &mut self,
        below: &OwnedFd,
        name: Arguments<'_>,
    ) -> Result<&[u8], Errno> {
        let fd = self.open(below, name)?;
        self.buffer.read_all(&fd)
    }

    /// Where a link points to, cut to 64 bytes.
    pub(crate) fn link<'b>(
        &mut self,
        below: &OwnedFd,
        name: Arguments<'_>,
        into: &'b mut [u8; 64],
    ) -> Result<&'b [u8], Errno> {
        let len = readlinkat_raw(below, Self::aim(&mut self.path, name), &mut into[..])?;
        Ok(&into[..len])
    }

    /// How many links a folder has.
    pub(crate) fn links(&mut self, below: &OwnedFd, name: Arguments<'_>) -> Result<u64, Errno> {
        let stat = statat(below, Self::aim(&mut self.path, name), AtFlags::empty())?;
        Ok(stat.st_nlink as u64)
    }

    /// The numbers among the names in a folder, with their inode numbers, as far as `each` wants them.
    pub(crate) fn numbers(
        &mut self,
        below: &OwnedFd,
        name: Arguments<'_>,
        mut each: impl FnMut(u32, u64) -> bool,
    ) -> Result<(), Errno> {
        let folder = self.folder(below, name)?;
        self.listing.reserve(32 << 10);
        let mut entries = RawDir::new(folder, self.listing.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let number = digits(entry.file_name().to_bytes()).and_then(|n| u32::try_from(n).ok());
            if let Some(number) = number
                && !each(number, entry.ino())
            {
                return Ok(());
            }
        }
        Ok(())
    }
}
