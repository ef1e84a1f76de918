//! What is costly to know of a process.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{Bytes, Census, CensusRow, CgroupId, Comm, IoCount, ProcessDetail, ProcessId};
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, PROC_SUPER_MAGIC, RawDir, fstatfs, openat, readlinkat_raw, statat,
};
use rustix::io::Errno;

use super::row_of;
use crate::cgroup::CgroupLayout;
use crate::file::{Buffer, FOLDER, READ, Trouble, failed};
use crate::parse;
use crate::process::ProcessFiles;

/// What stays the same is kept of so many processes: as many as gadgets may watch.
const MOST: usize = 4_096;
/// Where programs executed are not counted, it is read again after so long.
const STALE: Duration = Duration::from_secs(60);
/// No more of a command line is kept.
const LONGEST: usize = 4_096;
/// What the kernel adds to the path of an executable that was removed or replaced.
const DELETED: &str = " (deleted)";

/// Reads details of single processes, and keeps what stays the same.
pub(super) struct Details {
    proc: OwnedFd,
    /// The size of `PID/fd` is the number of files (Linux 6.2).
    sized: bool,
    pub(super) layout: Option<CgroupLayout>,
    pub(super) files: ProcessFiles,
    fixed: HashMap<ProcessId, Fixed>,
    not_kept: u64,
    buffer: Buffer,
    text: Vec<u8>,
    listing: Vec<u8>,
}

/// What stays the same of a process for as long as it runs one program.
struct Fixed {
    comm: Comm,
    execs: Option<u64>,
    at: Duration,
    command_line: Option<Arc<str>>,
    exe: Option<Arc<str>>,
}

impl Fixed {
    fn holds(&self, comm: Comm, execs: Option<u64>, now: Duration) -> bool {
        let same = match self.execs.zip(execs) {
            Some((before, now)) => before == now,
            None => now.saturating_sub(self.at) < STALE,
        };
        same && self.comm == comm
    }
}

impl Details {
    pub(super) fn at(proc: &Path) -> Result<Self, gadget_core::SignalError> {
        let folder = openat(CWD, proc, FOLDER, Mode::empty());
        let folder = folder.map_err(|error| failed(proc, error, "procfs"))?;
        let real = fstatfs(&folder).is_ok_and(|it| it.f_type == PROC_SUPER_MAGIC);
        let sized = || statat(&folder, c"self/fd", AtFlags::empty()).is_ok_and(|it| it.st_size > 0);
        Ok(Self {
            sized: real && sized(),
            proc: folder,
            layout: None,
            files: ProcessFiles::default(),
            fixed: HashMap::new(),
            not_kept: 0,
            buffer: Buffer::default(),
            text: vec![0; LONGEST],
            listing: Vec::with_capacity(32 << 10),
        })
    }

    /// Of how many processes something is kept, and how often there was no room.
    pub(super) fn kept(&self) -> (usize, u64) {
        (self.fixed.len(), self.not_kept)
    }

    /// Forgets those that are not in `census`.
    pub(super) fn forget_missing(&mut self, census: &Census) {
        self.fixed.retain(|&id, _| row_of(census, id).is_some());
    }

    /// Reads `id`, of which the last census said `row`.
    pub(super) fn read(
        &mut self,
        id: ProcessId,
        row: Option<&CensusRow>,
        now: Duration,
    ) -> Result<ProcessDetail, Trouble> {
        self.text.clear();
        // Writing to a vector cannot fail.
        let _ = write!(self.text, "{}", id.pid);
        // Held while its files are read, so that they are all of one process.
        let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(&self.proc, self.text.as_slice(), path, Mode::empty())?;
        let name = Path::new("stat");
        let stat = openat(&folder, c"stat", READ, Mode::empty())?;
        let stat = parse::process_stat(self.buffer.read_once(&stat)?, name)?;
        if stat.start != id.start {
            return Err(Trouble::Gone);
        }
        let comm = Comm::new(stat.comm);
        let kernel_thread = stat.kernel_thread;
        let (command_line, exe) =
            if kernel_thread { (None, None) } else { self.fixed(&folder, id, comm, row, now) };
        let known = row.and_then(|row| row.io);
        let io = if known.is_some() || kernel_thread { None } else { self.io(&folder) };
        let known = row.and_then(|row| row.cgroup);
        let smaps = self.files.contains(ProcessFiles::SMAPS) && !kernel_thread;
        Ok(ProcessDetail {
            command_line,
            exe,
            fds: self.fds(&folder).ok(),
            pss: if smaps { self.pss(&folder) } else { None },
            io,
            cgroup: if known.is_some() { None } else { self.cgroup(&folder) },
        })
    }

    pub(super) fn forget(&mut self, id: ProcessId) {
        self.fixed.remove(&id);
    }

