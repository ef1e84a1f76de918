//! Steps on the host: caches, dirty data, kernel settings, hooks.

use std::sync::Arc;

use gadget_core::{
    ActionError, Bytes, Effect, Plan, Setting, Step, StepKind, Subject, Summary, Undo, Value,
    summary,
};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::{Errno, Result};

use crate::command::Running;
use crate::error::{system, unsupported};
use crate::file;
use crate::job::Job;
use crate::linux::{Linux, Work};
use crate::setting::{self, Knob};

impl Linux {
    pub(crate) fn prepare_host(&self, plan: &Plan) -> std::result::Result<Undo, ActionError> {
        let kind = plan.step.kind();
        match &plan.step {
            Step::DropCaches { level } if !(1..=3).contains(level) => {
                Err(unsupported(kind, "a level from 1 to 3"))
            }
            Step::DropCaches { .. } | Step::Sync => Ok(Undo::Nothing),
            Step::SetSysctl { key, value } => {
                let sysctl = Sysctl::open(self.proc(kind)?, kind, &sysctl_path(kind, key)?)?;
                let value = value.trim();
                if value.is_empty() || value.contains(|c: char| c.is_control() && c != '\t') {
                    return Err(unsupported(kind, "a value of one line"));
                }
                let wrote = Value::from(value)
                    .map_err(|_| unsupported(kind, "a value of at most 96 bytes"))?;
                let before =
                    sysctl.read().map_err(|errno| system("read the kernel setting", errno))?;
                let path = Arc::from(&*sysctl.path);
                Ok(Undo::Restore {
                    subject: Subject::Host,
                    setting: Setting::Sysctl,
                    path,
                    before,
                    wrote,
                })
            }
            _ => Err(unsupported(kind, "another target than the host")),
        }
    }

    pub(crate) fn apply_host(
        &mut self,
        plan: &Plan,
        undo: &Undo,
    ) -> std::result::Result<Effect, ActionError> {
        let kind = plan.step.kind();
        match (&plan.step, undo) {
            (Step::DropCaches { level }, _) => {
                let proc = self.proc(kind)?.try_clone_to_owned();
                let proc = proc
                    .map_err(|source| ActionError::System { attempt: "keep /proc open", source })?;
                let level = *level;
                let job = Job::start(plan.id, move || drop_caches(&proc, level))?;
                Ok(self.begin(Work::Job(job), summary(format_args!("drop_caches {level} begun"))))
            }
            (Step::Sync, _) => {
                let job = Job::start(plan.id, || {
                    rustix::fs::sync();
                    Ok(summary(format_args!("dirty data of all file systems written")))
                })?;
                Ok(self.begin(Work::Job(job), summary(format_args!("sync begun"))))
            }
            (_, Undo::Restore { setting: Setting::Sysctl, path, before, wrote, .. }) => {
                let sysctl = Sysctl::open(self.proc(kind)?, kind, path)?;
                setting::set(&sysctl, Setting::Sysctl, path, before, wrote).map(crate::linux::done)
            }
            _ => Err(unsupported(kind, "another target than the host")),
        }
    }

    pub(crate) fn put_back_sysctl(
        &self,
        path: &str,
        (before, wrote): (&str, &str),
    ) -> std::result::Result<Summary, ActionError> {
        let kind = StepKind::SetSysctl;
        let stale = |_| ActionError::Stale { what: "the kernel has no such setting any more" };
        let path = sysctl_path(kind, path).map_err(stale)?;
        let sysctl = Sysctl::open(self.live_proc()?, kind, &path).map_err(stale)?;
        setting::put_back(&sysctl, Setting::Sysctl, &path, before, wrote)
    }

    /// Runs a hook, on any target.
    pub(crate) fn apply_hook(
        &mut self,
        plan: &Plan,
        name: &str,
    ) -> std::result::Result<Effect, ActionError> {
        let missing = unsupported(StepKind::Hook, "a hook of that name");
        let hook = self.settings().hooks.get(name).ok_or(missing)?;
        let what = summary(format_args!("hook {name} on {}", plan.target.name));
        let running = Running::start(plan, hook, what, self.settings().timeout)?;
        Ok(self.begin(Work::Running(running), what))
    }
}

