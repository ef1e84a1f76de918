//! A made-up host on a memory file system.

use std::collections::BTreeMap;
use std::convert::identity;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::cgroup::{FakeCgroup, pressure};
use super::memory::FakeMemory;
use super::process::FakeProcess;
use crate::subject::{CgroupId, CgroupVersion};

const V1: [&str; 5] = ["memory", "freezer", "cpu,cpuacct", "pids", "unified"];

/// A `/proc` and a cgroup tree made of ordinary files, for readers that take their root. Gone when it is dropped.
///
/// It lies on `/dev/shm` where there is one, so that it costs memory and no disk. Files are overwritten in place, as
/// readers that keep them open expect.
///
/// ```
/// # use gadget_core::{Bytes, testing::FakeHost};
/// let mut host = FakeHost::v2()
///     .memory(|memory| memory.total(Bytes::from_mib(2048)).available(Bytes::from_mib(900)))
///     .cgroup("/app.slice/web", |group| group.max(Bytes::from_mib(96)).anon(Bytes::from_mib(40)))
///     .process(4127, |it| it.comm("leaky").rss(Bytes::from_mib(40)).cgroup("/app.slice/web"));
/// let current = host.cgroups().join("app.slice/web/memory.current");
/// assert_eq!(std::fs::read_to_string(&current)?, "41943040\n");
///
/// host.change_cgroup("/app.slice/web", |group| group.anon(Bytes::from_mib(41)));
/// assert_eq!(std::fs::read_to_string(&current)?, "42991616\n");
/// host.remove_process(4127);
/// assert!(!host.proc().join("4127").exists());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// Every method panics where the files cannot be written.
#[derive(Debug)]
pub struct FakeHost {
    dir: TempDir,
    version: CgroupVersion,
    memory: FakeMemory,
    processes: BTreeMap<u32, FakeProcess>,
    cgroups: BTreeMap<String, FakeCgroup>,
}

impl FakeHost {
    /// A host whose cgroups are version 2.
    #[must_use]
    pub fn v2() -> Self {
        Self::new(CgroupVersion::V2)
    }

    /// A host whose controllers are version 1, with a version 2 hierarchy without controllers beside them.
    #[must_use]
    pub fn v1() -> Self {
        Self::new(CgroupVersion::V1)
    }

    fn new(version: CgroupVersion) -> Self {
        let memory_backed = Path::new("/dev/shm");
        let dir =
            if memory_backed.is_dir() { TempDir::new_in(memory_backed) } else { TempDir::new() };
        let host = Self {
            dir: dir.expect("a fake host needs a temporary folder"),
            version,
            memory: FakeMemory::default(),
            processes: BTreeMap::new(),
            cgroups: BTreeMap::new(),
        };
        let mounts = match version {
            CgroupVersion::V2 => mount(0, &host.cgroups(), "cgroup2", "rw"),
            CgroupVersion::V1 => {
                let mounts = V1.iter().enumerate().map(|(number, &controller)| {
                    let path = host.cgroups().join(controller);
                    let unified = controller == "unified";
                    let (kind, options) = if unified {
                        ("cgroup2", "rw".to_owned())
                    } else {
                        ("cgroup", format!("rw,{controller}"))
                    };
                    mount(number, &path, kind, &options)
                });
                mounts.collect()
            }
        };
        for (path, text) in [
            ("proc/self/mountinfo", mounts.as_str()),
            ("proc/sys/kernel/random/boot_id", "5f4dcc3b-5aa7-65d6-1d83-27deb882cf99\n"),
            ("proc/sys/kernel/osrelease", "6.12.48\n"),
            (
                "proc/stat",
                "cpu  0 0 0 0 0 0 0 0 0 0\nbtime 1700000000\nprocesses 0\nprocs_running 1\n",
            ),
            ("proc/loadavg", "0.00 0.00 0.00 1/1 1\n"),
            ("proc/pressure/cpu", &pressure(0)),
            ("proc/pressure/io", &pressure(0)),
        ] {
            host.write(path, text);
        }
        for controller in host.hierarchies() {
            host.write(&format!("cgroup/{controller}/cgroup.procs"), "");
        }
        if version == CgroupVersion::V2 {
            host.write("cgroup/cgroup.controllers", "cpu io memory pids\n");
        }
        host.memory(identity)
    }

    /// Sets the host's memory.
    #[must_use]
    pub fn memory(mut self, set: impl FnOnce(FakeMemory) -> FakeMemory) -> Self {
        self.change_memory(set);
        self
    }

