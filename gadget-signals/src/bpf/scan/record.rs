//! What is said of one process.

use std::time::Duration;

use gadget_core::{Bytes, CgroupId, IoCount, ProcessId, ProcessUsage};

use crate::bpf::record::record;

record! {
    /// `struct scan_position`.
    #[derive(Default)]
    Position = "scan_position" in crate::bpf::skel::scan::DATA {
        start_ns: u64, pid: u32, count: u32, more: u32, unused: u32,
    }
}
record! {
    /// `struct process_record`.
    Raw = "process_record" in crate::bpf::skel::scan::DATA {
        pid: u32, tgid: u32, parent: u32, uid: u32, flags: u32, threads: u32, state: u32, exit_state: u32,
        static_prio: i32, oom_score_adj: i32, comm: [u8; 16], start_ns: u64, execs: u64, last_ran_ns: u64, cgroup: u64,
        runtime_ns: u64, utime_ns: u64, stime_ns: u64, minor_faults: u64, major_faults: u64,
        voluntary: u64, involuntary: u64, vsize_pages: u64,
        file_pages: i64, anon_pages: i64, shmem_pages: i64, swap_pages: i64,
        rchar: u64, wchar: u64, syscr: u64, syscw: u64, read_bytes: u64, write_bytes: u64,
    }
}

impl Raw {
    /// Adds what a thread of the same process counts.
    pub(super) fn add(&mut self, thread: &Self) {
        let sums = [
            (&mut self.runtime_ns, thread.runtime_ns),
            (&mut self.utime_ns, thread.utime_ns),
            (&mut self.stime_ns, thread.stime_ns),
            (&mut self.minor_faults, thread.minor_faults),
            (&mut self.major_faults, thread.major_faults),
            (&mut self.voluntary, thread.voluntary),
            (&mut self.involuntary, thread.involuntary),
            (&mut self.rchar, thread.rchar),
            (&mut self.wchar, thread.wchar),
            (&mut self.syscr, thread.syscr),
            (&mut self.syscw, thread.syscw),
            (&mut self.read_bytes, thread.read_bytes),
            (&mut self.write_bytes, thread.write_bytes),
        ];
        for (sum, part) in sums {
            *sum = sum.wrapping_add(part);
        }
        self.last_ran_ns = self.last_ran_ns.max(thread.last_ran_ns);
    }
}

/// What the kernel's own list says of a process, its threads summed: those that live and those that ended.
///
/// - Source: `task_struct`, `signal_struct` and `mm_struct` of the kernel (include/linux/sched.h, sched/signal.h, mm_types.h).
/// - Memory is counted as field 24 of `/proc/PID/stat` is: on machines of many processors it lags behind by up to 2 x n pages
///   for each of n processors. What has no memory, as threads of the kernel and processes that ended, has none of it.
/// - Absent: `read` and `written`, zero on a kernel without CONFIG_TASK_IO_ACCOUNTING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessRecord {
    /// The process.
    pub id: ProcessId,
    /// Its parent's process id; 0 for one that the kernel began.
    pub parent: u32,
    /// The effective user id.
    pub uid: u32,
    comm: [u8; 16],
    /// The state letter of `stat`, that of the first thread.
    pub state: char,
    /// True for a thread of the kernel.
    pub kernel_thread: bool,
    /// Threads that live, or that nobody has waited for.
    pub threads: u32,
    /// From -20, the most demanding, to 19; real-time tasks have the value they would fall back to.
    pub nice: i8,
    /// From -1000 to 1000.
    pub oom_score_adj: i16,
    /// The cgroup, in the hierarchy that the scan was made for.
    pub cgroup: CgroupId,
    /// Counts the programs that it executed, from any number on: another one is another program.
    pub execs: u64,
    /// When one of its threads was last given a processor, since boot by the scheduler's clock; none if that is not kept.
    pub last_ran: Option<Duration>,
    /// CPU time, by the scheduler's own account.
    pub cpu: Duration,
    /// The part of it in user space, by the share of clock ticks that met it there.
    pub user: Duration,
    /// The other part.
    pub system: Duration,
    /// Page faults without IO.
    pub minor_faults: u64,
    /// Page faults with IO.
    pub major_faults: u64,
    /// Switches to other tasks that its threads asked for by waiting.
    pub voluntary_switches: u64,
    /// Switches that were forced on them.
    pub involuntary_switches: u64,
    /// Its address space.
    pub virtual_size: Bytes,
    /// Resident: anonymous memory...
    pub anon: Bytes,
    /// ...mapped files...
    pub file: Bytes,
    /// ...and shared memory and tmpfs.
    pub shmem: Bytes,
    /// Swapped-out memory.
    pub swap: Bytes,
    /// Bytes that it asked to read, from wherever they came (`rchar`).
    pub read_chars: u64,
    /// Bytes that it asked to write (`wchar`).
    pub written_chars: u64,
    /// System calls that read (`syscr`).
    pub read_calls: u64,
    /// System calls that write (`syscw`).
    pub write_calls: u64,
    /// What reached storage (`read_bytes`, `write_bytes`).
    pub io: IoCount,
}

/// What turns the kernel's units into ours.
#[derive(Clone, Copy)]
pub(super) struct Units {
    pub(super) page: u64,
    pub(super) tick_nanos: u64,
}

