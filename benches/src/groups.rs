//! Real cgroups, made for a bench and removed after it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gadget_core::{Bytes, CgroupVersion};
use gadget_signals::CgroupLayout;

const PREFIX: &str = "gadget-bench-";

/// Limited, empty cgroups below one of our own, in every hierarchy that a reader looks at. Removed when dropped.
#[derive(Debug)]
pub struct OwnGroups {
    layout: CgroupLayout,
    name: String,
    count: u32,
    hierarchies: Vec<PathBuf>,
}

impl OwnGroups {
    /// Makes `count` groups limited to `limit` each.
    ///
    /// # Errors
    /// Where this user may not make cgroups, or none are mounted.
    pub fn make(count: u32, limit: Bytes) -> anyhow::Result<Self> {
        let layout = CgroupLayout::detect()?;
        let root = layout.root().to_owned();
        let (hierarchies, limit_file) = match layout.version() {
            CgroupVersion::V2 => (vec![root.clone()], "memory.max"),
            CgroupVersion::V1 => {
                let beside = root.parent().unwrap_or(Path::new("/sys/fs/cgroup"));
                let names = ["memory", "cpu", "cpuacct", "unified"].map(|name| beside.join(name));
                (names.into_iter().filter(|path| path.is_dir()).collect(), "memory.limit_in_bytes")
            }
        };
        remove_left_over(&hierarchies)?;
        let name = format!("{PREFIX}{}", std::process::id());
        let groups = Self { layout, name, count, hierarchies };
        for hierarchy in &groups.hierarchies {
            let above = hierarchy.join(&groups.name);
            fs::create_dir(&above)?;
            if groups.layout.version() == CgroupVersion::V2 {
                for folder in [hierarchy, &above] {
                    fs::write(folder.join("cgroup.subtree_control"), "+memory +cpu")?;
                }
            }
            for number in 0..count {
                fs::create_dir(above.join(number.to_string()))?;
            }
        }
        for number in 0..count {
            let file = root.join(&groups.name).join(number.to_string()).join(limit_file);
            fs::write(file, limit.get().to_string())?;
        }
        Ok(groups)
    }

    /// The path of the group that holds them all, below each hierarchy's root.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// The full paths of the files of memory, memory pressure and CPU of every group that exist.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let names: &[(&str, &str)] = match self.layout.version() {
            CgroupVersion::V1 => &[
                ("memory", "memory.usage_in_bytes"),
                ("memory", "memory.limit_in_bytes"),
                ("memory", "memory.stat"),
                ("memory", "memory.oom_control"),
                ("memory", "memory.failcnt"),
                ("memory", "memory.kmem.usage_in_bytes"),
                ("unified", "memory.pressure"),
                ("cpuacct", "cpuacct.usage"),
                ("cpu", "cpu.stat"),
            ],
            CgroupVersion::V2 => &[
                ("", "memory.current"),
                ("", "memory.max"),
                ("", "memory.high"),
                ("", "memory.stat"),
                ("", "memory.events"),
                ("", "memory.swap.current"),
                ("", "memory.pressure"),
                ("", "cpu.stat"),
            ],
        };
        let mut files = Vec::new();
        for number in 0..self.count {
            for (controller, file) in names {
                let hierarchy = self.hierarchies.iter().find(|path| path.ends_with(controller));
                let folder = hierarchy.unwrap_or(&self.hierarchies[0]).join(&self.name);
                files.push(folder.join(number.to_string()).join(file));
            }
        }
        files.retain(|file| file.exists());
        files
    }
}

impl Drop for OwnGroups {
    fn drop(&mut self) {
        for hierarchy in &self.hierarchies {
            if let Err(error) = remove(&hierarchy.join(&self.name)) {
                eprintln!("cannot remove {} of {}: {error}", self.name, hierarchy.display());
            }
        }
    }
}

/// Removes the groups of benches that were killed.
fn remove_left_over(hierarchies: &[PathBuf]) -> io::Result<()> {
    for hierarchy in hierarchies {
        for entry in fs::read_dir(hierarchy)? {
            let (name, path) = entry.map(|entry| (entry.file_name(), entry.path()))?;
            let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
                continue;
            };
            if !Path::new("/proc").join(pid).exists() {
                remove(&path)?;
            }
        }
    }
    Ok(())
}

fn remove(above: &Path) -> io::Result<()> {
    for entry in fs::read_dir(above)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir(path)?;
        }
    }
    fs::remove_dir(above)
}