    /// Adds a process.
    #[must_use]
    pub fn process(mut self, pid: u32, set: impl FnOnce(FakeProcess) -> FakeProcess) -> Self {
        self.change_process(pid, set);
        self
    }

    /// Adds a cgroup, and those above it that are missing. `path` begins with a slash.
    #[must_use]
    pub fn cgroup(mut self, path: &str, set: impl FnOnce(FakeCgroup) -> FakeCgroup) -> Self {
        self.change_cgroup(path, set);
        self
    }

    /// Changes the host's memory.
    pub fn change_memory(&mut self, set: impl FnOnce(FakeMemory) -> FakeMemory) {
        self.memory = set(self.memory);
        for (name, text) in self.memory.files() {
            self.write(&format!("proc/{name}"), &text);
        }
    }

    /// Changes a process, or adds it.
    pub fn change_process(&mut self, pid: u32, set: impl FnOnce(FakeProcess) -> FakeProcess) {
        let before = self.processes.remove(&pid);
        let moved = before.as_ref().map(|it| it.path().to_owned());
        let process = set(before.unwrap_or_default());
        for (name, text) in process.files(pid, self.version == CgroupVersion::V1) {
            self.write(&format!("proc/{pid}/{name}"), &text);
        }
        let exe = self.proc().join(format!("{pid}/exe"));
        let _ = fs::remove_file(&exe);
        if let Some(link) = process.link() {
            symlink(link, &exe).expect("the link can be made");
        }
        let path = process.path().to_owned();
        self.processes.insert(pid, process);
        if path != "/" && !self.cgroups.contains_key(&path) {
            self.change_cgroup(&path, identity);
        }
        self.write_procs(&path);
        if let Some(moved) = moved.filter(|moved| *moved != path) {
            self.write_procs(&moved);
        }
    }

    /// Changes a cgroup, or adds it and those above it that are missing.
    pub fn change_cgroup(&mut self, path: &str, set: impl FnOnce(FakeCgroup) -> FakeCgroup) {
        assert!(path.starts_with('/') && path.len() > 1, "{path:?} is no path below the root");
        let known = self.cgroups.contains_key(path);
        if let Some((above, _)) = path.rsplit_once('/').filter(|(above, _)| !above.is_empty())
            && !known
            && !self.cgroups.contains_key(above)
        {
            self.change_cgroup(above, identity);
        }
        let group = set(self.cgroups.remove(path).unwrap_or_default());
        match self.version {
            CgroupVersion::V2 => {
                for (name, text) in group.v2_files() {
                    self.write(&format!("cgroup{path}/{name}"), &text);
                }
            }
            CgroupVersion::V1 => {
                for (controller, name, text) in group.v1_files() {
                    self.write(&format!("cgroup/{controller}{path}/{name}"), &text);
                }
            }
        }
        self.cgroups.insert(path.to_owned(), group);
        if !known {
            self.write_procs(path);
        }
    }

    /// Lets a process exit. One that is not there is ignored.
    pub fn remove_process(&mut self, pid: u32) {
        if let Some(process) = self.processes.remove(&pid) {
            let _ = fs::remove_dir_all(self.proc().join(pid.to_string()));
            self.write_procs(process.path());
        }
    }

    /// Removes a cgroup and those below it. Its processes stay, as if they had been moved away unseen.
    pub fn remove_cgroup(&mut self, path: &str) {
        let below = format!("{path}/");
        self.cgroups.retain(|it, _| it != path && !it.starts_with(&below));
        for controller in self.hierarchies() {
            let _ = fs::remove_dir_all(self.cgroups().join(format!("{controller}{path}")));
        }
    }

