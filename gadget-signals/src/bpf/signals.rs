//! Signals that processes are sent.

use gadget_core::{Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp};

use super::cost::CostMeter;
use super::kernel::Kernel;
use super::program::{Programs, sum_lost, volatile};
use super::record::record;
use super::skel::signals::{OpenSignalsSkel, SignalsSkel, SignalsSkelBuilder};
use super::subject::process_of;
use super::tally::{Counts, Tally};

const NAME: &str = "signals";
const TRACEPOINTS: &[&str] = &["signal_generate"];

/// SIGINT, SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV and SIGTERM: they have these numbers on every
/// architecture but MIPS, Alpha and PA-RISC, which this is not for.
const FATAL: [u8; 9] = [2, 3, 4, 6, 7, 8, 9, 11, 15];
/// As many as there can be, and more than the program counts.
const MOST: usize = 128;

record! {
    /// `struct signal_key`.
    #[derive(PartialEq, Eq, Hash)]
    Key = "signal_key" in super::skel::signals::DATA { start_ns: u64, tgid: u32, signal: u32, }
}
record! {
    /// `struct signal_count`.
    Count = "signal_count" in super::skel::signals::DATA { sent: u64, }
}

impl Counts for Count {
    fn since(&self, before: &Self) -> Option<Self> {
        Some(Self { sent: self.sent.checked_sub(before.sent)? })
    }

    fn is_none(&self) -> bool {
        self.sent == 0
    }
}

/// Tells which processes were sent a signal that ends them, and how often signals are sent on the host.
///
/// - Gives [`Reading::Signalled`] of the process that was sent SIGINT, SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV
///   or SIGTERM since the last sample, by whomever, the kernel included; and of [`Subject::Host`] for every signal by number.
/// - Not counted is what adds nothing: a signal that is ignored, or pending already. A signal to one thread counts for its
///   process. The process may be gone by the time it is told, or have a handler and live on.
/// - Source: `signal_generate` (include/trace/events/signal.h). Without BPF nothing tells it.
/// - Bound: 4,096 pairs of process and signal; what was quiet for a minute makes room, and what finds none is counted as lost in
///   [`Reading::KernelCost`], though still in the host's counts.
pub struct SignalWatch {
    programs: Programs<SignalsSkel<'static>>,
    tally: Tally<Key, Count>,
    cost: CostMeter,
    told: [u64; MOST],
}

impl SignalWatch {
    /// For this host.
    ///
    /// # Errors
    /// What BPF programs need and is missing here; among it the host's own numbers of processes.
    pub fn host() -> Result<Self, SignalError> {
        Self::with_room(None)
    }

    /// With room for another number of processes and signals than the program has.
    fn with_room(most: Option<u32>) -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_tracepoints(TRACEPOINTS)?;
        kernel.needs_host_namespaces()?;
        let configure = |open: &mut OpenSignalsSkel<'_>| {
            if let Some(settings) = open.maps.rodata_data.as_mut() {
                settings.told = FATAL.iter().fold(0, |told, signal| told | 1 << signal);
            }
            most.map_or(Ok(()), |most| open.maps.counts.set_max_entries(most))
        };
        let programs = Programs::load(NAME, SignalsSkelBuilder::default(), configure)?;
        let tally = Tally::of(&programs.skeleton().maps.counts, NAME);
        let mut watch = Self { programs, tally, cost: CostMeter::default(), told: [0; MOST] };
        watch.told = watch.sent();
        Ok(watch)
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("BPF on {}, {} signals told by process", TRACEPOINTS.join(", "), FATAL.len())
    }

    fn sent(&self) -> [u64; MOST] {
        let bss = self.programs.skeleton().maps.bss_data.as_deref();
        bss.map_or([0; MOST], |bss| volatile(&bss.sent))
    }

    fn lost(&self) -> u64 {
        let bss = self.programs.skeleton().maps.bss_data.as_deref();
        sum_lost(bss.map(|bss| &bss.lost))
    }
}

impl SignalProvider for SignalWatch {
    fn sample(
        &mut self,
        now: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        // What is read is told: who asks for some subjects only must not lose it for the others.
        if matches!(scope, Scope::Only(_)) {
            return Ok(());
        }
        self.tally.read(&self.programs.skeleton().maps.counts, now, |key, count| {
            if let Ok(signal) = u8::try_from(key.signal) {
                let process = Subject::Process(process_of(key.tgid, key.start_ns));
                out.push(process, Reading::Signalled { signal, count: count.sent });
            }
        })?;
        let sent = self.sent();
        for (signal, (now, before)) in (0_u8..).zip(sent.iter().zip(&self.told)) {
            let count = now.wrapping_sub(*before);
            if count > 0 {
                out.push(Subject::Host, Reading::Signalled { signal, count });
            }
        }
        self.told = sent;
        self.cost.sample(&self.programs, self.lost(), out);
        Ok(())
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;
    use crate::testing::readings;

    #[test]
    fn who_finds_no_room_is_counted_as_lost_and_still_in_the_hosts_count() {
        let mut watch = match SignalWatch::with_room(Some(2)) {
            Ok(watch) => watch,
            Err(error @ (SignalError::Missing { .. } | SignalError::Unsupported { .. })) => {
                println!("SKIPPED: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        readings(&mut watch);
        let before = watch.lost();
        let children: Vec<Child> =
            (0..6).map(|_| Command::new("sleep").arg("1000").spawn().unwrap()).collect();
        for mut child in children {
            let pid = Pid::from_child(&child);
            kill_process(pid, Signal::TERM).unwrap();
            child.wait().unwrap();
        }
        let (mut told, mut host, mut lost) = (0, 0, None);
        for (subject, reading) in readings(&mut watch) {
            match (subject, reading) {
                (Subject::Process(_), Reading::Signalled { .. }) => told += 1,
                (Subject::Host, Reading::Signalled { signal: 15, count }) => host += count,
                (Subject::Host, Reading::KernelCost(cost)) => lost = Some(cost.lost),
                _ => {}
            }
        }
        assert!(told <= 2, "{told} are named");
        assert!(host >= 6, "{host} of 6");
        assert!(watch.lost() >= before + 4 && lost == Some(watch.lost()), "{lost:?}");
    }
}
