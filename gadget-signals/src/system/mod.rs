//! The host as a whole.

mod cpu;
mod disk;
mod memory;

pub use cpu::{HostCpuProvider, parse_host_stat, parse_loadavg};
pub use disk::{HostIoProvider, parse_diskstats};
pub use memory::{HostMemoryProvider, parse_meminfo, parse_vmstat};
