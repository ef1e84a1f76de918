//! What is said of one thread that waits.

use gadget_core::ProcessId;

use crate::bpf::record::record;
use crate::parse::Call;

record! {
    /// `struct blocked_position`.
    #[derive(Default)]
    Position = "blocked_position" in crate::bpf::skel::blocked::DATA {
        start_ns: u64, still_ns: u64, pid: u32, count: u32, more: u32, unused: u32,
    }
}
record! {
    /// `struct blocked_thread`.
    Raw = "blocked_thread" in crate::bpf::skel::blocked::DATA {
        pid: u32, tid: u32, threads: u32, state: u32, start_ns: u64, switches: u64,
        call: i32, socket: u32, arguments: [u64; 6], stack: u64,
    }
}

/// A thread that waits and did not run for a while.
///
/// - Source: `task_struct` of the kernel, and the registers with which user space entered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockedThread {
    /// Its process.
    pub process: ProcessId,
    /// The thread.
    pub tid: u32,
    /// Threads of its process, those that are not told included.
    pub threads: u32,
    /// `S` or `D`; a thread that the freezer of cgroups holds is `D` too.
    pub state: char,
    /// Times it was switched away from: it did not run while this stays the same.
    pub switches: u64,
    /// The system call it is in; none where it waits for a page or in the kernel's own interest.
    pub call: Option<Call>,
    /// True if the first argument of the call is the descriptor of a socket.
    pub of_socket: bool,
}

impl BlockedThread {
    pub(super) fn new(raw: &Raw, tick_nanos: u64) -> Self {
        const UNINTERRUPTIBLE: u32 = 2;
        Self {
            process: ProcessId { pid: raw.pid, start: raw.start_ns / tick_nanos },
            tid: raw.tid,
            threads: raw.threads,
            state: if raw.state & UNINTERRUPTIBLE == 0 { 'S' } else { 'D' },
            switches: raw.switches,
            call: u32::try_from(raw.call).ok().map(|number| Call {
                number,
                arguments: raw.arguments,
                stack: raw.stack,
            }),
            of_socket: raw.socket != 0,
        }
    }
}