/// Writes the level, and says by how much free memory rose meanwhile.
fn drop_caches(proc: &OwnedFd, level: u8) -> std::result::Result<Summary, ActionError> {
    let proc = proc.as_fd();
    let before = free(proc);
    let mut text = Value::new();
    let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{level}"));
    file::write(proc, "sys/vm/drop_caches", &text).map_err(|errno| system("drop caches", errno))?;
    let rose = free(proc).saturating_sub(before);
    Ok(summary(format_args!("drop_caches {level}: free memory rose by {rose}")))
}

fn free(proc: BorrowedFd<'_>) -> Bytes {
    let mut buffer = [0; 4096];
    let text = file::read_into(proc, "meminfo", &mut buffer).unwrap_or_default();
    let text = std::str::from_utf8(text).unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemFree:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map_or(Bytes::ZERO, Bytes::from_kib)
}

/// A file under `/proc/sys`.
#[derive(Debug)]
struct Sysctl {
    root: OwnedFd,
    path: String,
}

impl Sysctl {
    fn open(
        proc: BorrowedFd<'_>,
        kind: StepKind,
        path: &str,
    ) -> std::result::Result<Self, ActionError> {
        let root = file::open_dir(proc, "sys").map_err(|errno| system("open /proc/sys", errno))?;
        match file::open(root.as_fd(), path, OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(_) => Ok(Self { root, path: path.to_owned() }),
            Err(Errno::NOENT) => Err(unsupported(kind, "a setting that this kernel has")),
            Err(errno) => Err(system("open the kernel setting", errno)),
        }
    }
}

impl Knob for Sysctl {
    fn read(&self) -> Result<Value> {
        file::read_value(self.root.as_fd(), &self.path)
    }
    fn write(&self, value: &str) -> Result<()> {
        file::write(self.root.as_fd(), &self.path, value)
    }
}

/// Settings that name a program which the kernel then runs, take every process down, or only trigger something.
const NEVER: [&str; 10] = [
    "kernel/core_pattern",
    "kernel/modprobe",
    "kernel/hotplug",
    "kernel/poweroff_cmd",
    "kernel/sysrq",
    "kernel/cad_pid",
    "kernel/modules_disabled",
    "fs/binfmt_misc",
    "kernel/usermodehelper",
    "vm/drop_caches",
];

/// The path below `/proc/sys` of a key with dots or slashes: whichever comes first separates, and the other one stands for
/// itself, as in sysctl(8).
fn sysctl_path(kind: StepKind, key: &str) -> std::result::Result<String, ActionError> {
    let dots = key.find(['.', '/']).is_some_and(|at| key[at..].starts_with('.'));
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    let path: String = if dots { key.chars().map(swap).collect() } else { key.to_owned() };
    let good = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@".contains(c);
        !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
    };
    if !path.contains('/') || !path.split('/').all(good) {
        return Err(unsupported(kind, "a key like vm.swappiness"));
    }
    let never = |never: &str| {
        path.strip_prefix(never).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if NEVER.into_iter().any(never) {
        return Err(unsupported(kind, "a key that does not name a program or stop the host"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_with_dots_or_slashes_and_lead_nowhere_else() {
        let path = |key| sysctl_path(StepKind::SetSysctl, key).ok();
        assert_eq!(path("vm.swappiness").as_deref(), Some("vm/swappiness"));
        assert_eq!(
            path("net/ipv4/conf/eth0.100/forwarding").as_deref(),
            Some("net/ipv4/conf/eth0.100/forwarding")
        );
        assert_eq!(
            path("net.ipv4.conf.eth0/100.forwarding").as_deref(),
            Some("net/ipv4/conf/eth0.100/forwarding")
        );
        for key in [
            "",
            "vm",
            "vm..x",
            "/vm/x",
            "vm/../../etc",
            "vm.x\n",
            "kernel.core_pattern",
            "kernel/modprobe",
            "fs.binfmt_misc.x",
        ] {
            assert_eq!(path(key), None, "{key:?}");
        }
    }
}
