//! What the workspace needs from the machine, for which purpose, and how to get it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::run;
use crate::tools::{self, Tool};
use crate::workspace;

/// What the machine is to be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Compile and test the workspace.
    Build,
    /// Programs of others that tests exchange data with; without one of them its tests say that they could not run.
    Peers,
    /// The gates of `cargo xtask ci`.
    Gates,
    /// The fuzz targets.
    Fuzz,
    /// The lab in a virtual machine.
    Vm,
    /// The clinic. Java, Node, Go, nginx and redis join in when they are there; nobody gets a daemon for it.
    Clinic,
    /// The servers under whose load the Surveyor's recordings are made.
    Survey,
    /// Compile the BPF programs again; their results are checked in, so building needs no clang.
    RegenerateBpf,
}

/// How to see that a need is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// A program on `PATH`.
    Program(&'static str),
    /// A header of the system's C library folder.
    Header(&'static str),
    /// A python3 that can make an environment with pip in it.
    PythonEnvironment,
}

/// When a need counts at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// Only while `Cargo.lock` holds this package.
    Locked(&'static str),
}

struct Need {
    purpose: Purpose,
    probe: Probe,
    when: When,
    /// Debian's and Ubuntu's names.
    packages: &'static [&'static str],
}

const fn need(
    purpose: Purpose,
    probe: Probe,
    when: When,
    packages: &'static [&'static str],
) -> Need {
    Need { purpose, probe, when, packages }
}

const NEEDS: &[Need] = {
    use Probe::{Header, Program, PythonEnvironment};
    use Purpose::{Build, Clinic, Fuzz, Gates, Peers, RegenerateBpf, Survey, Vm};
    use When::{Always, Locked};
    &[
        // The linker, and the compiler of zstd's C.
        need(Build, Program("cc"), Always, &["gcc", "libc6-dev"]),
        need(Build, Program("make"), Always, &["make"]),
        need(Build, Program("pkg-config"), Always, &["pkg-config"]),
        // libbpf, built from its source, reads BPF objects with the system's libelf and zlib.
        need(Build, Header("libelf.h"), Locked("libbpf-sys"), &["libelf-dev"]),
        need(Build, Header("zlib.h"), Locked("libbpf-sys"), &["zlib1g-dev"]),
        // cargo's tools are had in seconds as wheels, and in many minutes from source.
        need(Gates, PythonEnvironment, Always, &["python3", "python3-venv"]),
        need(Peers, Program("prometheus"), Always, &["prometheus"]),
        // What reads the journal, and what makes one of text.
        need(Peers, Program("journalctl"), Always, &["systemd"]),
        need(
            Peers,
            Program("/lib/systemd/systemd-journal-remote"),
            Always,
            &["systemd-journal-remote"],
        ),
        // What the Curator's bench opens while it runs.
        need(Peers, Header("hs/hs.h"), Always, &["libhyperscan-dev"]),
        need(Peers, Program("protoc"), Always, &["protobuf-compiler"]),
        need(Peers, PythonEnvironment, Always, &["python3", "python3-venv"]),
        need(Fuzz, PythonEnvironment, Always, &["python3", "python3-venv"]),
        // libFuzzer is C++.
        need(Fuzz, Program("c++"), Always, &["g++"]),
        need(Vm, Program("qemu-system-x86_64"), Always, &["qemu-system-x86"]),
        // Of programs that the guest is given.
        need(Vm, Program("musl-gcc"), Always, &["musl-tools"]),
        need(Clinic, Program("python3"), Always, &["python3"]),
        need(Clinic, Program("musl-gcc"), Always, &["musl-tools"]),
        need(Survey, Program("redis-server"), Always, &["redis-server"]),
        need(Survey, Program("pg_ctlcluster"), Always, &["postgresql"]),
        need(Survey, Program("python3"), Always, &["python3"]),
        need(RegenerateBpf, Program("clang"), Always, &["clang"]),
    ]
};

/// Gets the machine ready, or says what is missing and fails.
pub(crate) fn setup(purposes: &[Purpose], install: bool) -> Result<()> {
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock")).unwrap_or_default();
    let packages = missing(purposes, is_met, |name| locked(&lock, name));
    let tools = tools::missing(purposes);
    if packages.is_empty() && tools.is_empty() {
        return Ok(());
    }
    if !install {
        bail!("missing; to install:\n{}", advice(&packages, &tools));
    }
    if !packages.is_empty() {
        apt_install(&packages)?;
    }
    tools::install(&tools)
}

/// The packages that would meet the unmet needs, each once, in the order of the table.
fn missing(
    purposes: &[Purpose],
    is_met: impl Fn(Probe) -> bool,
    locked: impl Fn(&str) -> bool,
) -> Vec<&'static str> {
    let counts = |need: &&Need| match need.when {
        When::Always => true,
        When::Locked(name) => locked(name),
    };
    let unmet = NEEDS
        .iter()
        .filter(|need| purposes.contains(&need.purpose))
        .filter(counts)
        .filter(|need| !is_met(need.probe));
    let mut packages = Vec::new();
    for package in unmet.flat_map(|need| need.packages) {
        if !packages.contains(package) {
            packages.push(*package);
        }
    }
    packages
}

