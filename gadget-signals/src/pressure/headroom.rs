//! How soon memory could run short at all.

use std::path::PathBuf;
use std::time::Duration;

use gadget_core::{CgroupVersion, MemoryLimit, SignalError};

use crate::cgroup::CgroupLayout;
use crate::file::{Buffer, KernelFile};
use crate::parse;
use crate::text::number;

/// No host fills its memory any faster, in bytes a second: some threads that touch fresh pages come to a few GiB.
const FASTEST_FILL: f64 = (8_u64 << 30) as f64;

/// The memory that is left before a stall can begin: the host's, and that of each limited group above.
///
/// - Source: `MemAvailable` of `/proc/meminfo`; `memory.current` and `memory.max`, or their version 1 counterparts.
pub struct Headroom {
    meminfo: KernelFile,
    groups: Vec<(KernelFile, KernelFile)>,
    buffer: Buffer,
}

impl Headroom {
    /// Of this host.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] without `/proc/meminfo`.
    pub fn host() -> Result<Self, SignalError> {
        Self::at("/proc".into())
    }

    /// Of the group at `path`, the groups above it and this host.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] without `/proc/meminfo`, or if there is no such group.
    pub fn of_cgroup(layout: &CgroupLayout, path: &str) -> Result<Self, SignalError> {
        let mut headroom = Self::host()?;
        let (current, max) = match layout.version() {
            CgroupVersion::V1 => ("memory.usage_in_bytes", "memory.limit_in_bytes"),
            CgroupVersion::V2 => ("memory.current", "memory.max"),
        };
        let mut folder = layout.root().join(path.trim_matches('/'));
        while folder.starts_with(layout.root()) && folder != layout.root() {
            let open = |name| KernelFile::open(folder.join(name), "the memory controller");
            headroom.groups.push((open(current)?, open(max)?));
            folder.pop();
        }
        Ok(headroom)
    }

    fn at(proc: PathBuf) -> Result<Self, SignalError> {
        let meminfo = KernelFile::open(proc.join("meminfo"), "procfs")?;
        Ok(Self { meminfo, groups: Vec::new(), buffer: Buffer::default() })
    }

    /// How long it takes at least until memory runs short, however fast it is filled.
    pub(super) fn lasts(&mut self) -> Result<Duration, SignalError> {
        let text = self.meminfo.read_once(&mut self.buffer)?;
        let mut left = parse::meminfo(text, self.meminfo.path())?.available.get();
        for (current, max) in &self.groups {
            let limit = parse::memory_limit(max.read_once(&mut self.buffer)?, max.path())?;
            if let MemoryLimit::At(limit) = limit {
                let used = number(current.read_once(&mut self.buffer)?, current.path())?;
                left = left.min(limit.get().saturating_sub(used));
            }
        }
        Ok(Duration::from_secs_f64(left as f64 / FASTEST_FILL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, tree};

    #[test]
    fn the_tightest_of_host_and_groups_counts() {
        let root = tree(&[
            ("cgroup.controllers", "memory\n"),
            ("a/memory.current", "1073741824\n"),
            ("a/memory.max", "2147483648\n"),
            ("a/b/memory.current", "5\n"),
            ("a/b/memory.max", "max\n"),
        ]);
        let layout = CgroupLayout::at(root.path()).unwrap();
        let mut headroom = Headroom::of_cgroup(&layout, "/a/b").unwrap();
        assert_eq!(headroom.groups.len(), 2);
        headroom.meminfo = Headroom::at(golden("6.18/proc")).unwrap().meminfo;
        assert_eq!(headroom.lasts().unwrap(), Duration::from_millis(125), "1 GiB is left in a");
        assert!(Headroom::of_cgroup(&layout, "/none").is_err());
    }

    #[test]
    fn a_small_host_has_no_time_to_rest() {
        let lasts = Headroom::at(golden("6.1/proc")).unwrap().lasts().unwrap();
        assert!(lasts < Duration::from_millis(50), "{lasts:?}");
    }
}
