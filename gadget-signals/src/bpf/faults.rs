//! Page faults by cgroup.

use gadget_core::{
    CgroupId, PageFaults, Reading, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};

use super::cost::CostMeter;
use super::kernel::Kernel;
use super::program::{Programs, sum_lost};
use super::record::record;
use super::skel::faults::{FaultsSkel, FaultsSkelBuilder, OpenFaultsSkel};
use super::subject::by_memory_controller;
use super::tally::{Counts, Tally};
use crate::CgroupLayout;

const NAME: &str = "page-faults";
const TRACEPOINTS: &[&str] = &["page_fault_user", "page_fault_kernel", "sched_process_exit"];

record! {
    /// `struct fault_count`.
    Count = "fault_count" in super::skel::faults::DATA { minor: u64, major: u64, }
}

impl Counts for Count {
    fn since(&self, before: &Self) -> Option<Self> {
        Some(Self {
            minor: self.minor.checked_sub(before.minor)?,
            major: self.major.checked_sub(before.major)?,
        })
    }

    fn is_none(&self) -> bool {
        (self.minor, self.major) == (0, 0)
    }
}

/// Counts page faults, of the host and of each cgroup.
///
/// - Gives [`Reading::PageFaults`] of each cgroup that had any since the last sample, and of [`Subject::Host`] their sum.
/// - A task is looked at once in 16 of its faults and when it ends: up to 15 of each that runs are told later. The cgroup is
///   the one it is in then.
/// - Source: `min_flt` and `maj_flt` of the task, looked at in `page_fault_user`, `page_fault_kernel` (x86 and RISC-V:
///   arch/x86/include/asm/trace/exceptions.h) and `sched_process_exit`. Where the kernel has none of these there is
///   [`HostFaults`](crate::HostFaults).
/// - Bound: 4,096 cgroups; what had no fault for a minute makes room, and what finds none is counted as lost in
///   [`Reading::KernelCost`].
pub struct FaultWatch {
    programs: Programs<FaultsSkel<'static>>,
    tally: Tally<u64, Count>,
    cost: CostMeter,
}

impl FaultWatch {
    /// For this host, whose cgroups are those of `layout`; without one, of the unified hierarchy.
    ///
    /// # Errors
    /// What BPF programs need and is missing here.
    pub fn host(layout: Option<&CgroupLayout>) -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_tracepoints(TRACEPOINTS)?;
        let by_memory = by_memory_controller(layout);
        let configure = |open: &mut OpenFaultsSkel<'_>| {
            if let Some(settings) = open.maps.rodata_data.as_mut() {
                settings.by_memory_controller = by_memory;
            }
            Ok(())
        };
        let programs = Programs::load(NAME, FaultsSkelBuilder::default(), configure)?;
        let tally = Tally::of(&programs.skeleton().maps.counts, NAME);
        Ok(Self { programs, tally, cost: CostMeter::default() })
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("BPF on {}, by the tasks' own counts", TRACEPOINTS.join(", "))
    }

    fn lost(&self) -> u64 {
        let bss = self.programs.skeleton().maps.bss_data.as_deref();
        sum_lost(bss.map(|bss| &bss.lost))
    }
}

impl SignalProvider for FaultWatch {
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
        let mut host = PageFaults::default();
        self.tally.read(&self.programs.skeleton().maps.counts, now, |&cgroup, count| {
            let faults = PageFaults { minor: count.minor, major: count.major };
            host.minor += faults.minor;
            host.major += faults.major;
            out.push(Subject::Cgroup(CgroupId(cgroup)), Reading::PageFaults(faults));
        })?;
        if host != PageFaults::default() {
            out.push(Subject::Host, Reading::PageFaults(host));
        }
        self.cost.sample(&self.programs, self.lost(), out);
        Ok(())
    }

    fn name(&self) -> &'static str {
        NAME
    }
}
