//! Reading kernel files into memory that is kept.

use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use gadget_core::SignalError;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// No file that is read here is larger; what is larger is refused.
const MAX_FILE: usize = 4 << 20;

/// How files are opened for reading.
pub(crate) const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);
/// How folders are opened.
pub(crate) const FOLDER: OFlags = READ.union(OFlags::DIRECTORY);

/// True if `error` says that the process or the cgroup, and so its file, is gone.
pub(crate) fn vanished(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NODEV | Errno::SRCH)
}

/// Why something of a process could not be read.
pub(crate) enum Trouble {
    /// It is gone.
    Gone,
    Signal(SignalError),
}

impl Trouble {
    /// A file of a process that is there.
    pub(crate) fn reading(file: &str, error: Errno) -> Self {
        Self::Signal(SignalError::Read { path: file.into(), source: error.into() })
    }
}

impl From<SignalError> for Trouble {
    fn from(error: SignalError) -> Self {
        Self::Signal(error)
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        if vanished(error) { Self::Gone } else { Self::reading("", error) }
    }
}

/// What a file cannot say is not an error of reading it: turned off, or not for this kind of group.
pub(crate) fn not_offered(error: Errno) -> bool {
    matches!(error, Errno::OPNOTSUPP | Errno::INVAL)
}

/// The error of reading `path`: a file that is not there, or that says nothing, is a kernel without the signal.
pub(crate) fn failed(path: impl Into<PathBuf>, error: Errno, needs: &'static str) -> SignalError {
    let path = path.into();
    if vanished(error) || not_offered(error) {
        SignalError::Unsupported { path, needs }
    } else {
        SignalError::Read { path, source: io::Error::from(error) }
    }
}

/// Memory for the content of one file at a time.
pub(crate) struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; 8 << 10])
    }
}

impl Buffer {
    /// The content of a file that shows all of itself in one read, as `memory.stat`, `/proc/PID/stat` and the pressure
    /// files do: one system call.
    pub(crate) fn read_once(&mut self, file: impl AsFd) -> Result<&[u8], Errno> {
        loop {
            let read = retry(|| rustix::io::pread(&file, &mut self.0[..], 0))?;
            if read < self.0.len() {
                return Ok(&self.0[..read]);
            }
            self.grow()?;
        }
    }

    /// The content of a file that shows itself record by record, as `/proc/vmstat` does: reads to its end.
    pub(crate) fn read_all(&mut self, file: impl AsFd) -> Result<&[u8], Errno> {
        let mut end = 0;
        loop {
            if end == self.0.len() {
                self.grow()?;
            }
            let read = retry(|| rustix::io::pread(&file, &mut self.0[end..], end as u64))?;
            if read == 0 {
                return Ok(&self.0[..end]);
            }
            end += read;
        }
    }

    fn grow(&mut self) -> Result<(), Errno> {
        if self.0.len() >= MAX_FILE {
            return Err(Errno::FBIG);
        }
        self.0.resize(self.0.len() * 2, 0);
        Ok(())
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// A file that is opened once and read again and again.
pub(crate) struct KernelFile {
    fd: OwnedFd,
    path: PathBuf,
    needs: &'static str,
}

impl KernelFile {
    /// Opens `path`; where it does not exist the error says what it `needs`.
    pub(crate) fn open(path: PathBuf, needs: &'static str) -> Result<Self, SignalError> {
        let fd = openat(CWD, &path, READ, Mode::empty())
            .map_err(|error| failed(path.as_path(), error, needs))?;
        Ok(Self { fd, path, needs })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn read_once<'b>(&self, buffer: &'b mut Buffer) -> Result<&'b [u8], SignalError> {
        buffer.read_once(&self.fd).map_err(|error| failed(self.path.as_path(), error, self.needs))
    }

    pub(crate) fn read_all<'b>(&self, buffer: &'b mut Buffer) -> Result<&'b [u8], SignalError> {
        buffer.read_all(&self.fd).map_err(|error| failed(self.path.as_path(), error, self.needs))
    }
}

/// The folders in a folder of a cgroup file system, with their inode numbers. Not for every tick.
///
/// A folder counts the folders in it among its links, so one without any is not listed.
pub(crate) fn folders(folder: &Path) -> impl Iterator<Item = (PathBuf, u64)> + use<> {
    let leaf = fs::metadata(folder).is_ok_and(|metadata| metadata.nlink() == 2);
    let entries = (!leaf).then(|| fs::read_dir(folder).ok()).flatten();
    entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| (entry.path(), entry.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_larger_than_the_buffer_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        let content: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let file = KernelFile::open(path, "nothing").unwrap();
        let mut buffer = Buffer::default();
        assert_eq!(file.read_once(&mut buffer).unwrap(), content);
        assert_eq!(file.read_all(&mut buffer).unwrap(), content);
    }

    #[test]
    fn a_huge_file_is_an_error_and_not_a_full_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge");
        std::fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
        let file = KernelFile::open(path, "nothing").unwrap();
        let error = file.read_all(&mut Buffer::default()).unwrap_err();
        assert!(matches!(error, SignalError::Read { .. }), "{error}");
    }

    #[test]
    fn a_missing_file_says_what_it_needs() {
        let error = KernelFile::open("/proc/none".into(), "Linux 99").err().unwrap();
        assert_eq!(error.to_string(), "/proc/none needs Linux 99");
    }
}