/// The lines to type for what is missing.
fn advice(packages: &[&str], tools: &[&Tool]) -> String {
    let mut lines = String::new();
    if !packages.is_empty() {
        lines.push_str(&format!("    apt-get install --yes {}\n", packages.join(" ")));
    }
    for tool in tools {
        let Tool { name, version, .. } = tool;
        lines.push_str(&format!("    cargo install --locked {name} --version {version}\n"));
    }
    lines
}

fn locked(lock: &str, name: &str) -> bool {
    let wanted = format!("name = \"{name}\"");
    lock.lines().any(|line| line == wanted)
}

fn is_met(probe: Probe) -> bool {
    match probe {
        Probe::Program(name) => workspace::program_exists(name),
        Probe::Header(name) => Path::new("/usr/include").join(name).exists(),
        Probe::PythonEnvironment => {
            let mut python = Command::new("python3");
            python.args(["-c", "import ensurepip, venv"]).stderr(Stdio::null());
            python.status().is_ok_and(|status| status.success())
        }
    }
}

/// Installs with apt-get, as root or through a sudo that asks nothing.
fn apt_install(packages: &[&str]) -> Result<()> {
    let line = advice(packages, &[]);
    if !workspace::program_exists("apt-get") {
        bail!("there is no apt-get here; these packages, by Debian's names, are missing:\n{line}");
    }
    let Some(prefix) = root_prefix() else {
        bail!("installing needs root, or sudo without a password; run this as root:\n{line}");
    };
    // A mirror in the middle of its own update refuses for a moment.
    let mut tries = 0;
    while let Err(error) = run::run(&mut apt_get(prefix, &["update"])) {
        tries += 1;
        if tries == 3 {
            return Err(error);
        }
        thread::sleep(Duration::from_secs(5 * tries));
    }
    let install = ["install", "--yes", "--no-install-recommends"];
    run::run(apt_get(prefix, &install).args(packages))
}

/// The words before `apt-get` that make us root; `None` when nothing may.
fn root_prefix() -> Option<&'static [&'static str]> {
    // The owner of /proc/self is our effective user.
    if fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0) {
        return Some(&[]);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"]).stderr(Stdio::null());
    sudo.status().is_ok_and(|status| status.success()).then_some(&["sudo", "-n"])
}

/// An apt-get that never asks and waits for another one to finish.
fn apt_get(prefix: &[&str], args: &[&str]) -> Command {
    let never_ask = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    let patient = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];
    let quiet = ["-o", "Dpkg::Use-Pty=0", "-qq"];
    let words = [prefix, &never_ask, &patient, &quiet, args].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_everything_misses_nothing() {
        let all = [
            Purpose::Build,
            Purpose::Gates,
            Purpose::Fuzz,
            Purpose::Vm,
            Purpose::Clinic,
            Purpose::RegenerateBpf,
        ];
        assert!(missing(&all, |_| true, |_| true).is_empty());
    }

    #[test]
    fn a_bare_machine_is_told_every_package_of_its_purpose_and_of_no_other() {
        let build = missing(&[Purpose::Build], |_| false, |_| false);
        assert_eq!(build, ["gcc", "libc6-dev", "make", "pkg-config"]);
        assert_eq!(
            missing(&[Purpose::Vm], |_| false, |_| false),
            ["qemu-system-x86", "musl-tools"]
        );
        assert_eq!(missing(&[Purpose::Clinic], |_| false, |_| false), ["python3", "musl-tools"]);
        assert_eq!(missing(&[Purpose::RegenerateBpf], |_| false, |_| false), ["clang"]);
    }

    #[test]
    fn libelf_and_zlib_count_only_while_libbpf_is_locked() {
        let met = |probe| matches!(probe, Probe::Program(_));
        assert!(missing(&[Purpose::Build], met, |_| false).is_empty());
        let with_bpf = missing(&[Purpose::Build], met, |name| name == "libbpf-sys");
        assert_eq!(with_bpf, ["libelf-dev", "zlib1g-dev"]);
    }

    #[test]
    fn a_package_that_two_purposes_need_is_named_once() {
        let both = missing(&[Purpose::Gates, Purpose::Fuzz], |_| false, |_| false);
        assert_eq!(both, ["python3", "python3-venv", "g++"]);
    }

    #[test]
    fn a_package_is_locked_by_its_whole_name() {
        let lock = "[[package]]\nname = \"libbpf-sys-extra\"\nversion = \"1.0.0\"\n";
        assert!(!locked(lock, "libbpf-sys"));
        assert!(locked(lock, "libbpf-sys-extra"));
    }

    #[test]
    fn the_advice_can_be_pasted() {
        let tool = Tool { name: "cargo-deny", version: "0.20.2", purpose: Purpose::Gates };
        let expected = "    apt-get install --yes gcc make\n    \
                        cargo install --locked cargo-deny --version 0.20.2\n";
        assert_eq!(advice(&["gcc", "make"], &[&tool]), expected);
    }
}
