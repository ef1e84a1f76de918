//! Where the cgroup hierarchies are mounted, and which of them has the memory controller.

use std::io;
use std::path::{Path, PathBuf};

use gadget_core::CgroupVersion;
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, Mode, OFlags, accessat, open};

use crate::file;

/// A controller that a step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    Memory,
    Cpu,
    Io,
    Pids,
    Freezer,
}

impl Controller {
    const V1: [Self; 5] = [Self::Memory, Self::Cpu, Self::Io, Self::Pids, Self::Freezer];

    /// Its name among the mount options of cgroup v1.
    const fn v1_name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Io => "blkio",
            Self::Pids => "pids",
            Self::Freezer => "freezer",
        }
    }

    /// Its name in `cgroup.controllers`; the freezer is a part of cgroup v2 itself.
    const fn v2_name(self) -> Option<&'static str> {
        match self {
            Self::Memory => Some("memory"),
            Self::Cpu => Some("cpu"),
            Self::Io => Some("io"),
            Self::Pids => Some("pids"),
            Self::Freezer => None,
        }
    }
}

/// One mounted hierarchy.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) dir: OwnedFd,
    /// The group that is mounted as the root; `/proc/PID/cgroup` counts from above it. Empty unless only a part is mounted.
    pub(crate) root: String,
    /// What its controller is called in `/proc/PID/cgroup`; empty for cgroup v2.
    pub(crate) label: &'static str,
}

/// The hierarchies of this host.
///
/// The *judged* one is the one with the memory controller, which the providers of `gadget-signals` read: a
/// [`CgroupId`](gadget_core::CgroupId) is an inode number in it. On hybrid hosts that is the memory hierarchy of cgroup v1,
/// and the group of the same path in another hierarchy is used once it is sure that it holds no other processes.
#[derive(Debug)]
pub(crate) struct Hierarchies {
    pub(crate) version: CgroupVersion,
    pub(crate) judged: Mount,
    /// Version 1 only: the unified hierarchy of a hybrid host.
    pub(crate) unified: Option<Mount>,
    /// Version 1 only.
    others: Vec<(Controller, Mount)>,
    /// Version 2 only: the text of `cgroup.controllers`.
    enabled: String,
}

/// A mount point that was found: its directory, the group mounted there, and its kind.
struct Point {
    path: PathBuf,
    root: String,
    /// The controllers of cgroup v1; none for cgroup v2.
    controllers: Option<Vec<String>>,
}

impl Hierarchies {
    /// Finds them in `self/mountinfo` below `proc`.
    pub(crate) fn detect(proc: &Path) -> io::Result<Self> {
        Self::build(parse_mountinfo(&std::fs::read_to_string(proc.join("self/mountinfo"))?))
    }

    /// Finds them below one directory: the root of cgroup v2, or one that holds a directory per controller and `unified`.
    pub(crate) fn at(root: &Path) -> io::Result<Self> {
        let point = |path: PathBuf, controllers| Point { path, root: String::new(), controllers };
        if root.join("cgroup.controllers").exists() {
            return Self::build(vec![point(root.to_owned(), None)]);
        }
        let v1 = Controller::V1.map(|controller| controller.v1_name());
        let mut points: Vec<_> = v1
            .into_iter()
            .map(|name| point(root.join(name), Some(vec![name.to_owned()])))
            .filter(|point| point.path.is_dir())
            .collect();
        let unified = root.join("unified");
        points.extend(unified.is_dir().then(|| point(unified, None)));
        Self::build(points)
    }

