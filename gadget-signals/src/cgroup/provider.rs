//! All cgroups of a host as one provider.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    CgroupId, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};
use rustix::fs::{FileType, Mode, RawDir, openat};
use rustix::io::Errno;
use rustix::process::{Resource as RLimit, getrlimit};

use super::files::CgroupFiles;
use super::group::{Calm, Group, Manner};
use super::layout::CgroupLayout;
use super::reader::Reader;
use crate::file::{FOLDER, vanished};

/// The most groups that are read; what comes beyond is counted in [`Cgroups::left_out`].
const MAX_GROUPS: usize = 20_000;
/// No more files are kept open, whatever the process may.
const MAX_KEPT: usize = 8_192;
/// What changes rarely is looked at again in every twelfth walk: once a minute.
const REVIEW_EVERY: u64 = 12;

/// Reads the cgroups of a host: each group's memory and memory pressure, and what else was asked for.
///
/// - Gives, of [`Subject::Cgroup`]: [`Reading::CgroupIdentity`] when a group is first seen or changes,
///   [`Reading::CgroupMemory`] in every sweep, [`Reading::Pressure`] of memory and [`Reading::OomKill`] with its
///   detailed files (see [`Calm`]), the readings of [`CgroupFiles`], and [`Reading::Gone`] once it is removed.
/// - Source: version 2, version 1 and hybrid hosts; see [`CgroupLayout`].
/// - Absent: a file that a kernel or a group does not have is tried again once a minute.
/// - Cost: one read of a kept-open file for a calm group. Groups are looked for every 5 s by a walk that lists only
///   folders with folders in them.
///
/// Groups are known by their inode number. On version 1 `OomKill` counts the group itself, on version 2 what is below
/// it too.
pub struct Cgroups {
    reader: Reader,
    groups: BTreeMap<CgroupId, Group>,
    subtrees: Vec<Arc<str>>,
    manner: Manner,
    walk_every: Duration,
    walked: Option<Timestamp>,
    walk: u64,
    queue: Vec<CgroupId>,
    listing: Vec<u8>,
    left_out: u64,
}

impl Cgroups {
    /// Of this host.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] if no cgroup file system is mounted.
    pub fn detect() -> Result<Self, SignalError> {
        Self::of(CgroupLayout::detect()?)
    }

    /// Of a tree that lies at `root` as the kernel's does at `/sys/fs/cgroup`.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] if there is none.
    pub fn at(root: impl AsRef<Path>) -> Result<Self, SignalError> {
        Self::of(CgroupLayout::at(root)?)
    }

    /// Of a layout that was decided on before.
    ///
    /// # Errors
    /// If one of its roots cannot be opened.
    pub fn of(layout: CgroupLayout) -> Result<Self, SignalError> {
        // The embedder needs files too: a quarter of what the process may open.
        let limit = getrlimit(RLimit::Nofile).current.unwrap_or(u64::MAX);
        let keep = usize::try_from(limit / 4).unwrap_or(MAX_KEPT).min(MAX_KEPT);
        Ok(Self {
            reader: Reader::new(layout, keep)?,
            groups: BTreeMap::new(),
            subtrees: Vec::new(),
            manner: Manner::default(),
            walk_every: Duration::from_secs(5),
            walked: None,
            walk: 0,
            queue: Vec::new(),
            listing: Vec::with_capacity(32 << 10),
            left_out: 0,
        })
    }

    /// Reads this group and those below it, instead of all; may be given several times. It need not exist yet.
    #[must_use]
    pub fn subtree(mut self, path: &str) -> Self {
        let path = path.trim_matches('/');
        self.subtrees.push(format!("/{path}").into());
        self
    }

    /// Reads these files besides those of memory.
    #[must_use]
    pub fn with(mut self, files: CgroupFiles) -> Self {
        self.manner.files = files;
        self
    }

    /// When a group is calm. See [`Calm`] for the default.
    #[must_use]
    pub fn calm(mut self, calm: Calm) -> Self {
        self.manner.calm = calm;
        self
    }

    /// How often new and removed groups are looked for, by the agent's time. Default 5 s; zero looks in every sweep.
    #[must_use]
    pub fn walk_every(mut self, every: Duration) -> Self {
        self.walk_every = every;
        self
    }

    /// The most files that are kept open; what is beyond is opened for each reading. Default a quarter of the soft
    /// limit on open files, at most 8,192. A group with all memory files takes 6.
    #[must_use]
    pub fn keep_open(mut self, files: usize) -> Self {
        self.reader.set_keep(files);
        self
    }

    /// Where the groups are.
    #[must_use]
    pub const fn layout(&self) -> &CgroupLayout {
        &self.reader.layout
    }

