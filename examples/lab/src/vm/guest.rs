//! The inside of the guest: this program as its first process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, finit_module, reboot};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::{DONE, Job, RESULT, initramfs};

const DISK: &str = "/dev/vda";
const PORT: &str = "/dev/ttyS1";
/// What comes back to the host.
const REPORTS: &str = "/tmp/reports";

/// Whether this process is the first one of a guest of ours.
pub(crate) fn is_guest() -> bool {
    std::process::id() == 1 && Path::new("/").join(initramfs::JOB).exists()
}

/// Mounts, does the job, reports, powers off.
pub(crate) fn main() -> anyhow::Result<()> {
    let result = live();
    if let Err(error) = &result {
        eprintln!("guest: {error:#}");
    }
    rustix::fs::sync();
    // The serial ports drain while we sleep; power-off does not wait for them.
    std::thread::sleep(Duration::from_millis(500));
    reboot(RebootCommand::PowerOff)?;
    result
}

fn live() -> anyhow::Result<()> {
    for (kind, point) in
        [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("cgroup2", "/sys/fs/cgroup")]
    {
        mount(kind, point, kind, MountFlags::empty(), None::<&std::ffi::CStr>)
            .with_context(|| format!("cannot mount {kind}"))?;
    }
    crate::sys::loopback_up().context("cannot switch the loopback device on")?;
    let mut port = OpenOptions::new().read(true).write(true).open(PORT)?;
    let mut modes = tcgetattr(&port)?;
    modes.make_raw();
    tcsetattr(&port, OptionalActions::Now, &modes)?;
    let mut modules: Vec<_> =
        fs::read_dir("/modules")?.flatten().map(|entry| entry.path()).collect();
    modules.sort();
    for module in modules {
        finit_module(File::open(&module)?, c"", 0)
            .with_context(|| format!("cannot load {}", module.display()))?;
    }
    let job = serde_json::from_slice(&fs::read(Path::new("/").join(initramfs::JOB))?)?;
    writeln!(port, "guest is up: Linux {}", rustix::system::uname().release().to_string_lossy())?;
    fs::create_dir_all(REPORTS)?;
    match job {
        Job::Lab(args) => lab(&args, &mut port)?,
        Job::Programs(programs, args) => {
            fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +io +memory +pids")?;
            for name in programs {
                writeln!(port, "running {name}")?;
                let mut program = command(&name, &args, &port)?;
                let status = program.stdout(port.try_clone()?).status()?;
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                writeln!(port, "{RESULT}{}", code.unwrap_or(-1))?;
            }
        }
    }
    let mut disk = io::BufWriter::new(OpenOptions::new().write(true).open(DISK)?);
    initramfs::pack(Path::new(REPORTS), &mut disk)?;
    disk.into_inner()?.sync_all()?;
    writeln!(port, "{DONE}")?;
    Ok(())
}

/// A program that finds others in `/bin` and the disk in `LAB_DISK`.
fn command(name: &str, args: &[String], port: &File) -> io::Result<Command> {
    let mut command = Command::new(name);
    command.args(args).env("PATH", "/bin").stdin(Stdio::null()).stderr(port.try_clone()?);
    if Path::new(DISK).exists() {
        command.env("LAB_DISK", DISK);
    }
    Ok(command)
}

fn lab(args: &[String], port: &mut File) -> anyhow::Result<()> {
    let mut lab = command(&format!("/{}", initramfs::LAB), args, port)?;
    lab.args(["--json", "--reports", REPORTS]);
    let watcher = Path::new("/").join(initramfs::WATCHER);
    if watcher.exists() {
        lab.arg("--watcher").arg(watcher);
    }
    let mut lab = lab.stdout(Stdio::piped()).spawn()?;
    let output = lab.stdout.take().context("the lab has an output")?;
    for line in BufReader::new(output).lines() {
        writeln!(port, "{RESULT}{}", line?)?;
    }
    let status = lab.wait()?;
    // A failed verdict is a result; no result at all is not.
    if status.code().is_none_or(|code| code > 1) {
        anyhow::bail!("the lab ended: {status}");
    }
    Ok(())
}
