//! What stays the same of a process.

use std::path::Path;
use std::sync::Arc;

use gadget_core::{ProcessIdentity, Runtime};
use rustix::io::Errno;

use super::files::Proc;
use super::members::Groups;
use super::parse::{parse_oom_score_adj, parse_uid};
use super::runtime::{runtime_of_exe, runtime_of_maps};
use crate::file::{Trouble, vanished};

/// What the kernel adds to the path of an executable that was removed or replaced while it runs.
const DELETED: &str = " (deleted)";

/// Reads the identities of processes and what may change about them.
pub(super) struct Identities {
    pub(super) groups: Option<Groups>,
    link: Vec<u8>,
}

/// What may not be read by us is absent; a process that is gone is no process.
fn readable<T>(result: Result<T, Errno>) -> Result<Option<T>, Trouble> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if vanished(error) => Err(Trouble::Gone),
        Err(_) => Ok(None),
    }
}

impl Identities {
    pub(super) fn new(groups: Option<Groups>) -> Self {
        Self { groups, link: vec![0; 4096] }
    }

    /// Reads what may change besides `comm` and the parent, into `identity`. True if anything has. The user, whose file
    /// is the costliest, is read only for a `new` program.
    pub(super) fn review(
        &mut self,
        proc: &mut Proc,
        pid: u32,
        new: bool,
        identity: &mut ProcessIdentity,
    ) -> Result<bool, Trouble> {
        let new_exe = !identity.kernel_thread && self.review_exe(proc, pid, identity);
        let mut changed = new_exe;
        if (new || new_exe)
            && let Some(text) = readable(proc.read(pid, "status"))?
        {
            let uid = parse_uid(text, Path::new("status"))?;
            changed |= std::mem::replace(&mut identity.uid, uid) != uid;
        }
        // Kernels without the file say nothing of it, which is no sign that the process is gone.
        let score = match proc.read(pid, "oom_score_adj") {
            Ok(text) => Some(parse_oom_score_adj(text, Path::new("oom_score_adj"))?),
            Err(_) => None,
        };
        changed |= std::mem::replace(&mut identity.oom_score_adj, score) != score;
        changed |= self.review_cgroup(proc, pid, identity)?;
        Ok(changed)
    }

    fn review_exe(&mut self, proc: &mut Proc, pid: u32, identity: &mut ProcessIdentity) -> bool {
        let read = proc.link(pid, "exe", &mut self.link);
        let exe = read.ok().and_then(|length| std::str::from_utf8(&self.link[..length]).ok());
        let exe = exe.map(|exe| exe.strip_suffix(DELETED).unwrap_or(exe));
        if exe == identity.exe.as_deref() {
            return false;
        }
        identity.exe = exe.map(Arc::from);
        identity.runtime = exe.map_or(Runtime::Native, runtime_of_exe);
        true
    }

    fn review_cgroup(
        &mut self,
        proc: &mut Proc,
        pid: u32,
        identity: &mut ProcessIdentity,
    ) -> Result<bool, Trouble> {
        let Some(groups) = &mut self.groups else { return Ok(false) };
        let text = readable(proc.read_all(pid, "cgroup"))?.unwrap_or_default();
        let path = groups.layout.member(text, Path::new("cgroup"))?;
        let id = path.and_then(|path| groups.id_of(path));
        // Without its id a group is one that was removed meanwhile.
        let path = path.filter(|_| id.is_some());
        if id == identity.cgroup && path == identity.cgroup_path.as_deref() {
            return Ok(false);
        }
        identity.cgroup = id;
        identity.cgroup_path = path.map(Arc::from);
        if let Some((id, path)) = id.zip(identity.cgroup_path.as_ref()) {
            groups.learn(id, path);
        }
        Ok(true)
    }

    /// Looks for a runtime in the names of the mapped libraries, where the executable's own says nothing. True if it
    /// was found.
    pub(super) fn look_at_maps(
        &mut self,
        proc: &mut Proc,
        pid: u32,
        identity: &mut ProcessIdentity,
    ) -> bool {
        if identity.runtime != Runtime::Native || identity.kernel_thread {
            return false;
        }
        let maps = proc.read_all(pid, "maps").unwrap_or_default();
        identity.runtime = runtime_of_maps(maps);
        identity.runtime != Runtime::Native
    }
}
