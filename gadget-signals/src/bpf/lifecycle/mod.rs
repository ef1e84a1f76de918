//! Processes that begin, execute programs and end.

mod record;

use std::io;
use std::time::{Duration, Instant};

use gadget_core::{
    Lifecycle, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};
use libbpf_rs::{MapCore as _, MapFlags};
use rustix::param::{clock_ticks_per_second, page_size};

use super::cost::CostMeter;
use super::kernel::Kernel;
use super::program::{Programs, sum_lost};
use super::ring::Ring;
use super::skel::lifecycle::{LifecycleSkel, LifecycleSkelBuilder, OpenLifecycleSkel};
use super::subject::by_memory_controller;
use crate::CgroupLayout;
use record::{Raw, Units};

pub use record::{ProcessChange, ProcessEvent};

const NAME: &str = "lifecycle";
const TRACEPOINTS: &[&str] = &["sched_process_fork", "sched_process_exec", "sched_process_exit"];

/// So often the ring is read while much happens...
const FAST: Duration = Duration::from_millis(50);
/// ...and so often while little does: the ring has room for 1 s of 8,700 processes a second.
const SLOW: Duration = Duration::from_secs(1);
/// So many events in one reading are much.
const MUCH: usize = 100;
/// Readings are given so often at most.
const TELL: Duration = Duration::from_secs(1);
/// A process that lived for less is only counted.
const SHORT: Duration = Duration::from_secs(1);
/// The most ends of processes that one sample tells one by one.
const MOST_EXITS: usize = 256;

/// Tells which processes begin and end.
///
/// - Gives [`Reading::Lifecycle`] of the host, and [`Reading::Exited`] of each process that lived for a second or more or that a
///   signal ended: at most 256 in a sample, what is beyond is in [`exits_left_out`](Self::exits_left_out). With
///   [`drain`](Self::drain) an embedder gets each event instead.
/// - Programs write into a ring that wakes nobody, as that is what costs; it is read each 50 ms while much happens and once a second
///   else. Only the children of those that [`watch_children_of`](Self::watch_children_of) names wake us when they execute a program.
/// - Source: `sched_process_fork`, `sched_process_exec`, `sched_process_exit` (include/trace/events/sched.h). Threads are not told; a
///   process ends with its last thread.
/// - Bound: the ring holds 26,214 events; what finds no room is counted as lost in [`Reading::KernelCost`] and
///   [`lost`](Self::lost).
pub struct LifecycleWatch {
    programs: Programs<LifecycleSkel<'static>>,
    events: Ring<Raw>,
    urgent: Ring<Raw>,
    cost: CostMeter,
    units: Units,
    pace: Duration,
    counted: Lifecycle,
    exits: Vec<ProcessEvent>,
    exits_left_out: u64,
    strange: u64,
    told: Instant,
    decided: String,
}

impl LifecycleWatch {
    /// Of this host; cgroups are those of `layout`, or else of the unified hierarchy.
    ///
    /// # Errors
    /// What BPF programs need and is missing here; the proc connector tells less, and not for free.
    pub fn host(layout: Option<&CgroupLayout>) -> Result<Self, SignalError> {
        Self::load(layout, false)
    }

    /// As [`host`](Self::host), with a ring that wakes [`wait_for_event`](Self::wait_for_event) as soon as something happens. To be told
    /// 50 ms sooner costs the kernel and the reader some twenty times as much for each process of the host.
    ///
    /// # Errors
    /// As [`host`](Self::host).
    pub fn at_once(layout: Option<&CgroupLayout>) -> Result<Self, SignalError> {
        Self::load(layout, true)
    }

