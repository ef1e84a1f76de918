//! The folder of one incident, and the bound over all of them.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use gadget_core::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Folders.
    pub(crate) folders: usize,
    /// Bytes in all of them.
    pub(crate) bytes: u64,
}

/// The most that one capture writes.
const MAX_CAPTURE: u64 = 16 << 20;

impl Bound {
    fn of_one(self) -> u64 {
        self.bytes.min(MAX_CAPTURE)
    }
}

/// The folder of one incident. Files in it are for its owner alone, and made anew: nothing is followed or overwritten.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: OwnedFd,
    pub(crate) name: String,
    /// Older ones that were removed to make room.
    pub(crate) removed: usize,
    /// Bytes that may still be written.
    left: u64,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Whole,
    /// The bound was met: its end is missing.
    Cut,
}

impl Folder {
    /// Makes room below `root`, then a folder of this name, or with a number behind it if that is taken.
    pub(crate) fn begin(root: &Path, bound: Bound, name: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        let removed = make_room(root.as_fd(), bound)?;
        for attempt in 1..=9 {
            let name = if attempt == 1 { name.to_owned() } else { format!("{name}-{attempt}") };
            match mkdirat(&root, &*name, Mode::RWXU) {
                Err(Errno::EXIST) => {}
                made => {
                    made?;
                    let dir = openat(&root, &*name, flags, Mode::empty())?;
                    return Ok(Self { dir, name, removed, left: bound.of_one() });
                }
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Writes a file, as much of it as the bound allows. Its name is made harmless.
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<Written> {
        let name = harmless(name, 64);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.dir, &*name, flags, Mode::RUSR | Mode::WUSR)?;
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.left -= kept.len() as u64;
        io::Write::write_all(&mut std::fs::File::from(file), kept)?;
        Ok(if kept.len() == bytes.len() { Written::Whole } else { Written::Cut })
    }
}

/// The name of an incident's folder: sorts by time.
pub(crate) fn name(at: Timestamp, plan: u64, pid: u32, comm: &str) -> String {
    format!("{}-plan{plan}-{pid}-{}", utc(at), harmless(comm, 32))
}

/// `text` as a file name: letters, digits, `.`, `_` and `-`; anything else is `_`. Never empty, never hidden.
fn harmless(text: &str, max: usize) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = text.chars().take(max).map(|c| if allowed(c) { c } else { '_' }).collect();
    match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None if name.is_empty() => "_".to_owned(),
        None => name,
    }
}

/// `20261127T071217Z`.
fn utc(at: Timestamp) -> String {
    let seconds = at.as_nanos() / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the leap day is their last; 719,468 days lie between 0000-03-01 and the epoch,
    // 146,097 in 400 years.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{:04}{month:02}{date:02}T{hour:02}{minute:02}{second:02}Z", era * 400 + year + next)
}

/// True for a folder that [`name`] has named: nothing else is ever removed.
fn ours(name: &str) -> bool {
    let mut parts = name.splitn(4, '-');
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut next = || parts.next().unwrap_or_default();
    let time = next();
    let (date, clock) = time.split_once('T').unwrap_or_default();
    date.len() >= 8
        && digits(date)
        && clock.strip_suffix('Z').is_some_and(|clock| clock.len() == 6 && digits(clock))
        && next().strip_prefix("plan").is_some_and(digits)
        && digits(next())
        && !next().is_empty()
}

/// Removes the oldest folders until one more fits, and returns how many.
fn make_room(root: BorrowedFd<'_>, bound: Bound) -> io::Result<usize> {
    let mut folders = Vec::new();
    for entry in Dir::read_from(root)? {
        let Some(name) = entry?.file_name().to_str().ok().map(str::to_owned) else { continue };
        if ours(&name) {
            let size = size(root, &name).unwrap_or(0);
            folders.push((name, size));
        }
    }
    folders.sort();
    let (mut count, mut bytes) = (folders.len(), folders.iter().map(|(_, size)| size).sum::<u64>());
    let mut removed = 0;
    for (name, size) in folders {
        if count < bound.folders && bytes <= bound.bytes - bound.of_one() {
            break;
        }
        // One that somebody keeps something else in stays, and the next oldest goes.
        if remove(root, &name).is_ok() {
            removed += 1;
            count -= 1;
            bytes -= size;
        }
    }
    Ok(removed)
}

fn open_folder(root: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(root, name, flags, Mode::empty())
}

/// Calls `f` with each entry but `.` and `..`.
fn for_each(
    dir: &OwnedFd,
    f: &mut dyn FnMut(&std::ffi::CStr) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            f(entry.file_name())?;
        }
    }
    Ok(())
}

