//! What can be done on this host, found before any plan is reviewed.

use gadget_core::StepKind;
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::OFlags;

use crate::capability::Capabilities;
use crate::cgroup::{Controller, Hierarchies, writable};
use crate::file;
use crate::linux::Settings;
use crate::{logs, telemetry};

/// What is missing for a kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// A file, a controller, a kernel version, a setting of this backend.
    Needs(&'static str),
    /// A capability.
    Capability(&'static str),
}

/// What was found of the host.
#[derive(Debug)]
pub(crate) struct Host<'a> {
    pub(crate) proc: Option<&'a OwnedFd>,
    pub(crate) hierarchies: Option<&'a Hierarchies>,
    pub(crate) capabilities: Capabilities,
    pub(crate) settings: &'a Settings,
}

impl Host<'_> {
    /// Whether steps of `kind` can be carried out at all.
    pub(crate) fn can(&self, kind: StepKind) -> Result<(), Lack> {
        match kind {
            StepKind::Terminate | StepKind::Kill | StepKind::Pause => self.capability("CAP_KILL"),
            StepKind::SetNice | StepKind::SetIoPriority | StepKind::SetAffinity => {
                self.capability("CAP_SYS_NICE")
            }
            // The file belongs to the user of the process.
            StepKind::SetOomScoreAdj => self.capability("CAP_DAC_OVERRIDE"),
            StepKind::SetMemoryHigh => {
                let version = self.hierarchies.map(|hierarchies| hierarchies.version);
                match version {
                    Some(gadget_core::CgroupVersion::V1) => {
                        Err(Lack::Needs("memory.high of cgroup v2"))
                    }
                    _ => self.controller(Controller::Memory, "the memory controller"),
                }
            }
            StepKind::SetMemoryMax => self.controller(Controller::Memory, "the memory controller"),
            StepKind::Reclaim => {
                self.controller(Controller::Memory, "the memory controller")?;
                let offered = self.hierarchies.is_some_and(|hierarchies| {
                    hierarchies.has("memory.reclaim") || hierarchies.has("memory.force_empty")
                });
                if offered { Ok(()) } else { Err(Lack::Needs("memory.reclaim (Linux 5.19)")) }
            }
            StepKind::SetCpuMax | StepKind::SetCpuWeight => {
                self.controller(Controller::Cpu, "the cpu controller")
            }
            StepKind::SetIoMax => self.controller(Controller::Io, "the io or blkio controller"),
            StepKind::SetPidsMax => self.controller(Controller::Pids, "the pids controller"),
            StepKind::Freeze => {
                let unified = self.hierarchies.and_then(|hierarchies| hierarchies.unified.as_ref());
                if unified.is_some_and(|mount| writable(mount.dir.as_fd())) {
                    return Ok(());
                }
                self.controller(Controller::Freezer, "cgroup.freeze (Linux 5.2) or the v1 freezer")
            }
            // The signal, and the way into the file system that the JVM sees.
            StepKind::CollectGarbage => {
                self.capability("CAP_KILL").and_then(|()| self.capability("CAP_SYS_PTRACE"))
            }
            StepKind::DropCaches => {
                self.may_write("sys/vm/drop_caches", "write access to /proc/sys/vm/drop_caches")
            }
            StepKind::SetSysctl => self.may_write("sys/vm/swappiness", "write access to /proc/sys"),
            StepKind::Sync => Ok(()),
            StepKind::CaptureStacks if self.settings.captures.dir.is_none() => {
                Err(Lack::Needs("a folder for captures that is configured"))
            }
            // Its memory, and where its threads are in it. Kernel stacks want CAP_SYS_ADMIN; without, a capture says so.
            StepKind::CaptureStacks => self.capability("CAP_SYS_PTRACE"),
            StepKind::SetTelemetry if self.settings.sending.is_none() => {
                Err(Lack::Needs(telemetry::NEEDS))
            }
            StepKind::SetRule if self.settings.rules.is_none() => {
                Err(Lack::Needs(logs::NEEDS_RULES))
            }
            StepKind::FlushLogs if self.settings.flushes.is_none() => {
                Err(Lack::Needs(logs::NEEDS_QUEUE))
            }
            StepKind::Hook if self.settings.hooks.is_empty() => {
                Err(Lack::Needs("a hook that is configured"))
            }
            StepKind::Restart
                if self.settings.restarts.is_empty() && !self.settings.bus.exists() =>
            {
                Err(Lack::Needs("systemd on the system bus, or a restart that is configured"))
            }
            StepKind::Hook
            | StepKind::Restart
            | StepKind::SetTelemetry
            | StepKind::SetRule
            | StepKind::FlushLogs => Ok(()),
            _ => Err(Lack::Needs("a backend that knows this step")),
        }
    }

    fn capability(&self, name: &'static str) -> Result<(), Lack> {
        if self.proc.is_none() {
            Err(Lack::Needs("/proc"))
        } else if self.capabilities.has(name) {
            Ok(())
        } else {
            Err(Lack::Capability(name))
        }
    }

    fn may_write(&self, path: &str, needs: &'static str) -> Result<(), Lack> {
        let proc = self.proc.ok_or(Lack::Needs("/proc"))?;
        let file = file::open(proc.as_fd(), path, OFlags::WRONLY);
        file.map(drop).map_err(|_| Lack::Needs(needs))
    }

    fn controller(&self, controller: Controller, needs: &'static str) -> Result<(), Lack> {
        let hierarchies =
            self.hierarchies.ok_or(Lack::Needs("a cgroup hierarchy with the memory controller"))?;
        let mount = hierarchies.of(controller).ok_or(Lack::Needs(needs))?;
        if writable(mount.dir.as_fd()) {
            Ok(())
        } else {
            Err(Lack::Needs("write access to the cgroup hierarchy"))
        }
    }
}
