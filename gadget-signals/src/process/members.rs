//! Which group a process is in, and which processes are in a group.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gadget_core::{CgroupId, SignalError};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, fstat, openat, statat};
use rustix::io::Errno;

use super::parse::parse_pids;
use crate::cgroup::CgroupLayout;
use crate::file::{Buffer, FOLDER, READ, failed, folders};

/// The paths of so many groups are remembered; beyond that they are looked for again.
const MAX_PATHS: usize = 20_000;

/// The groups of the hierarchy that the cgroup provider reads, as far as processes need them.
pub(super) struct Groups {
    pub(super) layout: CgroupLayout,
    root: OwnedFd,
    paths: HashMap<CgroupId, Arc<str>>,
    buffer: Buffer,
}

impl Groups {
    pub(super) fn of(layout: CgroupLayout) -> Result<Self, SignalError> {
        let root = openat(CWD, layout.root(), FOLDER, Mode::empty())
            .map_err(|error| failed(layout.root(), error, "a cgroup file system"))?;
        Ok(Self { layout, root, paths: HashMap::new(), buffer: Buffer::default() })
    }

    /// The id of the group at `path`; `None` if there is none.
    pub(super) fn id_of(&self, path: &str) -> Option<CgroupId> {
        let stat = statat(&self.root, relative(path), AtFlags::empty()).ok()?;
        Some(CgroupId(stat.st_ino))
    }

    /// Remembers where a group is.
    pub(super) fn learn(&mut self, id: CgroupId, path: &Arc<str>) {
        if self.paths.len() >= MAX_PATHS {
            self.paths.clear();
        }
        self.paths.entry(id).or_insert_with(|| path.clone());
    }

    /// Adds the processes in a group and below it to `pids`; none if the group is gone.
    pub(super) fn members(&mut self, id: CgroupId, pids: &mut Vec<u32>) -> Result<(), SignalError> {
        let known = self.paths.get(&id).filter(|path| self.id_of(path) == Some(id)).cloned();
        let found = known.or_else(|| self.search(id));
        let Some(path) = found else {
            self.paths.remove(&id);
            return Ok(());
        };
        self.paths.insert(id, path.clone());
        self.collect(relative(&path), pids)
    }

    fn collect(&mut self, path: &str, pids: &mut Vec<u32>) -> Result<(), SignalError> {
        let Ok(folder) = openat(&self.root, path, FOLDER, Mode::empty()) else { return Ok(()) };
        let procs = openat(&folder, c"cgroup.procs", READ, Mode::empty());
        match procs.and_then(|file| self.buffer.read_all(&file)) {
            Ok(text) => parse_pids(text, Path::new("cgroup.procs"), pids)?,
            // A threaded group does not list processes; a removed one has none.
            Err(Errno::OPNOTSUPP | Errno::NOENT | Errno::NODEV) => {}
            Err(error) => {
                return Err(SignalError::Read {
                    path: self.layout.root().join(path).join("cgroup.procs"),
                    source: error.into(),
                });
            }
        }
        // The common case, which has to do without a path on the heap.
        if fstat(&folder).is_ok_and(|stat| stat.st_nlink == 2) {
            return Ok(());
        }
        for (child, _) in folders(&self.layout.root().join(path)) {
            if let Some(name) = child.file_name().and_then(|name| name.to_str()) {
                self.collect(&format!("{path}/{name}"), pids)?;
            }
        }
        Ok(())
    }

    /// Looks for a group in the whole hierarchy.
    fn search(&self, id: CgroupId) -> Option<Arc<str>> {
        let root = self.layout.root();
        if self.id_of("/") == Some(id) {
            return Some("/".into());
        }
        let mut left = vec![root.to_owned()];
        while let Some(folder) = left.pop() {
            for (child, number) in folders(&folder) {
                if number == id.0 {
                    let path = child.strip_prefix(root).ok()?;
                    return Some(format!("/{}", path.to_str()?).into());
                }
                left.push(child);
            }
        }
        None
    }
}

/// A path from the hierarchy's root as one that can be opened below it.
fn relative(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    }
}