    /// Writes any file below [`root`](Self::root), in place: what is wrong or missing from the made-up ones.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        let folder = path.parent().expect("a path below the root has a folder");
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(&path, text).expect("the file can be written");
    }

    /// The folder that holds `proc` and `cgroup`.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// What stands for `/proc`.
    #[must_use]
    pub fn proc(&self) -> PathBuf {
        self.root().join("proc")
    }

    /// What stands for `/sys/fs/cgroup`.
    #[must_use]
    pub fn cgroups(&self) -> PathBuf {
        self.root().join("cgroup")
    }

    /// The id of a cgroup, in the hierarchy with the memory controller.
    #[must_use]
    pub fn cgroup_id(&self, path: &str) -> Option<CgroupId> {
        let hierarchy = self.hierarchies()[0];
        let folder = fs::metadata(self.cgroups().join(format!("{hierarchy}{path}"))).ok()?;
        Some(CgroupId(folder.ino()))
    }

    fn hierarchies(&self) -> &'static [&'static str] {
        match self.version {
            CgroupVersion::V2 => &["."],
            CgroupVersion::V1 => &V1,
        }
    }

    fn write_procs(&self, path: &str) {
        let within = self.processes.iter().filter(|(_, process)| process.path() == path);
        let text: String = within.map(|(pid, _)| format!("{pid}\n")).collect();
        for controller in self.hierarchies() {
            let path = if path == "/" { "" } else { path };
            self.write(&format!("cgroup/{controller}{path}/cgroup.procs"), &text);
        }
    }
}

/// A line of `mountinfo`, Documentation/filesystems/proc.rst, section 3.5.
fn mount(number: usize, path: &Path, kind: &str, options: &str) -> String {
    let id = 30 + number;
    format!("{id} 1 0:{id} / {} rw,nosuid - {kind} {kind} {options}\n", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::HostFacts;
    use crate::units::Bytes;

    fn read(path: PathBuf) -> String {
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    #[test]
    fn a_process_is_listed_where_it_is_and_nowhere_else() {
        for (host, hierarchy) in [(FakeHost::v2(), "."), (FakeHost::v1(), "memory")] {
            let mut host =
                host.process(7, |it| it.cgroup("/a/b")).process(9, |it| it.cgroup("/a/b"));
            let procs = |path| read(host.cgroups().join(hierarchy).join(path).join("cgroup.procs"));
            assert_eq!((procs("a/b"), procs("a")), ("7\n9\n".to_owned(), String::new()));
            host.change_process(7, |it| it.cgroup("/a"));
            let procs = |path| read(host.cgroups().join(hierarchy).join(path).join("cgroup.procs"));
            assert_eq!((procs("a/b"), procs("a")), ("9\n".to_owned(), "7\n".to_owned()));
            host.remove_process(9);
            assert_eq!(read(host.cgroups().join(hierarchy).join("a/b/cgroup.procs")), "");
        }
    }

    #[test]
    fn files_are_changed_in_place_so_that_open_ones_see_it() {
        use std::os::unix::fs::FileExt as _;
        let mut host = FakeHost::v1().cgroup("/a", |group| group.anon(Bytes::new(4096)));
        let open = fs::File::open(host.cgroups().join("memory/a/memory.usage_in_bytes")).unwrap();
        host.change_cgroup("/a", |group| group.anon(Bytes::new(8192)));
        let mut text = [0; 16];
        let length = open.read_at(&mut text, 0).unwrap();
        assert_eq!(&text[..length], b"8192\n");
    }

    #[test]
    fn a_removed_cgroup_takes_those_below_it_along_and_may_come_back_as_another() {
        let mut host = FakeHost::v2().cgroup("/a/b", |group| group).cgroup("/ab", |group| group);
        let before = host.cgroup_id("/a/b").unwrap();
        host.remove_cgroup("/a");
        assert_eq!((host.cgroup_id("/a"), host.cgroup_id("/a/b")), (None, None));
        assert!(host.cgroup_id("/ab").is_some());
        host.change_cgroup("/a/b", |group| group);
        if host.root().starts_with("/dev/shm") {
            assert_ne!(host.cgroup_id("/a/b").unwrap(), before);
        } else {
            eprintln!(
                "SKIPPED the id that comes back: no /dev/shm, and disks use inode numbers again"
            );
        }
    }

    #[test]
    fn stat_has_the_fields_where_the_kernel_has_them() {
        let host = FakeHost::v2().process(7, |it| {
            it.comm("a) b").rss(Bytes::new(81_920)).start(4_711).threads(3).parent(5)
        });
        let stat = read(host.proc().join("7/stat"));
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<_> = rest.split_whitespace().collect();
        // Fields 3, 4, 20, 22 and 24, counted from 1.
        assert_eq!(
            [fields[0], fields[1], fields[17], fields[19], fields[21]],
            ["S", "5", "3", "4711", "20"]
        );
        assert_eq!(fields.len() + 2, 52);
    }

    #[test]
    fn it_has_the_facts_of_a_host() {
        let facts = HostFacts::read(&FakeHost::v2().proc()).unwrap();
        assert_eq!(&*facts.kernel, "6.12.48");
    }
}
