//! Processes.

mod connector;
mod files;
mod identity;
mod members;
mod namespaces;
mod parse;
mod provider;
mod runtime;
mod scheduling;

pub use connector::{ConnectorChange, ConnectorEvent, ProcConnector, parse_connector};
pub(crate) use files::Proc;
pub use files::ProcessFiles;
pub use namespaces::Namespaces;
pub use parse::{
    ProcessStat, parse_oom_score_adj, parse_pids, parse_process_io, parse_smaps_rollup, parse_stat,
    parse_statm, parse_uid,
};
pub use provider::Processes;
pub use runtime::{runtime_of_exe, runtime_of_maps};
pub use scheduling::{SchedulerFiles, parse_switches};
