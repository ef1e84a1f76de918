//! Which system calls a process makes.

mod kinds;

use std::io;
use std::time::Instant;

use gadget_core::{
    LATENCY_BUCKETS, Latencies, ProcessId, Reading, Scope, SignalError, SignalProvider, Signals,
    Subject, Syscalls, Timestamp,
};

use super::cost::CostMeter;
use super::kernel::Kernel;
use super::program::{Programs, sum_lost, volatile};
use super::seats::{Seat, Seats};
use super::skel::syscalls::types::bss;
use super::skel::syscalls::{OpenSyscallsSkel, SyscallsSkel, SyscallsSkelBuilder};
use super::targets::{self, TARGETS, TargetTable};

const NAME: &str = "syscalls";
const TRACEPOINTS: &[&str] = &["sys_enter", "sys_exit", "sched_process_exit"];

/// Numbers that are told apart, and one for all others (`NUMBERS` in `bpf/syscalls.h`).
const NUMBERS: usize = 512;
const OTHER: usize = NUMBERS - 1;

/// How programs know a task that is in a 32-bit system call: `TS_COMPAT` in the status of x86, `TIF_32BIT` in the flags of
/// 64-bit Arm.
const COMPAT_STATUS: u32 = if cfg!(target_arch = "x86_64") { 2 } else { 0 };
const COMPAT_FLAGS: u64 = if cfg!(target_arch = "aarch64") { 1 << 22 } else { 0 };

/// Counts the system calls of processes that gadgets ask for, and of nobody else.
///
/// - Gives [`Reading::Syscalls`] for each process that a gadget watches ([`Scope::Only`]), whenever it is named: its calls
///   since the time before. The first time begins the count and tells nothing; what is not named for a minute is let go. A
///   process that was asked for by [`follow`](Self::follow) is told in every sweep as well. One that has ended is told one
///   last time.
/// - Bound: 64 processes at a time. One more is not counted until another is let go; each time that it is asked for is counted
///   as lost in [`Reading::KernelCost`](gadget_core::Reading::KernelCost).
/// - A call is counted as it begins, by its number on this architecture; those of 32-bit programs and numbers above 510 are
///   counted together, as [`Syscalls::OTHER`]. Threads are counted for their process. Another process that is given the id of
///   one that ended is not counted.
/// - Times, [if they are asked for](Self::with_latencies): of calls that have returned. Apart from all others are those that
///   wait for something to happen (`poll`, `accept`, a futex, a child's end, a message or a time; `read` of a socket, a pipe,
///   a terminal or the like).
/// - Cost: nothing, not even programs in the kernel, while nobody asks. While somebody does, every system call of the host
///   takes the kernel's slower path; counting itself is the smaller part. To begin, programs are loaded: 10 to 20 ms of CPU.
/// - Source: `sys_enter`, `sys_exit`, `sched_process_exit`; without BPF there is none that costs less than the process itself.
pub struct SyscallProfile {
    timed: bool,
    seats: Seats<ProcessId, Box<Told>>,
    /// While somebody asks.
    running: Option<Running>,
    cost: CostMeter,
    /// By programs that ran before.
    lost: u64,
}

/// Loaded and attached.
struct Running {
    table: TargetTable,
    programs: Programs<SyscallsSkel<'static>>,
}

/// What a process's counters were, and when.
struct Told {
    at: Instant,
    counts: [u64; NUMBERS],
    times: [[u32; LATENCY_BUCKETS]; 2],
}

