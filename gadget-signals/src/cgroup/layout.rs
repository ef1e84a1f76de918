//! Where this host's cgroups are: version 2, version 1, or both at once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gadget_core::{CgroupId, CgroupVersion, Resource, SignalError};

use crate::file::{Buffer, KernelFile};
use crate::text::{lines, missing};

/// The hierarchy that groups are listed in, and where their other files lie.
///
/// The hierarchy is the one with the memory controller: version 2 where it has it, version 1 else. On a hybrid host
/// (controllers on version 1 beside a unified hierarchy without them) a group's pressure is read at the same path of
/// the unified hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupLayout {
    version: CgroupVersion,
    mounts: [Option<Mount>; Controller::ALL.len()],
}

/// Who offers a file: on version 1 each has a hierarchy of its own, on version 2 all share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    Memory,
    Cpu,
    CpuAcct,
    BlkIo,
    Pids,
    Unified,
}

impl Controller {
    pub(crate) const ALL: [Self; 6] =
        [Self::Memory, Self::Cpu, Self::CpuAcct, Self::BlkIo, Self::Pids, Self::Unified];

    fn v1_name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::CpuAcct => "cpuacct",
            Self::BlkIo => "blkio",
            Self::Pids => "pids",
            Self::Unified => "unified",
        }
    }
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) point: PathBuf,
    /// Which of its groups is at the mount point: `/` unless a container was given a part of the tree.
    pub(crate) root: String,
}

impl CgroupLayout {
    /// Of this host, by `/proc/self/mountinfo`.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] if no cgroup file system is mounted.
    pub fn detect() -> Result<Self, SignalError> {
        let path = Path::new("/proc/self/mountinfo");
        let file = KernelFile::open(path.to_owned(), "procfs")?;
        let mut buffer = Buffer::default();
        let layout = parse_mountinfo(file.read_all(&mut buffer)?, path)?;
        layout.probed().ok_or_else(|| missing(path, "a mounted cgroup file system"))
    }

    /// Of a tree that lies at `root` as the kernel's does at `/sys/fs/cgroup`, or of a single hierarchy's root.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] if it is neither.
    pub fn at(root: impl AsRef<Path>) -> Result<Self, SignalError> {
        let root = root.as_ref();
        let mount = |point: PathBuf| Mount { point, root: "/".to_owned() };
        let mut layout = Self { version: CgroupVersion::V2, mounts: Default::default() };
        if root.join("cgroup.controllers").exists() {
            layout.put(Controller::Unified, mount(root.to_owned()));
        } else if root.join("memory.usage_in_bytes").exists() {
            layout.put(Controller::Memory, mount(root.to_owned()));
        } else {
            for controller in Controller::ALL {
                let point = root.join(controller.v1_name());
                if point.is_dir() {
                    layout.put(controller, mount(point));
                }
            }
        }
        layout.probed().ok_or_else(|| missing(root, "a cgroup file system"))
    }

    /// Decides on the version; `None` if there is no hierarchy to list groups in.
    fn probed(mut self) -> Option<Self> {
        let v2_has_memory = || {
            let file = self.mount(Controller::Unified)?.point.join("cgroup.controllers");
            let names = fs::read_to_string(file).ok()?;
            names.split_ascii_whitespace().any(|name| name == "memory").then_some(())
        };
        self.version = if v2_has_memory().is_some() {
            CgroupVersion::V2
        } else if self.mount(Controller::Memory).is_some() {
            CgroupVersion::V1
        } else {
            CgroupVersion::V2
        };
        self.mount(self.home()).is_some().then_some(self)
    }

    fn put(&mut self, controller: Controller, mount: Mount) {
        let slot = &mut self.mounts[controller as usize];
        // Of several mounts of one hierarchy the one that shows most of it serves best.
        if slot.as_ref().is_none_or(|before| before.root != "/" && mount.root == "/") {
            *slot = Some(mount);
        }
    }

    /// The interface that the groups' files follow.
    #[must_use]
    pub const fn version(&self) -> CgroupVersion {
        self.version
    }

