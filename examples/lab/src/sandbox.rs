//! Cgroups of our own with a memory limit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::guardian::Guardian;
use crate::hierarchy::{Hierarchies, Version};
use crate::size::Size;

/// Whether the roles share one cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// All in one cgroup, as the processes of one container are.
    #[default]
    Shared,
    /// Each role in a child cgroup of the limited one, as the containers of one pod are.
    Split,
}

/// A limited cgroup `/lab-<pid>-<seed>` in every hierarchy that matters; gone when dropped, or when the lab dies.
#[derive(Debug)]
pub struct Sandbox {
    name: String,
    hierarchies: Hierarchies,
    groups: Vec<String>,
    scratch: PathBuf,
    guardian: Guardian,
}

impl Sandbox {
    /// Makes the group; `split` prepares it to have children with processes.
    pub(crate) fn create(name: &str, limit: Size, split: bool) -> anyhow::Result<Self> {
        let hierarchies = Hierarchies::discover()?;
        let scratch = std::env::temp_dir().join(name);
        let mut guardian = Guardian::start()?;
        guardian.files(&scratch)?;
        fs::create_dir_all(&scratch)
            .with_context(|| format!("cannot make {}", scratch.display()))?;
        if hierarchies.version == Version::V2 {
            enable(&hierarchies.memory)?;
        }
        let name = name.to_owned();
        let mut sandbox = Self { name, hierarchies, groups: Vec::new(), scratch, guardian };
        sandbox.group("", Some(limit))?;
        if split && sandbox.version() == Version::V2 {
            enable(&sandbox.memory(""))?;
        }
        Ok(sandbox)
    }

    /// Makes the child group `sub` (or the group itself, for an empty name), with a limit of its own or without.
    pub(crate) fn group(&mut self, sub: &str, limit: Option<Size>) -> anyhow::Result<()> {
        for directory in self.directories(sub) {
            self.guardian.group(&directory)?;
            fs::create_dir_all(&directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        self.groups.push(sub.to_owned());
        let Some(Size(limit)) = limit else { return Ok(()) };
        let memory = self.memory(sub);
        match self.version() {
            Version::V1 => {
                write(&memory.join("memory.limit_in_bytes"), limit)?;
                // No swap, where the kernel accounts for it at all.
                write(&memory.join("memory.memsw.limit_in_bytes"), limit).ok();
            }
            Version::V2 => {
                write(&memory.join("memory.max"), limit)?;
                write(&memory.join("memory.swap.max"), 0).ok();
            }
        }
        Ok(())
    }

    /// The directories a process of `sub` must enter.
    pub(crate) fn directories(&self, sub: &str) -> Vec<PathBuf> {
        self.hierarchies.mounts().map(|mount| mount.join(&self.name).join(sub)).collect()
    }

    /// Path of a group relative to the root of each hierarchy: `/lab-<pid>-<seed>/<sub>`.
    pub(crate) fn path(&self, sub: &str) -> String {
        format!("/{}/{sub}", self.name).trim_end_matches('/').to_owned()
    }

    /// A directory for sockets and files, gone with the sandbox.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    pub(crate) fn guardian(&mut self) -> &mut Guardian {
        &mut self.guardian
    }

    /// Which memory controller limits it.
    pub fn version(&self) -> Version {
        self.hierarchies.version
    }

    /// Bytes charged to the group and its children; `None` once the group is gone.
    pub fn usage(&self) -> Option<u64> {
        let file = match self.version() {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        };
        fs::read_to_string(self.memory("").join(file)).ok()?.trim().parse().ok()
    }

    /// Bytes that reclaim cannot get back without swap: anonymous memory of the group and its children.
    pub fn anonymous(&self) -> Option<u64> {
        let key = match self.version() {
            Version::V1 => "total_rss",
            Version::V2 => "anon",
        };
        field(&fs::read_to_string(self.memory("").join("memory.stat")).ok()?, key)
    }

    /// Kernel OOM kills in the group and its children so far; `None` once the group is gone.
    pub fn oom_kills(&self) -> Option<u64> {
        // v1 counts in the victim's own group only, v2 in its ancestors too.
        let (file, groups) = match self.version() {
            Version::V1 => ("memory.oom_control", self.groups.as_slice()),
            Version::V2 => ("memory.events", self.groups.get(..1)?),
        };
        groups
            .iter()
            .map(|sub| field(&fs::read_to_string(self.memory(sub).join(file)).ok()?, "oom_kill"))
            .sum()
    }

    /// Processes of the group and of all groups below it, also those a watcher made.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids = Vec::new();
        collect(&self.memory(""), &mut pids);
        pids
    }

    /// Whether a process sits in a frozen cgroup.
    pub(crate) fn frozen(&self, pid: u32) -> bool {
        let said = |mount: &Path, controller: Option<&str>, file: &str| -> Option<String> {
            let group = crate::procfs::cgroup_of(pid, controller)?;
            fs::read_to_string(mount.join(group.trim_start_matches('/')).join(file)).ok()
        };
        let v2 = self.hierarchies.unified.as_ref().unwrap_or(&self.hierarchies.memory);
        let freezer = self.hierarchies.others.iter().find(|mount| mount.ends_with("freezer"));
        said(v2, None, "cgroup.events").is_some_and(|text| field(&text, "frozen") == Some(1))
            || freezer
                .and_then(|mount| said(mount, Some("freezer"), "freezer.state"))
                .is_some_and(|text| text.trim() == "FROZEN")
    }

    fn memory(&self, sub: &str) -> PathBuf {
        self.hierarchies.memory.join(&self.name).join(sub)
    }
}

/// Lets children of a v2 group have the controllers we need.
fn enable(group: &Path) -> anyhow::Result<()> {
    let file = group.join("cgroup.subtree_control");
    fs::write(&file, "+memory")
        .with_context(|| format!("cannot enable memory in {}", file.display()))?;
    for controller in ["+cpu", "+io", "+pids"] {
        fs::write(&file, controller).ok();
    }
    Ok(())
}

fn write(path: &Path, value: u64) -> anyhow::Result<()> {
    fs::write(path, value.to_string())
        .with_context(|| format!("cannot write {value} to {}", path.display()))
}

/// A value of a `key value` file.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn collect(group: &Path, pids: &mut Vec<u32>) {
    let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    pids.extend(own.lines().filter_map(|line| line.parse::<u32>().ok()));
    for child in fs::read_dir(group).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&child.path(), pids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "oom 3\noom_kill 2\noom_kill_disable 0\n";
        assert_eq!(field(text, "oom_kill"), Some(2));
        assert_eq!(field(text, "oom"), Some(3));
        assert_eq!(field(text, "frozen"), None);
        assert_eq!(field("oom_kill many", "oom_kill"), None);
    }
}