impl SyscallProfile {
    /// For this host. Nothing is loaded before somebody asks.
    ///
    /// # Errors
    /// What BPF programs need and is missing here; [`SignalError::Unsupported`] in a pid namespace of our own as well.
    pub fn host() -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_tracepoints(TRACEPOINTS)?;
        kernel.needs_host_namespaces()?;
        Ok(Self {
            timed: false,
            seats: Seats::new(TARGETS),
            running: None,
            cost: CostMeter::default(),
            lost: 0,
        })
    }

    /// Takes the time of calls as well: a second program, at the end of each call, and two readings of a clock.
    #[must_use]
    pub fn with_latencies(mut self) -> Self {
        self.timed = true;
        self
    }

    /// Counts a process until [`unfollow`](Self::unfollow). False if it is gone, or if there is no room for one more.
    ///
    /// # Errors
    /// [`SignalError::Program`] if the kernel refuses the programs.
    pub fn follow(&mut self, id: ProcessId) -> Result<bool, SignalError> {
        if let Some(index) = self.seats.find(id) {
            self.seats.keep(index);
            return Ok(true);
        }
        self.begin(id, None)
    }

    /// Lets go of a process.
    pub fn unfollow(&mut self, id: ProcessId) {
        if let Some(index) = self.seats.find(id) {
            self.release(index);
        }
        self.rest();
    }

    /// How many processes are counted.
    #[must_use]
    pub fn following(&self) -> usize {
        self.seats.count()
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        let times = if self.timed { "counts and times" } else { "counts" };
        format!(
            "BPF, {times} of {} of at most {TARGETS} processes, detached while nobody asks; not to be had from files",
            self.following()
        )
    }

    fn begin(&mut self, id: ProcessId, named: Option<Instant>) -> Result<bool, SignalError> {
        let Some(index) = self.seats.free() else { return Ok(false) };
        if self.running.is_none() {
            self.running = Some(Running::start(self.timed)?);
        }
        let Some(running) = &self.running else { return Ok(false) };
        let lives = running.table.set(id, targets::number(index));
        if lives {
            self.seats.take(index, id, Told::read(running.bss()?, index), named);
        }
        Ok(lives)
    }

    fn release(&mut self, index: usize) {
        if let (Some(seat), Some(running)) = (self.seats.release(index), &self.running)
            && running.table.get(seat.key.pid) == targets::number(index)
        {
            running.table.clear(seat.key.pid);
        }
    }

    /// Unloads everything once nobody asks.
    fn rest(&mut self) {
        if self.seats.count() == 0
            && let Some(running) = self.running.take()
        {
            self.lost += running.lost();
        }
    }

    fn sample_named(&mut self, subjects: &[Subject], out: &mut Signals) -> Result<(), SignalError> {
        let now = Instant::now();
        for subject in subjects {
            let Subject::Process(id) = *subject else { continue };
            match self.seats.name(id, now).zip(self.running.as_ref()) {
                Some(((index, told), running)) => {
                    let syscalls = told.tell(running.bss()?, index, self.timed);
                    out.push(*subject, Reading::Syscalls(Box::new(syscalls)));
                }
                None => drop(self.begin(id, Some(now))?),
            }
        }
        Ok(())
    }

    fn sample_kept(&mut self, out: &mut Signals) -> Result<(), SignalError> {
        let Some(running) = &self.running else { return Ok(()) };
        let now = Instant::now();
        for (index, seat) in self.seats.iter_mut() {
            // What has ended is told, and let go, below.
            if seat.stays() && running.follows(index, seat) {
                let syscalls = seat.told.tell(running.bss()?, index, self.timed);
                out.push(Subject::Process(seat.key), Reading::Syscalls(Box::new(syscalls)));
            }
        }
        let stale = self.seats.iter_mut().filter(|(_, seat)| seat.is_stale(now));
        for index in stale.map(|(index, _)| index).collect::<Vec<_>>() {
            self.release(index);
        }
        Ok(())
    }

    /// Tells one last time of processes that have ended, and lets them go.
    fn sample_ended(&mut self, out: &mut Signals) -> Result<(), SignalError> {
        let Some(running) = &self.running else { return Ok(()) };
        let ended = self.seats.iter_mut().filter(|(index, seat)| !running.follows(*index, seat));
        for index in ended.map(|(index, _)| index).collect::<Vec<_>>() {
            let Some(mut seat) = self.seats.release(index) else { continue };
            let last = seat.told.tell(running.bss()?, index, self.timed);
            if last.count() > 0 {
                out.push(Subject::Process(seat.key), Reading::Syscalls(Box::new(last)));
            }
        }
        Ok(())
    }
}

