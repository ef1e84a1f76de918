//! What threads wait for.

mod candidates;
mod files;
mod foreign;
mod futex;
mod layout;
mod parse;
mod reader;
mod resolve;
mod sockets;
mod waits;
mod wakers;
mod walk;

pub use candidates::{Candidate, Candidates, Suspicion};
#[cfg(feature = "bpf")]
pub(crate) use futex::{Blocked, blocked_in};
pub use futex::{FutexCall, FutexOperation};
pub use layout::{LockShape, LockWords};
pub use parse::{
    Call, Mapping, SchedStat, SyscallLine, ThreadStatus, parse_exec_start, parse_maps,
    parse_schedstat, parse_status, parse_syscall,
};
pub use reader::ThreadReader;
pub use sockets::{TcpSocket, parse_sockets};
pub use waits::Waits;
pub use walk::ProcWalk;
