//! Places of our own to make things happen in: a network namespace, a block device.
#![allow(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Runs a command to its end; `None`, and a line that says so, if it cannot run or fails.
pub(crate) fn run(program: &str, args: &[&str]) -> Option<String> {
    match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => {
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            println!("SKIPPED: {program} {args:?}: {}", said.trim());
            None
        }
        Err(error) => {
            println!("SKIPPED: cannot run {program}: {error}");
            None
        }
    }
}

/// Runs `f` in a thread with a network namespace of its own, where only the loopback device is and is up.
pub(crate) fn in_own_network(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        // SAFETY: it changes the network namespace of this thread alone, which nobody else relies on.
        if let Err(error) = unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
            println!("SKIPPED: no network namespace can be made here: {error}");
        } else if run("ip", &["link", "set", "lo", "up"]).is_some() {
            f();
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A loop device on a file of its own; both are gone in the end.
pub(crate) struct LoopDevice {
    path: String,
    _folder: tempfile::TempDir,
}

impl LoopDevice {
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        fs::File::create(&file).unwrap().set_len(bytes).unwrap();
        let path = run("losetup", &["--find", "--show", &file.to_string_lossy()])?;
        Some(Self { path, _folder: folder })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Its numbers in `/sys/block`: Documentation/block/stat.rst.
    pub(crate) fn stat(&self) -> Vec<u64> {
        let text = fs::read_to_string(self.sys().join("stat")).unwrap();
        text.split_ascii_whitespace().map(|word| word.parse().unwrap()).collect()
    }

    pub(crate) fn number(&self) -> (u32, u32) {
        let text = fs::read_to_string(self.sys().join("dev")).unwrap();
        let (major, minor) = text.trim().split_once(':').unwrap();
        (major.parse().unwrap(), minor.parse().unwrap())
    }

    fn sys(&self) -> PathBuf {
        Path::new("/sys/block").join(Path::new(&self.path).file_name().unwrap())
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.path]).status();
    }
}
