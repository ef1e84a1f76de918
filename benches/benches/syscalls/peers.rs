//! What our counting is compared with.

use std::io::{BufRead as _, BufReader};
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use libbpf_rs::Link;
use libbpf_rs::skel::{OpenSkel as _, SkelBuilder as _};

use super::bench_syscalls::{BenchSyscallsSkel, BenchSyscallsSkelBuilder};

/// Programs of `bpf/bench_syscalls.bpf.c`, attached.
pub(crate) struct Hook {
    _links: Vec<Link>,
}

impl Hook {
    pub(crate) fn empty() -> Result<Self> {
        Self::attach(|skeleton| Ok(vec![skeleton.progs.handle__empty.attach()?]))
    }

    pub(crate) fn pair() -> Result<Self> {
        Self::attach(|skeleton| {
            let exit = skeleton.progs.handle__pair_exit.attach()?;
            Ok(vec![skeleton.progs.handle__pair_enter.attach()?, exit])
        })
    }

    fn attach(
        attach: impl FnOnce(&BenchSyscallsSkel<'_>) -> libbpf_rs::Result<Vec<Link>>,
    ) -> Result<Self> {
        let mut place = MaybeUninit::uninit();
        let skeleton = BenchSyscallsSkelBuilder::default().open(&mut place)?.load()?;
        // A link keeps its program, and that its maps.
        Ok(Self { _links: attach(&skeleton)? })
    }
}

/// bpftrace with a map of counts by process and call.
pub(crate) struct Bpftrace(Child);

/// bpftrace looks tracepoints up there; where nobody has mounted it, it gets one of its own.
const TRACING: &str = "/sys/kernel/debug/tracing/events";
const MOUNT: &str =
    "mount -t tracefs none /sys/kernel/tracing && mount -t debugfs none /sys/kernel/debug";
const SCRIPT: &str = "BEGIN { printf(\"ready\\n\"); } \
    tracepoint:raw_syscalls:sys_enter { @[pid, args->id] = count(); }";

impl Bpftrace {
    /// Returns once it counts; `None` where it is not installed.
    pub(crate) fn start() -> Result<Option<Self>> {
        if Command::new("bpftrace").arg("--version").output().is_err() {
            return Ok(None);
        }
        let mut command = if Path::new(TRACING).exists() {
            Command::new("bpftrace")
        } else {
            let mut command = Command::new("unshare");
            command.args([
                "--mount",
                "sh",
                "-c",
                &format!("{MOUNT} && exec bpftrace \"$@\""),
                "sh",
            ]);
            command
        };
        command.args(["-q", "-e", SCRIPT]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start bpftrace")?;
        let out = child.stdout.take().context("its output is piped")?;
        let started = Self(child);
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        anyhow::ensure!(line == "ready\n", "bpftrace says {line:?}");
        Ok(Some(started))
    }
}

impl Drop for Bpftrace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
