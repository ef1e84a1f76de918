//! The OOM killer's victims.

use std::time::Duration;

use gadget_core::{
    ProcessId, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};

use super::cost::CostMeter;
use super::kernel::Kernel;
use super::program::{Programs, sum_lost};
use super::record::record;
use super::ring::Ring;
use super::skel::oom::{OomSkel, OomSkelBuilder, OpenOomSkel};
use super::subject::{process_of, process_of_thread};

const NAME: &str = "oom-victims";
const TRACEPOINT: &str = "mark_victim";

record! {
    /// `struct oom_event`.
    Event = "oom_event" in super::skel::oom::DATA { start_ns: u64, id: u32, unused: u32, }
}

/// Tells which process the OOM killer has chosen, as it chooses.
///
/// - Gives [`Reading::OomVictim`] of the process. It streams: each victim wakes it.
/// - Source: `mark_victim` (include/trace/events/oom.h), which names the process since Linux 6.9 and in kernels that took it over;
///   before, only a thread's number, which is looked up in `/proc`: a victim that is gone by then is counted as lost. Without BPF
///   there is [`OomWatch`](crate::OomWatch), which tells how many and not who.
/// - Bound: 680 victims between two samples; what has no room is counted as lost in [`Reading::KernelCost`].
pub struct OomVictims {
    programs: Programs<OomSkel<'static>>,
    ring: Ring<Event>,
    cost: CostMeter,
    /// Victims that were gone before they could be looked up.
    gone: u64,
    names: bool,
}

impl OomVictims {
    /// For this host.
    ///
    /// # Errors
    /// What BPF programs need and is missing here; among it the host's own numbers of processes.
    pub fn host() -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_tracepoints(&[TRACEPOINT])?;
        kernel.needs_host_namespaces()?;
        let names = kernel.arguments_of(TRACEPOINT) != Some(1);
        let configure = |open: &mut OpenOomSkel<'_>| {
            open.progs.handle__mark_victim.set_autoload(names);
            open.progs.handle__mark_victim_number.set_autoload(!names);
            Ok(())
        };
        let programs = Programs::load(NAME, OomSkelBuilder::default(), configure)?;
        let ring = Ring::of(&programs.skeleton().maps.events, NAME)?;
        Ok(Self { programs, ring, cost: CostMeter::default(), gone: 0, names })
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        let how = if self.names { "which names the process" } else { "its thread by /proc" };
        format!("BPF on {TRACEPOINT}, {how}; wakes for each victim")
    }

    fn lost(&self) -> u64 {
        let bss = self.programs.skeleton().maps.bss_data.as_deref();
        let lost = sum_lost(bss.map(|bss| &bss.lost));
        lost + self.ring.malformed() + self.gone
    }
}

/// Whom an event names; `None` if that is gone.
fn victim_of(event: &Event) -> Option<ProcessId> {
    match event.start_ns {
        0 => process_of_thread("/proc".as_ref(), event.id),
        start_ns => Some(process_of(event.id, start_ns)),
    }
}

impl SignalProvider for OomVictims {
    fn sample(&mut self, _: Timestamp, _: Scope<'_>, out: &mut Signals) -> Result<(), SignalError> {
        let gone = &mut self.gone;
        let taken = self.ring.take(|event| match victim_of(event) {
            Some(process) => out.push(Subject::Process(process), Reading::OomVictim),
            None => *gone += 1,
        });
        self.cost.sample(&self.programs, self.lost(), out);
        taken
    }

    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        let woken = self.ring.wait(timeout);
        self.cost.tick(&self.programs);
        Some(woken)
    }

    fn name(&self) -> &'static str {
        NAME
    }
}
