//! Which of the threads that wait may be stuck.

use std::collections::HashMap;
use std::time::Duration;

use gadget_core::{SignalError, Timestamp};

use super::{BlockedThread, BlockedThreads};
use crate::threads::{Blocked, Candidate, Candidates, Suspicion, blocked_in};

/// Since when threads have not run, as far as looks have seen.
#[derive(Default)]
pub(super) struct Memory {
    /// By thread: its switches, since when they have been that many, and the last look that met it.
    seen: HashMap<u32, (u64, Timestamp, u64)>,
    look: u64,
}

impl Memory {
    fn begin(&mut self) {
        self.look += 1;
    }

    /// For how long the thread has not run, at least.
    fn still(&mut self, thread: &BlockedThread, now: Timestamp) -> Duration {
        let look = self.look;
        let entry = self.seen.entry(thread.tid).or_insert((thread.switches, now, look));
        if entry.0 != thread.switches {
            (entry.0, entry.1) = (thread.switches, now);
        }
        entry.2 = look;
        now.since(entry.1)
    }

    /// Forgets those that this look did not meet.
    fn end(&mut self) {
        let look = self.look;
        self.seen.retain(|_, (_, _, met)| *met == look);
    }
}

/// How a thread waits that may be stuck.
fn suspicion(thread: &BlockedThread) -> Option<Suspicion> {
    let blocked = thread.call.as_ref().map(blocked_in);
    if thread.state == 'D' {
        // What is frozen is nobody's trouble.
        let frozen = blocked.is_some_and(|blocked| blocked.is_interruptible());
        return (!frozen).then_some(Suspicion::Kernel);
    }
    match blocked? {
        Blocked::Futex(call) if !call.timed => Some(Suspicion::Futex(call)),
        Blocked::Read { fd } if thread.of_socket => Some(Suspicion::Read { fd }),
        _ => None,
    }
}

impl Candidates for BlockedThreads {
    fn find(&mut self, now: Timestamp, found: &mut Vec<Candidate>) -> Result<(), SignalError> {
        self.look()?;
        let Self { threads, memory, .. } = self;
        memory.begin();
        for process in threads.chunk_by(|one, other| one.process == other.process) {
            let first = found.len();
            for thread in process {
                // Its time runs from when it was first met, whatever it waits in.
                let still = memory.still(thread, now);
                if let Some(suspicion) = suspicion(thread) {
                    let (process, tid) = (thread.process, thread.tid);
                    found.push(Candidate { process, tid, still, suspicion });
                }
            }
            let own = &found[first..];
            let futexes = own.iter().filter(|it| matches!(it.suspicion, Suspicion::Futex(_)));
            let whole = process.len() == process[0].threads as usize;
            if whole && futexes.count() == process.len() {
                let still = own.iter().map(|candidate| candidate.still).min().unwrap_or_default();
                let (process, tid) = (process[0].process, process[0].process.pid);
                found.truncate(first);
                found.push(Candidate { process, tid, still, suspicion: Suspicion::Closed });
            }
        }
        memory.end();
        Ok(())
    }

    fn describe(&self) -> String {
        "BPF walks the kernel's threads".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::ProcessId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(100);

    fn thread(tid: u32, switches: u64) -> BlockedThread {
        let process = ProcessId { pid: 1, start: 1 };
        let (state, call, of_socket) = ('D', None, false);
        BlockedThread { process, tid, threads: 1, state, switches, call, of_socket }
    }

    #[test]
    fn a_thread_is_still_for_as_long_as_its_switches_are_the_same() {
        let mut memory = Memory::default();
        let mut look = |seconds: u64, switches: u64| {
            memory.begin();
            let still = memory.still(&thread(7, switches), NOW + Duration::from_secs(seconds));
            memory.end();
            still.as_secs()
        };
        assert_eq!((look(0, 5), look(10, 5), look(20, 6), look(30, 6)), (0, 10, 0, 10));
    }

    #[test]
    fn a_thread_that_was_not_met_is_forgotten() {
        let mut memory = Memory::default();
        memory.begin();
        memory.still(&thread(7, 5), NOW);
        memory.end();
        memory.begin();
        memory.end();
        assert!(memory.seen.is_empty());
    }

    #[test]
    fn outside_of_a_call_only_the_kernel_can_hold_a_thread() {
        assert_eq!(suspicion(&thread(7, 5)), Some(Suspicion::Kernel));
        assert_eq!(suspicion(&BlockedThread { state: 'S', ..thread(7, 5) }), None);
    }
}
