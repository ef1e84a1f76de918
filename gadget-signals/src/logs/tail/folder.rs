//! The files beside a log file: which are its rotated generations.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

/// Endings that say that a file holds no lines as they are.
const PACKED: [&[u8]; 8] = [b".gz", b".bz2", b".xz", b".zst", b".lz4", b".Z", b".zip", b".tmp"];
/// What else than numbers and dates rotated files are called.
const OLD: [&[u8]; 7] = [b"old", b"bak", b"prev", b"previous", b"last", b"orig", b"save"];

/// The names in a folder, sorted, with their inodes.
#[derive(Debug, Default)]
pub(super) struct Folder(Vec<(Vec<u8>, u64)>);

impl Folder {
    pub(super) fn read(path: &Path) -> Self {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_dir());
        let names =
            entries.filter(is_file).map(|entry| (entry.file_name().into_vec(), entry.ino()));
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        Self(names)
    }

    /// The files that look like rotated generations of `name`.
    pub(super) fn rotated<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = (&'a OsStr, u64)> {
        let stem = stem(name);
        let from = self.0.partition_point(|(own, _)| own.as_slice() < stem);
        let own = self.0[from..].iter().take_while(move |(own, _)| own.starts_with(stem));
        own.filter(|(own, _)| is_rotated(name, own))
            .map(|(own, ino)| (OsStr::from_bytes(own), *ino))
    }

    /// What an inode is called here.
    pub(super) fn name_of(&self, ino: u64) -> Option<&OsStr> {
        self.0.iter().find(|(_, own)| *own == ino).map(|(name, _)| OsStr::from_bytes(name))
    }
}

/// The folders that were read since some moment.
#[derive(Debug, Default)]
pub(super) struct Folders(HashMap<PathBuf, Folder>);

impl Folders {
    pub(super) fn at(&mut self, path: &Path) -> &Folder {
        self.0.entry(path.to_path_buf()).or_insert_with(|| Folder::read(path))
    }
}

/// A name without its extension; one that begins with a point has none there.
fn stem(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&byte| byte == b'.') {
        Some(point) if point > 0 => &name[..point],
        _ => name,
    }
}

/// True if `other` is what rotation makes of `name`: `app.log.1`, `app.log-20261127`, `app-2026-11-27T10.log`, `app.1.log`,
/// `app.log.old`.
fn is_rotated(name: &[u8], other: &[u8]) -> bool {
    if PACKED.iter().any(|end| other.ends_with(end)) {
        return false;
    }
    let stem = stem(name);
    let between = |rest: &[u8]| match rest {
        [b'.' | b'-' | b'_', rest @ ..] => is_suffix(rest),
        _ => false,
    };
    other.strip_prefix(name).is_some_and(between)
        || other
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_suffix(&name[stem.len()..]))
            .is_some_and(between)
}

/// True if this is what rotation puts to a name: a number, a date and time, or a word of [`OLD`].
fn is_suffix(suffix: &[u8]) -> bool {
    let dated = |byte: &u8| byte.is_ascii_digit() || b"-_.:+TZ".contains(byte);
    OLD.contains(&suffix) || suffix.iter().all(dated) && suffix.iter().any(u8::is_ascii_digit)
}

/// What `name` is a rotated generation of, if there is such a file.
pub(super) fn bases(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let at = name.iter().enumerate().skip(1).filter(|(_, byte)| b".-_".contains(byte));
    at.filter(|&(at, _)| is_suffix(&name[at + 1..])).map(|(at, _)| &name[..at])
}

/// True if a name looks like that of a rotated file, of whatever log.
pub(super) fn looks_rotated(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let end = name.iter().rposition(|&byte| byte == b'.').filter(|&point| point > 0);
    let dated = |name: &[u8]| {
        let ends = name.iter().rposition(|byte| !(byte.is_ascii_digit() || b"-_:".contains(byte)));
        ends.is_some_and(|at| name.len() - at > 8 && b"-_.".contains(&name[at + 1]))
    };
    PACKED.iter().any(|end| name.ends_with(end))
        || name.ends_with(b"~")
        || dated(name)
        || end.is_some_and(|point| is_suffix(&name[point + 1..]) && name[..point].contains(&b'.'))
}

/// The order of generations, the oldest first: by when they were last written, and of the same moment by number, of which 1 is the
/// newest.
pub(super) fn age(written: i64, name: &OsStr) -> (i64, Reverse<u64>, OsString) {
    let digits = name.as_bytes().rsplit(|byte| !byte.is_ascii_digit()).find(|run| !run.is_empty());
    let number = digits.and_then(|run| str::from_utf8(run).ok()?.parse().ok()).unwrap_or(0);
    (written, Reverse(number), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_told_from_others() {
        for name in [
            "app.log.1",
            "app.log.12",
            "app.log-20261127",
            "app.log.2026-11-27_10",
            "app.log.old",
            "app-20261127.log",
            "app.1.log",
            "app-2026-11-27T10-00-00.000.log",
            "app_1.log",
        ] {
            assert!(is_rotated(b"app.log", name.as_bytes()), "{name}");
        }
        for name in [
            "app.log",
            "app.log.1.gz",
            "app.log.gz",
            "app.log.lock",
            "app.logs.1",
            "apps.1.log",
            "app.1",
            "app-worker.log",
            "app.log.",
            "app.log.1.tmp",
        ] {
            assert!(!is_rotated(b"app.log", name.as_bytes()), "{name}");
        }
        assert!(
            is_rotated(b"syslog", b"syslog.1") && is_rotated(b"0.log", b"0.log.20261127-101010")
        );
    }

    #[test]
    fn patterns_leave_out_what_looks_rotated() {
        for name in [
            "app.log.1",
            "app.log.2.gz",
            "syslog.gz",
            "app.log-20261127",
            "app.log~",
            "app.log.old",
        ] {
            assert!(looks_rotated(Path::new(name)), "{name}");
        }
        for name in ["app.log", "0.log", "syslog", "worker-1.log", "node.2", "host-10", "app2"] {
            assert!(!looks_rotated(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn generations_of_one_moment_are_in_the_order_of_their_numbers() {
        let mut names =
            ["app.log.1", "app.log.10", "app.log.2"].map(|name| age(5, OsStr::new(name)));
        names.sort();
        let names = names.map(|(.., name)| name);
        assert_eq!(names, ["app.log.10", "app.log.2", "app.log.1"]);
    }

    #[test]
    fn a_folder_lists_the_generations_of_one_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["app.log", "app.log.1", "app.log.2", "app.log.2.gz", "db.log.1"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let folder = Folder::read(folder.path());
        let names: Vec<_> = folder.rotated(b"app.log").map(|(name, _)| name).collect();
        assert_eq!(names, ["app.log.1", "app.log.2"]);
        assert!(bases(b"syslog-1.2").eq([b"syslog".as_slice(), b"syslog-1"]));
        let (_, ino) = folder.rotated(b"db.log").next().unwrap();
        assert_eq!(folder.name_of(ino).unwrap(), "db.log.1");
    }
}