    /// The command line and the executable.
    fn fixed(
        &mut self,
        folder: &OwnedFd,
        id: ProcessId,
        comm: Comm,
        row: Option<&CensusRow>,
        now: Duration,
    ) -> (Option<Arc<str>>, Option<Arc<str>>) {
        let execs = row.and_then(|row| row.execs);
        if let Some(fixed) = self.fixed.get(&id)
            && fixed.holds(comm, execs, now)
        {
            return (fixed.command_line.clone(), fixed.exe.clone());
        }
        let (command_line, exe) = (self.command_line(folder).ok().flatten(), self.exe(folder).ok());
        if self.fixed.len() < MOST || self.fixed.contains_key(&id) {
            let (command_line, exe) = (command_line.clone(), exe.clone());
            self.fixed.insert(id, Fixed { comm, execs, at: now, command_line, exe });
        } else {
            self.not_kept += 1;
        }
        (command_line, exe)
    }

    fn command_line(&mut self, folder: &OwnedFd) -> Result<Option<Arc<str>>, Errno> {
        let file = openat(folder, c"cmdline", READ, Mode::empty())?;
        self.text.resize(LONGEST, 0);
        let length = rustix::io::pread(&file, self.text.as_mut_slice(), 0)?;
        Ok(joined(&mut self.text[..length]))
    }

    fn exe(&mut self, folder: &OwnedFd) -> Result<Arc<str>, Errno> {
        self.text.resize(LONGEST, 0);
        let length = readlinkat_raw(folder, c"exe", self.text.as_mut_slice())?;
        let exe = String::from_utf8_lossy(&self.text[..length]);
        Ok(exe.strip_suffix(DELETED).unwrap_or(&exe).into())
    }

    fn fds(&mut self, folder: &OwnedFd) -> Result<u32, Errno> {
        if self.sized {
            let size = statat(folder, c"fd", AtFlags::empty())?.st_size;
            return Ok(u32::try_from(size).unwrap_or(u32::MAX));
        }
        let mut count = 0;
        let folder = openat(folder, c"fd", FOLDER, Mode::empty())?;
        let mut entries = RawDir::new(folder, self.listing.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            count += u32::from(!entry?.file_name().to_bytes().starts_with(b"."));
        }
        Ok(count)
    }

    fn pss(&mut self, folder: &OwnedFd) -> Option<Bytes> {
        let file = openat(folder, c"smaps_rollup", READ, Mode::empty()).ok()?;
        let text = self.buffer.read_once(&file).ok()?;
        Some(parse::smaps_rollup(text, Path::new("smaps_rollup")).ok()??.0)
    }

    fn io(&mut self, folder: &OwnedFd) -> Option<IoCount> {
        let file = openat(folder, c"io", READ, Mode::empty()).ok()?;
        parse::process_io(self.buffer.read_once(&file).ok()?, Path::new("io")).ok()
    }

    fn cgroup(&mut self, folder: &OwnedFd) -> Option<CgroupId> {
        let layout = self.layout.as_ref()?;
        let file = openat(folder, c"cgroup", READ, Mode::empty()).ok()?;
        let text = self.buffer.read_all(&file).ok()?;
        layout.id_of(layout.member(text, Path::new("cgroup")).ok()??)
    }
}

/// Arguments, each of which ends with a zero byte, parted by spaces instead; `None` without any.
fn joined(text: &mut [u8]) -> Option<Arc<str>> {
    let end = text.iter().rposition(|&byte| byte != 0)? + 1;
    let text = &mut text[..end];
    text.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    let line = String::from_utf8_lossy(text);
    // What is not UTF-8 has become longer.
    Some(line[..line.floor_char_boundary(LONGEST)].into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> Option<String> {
        joined(&mut text.to_vec()).map(|line| line.to_string())
    }

    #[test]
    fn arguments_are_joined_by_spaces_and_cut_between_characters() {
        assert_eq!(line(b"sleep\x001 0\0\0").as_deref(), Some("sleep 1 0"));
        assert_eq!(line(b"a\0\0b\0").as_deref(), Some("a  b"), "an empty one counts");
        assert_eq!(line(b"\0\0"), None);
        assert_eq!(line(b""), None);
        assert_eq!(line(b"a\xffb\0").as_deref(), Some("a\u{fffd}b"));
        let long = line(&[0xff; LONGEST]).unwrap();
        assert_eq!(long.len(), LONGEST / 3 * 3);
        assert!(long.chars().all(|letter| letter == '\u{fffd}'));
    }

    #[test]
    fn what_is_kept_holds_until_another_program_is_executed() {
        let fixed = |execs| Fixed {
            comm: Comm::new(b"a"),
            execs,
            at: Duration::ZERO,
            command_line: None,
            exe: None,
        };
        let day = Duration::from_secs(86_400);
        assert!(fixed(Some(3)).holds(Comm::new(b"a"), Some(3), day));
        assert!(!fixed(Some(3)).holds(Comm::new(b"a"), Some(4), Duration::ZERO));
        assert!(!fixed(Some(3)).holds(Comm::new(b"b"), Some(3), Duration::ZERO));
        assert!(fixed(None).holds(Comm::new(b"a"), None, STALE / 2), "not for ever, uncounted");
        assert!(!fixed(None).holds(Comm::new(b"a"), None, STALE));
    }
}