    fn load(layout: Option<&CgroupLayout>, wake: bool) -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_tracepoints(TRACEPOINTS)?;
        kernel.needs_host_namespaces()?;
        let says_last = kernel.arguments_of("sched_process_exit") == Some(2);
        let by_memory = by_memory_controller(layout);
        let programs: Programs<LifecycleSkel<'static>> = Programs::load(
            NAME,
            LifecycleSkelBuilder::default(),
            |open: &mut OpenLifecycleSkel<'_>| {
                if let Some(settings) = open.maps.rodata_data.as_mut() {
                    settings.by_memory_controller = by_memory;
                    settings.exit_says_last = says_last;
                    settings.wake = wake;
                }
                Ok(())
            },
        )?;
        let maps = &programs.skeleton().maps;
        Ok(Self {
            events: Ring::of(&maps.events, NAME)?,
            urgent: Ring::of(&maps.urgent, NAME)?,
            programs,
            cost: CostMeter::default(),
            units: Units {
                page: page_size() as u64,
                tick_nanos: 1_000_000_000 / clock_ticks_per_second().max(1),
            },
            pace: FAST,
            counted: Lifecycle::default(),
            exits: Vec::new(),
            exits_left_out: 0,
            strange: 0,
            told: Instant::now(),
            decided: format!(
                "BPF on {}, a ring read each {} ms to {} s",
                TRACEPOINTS.join(", "),
                FAST.as_millis(),
                SLOW.as_secs()
            ),
        })
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        self.decided.clone()
    }

    /// Wakes us when a child of process `pid` executes a program. At most 1,024 processes; whoever asked also says when it is over,
    /// by [`forget_children_of`](Self::forget_children_of).
    ///
    /// # Errors
    /// [`SignalError::Program`] if there is no room.
    pub fn watch_children_of(&mut self, pid: u32) -> Result<(), SignalError> {
        let watched = &self.programs.skeleton().maps.watched;
        let known = watched.lookup(&pid.to_ne_bytes(), MapFlags::ANY).ok().flatten().is_some();
        watched.update(&pid.to_ne_bytes(), &[1], MapFlags::ANY).map_err(|error| {
            let source = io::Error::other(error);
            SignalError::Program { attempt: "name a process to", provider: NAME, source }
        })?;
        self.add_watching(u32::from(!known));
        Ok(())
    }

    /// Ends what [`watch_children_of`](Self::watch_children_of) began.
    pub fn forget_children_of(&mut self, pid: u32) {
        if self.programs.skeleton().maps.watched.delete(&pid.to_ne_bytes()).is_ok() {
            self.add_watching(u32::MAX);
        }
    }

    fn add_watching(&mut self, count: u32) {
        if let Some(bss) = self.programs.skeleton_mut().maps.bss_data.as_mut() {
            bss.watching = bss.watching.wrapping_add(count);
        }
    }

    /// Gives `f` every event since the last time, in order, without waiting. Those that woke us are given a second time by
    /// [`drain_urgent`](Self::drain_urgent).
    ///
    /// # Errors
    /// [`SignalError::Program`] if the ring cannot be read.
    pub fn drain(&mut self, mut f: impl FnMut(&ProcessEvent)) -> Result<usize, SignalError> {
        let Self { events, units, strange, .. } = self;
        let mut count = 0;
        events.take(|raw| match ProcessEvent::new(raw, *units) {
            Some(event) => {
                count += 1;
                f(&event);
            }
            None => *strange += 1,
        })?;
        Ok(count)
    }

    /// Waits for any event, for `timeout` at most; true if there are some. Only [`at_once`](Self::at_once) is woken by them.
    ///
    /// # Errors
    /// [`SignalError::Program`] if the ring cannot be read.
    pub fn wait_for_event(&mut self, timeout: Duration) -> Result<bool, SignalError> {
        self.events.wait(timeout)
    }

    /// Waits for what wakes us, for `timeout` at most, and gives it to `f`.
    ///
    /// # Errors
    /// [`SignalError::Program`] if the ring cannot be read.
    pub fn drain_urgent(
        &mut self,
        timeout: Duration,
        mut f: impl FnMut(&ProcessEvent),
    ) -> Result<(), SignalError> {
        self.urgent.wait(timeout)?;
        let units = self.units;
        self.urgent.take(|raw| {
            if let Some(event) = ProcessEvent::new(raw, units) {
                f(&event);
            }
        })
    }

    /// Events that found no room in the ring, since this watch began.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let bss = self.programs.skeleton().maps.bss_data.as_deref();
        let lost = sum_lost(bss.map(|bss| &bss.lost));
        lost + self.events.malformed() + self.urgent.malformed() + self.strange
    }

    /// Ends of processes that were only counted, as there were more than 256 in one sample.
    #[must_use]
    pub const fn exits_left_out(&self) -> u64 {
        self.exits_left_out
    }

    /// Counts what has come; how much it was.
    fn count(&mut self) -> Result<usize, SignalError> {
        let (mut counted, mut exits) = (self.counted, std::mem::take(&mut self.exits));
        let mut left_out = 0;
        let taken = self.drain(|event| match event.change {
            ProcessChange::Forked => counted.forks += 1,
            ProcessChange::Executed => counted.execs += 1,
            ProcessChange::Exited(exit) => {
                let (short, signalled) = (exit.lifetime < SHORT, exit.signal.is_some());
                counted.exits += 1;
                counted.short += u64::from(short);
                counted.signalled += u64::from(signalled);
                let tell = signalled || !short;
                if tell && exits.len() < MOST_EXITS {
                    exits.push(*event);
                } else {
                    left_out += u64::from(tell);
                }
            }
        });
        (self.counted, self.exits) = (counted, exits);
        self.exits_left_out += left_out;
        taken
    }
}

impl SignalProvider for LifecycleWatch {
    fn sample(&mut self, _: Timestamp, _: Scope<'_>, out: &mut Signals) -> Result<(), SignalError> {
        let taken = self.count();
        self.told = Instant::now();
        out.push(Subject::Host, Reading::Lifecycle(std::mem::take(&mut self.counted)));
        for event in self.exits.drain(..) {
            if let ProcessChange::Exited(exit) = event.change {
                out.push(Subject::Process(event.process), Reading::Exited(exit));
            }
        }
        self.cost.sample(&self.programs, self.lost(), out);
        taken.map(drop)
    }

    /// Reads the ring as often as it has to; true once a second if there is something to tell.
    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        let until = Instant::now() + timeout;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let woken =
                self.urgent.wait(left.min(self.pace)).and_then(|_| self.urgent.take(|_| {}));
            match woken.and_then(|()| self.count()) {
                Ok(count) if count >= MUCH => self.pace = FAST,
                Ok(_) => self.pace = (self.pace * 2).min(SLOW),
                Err(error) => return Some(Err(error)),
            }
            self.cost.tick(&self.programs);
            if self.counted != Lifecycle::default() && self.told.elapsed() >= TELL {
                return Some(Ok(true));
            }
            if left.is_zero() {
                return Some(Ok(false));
            }
        }
    }

    fn name(&self) -> &'static str {
        NAME
    }
}
