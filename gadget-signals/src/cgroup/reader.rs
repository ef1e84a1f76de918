//! Reading the files of one group after the other, through kept files where the bound on them allows.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gadget_core::{CgroupId, SignalError};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::files::File;
use super::layout::{CgroupLayout, Controller};
use crate::file::{Buffer, FOLDER, READ, failed, not_offered, vanished};
use crate::text::below;

/// The file of one group: not tried yet, not there, or kept open.
#[derive(Debug, Default)]
pub(super) enum Slot {
    #[default]
    Untried,
    Absent,
    Open(OwnedFd),
}

/// What a group is known by, and its open files.
pub(super) struct Handle {
    pub(super) id: CgroupId,
    pub(super) path: Arc<str>,
    slots: [Slot; File::COUNT],
    /// One of its files was not there: perhaps the group is not either.
    pub(super) doubt: bool,
}

impl Handle {
    pub(super) fn new(id: CgroupId, path: Arc<str>) -> Self {
        Self { id, path, slots: Default::default(), doubt: false }
    }

    /// True once it is known that the group has no such file.
    pub(super) fn lacks(&self, file: File) -> bool {
        matches!(self.slots[file as usize], Slot::Absent)
    }

    /// Files that were not there are tried again: a controller may have been turned on.
    pub(super) fn retry_absent(&mut self) {
        for slot in &mut self.slots {
            if matches!(slot, Slot::Absent) {
                *slot = Slot::Untried;
            }
        }
    }
}

/// What the reading of all groups shares.
pub(super) struct Reader {
    pub(super) layout: CgroupLayout,
    roots: [Option<OwnedFd>; Controller::ALL.len()],
    buffer: Buffer,
    joined: Vec<u8>,
    /// The folder that was opened last, for the files of one group that are opened one after the other.
    folder: Option<(CgroupId, OwnedFd)>,
    kept: usize,
    keep: usize,
    /// The first error of this sample; the sweep goes on behind it.
    pub(super) error: Option<SignalError>,
}

impl Reader {
    pub(super) fn new(layout: CgroupLayout, keep: usize) -> Result<Self, SignalError> {
        let mut roots: [Option<OwnedFd>; Controller::ALL.len()] = Default::default();
        for controller in Controller::ALL {
            if let Some(mount) = layout.mount(controller) {
                let fd = openat(CWD, &mount.point, FOLDER, Mode::empty()).map_err(|error| {
                    failed(mount.point.as_path(), error, "a cgroup file system")
                })?;
                roots[controller as usize] = Some(fd);
            }
        }
        Ok(Self {
            layout,
            roots,
            buffer: Buffer::default(),
            joined: Vec::with_capacity(512),
            folder: None,
            kept: 0,
            keep,
            error: None,
        })
    }

    /// Begins a sample.
    pub(super) fn begin(&mut self) {
        self.error = None;
        self.folder = None;
    }

    /// The most files that are kept open.
    pub(super) fn set_keep(&mut self, keep: usize) {
        self.keep = keep;
    }

    pub(super) const fn keep(&self) -> usize {
        self.keep
    }

    /// Parses one file of a group. `None` if there is no such file or it cannot be read now: what is wrong with it,
    /// beyond its absence, is in [`error`](Self::error).
    pub(super) fn read<T>(
        &mut self,
        group: &mut Handle,
        file: File,
        parse: impl FnOnce(&[u8], &Path) -> Result<T, SignalError>,
    ) -> Option<T> {
        let Some((controller, name)) = file.place(self.layout.version()) else {
            group.slots[file as usize] = Slot::Absent;
            return None;
        };
        let mut passing = None;
        if matches!(group.slots[file as usize], Slot::Untried) {
            match self.open(group, controller, name) {
                Ok(fd) if self.has_room_for(file) => {
                    self.kept += 1;
                    group.slots[file as usize] = Slot::Open(fd);
                }
                Ok(fd) => passing = Some(fd),
                Err(error) => return self.unreadable(group, file, error),
            }
        }
        let fd = match &group.slots[file as usize] {
            Slot::Open(fd) => fd.as_fd(),
            Slot::Absent => return None,
            Slot::Untried => passing.as_ref()?.as_fd(),
        };
        match self.buffer.read_once(fd) {
            Ok(text) => {
                let name = Path::new(OsStr::from_bytes(name.to_bytes()));
                parse(text, name).map_err(|error| self.note(group, controller, error)).ok()
            }
            Err(error) => self.unreadable(group, file, error),
        }
    }

