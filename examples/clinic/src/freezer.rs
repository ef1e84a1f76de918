//! A program that writes to a frozen file system.
//!
//! The file system is an ext4 in a file, mounted in a mount namespace of its own by `unshare --mount`. No signal ends a
//! writer on a frozen file system, so this process, which alone can thaw it, stays until its standard input closes.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::procfs::Stat;

/// The least that ext4 likes.
const SIZE: u64 = 8 << 20;

/// Freezes, waits for the end of standard input, and thaws.
pub(crate) fn main(directory: &Path, writer: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    let (image, mount) = (directory.join("image"), directory.join("mount"));
    fs::create_dir_all(&mount)?;
    File::create(&image)?.set_len(SIZE)?;
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
    run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mount))?;
    let held = hold(&mount, writer);
    run(Command::new("umount").arg(&mount))?;
    fs::remove_dir_all(directory).ok();
    held
}

fn hold(mount: &Path, writer: &Path) -> anyhow::Result<()> {
    let mut child = Command::new(writer)
        .arg("writer")
        .arg(mount.join("file"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", writer.display()))?;
    let frozen = freeze_under(mount, &mut child);
    if frozen.is_ok() {
        println!("READY {}", json!({ "pids": [child.id()] }));
        io::stdin().lock().read_to_end(&mut Vec::new()).ok();
    }
    run(Command::new("fsfreeze").arg("--unfreeze").arg(mount)).ok();
    child.kill().ok();
    child.wait().ok();
    frozen
}

/// Freezes the file system once its writer writes, and waits until that is stuck.
fn freeze_under(mount: &Path, child: &mut Child) -> anyhow::Result<()> {
    let output = child.stdout.take().context("the writer has no output")?;
    BufReader::new(output).read_line(&mut String::new())?;
    run(Command::new("fsfreeze").arg("--freeze").arg(mount))?;
    let start = Instant::now();
    while Stat::read(child.id()).is_none_or(|stat| stat.state != 'D') {
        if start.elapsed() > Duration::from_secs(10) {
            bail!("the writer still writes");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        bail!("{} failed: {status}", program.display());
    }
    Ok(())
}
