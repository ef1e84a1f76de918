//! Threads that wait, found without text.

mod candidates;
mod record;

use std::io;
use std::time::Duration;

use gadget_core::SignalError;
use libbpf_rs::ProgramInput;
use rustix::param::clock_ticks_per_second;

use super::kernel::Kernel;
use super::mapped::Mapped;
use super::program::Programs;
use super::record::Record as _;
use super::skel::blocked::{BlockedSkel, BlockedSkelBuilder, OpenBlockedSkel};
use super::walk;
use candidates::Memory;
use record::{Position, Raw};

pub use record::BlockedThread;

const NAME: &str = "blocked";
/// So many threads are visited in one slice.
const SLICE: u32 = 1024;

/// Finds the threads of all programs on the host that wait and did not run for a while, with what they wait in.
///
/// - Source: a BPF program that walks the kernel's lists of processes and threads (Linux 6.4, CONFIG_SCHED_INFO). A thread whose
///   last turn on a processor began long ago is told, even if that turn was a long one: what says that it stood still between two
///   looks is that its `switches` are the same. Threads of the kernel are not told.
/// - A thread that begins or ends during the walk may be told or not.
/// - Bound: of one process at most 4,096 threads are told; its `threads` says that there are more.
/// - The processes are those of the whole host: to be used by a process in the host's pid namespace.
pub struct BlockedThreads {
    programs: Programs<BlockedSkel<'static>>,
    slice: Mapped<Raw>,
    threads: Vec<BlockedThread>,
    memory: Memory,
    still: Duration,
    tick_nanos: u64,
}

impl BlockedThreads {
    /// Of this host: threads that did not run for five seconds.
    ///
    /// # Errors
    /// What BPF programs need and is missing here; use [`ProcWalk`](crate::ProcWalk) then.
    pub fn host() -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_functions(walk::NEEDS)?;
        if !kernel.has_field("sched_info", "last_arrival") {
            let needs = "CONFIG_SCHED_INFO";
            return Err(SignalError::Unsupported { path: "/proc/schedstat".into(), needs });
        }
        kernel.needs_host_namespaces()?;
        let programs =
            Programs::load(NAME, BlockedSkelBuilder::default(), |_: &mut OpenBlockedSkel<'_>| {
                Ok(())
            })?;
        let slice = Mapped::of(&programs.skeleton().maps.records, NAME)?;
        Ok(Self {
            programs,
            slice,
            threads: Vec::new(),
            memory: Memory::default(),
            still: Duration::from_secs(5),
            tick_nanos: 1_000_000_000 / clock_ticks_per_second().max(1),
        })
    }

    /// Those that did not run for so long. Default five seconds; zero tells every thread that waits.
    #[must_use]
    pub fn still(mut self, still: Duration) -> Self {
        self.still = still;
        self
    }

    /// Walks all threads; those of one process stand together. Once warm it allocates nothing.
    ///
    /// # Errors
    /// [`SignalError::Program`] with what the kernel said.
    pub fn look(&mut self) -> Result<&[BlockedThread], SignalError> {
        self.threads.clear();
        let still_ns = u64::try_from(self.still.as_nanos()).unwrap_or(u64::MAX);
        let mut at = Position { still_ns, ..Position::default() };
        loop {
            at.count = SLICE;
            let input = ProgramInput { context_in: Some(at.as_bytes_mut()), ..Default::default() };
            let ran = self.programs.skeleton().progs.handle__blocked.test_run(input);
            ran.map(drop).map_err(|error| SignalError::Program {
                attempt: "run",
                provider: NAME,
                source: io::Error::other(error),
            })?;
            let slice = (0..at.count as usize).map_while(|index| self.slice.get(index));
            self.threads.extend(slice.map(|raw| BlockedThread::new(&raw, self.tick_nanos)));
            if at.more == 0 {
                return Ok(&self.threads);
            }
        }
    }
}
