//! What `/proc/stat` adds to a census.

use std::path::Path;
use std::time::Duration;

use gadget_core::SignalError;
use rustix::param::clock_ticks_per_second;

use crate::file::{Buffer, KernelFile};
use crate::parse;

/// `/proc/stat`, kept open.
pub(super) struct Host {
    file: KernelFile,
    buffer: Buffer,
    ticks_per_second: u64,
}

/// One reading of it.
pub(super) struct HostTime {
    /// Time that processors worked for the host: not idle, not waiting for IO, and not taken by a hypervisor for others.
    pub(super) busy: Duration,
    /// Processes and threads that were ever begun; none where that is not counted.
    pub(super) forks: Option<u64>,
}

impl Host {
    pub(super) fn at(proc: &Path) -> Result<Self, SignalError> {
        Ok(Self {
            file: KernelFile::open(proc.join("stat"), "procfs")?,
            buffer: Buffer::default(),
            ticks_per_second: clock_ticks_per_second(),
        })
    }

    pub(super) fn read(&mut self) -> Result<HostTime, SignalError> {
        let text = self.file.read_once(&mut self.buffer)?;
        let cpu = parse::host_stat(text, self.file.path(), self.ticks_per_second)?;
        Ok(HostTime { busy: cpu.user + cpu.system, forks: cpu.forks.filter(|&forks| forks > 0) })
    }
}
