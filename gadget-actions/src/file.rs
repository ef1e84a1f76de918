//! One-line kernel files below an open directory, without allocation.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use gadget_core::Value;
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, RawDir, openat};
use rustix::io::{Errno, Result, read, write as write_once};

/// The longest path that a system call takes, with its closing zero.
const PATH_MAX: usize = 4096;

/// Calls `f` with `path` below some directory as a C string: leading slashes gone, `.` for an empty one.
///
/// Refuses what would lead out of the directory.
fn with_path<R>(path: &str, f: impl FnOnce(&CStr) -> Result<R>) -> Result<R> {
    let path = path.trim_matches('/');
    if path.split('/').any(|part| part == "..") {
        return Err(Errno::INVAL);
    }
    let path = if path.is_empty() { "." } else { path };
    let mut buffer = [0_u8; PATH_MAX];
    let room =
        buffer.get_mut(..path.len()).filter(|_| path.len() < PATH_MAX).ok_or(Errno::NAMETOOLONG)?;
    room.copy_from_slice(path.as_bytes());
    let path = buffer.get(..=path.len()).ok_or(Errno::NAMETOOLONG)?;
    f(CStr::from_bytes_with_nul(path).map_err(|_| Errno::INVAL)?)
}

/// Opens `path` below `dir`.
pub(crate) fn open(dir: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd> {
    with_path(path, |path| openat(dir, path, flags | OFlags::CLOEXEC, Mode::empty()))
}

/// Opens the directory `path` below `dir`.
pub(crate) fn open_dir(dir: BorrowedFd<'_>, path: &str) -> Result<OwnedFd> {
    open(dir, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)
}

/// Reads `path` below `dir` into `buffer` and returns what it holds, cut to the buffer.
pub(crate) fn read_into<'b>(
    dir: BorrowedFd<'_>,
    path: &str,
    buffer: &'b mut [u8],
) -> Result<&'b [u8]> {
    let file = open(dir, path, OFlags::RDONLY)?;
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match read(&file, rest) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..len).unwrap_or_default())
}

/// Reads a setting, trimmed.
pub(crate) fn read_value(dir: BorrowedFd<'_>, path: &str) -> Result<Value> {
    let mut buffer = [0; 4096];
    let text = std::str::from_utf8(read_into(dir, path, &mut buffer)?).map_err(|_| Errno::ILSEQ)?;
    Value::from(text.trim()).map_err(|_| Errno::OVERFLOW)
}

/// Writes `text` to `path` below `dir` in one call, as kernel files want it.
pub(crate) fn write(dir: BorrowedFd<'_>, path: &str, text: &str) -> Result<()> {
    write_with(dir, path, text, OFlags::empty())
}

/// [`write`], opened with further flags.
pub(crate) fn write_with(dir: BorrowedFd<'_>, path: &str, text: &str, flags: OFlags) -> Result<()> {
    // Kernel files ignore O_TRUNC; regular files of a fake tree need it.
    let file = open(dir, path, OFlags::WRONLY | OFlags::TRUNC | flags)?;
    crash_point();
    let written = write_once(&file, text.as_bytes());
    crash_point();
    if written? == text.len() { Ok(()) } else { Err(Errno::IO) }
}

/// Where a test ends the process.
pub(crate) fn crash_point() {
    #[cfg(test)]
    gadget_core::crash_point();
}

/// Calls `f` with each number in the file `path` below `dir`: a list of process ids of any length.
pub(crate) fn for_each_number(
    dir: BorrowedFd<'_>,
    path: &str,
    f: &mut dyn FnMut(u32),
) -> Result<()> {
    let file = open(dir, path, OFlags::RDONLY)?;
    let mut buffer = [0_u8; 2048];
    let mut number = None;
    loop {
        let len = match read(&file, &mut buffer) {
            Ok(len) => len,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        let chunk = buffer.get(..len).unwrap_or_default();
        for byte in chunk {
            match byte {
                b'0'..=b'9' => {
                    let digit = u32::from(byte - b'0');
                    number = Some(number.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit));
                }
                _ => {
                    if let Some(number) = number.take() {
                        f(number);
                    }
                }
            }
        }
        if chunk.is_empty() {
            if let Some(number) = number {
                f(number);
            }
            return Ok(());
        }
    }
}

/// Calls `f` with the name of each directory in `dir`.
pub(crate) fn for_each_dir(
    dir: BorrowedFd<'_>,
    f: &mut dyn FnMut(&CStr) -> Result<()>,
) -> Result<()> {
    // A descriptor of its own, so that a second listing starts at the beginning.
    let listing =
        openat(dir, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 2048];
    let mut entries = RawDir::new(listing.as_fd(), &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type() == FileType::Directory && name != c"." && name != c".." {
            f(name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(dir: &tempfile::TempDir) -> OwnedFd {
        open_dir(rustix::fs::CWD, ".").unwrap();
        rustix::fs::open(dir.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn a_path_never_leads_out_of_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = opened(&dir);
        for path in ["..", "a/../../b", "/../etc", "a\0b"] {
            assert_eq!(
                open(root.as_fd(), path, OFlags::RDONLY).unwrap_err(),
                Errno::INVAL,
                "{path:?}"
            );
        }
        let long = "x/".repeat(PATH_MAX);
        assert_eq!(open(root.as_fd(), &long, OFlags::RDONLY).unwrap_err(), Errno::NAMETOOLONG);
    }

    #[test]
    fn numbers_are_found_across_the_ends_of_the_buffer() {
        let dir = tempfile::tempdir().unwrap();
        let numbers: Vec<u32> = (99_990..101_500).collect();
        let text: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        std::fs::write(dir.path().join("cgroup.procs"), text.join("\n")).unwrap();
        let mut found = Vec::new();
        for_each_number(opened(&dir).as_fd(), "cgroup.procs", &mut |n| found.push(n)).unwrap();
        assert_eq!(found, numbers);
    }

    #[test]
    fn a_value_that_does_not_fit_is_an_error_not_a_shorter_value() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("long"), "7".repeat(97)).unwrap();
        assert_eq!(read_value(opened(&dir).as_fd(), "long"), Err(Errno::OVERFLOW));
        write(opened(&dir).as_fd(), "long", "max").unwrap();
        assert_eq!(read_value(opened(&dir).as_fd(), "long").as_deref(), Ok("max"));
    }
}
