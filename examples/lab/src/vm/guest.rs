//! The inside of the guest: this program as its first process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, finit_module, reboot};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::{DONE, RESULT, initramfs};

const DISK: &str = "/dev/vda";
const PORT: &str = "/dev/ttyS1";
/// What comes back to the host.
const REPORTS: &str = "/tmp/reports";

/// Whether this process is the first one of a guest of ours.
pub(crate) fn is_guest() -> bool {
    std::process::id() == 1 && Path::new("/").join(initramfs::ARGS).exists()
}

/// Mounts, runs the lab, reports, powers off.
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
    let args: Vec<String> =
        serde_json::from_slice(&fs::read(Path::new("/").join(initramfs::ARGS))?)?;
    writeln!(port, "guest is up: Linux {}", rustix::system::uname().release().to_string_lossy())?;
    let mut lab = Command::new(Path::new("/").join(initramfs::LAB));
    lab.args(&args).args(["--json", "--reports", REPORTS]);
    let watcher = Path::new("/").join(initramfs::WATCHER);
    if watcher.exists() {
        lab.arg("--watcher").arg(watcher);
    }
    if Path::new(DISK).exists() {
        lab.env("LAB_DISK", DISK);
    }
    let mut lab =
        lab.env("PATH", "/bin").stdout(Stdio::piped()).stderr(port.try_clone()?).spawn()?;
    let output = lab.stdout.take().context("the lab has an output")?;
    for line in BufReader::new(output).lines() {
        writeln!(port, "{RESULT}{}", line?)?;
    }
    let status = lab.wait()?;
    // A failed verdict is a result; no result at all is not.
    if status.code().is_none_or(|code| code > 1) {
        anyhow::bail!("the lab ended: {status}");
    }
    let mut disk = io::BufWriter::new(OpenOptions::new().write(true).open(DISK)?);
    initramfs::pack(Path::new(REPORTS), &mut disk)?;
    disk.into_inner()?.sync_all()?;
    writeln!(port, "{DONE}")?;
    Ok(())
}
