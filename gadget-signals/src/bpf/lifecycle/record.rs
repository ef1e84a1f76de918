//! What is said when a process begins, executes a program or ends.

use std::time::Duration;

use gadget_core::{Bytes, CgroupId, Exit, ProcessId};

use crate::bpf::record::record;
use crate::bpf::scan::shares;

record! {
    /// `struct lifecycle_event`.
    Raw = "lifecycle_event" in crate::bpf::skel::lifecycle::DATA {
        at_ns: u64, start_ns: u64, cgroup: u64, runtime_ns: u64, user_ms: u32, system_ms: u32, pid: u32, parent: u32, peak_pages: u32, status: u16, what: u16,
        comm: [u8; 16],
    }
}

/// A process that began, executed a program or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessEvent {
    /// When, since boot with the time asleep.
    pub at: Duration,
    /// The process.
    pub process: ProcessId,
    /// Its parent's process id.
    pub parent: u32,
    /// Its cgroup, in the hierarchy that the watch was made for.
    pub cgroup: CgroupId,
    comm: [u8; 16],
    /// What happened.
    pub change: ProcessChange,
    /// CPU time of one that ended, its threads summed; of at most 64 that were ending at the same time. In user space...
    pub user: Duration,
    /// ...and in the kernel, by the share of clock ticks that met it there.
    pub system: Duration,
    /// True of one that ended, chosen by the kernel's OOM killer.
    pub oom: bool,
}

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessChange {
    /// It began, as a copy of its parent.
    Forked,
    /// It executed a program.
    Executed,
    /// Its last thread ended.
    Exited(Exit),
}

/// What turns the kernel's units into ours.
#[derive(Clone, Copy)]
pub(super) struct Units {
    pub(super) page: u64,
    pub(super) tick_nanos: u64,
}

impl ProcessEvent {
    /// `None` for one of a kind that there is not.
    pub(super) fn new(raw: &Raw, units: Units) -> Option<Self> {
        const FORKED: u16 = 1;
        const EXECUTED: u16 = 2;
        const EXITED: u16 = 3;
        const OOM_KILLED: u16 = 4;
        let change = match raw.what {
            FORKED => ProcessChange::Forked,
            EXECUTED => ProcessChange::Executed,
            EXITED | OOM_KILLED => ProcessChange::Exited(exit(raw, units.page)),
            _ => return None,
        };
        let (user, system) = shares(raw.runtime_ns, raw.user_ms.into(), raw.system_ms.into());
        Some(Self {
            user: Duration::from_nanos(user),
            system: Duration::from_nanos(system),
            oom: raw.what == OOM_KILLED,
            at: Duration::from_nanos(raw.at_ns),
            process: ProcessId { pid: raw.pid, start: raw.start_ns / units.tick_nanos },
            parent: raw.parent,
            cgroup: CgroupId(raw.cgroup),
            comm: raw.comm,
            change,
        })
    }

    /// The name of the process: at most 15 bytes, which may be anything.
    #[must_use]
    pub fn comm(&self) -> &[u8] {
        let end = self.comm.iter().position(|&byte| byte == 0).unwrap_or(self.comm.len());
        &self.comm[..end]
    }
}

fn exit(raw: &Raw, page: u64) -> Exit {
    // As wait(2) has it: the signal in the low seven bits, a bit for a core, then the code.
    let [signal, code] = raw.status.to_le_bytes();
    let signal = signal & 0x7f;
    Exit {
        code: (signal == 0).then_some(code),
        signal: (signal != 0).then_some(signal),
        lifetime: Duration::from_nanos(raw.at_ns.saturating_sub(raw.start_ns)),
        // Threads of the kernel have none.
        peak_rss: (raw.peak_pages != 0).then(|| Bytes::from_pages(raw.peak_pages.into(), page)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::record::Record as _;

    #[test]
    fn a_status_is_a_code_or_a_signal() {
        let mut raw = Raw::from_bytes(&[0; std::mem::size_of::<Raw>()]).unwrap();
        let of = |raw: &Raw| {
            let exit = exit(raw, 4096);
            (exit.code, exit.signal)
        };
        assert_eq!(of(&raw), (Some(0), None));
        raw.status = 7 << 8;
        assert_eq!(of(&raw), (Some(7), None));
        raw.status = 0x80 | 11;
        assert_eq!(of(&raw), (None, Some(11)), "with a core");
    }

    #[test]
    fn what_is_of_no_kind_is_no_event() {
        let raw = Raw::from_bytes(&[0; std::mem::size_of::<Raw>()]).unwrap();
        assert_eq!(ProcessEvent::new(&raw, Units { page: 4096, tick_nanos: 10_000_000 }), None);
    }
}
