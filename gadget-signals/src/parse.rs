//! The parsers behind the providers: pure functions from the text of a kernel file to its numbers.
//!
//! Each takes the text and the path to name in an error, and never panics. A line that was cut off, a number that is
//! negative, wrapped below zero or too large, and bytes that are no text are a [`SignalError::Parse`] with the line; a
//! line that this kernel does not write is [`SignalError::Unsupported`], or `None` where the value may be absent.
//!
//! [`SignalError::Parse`]: gadget_core::SignalError::Parse
//! [`SignalError::Unsupported`]: gadget_core::SignalError::Unsupported

pub use crate::census::parse_users as users;
pub use crate::cgroup::{
    parse_blkio as blkio, parse_cpu_stat_v1 as cpu_stat_v1, parse_cpu_stat_v2 as cpu_stat_v2,
    parse_io_stat as io_stat, parse_membership as membership, parse_memory_events as memory_events,
    parse_memory_limit as memory_limit, parse_memory_stat_v1 as memory_stat_v1,
    parse_memory_stat_v2 as memory_stat_v2, parse_mountinfo as mountinfo,
    parse_oom_control as oom_control, parse_pids_max as pids_max,
};
pub use crate::pressure::parse_pressure as pressure;
pub use crate::process::{
    ProcessStat, parse_connector as connector, parse_oom_score_adj as oom_score_adj,
    parse_pids as pids, parse_process_io as process_io, parse_smaps_rollup as smaps_rollup,
    parse_stat as process_stat, parse_statm as statm, parse_switches as switches, parse_uid as uid,
};
pub use crate::system::{
    parse_diskstats as diskstats, parse_faults as faults, parse_host_stat as host_stat,
    parse_loadavg as loadavg, parse_meminfo as meminfo, parse_net_counters as net_counters,
    parse_vmstat as vmstat,
};
pub use crate::threads::{
    Call, FutexCall, FutexOperation, LockShape, LockWords, Mapping, SchedStat, SyscallLine,
    TcpSocket, ThreadStatus, parse_exec_start as exec_start, parse_maps as maps,
    parse_schedstat as schedstat, parse_sockets as tcp_sockets, parse_status as thread_status,
    parse_syscall as syscall,
};
