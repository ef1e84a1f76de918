//! `/proc/PID/maps`, and the files behind it.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};

use crate::file;
use crate::process::Target;

/// The most text of `maps` that is read: some 40,000 mappings.
const MAX_TEXT: usize = 4 << 20;

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
    /// It can be read.
    pub read: bool,
    /// It can be executed.
    pub exec: bool,
    /// Where in the file it begins.
    pub offset: u64,
    /// The file's inode number; 0 without a file.
    pub inode: u64,
    /// The file's path, `[stack]` and the like, or nothing.
    pub path: String,
}

impl Mapping {
    /// What people call it: the last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap_or_default()
    }
}

/// The mappings in the text of `maps`, sorted by address (Documentation/filesystems/proc.rst). Lines that are none, and those
/// out of order, are left out.
#[must_use]
pub fn parse_maps(text: &[u8]) -> Vec<Mapping> {
    let mut maps: Vec<Mapping> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let after = maps.last().map_or(0, |last| last.end);
        if let Some(mapping) = parse_line(line).filter(|mapping| mapping.start >= after) {
            maps.push(mapping);
        }
    }
    maps
}

fn parse_line(line: &[u8]) -> Option<Mapping> {
    let line = String::from_utf8_lossy(line);
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let hex = |digits| u64::from_str_radix(digits, 16).ok();
    let (start, end) = (hex(start)?, hex(end)?);
    let permissions = fields.next()?.as_bytes();
    let offset = hex(fields.next()?)?;
    let inode = fields.nth(1)?.parse().ok()?;
    let path = fields.next().unwrap_or_default().trim_start().to_owned();
    let (read, exec) = (*permissions.first()? == b'r', *permissions.get(2)? == b'x');
    (start < end).then_some(Mapping { start, end, read, exec, offset, inode, path })
}

/// The mapping that holds `address`.
pub(crate) fn at(maps: &[Mapping], address: u64) -> Option<&Mapping> {
    let index = maps.partition_point(|mapping| mapping.end <= address);
    maps.get(index).filter(|mapping| mapping.start <= address)
}

/// The mappings of a process, and whether these are all.
pub(crate) fn read(target: &Target) -> rustix::io::Result<Vec<Mapping>> {
    let mut text = vec![0; MAX_TEXT];
    let text = file::read_into(target.dir.as_fd(), "maps", &mut text)?;
    Ok(parse_maps(text))
}

/// Opens the file behind a mapping: through `map_files`, which is the mapped file itself whatever its path names by now, or
/// where that is not allowed by its path in the process's root, if that is still the same inode. Never a device or a pipe.
pub(crate) fn open(target: &Target, mapping: &Mapping) -> Option<OwnedFd> {
    if mapping.inode == 0 {
        return None;
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let link = format!("map_files/{:x}-{:x}", mapping.start, mapping.end);
    let path = openat(&target.dir, link, flags, Mode::empty()).or_else(|_| {
        let root = openat(&target.dir, c"root", flags | OFlags::DIRECTORY, Mode::empty())?;
        openat2(&root, &*mapping.path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
    });
    let path = path.ok()?;
    let found = fstat(&path).ok()?;
    let regular = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    if !regular || found.st_ino != mapping.inode {
        return None;
    }
    let through = format!("/proc/self/fd/{}", path.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    rustix::fs::open(through, flags, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{identity, proc};

    #[test]
    fn a_path_may_hold_anything_and_lines_out_of_order_are_left_out() {
        let text =
            b"55a0-55b0 r-xp 00001000 08:01 42                         /srv/a b\\012c (deleted)\n\
            nonsense\n\
            1000-2000 r--p 00000000 00:00 0 \n\
            7ff0-7ff8 rw-p 00000000 00:00 0                          [stack]\n\
            9000-8000 rw-p 00000000 00:00 0";
        let maps = parse_maps(text);
        assert_eq!(maps.len(), 2);
        let code = at(&maps, 0x55a8).unwrap();
        assert_eq!((code.offset, code.inode, code.exec, code.read), (0x1000, 42, true, true));
        assert_eq!((&*code.path, code.name()), ("/srv/a b\\012c (deleted)", "a b\\012c"));
        assert_eq!(at(&maps, 0x55b0), None);
        assert_eq!(at(&maps, 0x7ff7).unwrap().name(), "[stack]");
    }

    #[test]
    fn our_own_code_is_found_in_its_file() {
        let us = Target::open(proc(), identity(std::process::id())).unwrap();
        let maps = read(&us).unwrap();
        let here = at(&maps, our_own_code_is_found_in_its_file as fn() as usize as u64).unwrap();
        assert!(here.exec);
        assert_eq!(std::env::current_exe().unwrap(), std::path::Path::new(&here.path));
        let exe = std::fs::metadata("/proc/self/exe").unwrap();
        let opened = fstat(open(&us, here).unwrap()).unwrap();
        assert_eq!(opened.st_ino, std::os::unix::fs::MetadataExt::ino(&exe));
        let other = Mapping { inode: here.inode + 1, ..here.clone() };
        assert!(open(&us, &other).is_none());
    }
}
