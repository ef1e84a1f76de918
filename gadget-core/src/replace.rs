//! Files that are replaced as a whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Puts `bytes` in place of the file at `path`, at once or not at all: whoever opens it finds the old file or the new one, also after a
/// kill or a loss of power. A new file has the permissions of `mode`, as far as the umask allows them.
///
/// A symbolic link stays, and what it leads to is replaced. What is no regular file is left alone: `/dev/null` is nobody's to replace.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] for what is no regular file; else what the system says, and the old file is still there.
pub fn replace_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let path = &ensure_regular(path)?;
    let mut name = OsString::from(path);
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    // What one that was killed has left is in the way.
    let _ = fs::remove_file(&new);
    let put = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        sync_folder(path)
    };
    put().inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Makes durable what was renamed in the folder of `path`, or removed.
///
/// # Errors
///
/// What the system says.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Says that `path` leads to a regular file or to nothing yet, which may therefore be written, renamed and replaced; gives the path with
/// its links followed.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] for a directory, a device, a pipe or a socket.
pub fn ensure_regular(path: &Path) -> io::Result<PathBuf> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => fs::canonicalize(path),
        Ok(_) => Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_file_is_replaced_and_a_link_to_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        replace_file(&file, b"one", 0o600).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        symlink("file", &link).unwrap();
        replace_file(&link, b"two", 0o600).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn what_is_no_regular_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        for path in [&socket, folder.path(), Path::new("/dev/null")] {
            let error = replace_file(path, b"x", 0o600).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        let missing = folder.path().join("no/such");
        assert_eq!(replace_file(&missing, b"x", 0o600).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
