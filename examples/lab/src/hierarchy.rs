//! Where the cgroup hierarchies of this host are mounted, and which of them has the memory controller.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

/// Version of the hierarchy that has the memory controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// `memory.limit_in_bytes` and a mount per controller.
    V1,
    /// `memory.max`, everything in one tree.
    V2,
}

/// The mounts in which a sandbox makes its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    pub(crate) version: Version,
    /// Mount point with the memory controller; on v2, the only one.
    pub(crate) memory: PathBuf,
    /// v1 only: other controllers in which a same-named group is of use, freezer first.
    pub(crate) others: Vec<PathBuf>,
    /// v1 only: the unified hierarchy of a hybrid host, which has PSI per cgroup.
    pub(crate) unified: Option<PathBuf>,
}

/// Controllers that a watcher may act through.
const USEFUL: [&str; 5] = ["freezer", "cpu", "cpuacct", "pids", "blkio"];

impl Hierarchies {
    /// Finds what this host has.
    pub(crate) fn discover() -> anyhow::Result<Self> {
        let text = fs::read_to_string("/proc/self/mountinfo")
            .context("cannot read /proc/self/mountinfo")?;
        let enabled =
            |mount: &Path| fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
        Self::parse(&text, enabled)
    }

    fn parse(mountinfo: &str, controllers: impl Fn(&Path) -> String) -> anyhow::Result<Self> {
        let mut memory = None;
        let mut unified = None;
        let mut others = Vec::new();
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(point) = left.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut right = right.split(' ');
            let (kind, options) =
                (right.next().unwrap_or_default(), right.nth(1).unwrap_or_default());
            match kind {
                "cgroup2" if unified.is_none() => unified = Some(point),
                "cgroup" if options.split(',').any(|name| name == "memory") => memory = Some(point),
                "cgroup"
                    if options.split(',').any(|name| USEFUL.contains(&name))
                        && !others.contains(&point) =>
                {
                    others.push(point);
                }
                _ => {}
            }
        }
        if let Some(mount) = &unified
            && controllers(mount).split_whitespace().any(|name| name == "memory")
        {
            return Ok(Self {
                version: Version::V2,
                memory: mount.clone(),
                others: Vec::new(),
                unified: None,
            });
        }
        let Some(memory) = memory else {
            bail!("no memory controller is mounted here, neither cgroup v1 nor v2");
        };
        Ok(Self { version: Version::V1, memory, others, unified })
    }

    /// All mounts; the one with the memory controller first.
    pub(crate) fn mounts(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.memory).chain(&self.others).chain(&self.unified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn a_hybrid_host_uses_v1_and_keeps_the_unified_tree_for_pressure() {
        let found = Hierarchies::parse(HYBRID, |_| String::new()).unwrap();
        assert_eq!(found.version, Version::V1);
        assert_eq!(found.memory, Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(found.unified.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(found.others.len(), 2);
        assert_eq!(found.mounts().count(), 4);
    }

    #[test]
    fn memory_on_v2_wins() {
        let found = Hierarchies::parse(HYBRID, |_| "cpu memory".into()).unwrap();
        assert_eq!(found.version, Version::V2);
        assert_eq!(found.mounts().count(), 1);
    }

    #[test]
    fn a_host_without_the_memory_controller_says_so() {
        let error =
            Hierarchies::parse("22 27 0:21 / /proc rw - proc proc rw\nbroken", |_| String::new())
                .unwrap_err();
        assert!(error.to_string().contains("memory controller"));
    }
}
