//! One group that is the one that was judged.

use gadget_core::{ActionError, CgroupId};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::fstat;
use rustix::io::Errno;

use super::hierarchy::{Hierarchies, Mount};
use crate::error::system;
use crate::file;
use crate::process::pid_path;

/// The directory has another inode number, or none.
const GONE: ActionError = ActionError::Stale { what: "the cgroup is gone" };
const ANOTHER: ActionError = ActionError::Stale { what: "another cgroup has this path by now" };

/// The most levels of groups below a group that are walked.
const MAX_DEPTH: usize = 32;

/// A group whose directory is open and was compared with the identity that was judged.
///
/// All that is done to it goes through that directory, so that renaming or making it anew redirects nothing.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) dir: OwnedFd,
    path: &'a str,
    hierarchies: &'a Hierarchies,
    proc: BorrowedFd<'a>,
}

impl<'a> Group<'a> {
    /// Opens `path` and compares its inode number with `id`.
    pub(crate) fn open(
        hierarchies: &'a Hierarchies,
        proc: BorrowedFd<'a>,
        id: CgroupId,
        path: &'a str,
    ) -> Result<Self, ActionError> {
        let dir = open(&hierarchies.judged, path)?;
        let found = fstat(&dir).map_err(|errno| system("look at the cgroup", errno))?;
        if found.st_ino != id.0 {
            return Err(ANOTHER);
        }
        Ok(Self { dir, path: path.trim_end_matches('/'), hierarchies, proc })
    }

    /// True for the root of the hierarchy, which is never acted on.
    pub(crate) fn is_root(&self) -> bool {
        self.path.trim_start_matches('/').is_empty()
    }

    /// True if this process is in the group or below it.
    pub(crate) fn holds_us(&self) -> bool {
        self.holds(std::process::id())
    }

    /// True if `pid` is in the group or below it, in the judged hierarchy.
    pub(crate) fn holds(&self, pid: u32) -> bool {
        holds(self.proc, &self.hierarchies.judged, self.path, pid)
    }

    /// The group of the same path in another hierarchy, if it is sure that acting there acts on this group's processes:
    /// it has at least one of them, or there are none, and it has no others.
    pub(crate) fn companion(&self, mount: &Mount) -> Option<OwnedFd> {
        let dir = open(mount, self.path).ok()?;
        let (mut ours, mut others) = (0_usize, 0_usize);
        let counted = for_each_process(dir.as_fd(), &mut |pid| match self.holds(pid) {
            true => ours += 1,
            // A process that has ended since it was listed is in no group.
            false
                if crate::process::Stat::of(self.proc, pid)
                    .is_none_or(|stat| stat.state == b'Z') => {}
            false => others += 1,
        });
        let sure = counted.is_ok() && others == 0 && (ours > 0 || !self.populated());
        sure.then_some(dir)
    }

    /// True if there is a process in the group or below it.
    pub(crate) fn populated(&self) -> bool {
        let mut any = false;
        let _ = for_each_process(self.dir.as_fd(), &mut |_| any = true);
        any
    }

    /// Its hierarchies.
    pub(crate) const fn hierarchies(&self) -> &'a Hierarchies {
        self.hierarchies
    }

    /// The `/proc` that it is checked against.
    pub(crate) const fn proc(&self) -> BorrowedFd<'a> {
        self.proc
    }
}

/// Opens the directory of the group `path`.
fn open(mount: &Mount, path: &str) -> Result<OwnedFd, ActionError> {
    file::open_dir(mount.dir.as_fd(), path).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NODEV => GONE,
        errno => system("open the cgroup", errno),
    })
}

/// Calls `f` with each process in the group `dir` and in those below it.
pub(crate) fn for_each_process(
    dir: BorrowedFd<'_>,
    f: &mut dyn FnMut(u32),
) -> rustix::io::Result<()> {
    walk(dir, MAX_DEPTH, f)
}

fn walk(dir: BorrowedFd<'_>, depth: usize, f: &mut dyn FnMut(u32)) -> rustix::io::Result<()> {
    match file::for_each_number(dir, "cgroup.procs", f) {
        // It was removed meanwhile, or this is a fake tree without processes.
        Ok(()) | Err(Errno::NOENT | Errno::NODEV) => {}
        Err(error) => return Err(error),
    }
    let Some(depth) = depth.checked_sub(1) else { return Err(Errno::LOOP) };
    file::for_each_dir(dir, &mut |name| {
        let name = name.to_str().map_err(|_| Errno::ILSEQ)?;
        match file::open_dir(dir, name) {
            Ok(child) => walk(child.as_fd(), depth, f),
            Err(Errno::NOENT | Errno::NODEV) => Ok(()),
            Err(error) => Err(error),
        }
    })
}

/// True if `pid` is in the group `path` of `mount`, or below it, by `/proc/PID/cgroup` (cgroups(7)).
fn holds(proc: BorrowedFd<'_>, mount: &Mount, path: &str, pid: u32) -> bool {
    let mut buffer = [0; 8192];
    let Ok(text) = file::read_into(proc, &pid_path(pid, "/cgroup"), &mut buffer) else {
        return false;
    };
    text.split(|&byte| byte == b'\n').any(|line| {
        let mut fields = line.splitn(3, |&byte| byte == b':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { return false };
        controllers.split(|&byte| byte == b',').any(|name| name == mount.label.as_bytes())
            && group
                .strip_prefix(mount.root.as_bytes())
                .and_then(|group| group.strip_prefix(path.as_bytes()))
                .is_some_and(|below| below.is_empty() || below.starts_with(b"/"))
    })
}
