//! The host as a whole.

mod memory;

pub use memory::{HostMemoryProvider, parse_meminfo, parse_vmstat};