    /// The folder in which the groups are listed.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.mount(self.home()).map_or(Path::new(""), |mount| &mount.point)
    }

    /// The id of the group at `path`; `None` if there is none.
    #[must_use]
    pub fn id_of(&self, path: &str) -> Option<CgroupId> {
        let metadata = fs::metadata(self.root().join(path.trim_matches('/'))).ok()?;
        Some(CgroupId(metadata.ino()))
    }

    /// The pressure file of the group at `path`; `None` on a host without the unified hierarchy.
    #[must_use]
    pub fn pressure_file(&self, path: &str, resource: Resource) -> Option<PathBuf> {
        let name = match resource {
            Resource::Memory => "memory.pressure",
            Resource::Cpu => "cpu.pressure",
            Resource::Io => "io.pressure",
        };
        Some(self.mount(Controller::Unified)?.point.join(path.trim_matches('/')).join(name))
    }

    /// One line for a person: what was found.
    #[must_use]
    pub fn describe(&self) -> String {
        let root = self.root().display();
        match (self.version, self.mount(Controller::Unified)) {
            (CgroupVersion::V2, _) => format!("cgroup v2 at {root}"),
            (CgroupVersion::V1, Some(unified)) => {
                format!("cgroup v1 memory at {root}, pressure from {}", unified.point.display())
            }
            (CgroupVersion::V1, None) => format!("cgroup v1 memory at {root}, without pressure"),
        }
    }

    /// The hierarchy that groups are listed in.
    pub(crate) fn home(&self) -> Controller {
        match self.version {
            CgroupVersion::V1 => Controller::Memory,
            CgroupVersion::V2 => Controller::Unified,
        }
    }

    pub(crate) fn mount(&self, controller: Controller) -> Option<&Mount> {
        self.mounts[controller as usize].as_ref()
    }

    /// The path, as [`CgroupIdentity::path`](gadget_core::CgroupIdentity::path), of the group that a
    /// `/proc/PID/cgroup` names; `None` if it is outside of what is mounted.
    pub(crate) fn member<'t>(
        &self,
        text: &'t [u8],
        path: &Path,
    ) -> Result<Option<&'t str>, SignalError> {
        let found = parse_membership(text, path, self.version)?;
        Ok(found.zip(self.mount(self.home())).and_then(|(path, mount)| mount.inside(path)))
    }
}

impl Mount {
    /// `path`, which the kernel gives from the hierarchy's root, as seen from the mount point.
    pub(crate) fn inside<'p>(&self, path: &'p str) -> Option<&'p str> {
        if path == "/.." || path.starts_with("/../") {
            return None;
        }
        if self.root == "/" {
            return Some(path);
        }
        match path.strip_prefix(self.root.as_str())? {
            "" => Some("/"),
            inner => inner.starts_with('/').then_some(inner),
        }
    }
}

