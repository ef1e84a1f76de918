//! The files beside a log file: which are its rotated generations.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

/// Endings that say that a file holds no lines as they are.
const PACKED: [&[u8]; 8] = [b".gz", b".bz2", b".xz", b".zst", b".lz4", b".Z", b".zip", b".tmp"];
/// How often names are read that do not come to rest.
pub(super) const READINGS: usize = 8;
/// What else than numbers and dates rotated files are called.
const OLD: [&[u8]; 7] = [b"old", b"bak", b"prev", b"previous", b"last", b"orig", b"save"];

/// The names in a folder, sorted, with their inodes.
#[derive(Debug, Default)]
pub(super) struct Folder(Vec<(Vec<u8>, u64)>);

impl Folder {
    /// A file that is renamed while names are read may be missed under both of its names, so they are read until two readings agree.
    pub(super) fn read(path: &Path) -> Self {
        let mut last = Self::names(path);
        for _ in 0..READINGS {
            let next = Self::names(path);
            if next == last {
                break;
            }
            last = next;
        }
        Self(last)
    }

    fn names(path: &Path) -> Vec<(Vec<u8>, u64)> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_dir());
        let names =
            entries.filter(is_file).map(|entry| (entry.file_name().into_vec(), entry.ino()));
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }

    /// The files that look like rotated generations of `name`, each with what tells their order, and its inode.
    pub(super) fn rotated<'a>(
        &'a self,
        name: &'a [u8],
    ) -> impl Iterator<Item = (&'a OsStr, Suffix, u64)> {
        let stem = stem(name);
        let from = self.0.partition_point(|(own, _)| own.as_slice() < stem);
        let own = self.0[from..].iter().take_while(move |(own, _)| own.starts_with(stem));
        own.filter_map(move |(own, ino)| Some((OsStr::from_bytes(own), suffix(name, own)?, *ino)))
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

    /// Has a folder read again, whose files have moved.
    pub(super) fn renew(&mut self, path: &Path) {
        self.0.remove(path);
    }
}

/// A name without its extension; one that begins with a point has none there.
fn stem(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&byte| byte == b'.') {
        Some(point) if point > 0 => &name[..point],
        _ => name,
    }
}

/// What tells the order of generations of the same time: dates rise, and of numbers 1 is the newest.
pub(super) type Suffix = i128;

/// The order of `other`, if its name is what rotation makes of `name`: `app.log.1`, `app.log-20261127`, `app-2026-11-27T10.log`,
/// `app.1.log`, `app.log.old`.
fn suffix(name: &[u8], other: &[u8]) -> Option<Suffix> {
    if PACKED.iter().any(|end| other.ends_with(end)) {
        return None;
    }
    let stem = stem(name);
    let between = |rest: &[u8]| match rest {
        [b'.' | b'-' | b'_', rest @ ..] if is_suffix(rest) => {
            let digits = rest.iter().filter(|byte| byte.is_ascii_digit()).take(30);
            let (count, number) = digits.fold((0, 0), |(count, number), digit| {
                (count + 1, 10 * number + i128::from(digit - b'0'))
            });
            Some(if count < 8 { -number } else { number })
        }
        _ => None,
    };
    other.strip_prefix(name).and_then(between).or_else(|| {
        let rest = other.strip_prefix(stem)?.strip_suffix(&name[stem.len()..])?;
        between(rest)
    })
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

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
            assert!(suffix(b"app.log", name.as_bytes()).is_some(), "{name}");
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
            assert!(suffix(b"app.log", name.as_bytes()).is_none(), "{name}");
        }
        assert!(suffix(b"syslog", b"syslog.1").is_some());
        assert!(suffix(b"0.log", b"0.log.20261127-101010").is_some());
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
    fn dates_rise_and_numbers_fall() {
        let order = |name: &str| suffix(b"app2.log", name.as_bytes()).unwrap();
        assert!(
            order("app2.log.10") < order("app2.log.2") && order("app2.log.2") < order("app2.log.1")
        );
        assert!(order("app2.log-20261127") < order("app2.log-20261128"));
        assert!(order("app2-2026-11-27T10-00.log") < order("app2-2026-11-27T10-01.log"));
    }

    #[test]
    fn a_folder_lists_the_generations_of_one_file() {
        let root = tempfile::tempdir().unwrap();
        for name in ["app.log", "app.log.1", "app.log.2", "app.log.2.gz", "db.log.1"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        let folder = Folder::read(root.path());
        let names: Vec<_> = folder.rotated(b"app.log").map(|(name, ..)| name).collect();
        assert_eq!(names, ["app.log.1", "app.log.2"]);
        assert!(bases(b"syslog-1.2").eq([b"syslog".as_slice(), b"syslog-1"]));
        let ino = fs::metadata(root.path().join("db.log.1")).unwrap().ino();
        assert_eq!(folder.name_of(ino).unwrap(), "db.log.1");
    }
}
