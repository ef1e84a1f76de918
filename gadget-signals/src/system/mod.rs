//! The host as a whole.

mod cpu;
mod disk;
mod faults;
mod memory;
mod tcp;

pub use cpu::{HostCpuProvider, parse_host_stat, parse_loadavg};
pub use disk::{HostIoProvider, parse_diskstats};
pub use faults::{HostFaults, parse_faults};
pub use memory::{HostMemoryProvider, parse_meminfo, parse_vmstat};
pub use tcp::{HostTcp, parse_net_counters};
