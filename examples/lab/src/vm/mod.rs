//! The lab in a guest: a Debian kernel under QEMU's software emulation, where only cgroup v2 exists.

mod guest;
mod initramfs;
mod kernel;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::guardian::Guardian;
use crate::report::Report;
use crate::size::Size;

pub(crate) use guest::{is_guest, main};

/// Before each result line on the guest's second serial port.
const RESULT: &str = "RESULT ";
/// The last line: the guest did all it was told.
const DONE: &str = "DONE";
/// Size of the disk: what a page-cache flood reads, and at the end the way out for files.
const DISK: u64 = 2 << 30;

/// A guest that stages incidents, or runs programs of any kind.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Kernel series: `6.1`, `6.12`.
    pub kernel: String,
    /// RAM.
    pub memory: Size,
    /// Guest time follows instructions, not the host's clock: independent of how busy the host is.
    pub icount: bool,
    /// Where kernels are kept between runs.
    pub cache: PathBuf,
    /// Where the files of the guest's runs go.
    pub reports: PathBuf,
}

/// What the guest is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Job {
    /// The lab with these arguments, which judges the watcher beside it.
    Lab(Vec<String>),
    /// Each of these programs of [`initramfs::BIN`] with the same arguments.
    Programs(Vec<String>, Vec<String>),
}

impl Guest {
    /// Boots, stages incidents, and returns what the guest reported. `watcher` is the program under judgement; `args` is
    /// what the lab in the guest is told, `matrix` and its options; `line` is told the guest's progress.
    ///
    /// # Errors
    /// Says which package to install when QEMU or a tool is missing.
    pub fn run(
        &self,
        watcher: Option<&Path>,
        args: Vec<String>,
        line: impl FnMut(&str),
    ) -> anyhow::Result<Vec<Report>> {
        let watcher = watcher.map(|path| (initramfs::WATCHER.to_owned(), path.to_owned()));
        let results = self.boot(&Job::Lab(args), watcher.into_iter().collect(), line)?;
        let report = |json: &String| serde_json::from_str(json).context("a result of the guest");
        results.iter().map(report).collect()
    }

    /// Boots, and runs each of `programs` with `args`, as root, with every controller of cgroup v2 at hand. What they need
    /// beside their libraries is in `with`: programs of this host by name, or folders. `line` is told what they print.
    /// Returns their exit codes, 128 and the signal for those that a signal ended.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn exec(
        &self,
        programs: &[PathBuf],
        args: &[String],
        with: &[PathBuf],
        line: impl FnMut(&str),
    ) -> anyhow::Result<Vec<i32>> {
        let mut files = Vec::new();
        for program in programs {
            let name = program.file_name().context("a program has a name")?.to_string_lossy();
            files.push((format!("{}/{name}", initramfs::BIN), program.clone()));
        }
        let names = files.iter().map(|(inside, _)| format!("/{inside}")).collect();
        for extra in with {
            files.extend(initramfs::found(extra)?);
        }
        let results = self.boot(&Job::Programs(names, args.to_owned()), files, line)?;
        let code = |text: &String| text.parse().context("an exit code of the guest");
        results.iter().map(code).collect()
    }

    /// Boots with `files`, by their path inside, and returns the guest's results.
    fn boot(
        &self,
        job: &Job,
        files: Vec<(String, PathBuf)>,
        mut line: impl FnMut(&str),
    ) -> anyhow::Result<Vec<String>> {
        fs::create_dir_all(&self.reports)?;
        let kernel = kernel::fetch(&self.kernel, &self.cache)?;
        let initrd = self.reports.join("initrd");
        initramfs::build(&initrd, &kernel, files, job)?;
        let disk = self.reports.join("disk");
        File::create(&disk)?.set_len(DISK)?;

        let mut guardian = Guardian::start()?;
        let mut qemu = self
            .command(&kernel.image, &initrd, &disk)
            .spawn()
            .map_err(|error| missing("qemu-system-x86_64", "qemu-system-x86", error))?;
        guardian.process(qemu.id())?;
        let output = qemu.stdout.take().context("the guest has a serial port")?;
        let mut results = Vec::new();
        let mut done = false;
        for text in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&text);
            match text.strip_prefix(RESULT) {
                Some(result) => results.push(result.to_owned()),
                None if text == DONE => done = true,
                None => line(&text),
            }
        }
        let status = qemu.wait()?;
        if !done {
            let console = self.reports.join("console");
            bail!(
                "the guest ended before it was done ({status}); its console is in {}",
                console.display()
            );
        }
        initramfs::unpack(&disk, &self.reports)?;
        fs::remove_file(&disk)?;
        fs::remove_file(&initrd)?;
        Ok(results)
    }

    fn command(&self, image: &Path, initrd: &Path, disk: &Path) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args([
                "-accel",
                "tcg",
                "-cpu",
                "max",
                "-smp",
                "1",
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args(["-m", &(self.memory.0 >> 20).to_string()])
            .arg("-kernel")
            .arg(image)
            .arg("-initrd")
            .arg(initrd)
            .args(["-append", "console=ttyS0 quiet panic=-1 psi=1"])
            .args(["-serial", &format!("file:{}", self.reports.join("console").display())])
            .args(["-serial", "stdio"])
            .args(["-drive", &format!("file={},format=raw,if=virtio,cache=unsafe", disk.display())])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if self.icount {
            command.args(["-icount", "shift=1,sleep=off"]);
        }
        command
    }
}

/// An error that names the package a program comes from.
fn missing(program: &str, package: &str, error: std::io::Error) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return anyhow::anyhow!("{program} is missing: apt-get install {package}");
    }
    anyhow::Error::new(error).context(format!("cannot run {program}"))
}

/// Output of a program, or an error that says which package it comes from.
fn output(program: &str, package: &str, command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output().map_err(|error| missing(program, package, error))?;
    if !output.status.success() {
        bail!(
            "{program} failed, {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = output("no-such-program", "some-package", &mut Command::new("no-such-program"))
            .unwrap_err();
        assert_eq!(error.to_string(), "no-such-program is missing: apt-get install some-package");
    }
}