/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`.
const PF_KTHREAD: u32 = 0x0020_0000;
/// `NICE_TO_PRIO(0)` of `include/linux/sched/prio.h`.
const NICE_ZERO: i32 = 120;

impl ProcessRecord {
    pub(super) fn new(raw: &Raw, units: Units) -> Self {
        let bytes = |pages: i64| Bytes::from_pages(pages.max(0).unsigned_abs(), units.page);
        let (user, system) = shares(raw.runtime_ns, raw.utime_ns, raw.stime_ns);
        Self {
            id: ProcessId { pid: raw.pid, start: raw.start_ns / units.tick_nanos },
            parent: raw.parent,
            uid: raw.uid,
            comm: raw.comm,
            state: state_of(raw.state, raw.exit_state),
            kernel_thread: raw.flags & PF_KTHREAD != 0,
            threads: raw.threads,
            nice: i8::try_from(raw.static_prio - NICE_ZERO).unwrap_or(0),
            oom_score_adj: i16::try_from(raw.oom_score_adj).unwrap_or(0),
            cgroup: CgroupId(raw.cgroup),
            execs: raw.execs,
            last_ran: (raw.last_ran_ns != 0).then(|| Duration::from_nanos(raw.last_ran_ns)),
            cpu: Duration::from_nanos(raw.runtime_ns),
            user: Duration::from_nanos(user),
            system: Duration::from_nanos(system),
            minor_faults: raw.minor_faults,
            major_faults: raw.major_faults,
            voluntary_switches: raw.voluntary,
            involuntary_switches: raw.involuntary,
            virtual_size: Bytes::from_pages(raw.vsize_pages, units.page),
            anon: bytes(raw.anon_pages),
            file: bytes(raw.file_pages),
            shmem: bytes(raw.shmem_pages),
            swap: bytes(raw.swap_pages),
            read_chars: raw.rchar,
            written_chars: raw.wchar,
            read_calls: raw.syscr,
            write_calls: raw.syscw,
            io: IoCount { read: Bytes::new(raw.read_bytes), written: Bytes::new(raw.write_bytes) },
        }
    }

    /// The name of the first thread: at most 15 bytes, which may be anything.
    #[must_use]
    pub fn comm(&self) -> &[u8] {
        let end = self.comm.iter().position(|&byte| byte == 0).unwrap_or(self.comm.len());
        &self.comm[..end]
    }

    /// Resident memory.
    #[must_use]
    pub fn rss(&self) -> Bytes {
        Bytes::new(self.anon.get() + self.file.get() + self.shmem.get())
    }

    /// What it uses, as one reading.
    #[must_use]
    pub fn usage(&self) -> ProcessUsage {
        ProcessUsage {
            rss: self.rss(),
            shared: Some(Bytes::new(self.file.get() + self.shmem.get())),
            pss: None,
            swap: Some(self.swap),
            cpu: self.cpu,
            minor_faults: self.minor_faults,
            major_faults: self.major_faults,
            threads: self.threads,
            state: self.state,
            voluntary_switches: Some(self.voluntary_switches),
            involuntary_switches: Some(self.involuntary_switches),
        }
    }
}

/// Divides the time that the scheduler measured as the clock's ticks fell, as `/proc` does (`cputime_adjust` in the kernel's
/// kernel/sched/cputime.c).
pub(in crate::bpf) fn shares(runtime: u64, user: u64, system: u64) -> (u64, u64) {
    let ticks = u128::from(user) + u128::from(system);
    if ticks == 0 {
        return (runtime, 0);
    }
    let system = (u128::from(runtime) * u128::from(system) / ticks) as u64;
    (runtime - system, system)
}

/// The letter for a task's state, as `task_state_index` and `task_state_array` of the kernel give it.
fn state_of(state: u32, exit_state: u32) -> char {
    const IDLE: u32 = 0x402;
    const FROZEN_OR_LOCK: u32 = 0x8000 | 0x1000;
    const REPORTED: u32 = 0x7f;
    if state & IDLE == IDLE {
        return 'I';
    }
    if state & FROZEN_OR_LOCK != 0 {
        return 'D';
    }
    let highest = u32::BITS - ((state | exit_state) & REPORTED).leading_zeros();
    ['R', 'S', 'D', 'T', 't', 'X', 'Z', 'P'][highest as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_letters_of_the_kernel() {
        let letters = [(0, 'R'), (1, 'S'), (2, 'D'), (4, 'T'), (8, 't'), (0x40, 'P'), (0x402, 'I')];
        for (state, letter) in letters {
            assert_eq!(state_of(state, 0), letter, "{state:#x}");
        }
        assert_eq!((state_of(0x80, 0x20), state_of(0, 0x10)), ('Z', 'X'));
        assert_eq!(state_of(0x2001, 0), 'S', "that may be frozen");
        assert_eq!((state_of(0x8000, 0), state_of(0x1000, 0)), ('D', 'D'));
    }

    #[test]
    fn run_time_is_divided_as_ticks_fell_and_nothing_is_lost() {
        assert_eq!(shares(9, 1, 2), (3, 6));
        assert_eq!(shares(9, 0, 0), (9, 0));
        assert_eq!(shares(u64::MAX, u64::MAX, 0), (u64::MAX, 0));
        let (user, system) = shares(1_000_000_007, 13, 29);
        assert_eq!(user + system, 1_000_000_007);
    }

    #[test]
    fn what_a_thread_counts_is_added_and_a_name_ends_at_its_zero() {
        let bytes = [1_u8; std::mem::size_of::<Raw>()];
        let mut raw = crate::bpf::record::Record::from_bytes(&bytes).unwrap();
        let one = raw;
        Raw::add(&mut raw, &one);
        assert_eq!((raw.runtime_ns, raw.write_bytes), (one.runtime_ns * 2, one.write_bytes * 2));
        assert_eq!((raw.anon_pages, raw.start_ns), (one.anon_pages, one.start_ns));
        raw.comm = *b"a b\0rest of any ";
        raw.anon_pages = -1;
        let record = ProcessRecord::new(&raw, Units { page: 4096, tick_nanos: 10_000_000 });
        assert_eq!((record.comm(), record.anon), (&b"a b"[..], Bytes::ZERO));
    }
}