    fn build(points: Vec<Point>) -> io::Result<Self> {
        let mut unified = None;
        let mut enabled = String::new();
        let mut v1: Vec<(Controller, Mount)> = Vec::new();
        for point in points {
            let open = |label| {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let dir = open(&point.path, flags, Mode::empty())?;
                io::Result::Ok(Mount { dir, root: point.root.clone(), label })
            };
            match &point.controllers {
                None if unified.is_none() => {
                    enabled = std::fs::read_to_string(point.path.join("cgroup.controllers"))
                        .unwrap_or_default();
                    unified = Some(open("")?);
                }
                None => {}
                Some(names) => {
                    for controller in Controller::V1 {
                        let new = v1.iter().all(|(had, _)| *had != controller);
                        if new && names.iter().any(|name| name == controller.v1_name()) {
                            v1.push((controller, open(controller.v1_name())?));
                        }
                    }
                }
            }
        }
        let memory = v1.iter().position(|(controller, _)| *controller == Controller::Memory);
        match (memory, unified) {
            (Some(memory), unified) if !enabled.split_whitespace().any(|name| name == "memory") => {
                let (_, judged) = v1.swap_remove(memory);
                let version = CgroupVersion::V1;
                Ok(Self { version, judged, unified, others: v1, enabled: String::new() })
            }
            (_, Some(judged)) => {
                let version = CgroupVersion::V2;
                Ok(Self { version, judged, unified: None, others: Vec::new(), enabled })
            }
            (_, None) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no cgroup hierarchy with the memory controller",
            )),
        }
    }

    /// The v1 hierarchy of a controller other than memory.
    pub(crate) fn other(&self, controller: Controller) -> Option<&Mount> {
        self.others.iter().find(|(had, _)| *had == controller).map(|(_, mount)| mount)
    }

    /// The hierarchy through which `controller` is set, if this host has it.
    pub(crate) fn of(&self, controller: Controller) -> Option<&Mount> {
        match (self.version, controller) {
            (CgroupVersion::V2, controller) => {
                let enabled = |name| self.enabled.split_whitespace().any(|had| had == name);
                controller.v2_name().is_none_or(enabled).then_some(&self.judged)
            }
            (CgroupVersion::V1, Controller::Memory) => Some(&self.judged),
            (CgroupVersion::V1, controller) => self.other(controller),
        }
    }

    /// True if the root of the judged hierarchy offers `file`.
    pub(crate) fn has(&self, file: &str) -> bool {
        file::open(self.judged.dir.as_fd(), file, OFlags::PATH).is_ok()
    }
}

/// True if groups below `dir` may be changed: it is not mounted read-only and belongs to us.
pub(crate) fn writable(dir: BorrowedFd<'_>) -> bool {
    accessat(dir, c".", Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// The cgroup mounts in the text of `mountinfo` (Documentation/filesystems/proc.rst, 3.5).
fn parse_mountinfo(text: &str) -> Vec<Point> {
    let line = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, path) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let controllers = match kind {
            "cgroup" => Some(options.split(',').map(str::to_owned).collect()),
            "cgroup2" => None,
            _ => return None,
        };
        Some(Point { path: path.into(), root: root.trim_end_matches('/').to_owned(), controllers })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_from_mountinfo() {
        let points = parse_mountinfo(
            "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
             32 31 0:29 /docker/ab /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\nbroken - cgroup\n",
        );
        let found: Vec<_> =
            points.iter().map(|p| (p.path.to_str().unwrap(), p.root.as_str())).collect();
        assert_eq!(
            found,
            [("/sys/fs/cgroup/cpu,cpuacct", "/docker/ab"), ("/sys/fs/cgroup/unified", "")]
        );
    }

    #[test]
    fn memory_decides_which_hierarchy_is_judged() {
        let tree = tempfile::tempdir().unwrap();
        assert!(Hierarchies::at(tree.path()).is_err());
        for name in ["memory", "freezer", "unified"] {
            std::fs::create_dir(tree.path().join(name)).unwrap();
        }
        let hybrid = Hierarchies::at(tree.path()).unwrap();
        assert_eq!((hybrid.version, hybrid.judged.label), (CgroupVersion::V1, "memory"));
        assert!(hybrid.unified.is_some() && hybrid.of(Controller::Freezer).is_some());
        assert!(hybrid.of(Controller::Cpu).is_none());

        std::fs::write(tree.path().join("unified/cgroup.controllers"), "cpu memory").unwrap();
        let v2 = Hierarchies::at(tree.path()).unwrap();
        assert_eq!(v2.version, CgroupVersion::V2);
        assert!(v2.of(Controller::Cpu).is_some() && v2.of(Controller::Io).is_none());
    }

    #[test]
    fn the_hierarchies_of_this_host_are_found() {
        let found = Hierarchies::detect(Path::new("/proc")).unwrap();
        assert!(found.of(Controller::Memory).is_some());
    }
}