impl SignalProvider for SyscallProfile {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        let sampled = match scope {
            Scope::Everything => self.sample_kept(out),
            Scope::Only(subjects) => self.sample_named(subjects, out),
        };
        let sampled = sampled.and_then(|()| self.sample_ended(out));
        if let Some(running) = &self.running {
            let lost = self.lost + self.seats.refused + running.lost();
            self.cost.sample(&running.programs, lost, out);
        }
        self.rest();
        sampled
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

impl Running {
    fn start(timed: bool) -> Result<Self, SignalError> {
        let ids = targets::process_ids()?;
        let programs = Programs::load(
            NAME,
            SyscallsSkelBuilder::default(),
            |open: &mut OpenSyscallsSkel<'_>| {
                if let Some(settings) = open.maps.rodata_data.as_mut() {
                    settings.compat_status = COMPAT_STATUS;
                    settings.compat_flags = COMPAT_FLAGS;
                    settings.kinds = kinds::kinds();
                }
                targets::resize(&mut open.maps.targets, ids)?;
                open.progs.handle__sys_enter.set_autoload(!timed);
                open.progs.handle__sys_enter_timed.set_autoload(timed);
                open.progs.handle__sys_exit.set_autoload(timed);
                open.maps.begun.set_autocreate(timed)
            },
        )?;
        let table = TargetTable::of(&programs.skeleton().maps.targets, ids, NAME)?;
        Ok(Self { table, programs })
    }

    fn bss(&self) -> Result<&bss, SignalError> {
        self.programs.skeleton().maps.bss_data.as_deref().ok_or_else(|| SignalError::Program {
            attempt: "read the counters of",
            provider: NAME,
            source: io::ErrorKind::NotFound.into(),
        })
    }

    /// False once the process in this seat has ended.
    fn follows(&self, index: usize, seat: &Seat<ProcessId, Box<Told>>) -> bool {
        self.table.get(seat.key.pid) == targets::number(index)
    }

    fn lost(&self) -> u64 {
        sum_lost(self.bss().ok().map(|bss| &bss.lost))
    }
}

impl Told {
    /// The counters as they are: what they say so far is of whoever had the seat before.
    fn read(bss: &bss, index: usize) -> Box<Self> {
        let mut told = Box::new(Self {
            at: Instant::now(),
            counts: [0; NUMBERS],
            times: [[0; LATENCY_BUCKETS]; 2],
        });
        told.tell(bss, index, true);
        told
    }

    /// What was added since, which is told from now on.
    fn tell(&mut self, bss: &bss, index: usize, timed: bool) -> Syscalls {
        let now = Instant::now();
        let mut syscalls = Syscalls { over: now.duration_since(self.at), ..Syscalls::default() };
        self.at = now;
        for (number, (counter, told)) in bss.counts[index].iter().zip(&mut self.counts).enumerate()
        {
            let counter = volatile(counter);
            if counter != *told {
                let number = if number == OTHER { usize::from(Syscalls::OTHER) } else { number };
                let number = u16::try_from(number).unwrap_or(Syscalls::OTHER);
                syscalls.counts.push((number, counter.wrapping_sub(*told)));
                *told = counter;
            }
        }
        if timed {
            let times = volatile(&bss.times[index].count);
            let since = |kind: usize| {
                let (now, told) = (times[kind], self.times[kind]);
                Latencies(std::array::from_fn(|at| now[at].wrapping_sub(told[at])))
            };
            // In the order of `enum call_kind`.
            (syscalls.works, syscalls.waits) = (Some(since(0)), Some(since(1)));
            self.times = times;
        }
        syscalls
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bpf::seats::KEPT;
    use crate::bpf::targets::process;
    use crate::testing::readings;

    #[test]
    fn nothing_is_loaded_unless_somebody_asks_and_nobody_is_followed_for_ever() {
        let Ok(mut profile) = SyscallProfile::host() else {
            println!("SKIPPED: this host takes no BPF programs from us");
            return;
        };
        let own = process(std::process::id()).unwrap();
        assert!(profile.running.is_none() && readings(&mut profile).is_empty());
        assert!(profile.follow(own).unwrap() && profile.running.is_some());
        profile.unfollow(own);
        assert!(profile.running.is_none());

        let long_ago = Instant::now().checked_sub(KEPT + Duration::from_secs(1)).unwrap();
        assert!(profile.begin(own, Some(long_ago)).unwrap() && profile.running.is_some());
        readings(&mut profile);
        assert!(profile.running.is_none(), "nobody has named it for long");

        assert!(profile.begin(own, Some(long_ago)).unwrap() && profile.follow(own).unwrap());
        let told = readings(&mut profile);
        assert!(matches!(told[..], [(_, Reading::Syscalls(_))]), "it stays now: {told:?}");
    }
}