/// Parses the cgroup mounts out of a `mountinfo`.
///
/// - Source: `/proc/PID/mountinfo`, Documentation/filesystems/proc.rst, section 3.5.
///
/// # Errors
/// [`SignalError::Parse`] for a line that is not as the kernel writes it.
pub fn parse_mountinfo(text: &[u8], path: &Path) -> Result<CgroupLayout, SignalError> {
    let mut layout = CgroupLayout { version: CgroupVersion::V2, mounts: Default::default() };
    for line in lines(text, path) {
        let line = line?;
        let expected = "id parent device root point options - type source options";
        let mut words = line.words();
        let (Some(root), Some(point)) = (words.nth(3), words.next()) else {
            return Err(line.error(expected));
        };
        let mut behind = words.skip_while(|word| *word != b"-").skip(1);
        let (Some(kind), options) = (behind.next(), behind.nth(1)) else {
            return Err(line.error(expected));
        };
        let mount = || {
            let text = |word| String::from_utf8(unescaped(word)).map_err(|_| line.error("UTF-8"));
            Ok::<_, SignalError>(Mount { point: text(point)?.into(), root: text(root)? })
        };
        match kind {
            b"cgroup2" => layout.put(Controller::Unified, mount()?),
            b"cgroup" => {
                for option in options.unwrap_or_default().split(|byte| *byte == b',') {
                    let named =
                        Controller::ALL.into_iter().find(|c| c.v1_name().as_bytes() == option);
                    if let Some(controller) = named {
                        layout.put(controller, mount()?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(layout)
}

/// The kernel writes space, tab, newline and backslash in a path as `\040` and so on.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if byte == b'\\' => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => out.push(byte),
        }
    }
    out
}

/// Parses `/proc/PID/cgroup` into the path of the process's group in the hierarchy with the memory controller.
///
/// - Source: Documentation/admin-guide/cgroup-v2.rst, "Processes".
/// - Absent: if the process is in no such hierarchy, or its group was removed already.
///
/// # Errors
/// [`SignalError::Parse`] for a line that is not as the kernel writes it.
pub fn parse_membership<'t>(
    text: &'t [u8],
    path: &Path,
    version: CgroupVersion,
) -> Result<Option<&'t str>, SignalError> {
    let mut found = None;
    for line in lines(text, path) {
        let line = line?;
        let mut parts = line.text.splitn(3, |byte| *byte == b':');
        let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(line.error("hierarchy:controllers:path"));
        };
        let ours = match version {
            CgroupVersion::V2 => controllers.is_empty(),
            CgroupVersion::V1 => {
                controllers.split(|byte| *byte == b',').any(|name| name == b"memory")
            }
        };
        if ours {
            let group = std::str::from_utf8(group).map_err(|_| line.error("UTF-8"))?;
            if !group.starts_with('/') {
                return Err(line.error("a path that begins with /"));
            }
            found = (!group.ends_with(" (deleted)")).then_some(group);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    fn parsed(text: &str) -> CgroupLayout {
        parse_mountinfo(text.as_bytes(), Path::new("mountinfo")).unwrap()
    }

    #[test]
    fn the_recorded_hosts_have_the_layout_they_had() {
        for (file, unified, memory) in [
            ("6.1/proc/78/mountinfo", Some("/sys/fs/cgroup"), None),
            ("6.12/proc/128/mountinfo", Some("/sys/fs/cgroup"), None),
            (
                "6.18/proc/4370/mountinfo",
                Some("/sys/fs/cgroup/unified"),
                Some("/sys/fs/cgroup/memory"),
            ),
        ] {
            let layout = parsed(&fs::read_to_string(golden(file)).unwrap());
            let point = |c| layout.mount(c).map(|mount| mount.point.to_str().unwrap());
            assert_eq!(point(Controller::Unified), unified, "{file}");
            assert_eq!(point(Controller::Memory), memory, "{file}");
        }
    }

    #[test]
    fn roots_are_probed() {
        for (root, version) in [
            ("6.1/sys/fs/cgroup", CgroupVersion::V2),
            ("6.12/sys/fs/cgroup", CgroupVersion::V2),
            ("6.18/sys/fs/cgroup", CgroupVersion::V1),
        ] {
            assert_eq!(CgroupLayout::at(golden(root)).unwrap().version(), version, "{root}");
        }
        let error = CgroupLayout::at(golden("6.1/proc")).unwrap_err();
        assert!(matches!(error, SignalError::Unsupported { .. }), "{error}");
    }

    #[test]
    fn joined_controllers_share_a_mount_and_paths_are_unescaped() {
        let layout = parsed(
            "30 20 0:9 / /my\\040groups/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n\
             31 20 0:8 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        );
        let cpu = layout.mount(Controller::Cpu).unwrap();
        assert_eq!(cpu.point, Path::new("/my groups/cpu,cpuacct"));
        assert_eq!(layout.mount(Controller::CpuAcct), Some(cpu));
        let memory = layout.mount(Controller::Memory).unwrap();
        assert_eq!(memory.inside("/docker/abc/x"), Some("/x"));
        assert_eq!(memory.inside("/docker/abc"), Some("/"));
        assert_eq!(memory.inside("/docker/abcd"), None);
        assert_eq!(cpu.inside("/../outside"), None);
    }

    #[test]
    fn the_whole_hierarchy_is_preferred_to_a_part_of_it() {
        let layout = parsed(
            "30 20 0:9 /part /a rw - cgroup2 cgroup2 rw\n\
             31 20 0:9 / /b rw - cgroup2 cgroup2 rw\n\
             32 20 0:9 /part /c rw - cgroup2 cgroup2 rw\n",
        );
        assert_eq!(layout.mount(Controller::Unified).unwrap().point, Path::new("/b"));
    }

    #[test]
    fn a_process_is_found_in_the_memory_hierarchy() {
        let path = Path::new("cgroup");
        let hybrid = b"4:memory:/lab:x\n1:cpu:/\n0::/other\n";
        let find = |text, version| parse_membership(text, path, version).unwrap();
        assert_eq!(find(hybrid, CgroupVersion::V1), Some("/lab:x"));
        assert_eq!(find(hybrid, CgroupVersion::V2), Some("/other"));
        assert_eq!(find(b"0::/gone (deleted)\n", CgroupVersion::V2), None);
        for bad in [&b"0::lab\n"[..], b"0:\n", b"junk\n", b"0::/lab", b"0::/\xff\n"] {
            assert!(parse_membership(bad, path, CgroupVersion::V2).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_line_cut_short_is_an_error() {
        for text in ["30 20\n", "30 20 0:9 / /b rw\n", "30 20 0:9 / /b rw - cgroup2", "\n"] {
            assert!(parse_mountinfo(text.as_bytes(), Path::new("m")).is_err(), "{text:?}");
        }
    }
}
