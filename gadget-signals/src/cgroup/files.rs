//! Which files a cgroup has, and what they are called in each version.

use std::ffi::CStr;
use std::ops::BitOr;

use gadget_core::CgroupVersion;

use super::layout::Controller;

/// Which files of a cgroup are read besides those of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupFiles(u8);

impl CgroupFiles {
    /// Memory alone, the default: usage, limits, `memory.stat`, events and memory pressure.
    pub const MEMORY: Self = Self(0);
    /// CPU time and throttling.
    pub const CPU: Self = Self(1);
    /// Block IO.
    pub const IO: Self = Self(2);
    /// Processes and their limit.
    pub const PIDS: Self = Self(4);
    /// Pressure of CPU and IO beside that of memory.
    pub const PRESSURE: Self = Self(8);

    /// True if all of `files` are among these.
    #[must_use]
    pub const fn contains(self, files: Self) -> bool {
        self.0 & files.0 == files.0
    }
}

impl BitOr for CgroupFiles {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One file of a cgroup, by what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Current,
    Max,
    High,
    Stat,
    Events,
    Failures,
    Kernel,
    Swap,
    OomGroup,
    MemoryPressure,
    CpuPressure,
    IoPressure,
    CpuStat,
    CpuUsage,
    Io,
    PidsCurrent,
    PidsMax,
}

impl File {
    pub(super) const COUNT: usize = Self::PidsMax as usize + 1;

    /// Who offers it and its name; `None` where this version has no such file.
    pub(super) fn place(self, version: CgroupVersion) -> Option<(Controller, &'static CStr)> {
        use Controller::{BlkIo, Cpu, CpuAcct, Memory, Pids, Unified};
        let v1 = version == CgroupVersion::V1;
        let place = match self {
            Self::Current if v1 => (Memory, c"memory.usage_in_bytes"),
            Self::Max if v1 => (Memory, c"memory.limit_in_bytes"),
            Self::Stat if v1 => (Memory, c"memory.stat"),
            Self::Events if v1 => (Memory, c"memory.oom_control"),
            Self::Failures if v1 => (Memory, c"memory.failcnt"),
            Self::Kernel if v1 => (Memory, c"memory.kmem.usage_in_bytes"),
            Self::CpuStat if v1 => (Cpu, c"cpu.stat"),
            Self::CpuUsage if v1 => (CpuAcct, c"cpuacct.usage"),
            Self::Io if v1 => (BlkIo, c"blkio.throttle.io_service_bytes_recursive"),
            Self::PidsCurrent if v1 => (Pids, c"pids.current"),
            Self::PidsMax if v1 => (Pids, c"pids.max"),
            Self::High | Self::Swap | Self::OomGroup if v1 => return None,
            Self::Failures | Self::Kernel | Self::CpuUsage => return None,
            Self::Current => (Unified, c"memory.current"),
            Self::Max => (Unified, c"memory.max"),
            Self::High => (Unified, c"memory.high"),
            Self::Stat => (Unified, c"memory.stat"),
            Self::Events => (Unified, c"memory.events"),
            Self::Swap => (Unified, c"memory.swap.current"),
            Self::OomGroup => (Unified, c"memory.oom.group"),
            Self::MemoryPressure => (Unified, c"memory.pressure"),
            Self::CpuPressure => (Unified, c"cpu.pressure"),
            Self::IoPressure => (Unified, c"io.pressure"),
            Self::CpuStat => (Unified, c"cpu.stat"),
            Self::Io => (Unified, c"io.stat"),
            Self::PidsCurrent => (Unified, c"pids.current"),
            Self::PidsMax => (Unified, c"pids.max"),
        };
        Some(place)
    }
}