    /// Opens a file of a group. In the hierarchy that groups are listed in, the folder is first shown to be that of the
    /// group and not of another one that was given its path.
    fn open(
        &mut self,
        group: &Handle,
        controller: Controller,
        name: &CStr,
    ) -> Result<OwnedFd, Errno> {
        if controller == self.layout.home() {
            return openat(self.folder(group)?, name, READ, Mode::empty());
        }
        let root = self.roots[controller as usize].as_ref().ok_or(Errno::NOENT)?;
        let path = join(&mut self.joined, &group.path, Some(name));
        openat(root, path, READ, Mode::empty())
    }

    /// The folder of a group, opened.
    pub(super) fn folder(&mut self, group: &Handle) -> Result<&OwnedFd, Errno> {
        if self.folder.as_ref().is_none_or(|(id, _)| *id != group.id) {
            let root = self.roots[self.layout.home() as usize].as_ref().ok_or(Errno::NOENT)?;
            let fd =
                openat(root, join(&mut self.joined, &group.path, None), FOLDER, Mode::empty())?;
            if fstat(&fd)?.st_ino != group.id.0 {
                return Err(Errno::NOENT);
            }
            self.folder = Some((group.id, fd));
        }
        self.folder.as_ref().map(|(_, fd)| fd).ok_or(Errno::NOENT)
    }

    /// What the file system says of the folder at `path` of the hierarchy that groups are listed in.
    pub(super) fn stat(&mut self, path: &str) -> Result<Stat, Errno> {
        let root = self.roots[self.layout.home() as usize].as_ref().ok_or(Errno::NOENT)?;
        statat(root, join(&mut self.joined, path, None), AtFlags::empty())
    }

    /// True unless the group was removed.
    pub(super) fn is_alive(&mut self, group: &Handle) -> bool {
        match self.stat(&group.path) {
            Ok(stat) => stat.st_ino == group.id.0,
            Err(error) => !vanished(error),
        }
    }

    /// Closes a group's files.
    pub(super) fn release(&mut self, group: &Handle) {
        self.kept -= group.slots.iter().filter(|slot| matches!(slot, Slot::Open(_))).count();
        self.folder.take_if(|(id, _)| *id == group.id);
    }

    /// Remembers the first error of this sample.
    pub(super) fn note(&mut self, group: &Handle, controller: Controller, error: SignalError) {
        if self.error.is_none() {
            self.error = Some(below(&self.path_of(group, controller), error));
        }
    }

    fn path_of(&self, group: &Handle, controller: Controller) -> PathBuf {
        let point = self.layout.mount(controller).map(|mount| mount.point.as_path());
        point.unwrap_or(Path::new("")).join(group.path.trim_start_matches('/'))
    }

    /// A quarter of the files is left to the one that is read in every sweep.
    fn has_room_for(&self, file: File) -> bool {
        self.kept < if file == File::Current { self.keep } else { self.keep - self.keep / 4 }
    }

    fn unreadable<T>(&mut self, group: &mut Handle, file: File, error: Errno) -> Option<T> {
        if vanished(error) || not_offered(error) {
            if matches!(group.slots[file as usize], Slot::Open(_)) {
                self.kept -= 1;
            }
            group.slots[file as usize] = Slot::Absent;
            group.doubt |= vanished(error);
        } else if let Some((controller, name)) = file.place(self.layout.version()) {
            let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
            self.note(group, controller, SignalError::Read { path, source: error.into() });
        }
        None
    }
}

/// `path`, which begins with `/`, as seen from its root, with a file's name behind it.
fn join<'b>(buffer: &'b mut Vec<u8>, path: &str, name: Option<&CStr>) -> &'b CStr {
    buffer.clear();
    buffer.extend_from_slice(b".");
    if path != "/" {
        buffer.extend_from_slice(path.as_bytes());
    }
    if let Some(name) = name {
        buffer.push(b'/');
        buffer.extend_from_slice(name.to_bytes());
    }
    buffer.push(0);
    CStr::from_bytes_until_nul(buffer).unwrap_or_default()
}
