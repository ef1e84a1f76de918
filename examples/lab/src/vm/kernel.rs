//! Debian kernels, fetched without root and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::output;

/// A kernel and the modules the guest loads.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) image: PathBuf,
    /// Contents, in the order of loading; empty where everything is built in.
    pub(super) modules: Vec<Vec<u8>>,
}

/// For the virtio disk; `virtio_ring` first, since the others use it. Some kernels have all but the last built in. And for
/// loop devices, which tests make, and questions about sockets; nothing in the guest loads a module when it is needed.
const MODULES: [&str; 9] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "loop",
    "inet_diag",
    "tcp_diag",
];

/// The newest `linux-image-<series>*-cloud-amd64` that apt offers, unpacked under `cache`.
pub(super) fn fetch(series: &str, cache: &Path) -> anyhow::Result<Kernel> {
    let root = cache.join(format!("linux-{series}"));
    if image(&root).is_none() {
        let package = newest(series)?;
        let download = cache.join("download");
        fs::create_dir_all(&download)?;
        output(
            "apt-get",
            "apt",
            Command::new("apt-get").args(["-q", "download", &package]).current_dir(&download),
        )?;
        let archive = fs::read_dir(&download)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&package))
            })
            .with_context(|| format!("apt-get downloaded no {package}"))?;
        // Unpacked beside its place: an interrupted run leaves no half kernel.
        let half = cache.join(format!("linux-{series}.part"));
        fs::remove_dir_all(&half).ok();
        output("dpkg", "dpkg", Command::new("dpkg").arg("-x").arg(&archive).arg(&half))?;
        fs::remove_dir_all(&root).ok();
        fs::rename(&half, &root)?;
        fs::remove_dir_all(&download)?;
    }
    let image = image(&root).with_context(|| format!("no kernel in {}", root.display()))?;
    let mut files = Vec::new();
    walk(&root, &mut files);
    let modules = MODULES
        .iter()
        .filter_map(|name| module(name, &files).transpose())
        .collect::<anyhow::Result<_>>()?;
    Ok(Kernel { image, modules })
}

fn image(root: &Path) -> Option<PathBuf> {
    fs::read_dir(root.join("boot")).ok()?.flatten().map(|entry| entry.path()).find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
    })
}

fn newest(series: &str) -> anyhow::Result<String> {
    let pattern = format!("^linux-image-{}\\.[0-9].*-cloud-amd64$", series.replace('.', "\\."));
    let found = output(
        "apt-cache",
        "apt",
        Command::new("apt-cache").args(["search", "--names-only", &pattern]),
    )?;
    let found = String::from_utf8_lossy(&found);
    let names = found.lines().filter_map(|line| line.split_whitespace().next());
    let Some(best) = names.max_by_key(|name| numbers(name)) else {
        bail!("apt offers no linux-image-{series}.*-cloud-amd64: try apt-get update");
    };
    Ok(best.to_owned())
}

/// The numbers in a name, in order: `6.12.9` comes before `6.12.10`.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn module(name: &str, files: &[PathBuf]) -> anyhow::Result<Option<Vec<u8>>> {
    let named = |suffix: &str| {
        let wanted = format!("{name}.ko{suffix}");
        files
            .iter()
            .find(move |path| path.file_name().is_some_and(|name| name.to_string_lossy() == wanted))
    };
    if let Some(plain) = named("") {
        return Ok(Some(fs::read(plain)?));
    }
    named(".xz")
        .map(|packed| output("xz", "xz-utils", Command::new("xz").arg("-dc").arg(packed)))
        .transpose()
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_is_chosen_by_number() {
        let names =
            ["linux-image-6.12.9+deb12-cloud-amd64", "linux-image-6.12.10+deb12-cloud-amd64"];
        assert_eq!(names.iter().max_by_key(|name| numbers(name)), Some(&names[1]));
    }
}