    /// How many groups are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.groups.len()
    }

    /// Groups that the last walk found and that are not read, because 20,000 are.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// One line for a person: what was found and how it is read.
    #[must_use]
    pub fn describe(&self) -> String {
        let layout = self.reader.layout.describe();
        let kept = self.reader.keep();
        match self.subtrees.as_slice() {
            [] => format!("{layout}; at most {kept} files kept open"),
            subtrees => {
                format!("{layout}, below {}; at most {kept} files kept open", subtrees.join(", "))
            }
        }
    }

    /// Looks for new and removed groups.
    fn walk(&mut self, out: &mut Signals) {
        self.walk += 1;
        self.left_out = 0;
        self.queue.clear();
        if self.subtrees.is_empty() {
            self.found("/", None, out);
        }
        for index in 0..self.subtrees.len() {
            let path = self.subtrees[index].clone();
            let parent = path.rfind('/').filter(|_| &*path != "/").map(|end| &path[..end.max(1)]);
            let parent = parent.and_then(|parent| self.reader.stat(parent).ok());
            self.found(&path, parent.map(|stat| CgroupId(stat.st_ino)), out);
        }
        let mut complete = true;
        let mut next = 0;
        while let Some(&id) = self.queue.get(next) {
            next += 1;
            match self.list(id, out) {
                Ok(()) => {}
                Err(error) if vanished(error) => {}
                Err(error) => {
                    complete = false;
                    if let Some(group) = self.groups.get(&id) {
                        let source = error.into();
                        let error = SignalError::Read { path: ".".into(), source };
                        self.reader.note(&group.handle, self.reader.layout.home(), error);
                    }
                }
            }
        }
        if complete {
            let Self { groups, reader, walk, .. } = self;
            groups.retain(|&id, group| {
                let found = group.walk == *walk;
                if !found {
                    reader.release(&group.handle);
                    out.push(Subject::Cgroup(id), Reading::Gone);
                }
                found
            });
        }
    }

    /// Takes in a group by its path, if it exists.
    fn found(&mut self, path: &str, parent: Option<CgroupId>, out: &mut Signals) {
        if let Ok(stat) = self.reader.stat(path) {
            self.meet(CgroupId(stat.st_ino), parent, out, |known| known == path, || path.into());
        }
    }

    /// Takes in the groups in a group.
    fn list(&mut self, id: CgroupId, out: &mut Signals) -> Result<(), Errno> {
        let Some(group) = self.groups.get(&id) else { return Ok(()) };
        let path = group.handle.path.clone();
        // A folder counts its folders among its links, so a group without groups need not be listed.
        if self.reader.stat(&path)?.st_nlink == 2 {
            return Ok(());
        }
        let folder = openat(self.reader.folder(&group.handle)?, c".", FOLDER, Mode::empty())?;
        let mut listing = std::mem::take(&mut self.listing);
        let mut entries = RawDir::new(folder, listing.spare_capacity_mut());
        let result = loop {
            let entry = match entries.next() {
                None => break Ok(()),
                Some(Err(error)) => break Err(error),
                Some(Ok(entry)) => entry,
            };
            let name = entry.file_name().to_bytes();
            if entry.file_type() != FileType::Directory || matches!(name, b"." | b"..") {
                continue;
            }
            let Ok(name) = std::str::from_utf8(name) else {
                self.left_out += 1;
                continue;
            };
            let above = if &*path == "/" { "" } else { &*path };
            let same = |known: &str| {
                known.strip_prefix(above).and_then(|rest| rest.strip_prefix('/')) == Some(name)
            };
            self.meet(CgroupId(entry.ino()), Some(id), out, same, || {
                format!("{above}/{name}").into()
            });
        };
        drop(entries);
        self.listing = listing;
        result
    }

    /// Marks a group as found in this walk, and says what it is if that is new.
    fn meet(
        &mut self,
        id: CgroupId,
        parent: Option<CgroupId>,
        out: &mut Signals,
        same: impl Fn(&str) -> bool,
        path: impl Fn() -> Arc<str>,
    ) {
        let full = self.groups.len() >= MAX_GROUPS;
        let reviewed = self.walk % REVIEW_EVERY == id.0 % REVIEW_EVERY;
        match self.groups.get_mut(&id) {
            Some(group) if group.walk == self.walk => return,
            Some(group) if same(&group.handle.path) => {
                group.walk = self.walk;
                if reviewed {
                    group.handle.retry_absent();
                    group.identify(&mut self.reader, false, out);
                }
            }
            // Version 1 allows a group to be renamed.
            Some(group) => {
                group.walk = self.walk;
                group.handle.path = path();
                group.parent = parent;
                group.identify(&mut self.reader, true, out);
            }
            None if full => {
                self.left_out += 1;
                return;
            }
            None => {
                let mut group = Group::new(id, path(), parent, self.walk);
                group.identify(&mut self.reader, true, out);
                self.groups.insert(id, group);
            }
        }
        self.queue.push(id);
    }
}

impl SignalProvider for Cgroups {
    fn sample(
        &mut self,
        now: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        self.reader.begin();
        match scope {
            Scope::Everything => {
                if self.walked.is_none_or(|walked| now.since(walked) >= self.walk_every) {
                    self.walked = Some(now);
                    self.walk(out);
                }
                let Self { groups, reader, manner, .. } = self;
                groups.retain(|&id, group| read(id, group, reader, manner, false, out));
            }
            Scope::Only(subjects) => {
                for subject in subjects {
                    let Subject::Cgroup(id) = *subject else { continue };
                    let Some(group) = self.groups.get_mut(&id) else { continue };
                    if !read(id, group, &mut self.reader, &self.manner, true, out) {
                        self.groups.remove(&id);
                    }
                }
            }
        }
        self.reader.error.take().map_or(Ok(()), Err)
    }

    fn name(&self) -> &'static str {
        "cgroups"
    }
}

/// Reads a group; false, after saying so, if it is gone.
fn read(
    id: CgroupId,
    group: &mut Group,
    reader: &mut Reader,
    manner: &Manner,
    named: bool,
    out: &mut Signals,
) -> bool {
    let alive = group.read(reader, manner, named, out);
    if !alive {
        reader.release(&group.handle);
        out.push(Subject::Cgroup(id), Reading::Gone);
    }
    alive
}

#[cfg(test)]
mod tests;
