//! Cgroups, version 1 and 2.

mod files;
mod group;
mod layout;
mod memory;
mod provider;
mod reader;
mod usage;

pub use files::CgroupFiles;
pub use group::Calm;
pub use layout::{CgroupLayout, parse_membership, parse_mountinfo};
pub use memory::{
    parse_memory_events, parse_memory_limit, parse_memory_stat_v1, parse_memory_stat_v2,
    parse_oom_control,
};
pub use provider::Cgroups;
pub use usage::{parse_blkio, parse_cpu_stat_v1, parse_cpu_stat_v2, parse_io_stat, parse_pids_max};