fn size(root: BorrowedFd<'_>, name: &str) -> rustix::io::Result<u64> {
    let dir = open_folder(root, name)?;
    let mut size = 0;
    for_each(&dir, &mut |file| {
        let found = statat(&dir, file, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile {
            size += u64::try_from(found.st_size).unwrap_or(0);
        }
        Ok(())
    })?;
    Ok(size)
}

fn remove(root: BorrowedFd<'_>, name: &str) -> rustix::io::Result<()> {
    let dir = open_folder(root, name)?;
    // Of another file system, it is not one that we made.
    if fstat(&dir)?.st_dev != fstat(root)?.st_dev {
        return Err(Errno::XDEV);
    }
    for_each(&dir, &mut |file| unlinkat(&dir, file, AtFlags::empty()))?;
    unlinkat(root, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const BOUND: Bound = Bound { folders: 3, bytes: 1_000 };

    fn names(root: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_795_763_537, "20261127T071217Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(utc(Timestamp::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_comm_full_of_traps_makes_a_harmless_name() {
        let at = Timestamp::from_secs(0);
        let of = |comm| name(at, 7, 42, comm);
        assert_eq!(of("../a/b\nc"), "19700101T000000Z-plan7-42-_._a_b_c");
        assert_eq!(of(""), "19700101T000000Z-plan7-42-_");
        assert_eq!(of("ü\u{202e}\0"), "19700101T000000Z-plan7-42-___");
        for comm in ["..", "x-y", "\n", "plain"] {
            assert!(ours(&of(comm)), "{comm:?}");
        }
        for other in [
            "",
            "backup",
            "19700101T000000Z",
            "19700101T000000Z-plan-1-x",
            "2026-11-27T0-plan1-2-x",
        ] {
            assert!(!ours(other), "{other:?}");
        }
    }

    #[test]
    fn files_are_private_and_neither_followed_nor_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let mut folder =
            Folder::begin(&root.path().join("a/b"), BOUND, &name(Timestamp::EPOCH, 1, 2, "x"))
                .unwrap();
        let path = root.path().join("a/b").join(&folder.name);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(folder.write("../t", b"text").unwrap(), Written::Whole);
        assert_eq!(
            std::fs::metadata(path.join("_._t")).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(folder.write("../t", b"other").is_err());
        let elsewhere = root.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, path.join("link")).unwrap();
        assert!(folder.write("link", b"x").is_err());
        assert!(!elsewhere.exists());
        std::os::unix::fs::symlink(root.path().join("a"), root.path().join("linked")).unwrap();
        assert!(Folder::begin(&root.path().join("linked"), BOUND, "x").is_err());
    }

    #[test]
    fn the_oldest_go_and_nothing_else_does() {
        let root = tempfile::tempdir().unwrap();
        for other in ["backup", "19700101T000000Z-plan-1-x"] {
            std::fs::create_dir(root.path().join(other)).unwrap();
        }
        let begin = |plan| {
            Folder::begin(root.path(), BOUND, &name(Timestamp::from_secs(plan), plan, 2, "x"))
                .unwrap()
        };
        for plan in 1..=3 {
            assert_eq!(begin(plan).removed, 0);
        }
        // Held by a folder inside, so the second oldest goes instead.
        std::fs::create_dir(root.path().join("19700101T000001Z-plan1-2-x/kept")).unwrap();
        assert_eq!(begin(4).removed, 1);
        assert_eq!(
            names(root.path()),
            [
                "19700101T000000Z-plan-1-x",
                "19700101T000001Z-plan1-2-x",
                "19700101T000003Z-plan3-2-x",
                "19700101T000004Z-plan4-2-x",
                "backup",
            ]
        );
        // The same plan twice, as after a restart.
        let again = begin(4);
        assert_eq!((&*again.name, again.removed), ("19700101T000004Z-plan4-2-x-2", 1));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let root = tempfile::tempdir().unwrap();
        let bound = Bound { folders: 9, bytes: 1_000 };
        let begin = |plan| {
            Folder::begin(root.path(), bound, &name(Timestamp::from_secs(plan), plan, 2, "x"))
                .unwrap()
        };
        let mut folder = begin(1);
        assert_eq!(folder.write("a", &[7; 600]).unwrap(), Written::Whole);
        assert_eq!(folder.write("b", &[7; 600]).unwrap(), Written::Cut);
        let kept = std::fs::metadata(root.path().join(&folder.name).join("b")).unwrap().len();
        assert_eq!(kept, 400);
        assert_eq!(begin(2).removed, 1);
        assert_eq!(names(root.path()).len(), 1);
    }
}
