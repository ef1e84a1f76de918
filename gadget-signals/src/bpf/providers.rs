//! The kernel's providers that fit this host, chosen and explained.

use std::time::Duration;

use gadget_core::{SignalError, SignalProvider};

use super::program::give_memory_back;
use super::{
    BlockWatch, FaultWatch, Kernel, LifecycleWatch, OomVictims, ReclaimWatch, SchedulerWatch,
    SignalWatch, SyscallProfile, TcpWatch,
};
use crate::cgroup::CgroupLayout;
use crate::host::{Choice, Chosen};
use crate::oom::OomWatch;
use crate::process::Processes;
use crate::process::{ProcConnector, SchedulerFiles};
use crate::system::{HostFaults, HostIoProvider, HostTcp};

/// How often counters are read. Reading all of them at rest costs about 0.1 ms.
const COUNTERS: Duration = Duration::from_secs(2);
/// How often all processes are read.
const PROCESSES: Duration = Duration::from_secs(30);
/// For those that wake by themselves.
const WAKES: Duration = Duration::from_secs(1);

/// All providers that look into the kernel, each by BPF where this host lets us and by files else, with what was decided.
///
/// BPF needs Linux 5.11 with `CONFIG_DEBUG_INFO_BTF`, `CAP_BPF` and `CAP_PERFMON`; what else each needs its own documentation says.
/// Two of them, `processes` and `reclaim`, are in [`HostProviders::for_memory`](crate::HostProviders::for_memory) as well: an agent
/// that has both takes them once.
///
/// ```
/// let providers = gadget_signals::KernelProviders::host();
/// for chosen in &providers.chosen {
///     println!("{} every {:?}: {}", chosen.provider.name(), chosen.every, chosen.decided);
/// }
/// for line in &providers.missing {
///     println!("{line}");
/// }
/// ```
pub struct KernelProviders {
    /// The providers.
    pub chosen: Vec<Chosen>,
    /// What this host does not offer, and what exactly it would need; one line for each provider that fell back or is left out.
    pub missing: Vec<String>,
}

impl KernelProviders {
    /// For this host.
    #[must_use]
    pub fn host() -> Self {
        Self::of(CgroupLayout::detect().ok().as_ref())
    }

    /// For this host, whose cgroups are those of `layout`; without one, of the unified hierarchy.
    #[must_use]
    pub fn of(layout: Option<&CgroupLayout>) -> Self {
        let mut found = Choice::default();
        let types = Kernel::probe();
        let processes = Processes::at("/proc", layout.cloned());
        found.chose("processes", processes, Processes::describe, PROCESSES);
        found.chose("reclaim", ReclaimWatch::host(layout), ReclaimWatch::describe, WAKES);
        if !found.chose("block-latency", BlockWatch::host(layout), BlockWatch::describe, COUNTERS) {
            found.fall_back("bytes of /proc/diskstats, no times", HostIoProvider::host());
        }
        if !found.chose("page-faults", FaultWatch::host(layout), FaultWatch::describe, COUNTERS) {
            found.fall_back("/proc/vmstat, the host alone", HostFaults::host());
        }
        if !found.chose("tcp", TcpWatch::host(), TcpWatch::describe, COUNTERS) {
            found.fall_back("/proc/net/snmp and netstat, no owners", HostTcp::host());
        }
        if !found.chose("oom-victims", OomVictims::host(), OomVictims::describe, WAKES) {
            found.fall_back("/proc/vmstat, how many alone", OomWatch::at("/proc", layout));
        }
        found.chose("signals", SignalWatch::host(), SignalWatch::describe, COUNTERS);
        let scheduler = SchedulerWatch::host(layout);
        if !found.chose("scheduling", scheduler, SchedulerWatch::describe, COUNTERS) {
            found.fall_back("schedstat and status, means alone", SchedulerFiles::host());
        }
        let lifecycle = LifecycleWatch::host(layout);
        if !found.chose("lifecycle", lifecycle, LifecycleWatch::describe, WAKES) {
            found.fall_back("the proc connector, counts alone", ProcConnector::host());
        }
        found.chose("syscalls", SyscallProfile::host(), SyscallProfile::describe, COUNTERS);
        drop(types);
        give_memory_back();
        let Choice { chosen, missing } = found;
        Self { chosen, missing }
    }
}

impl Choice {
    /// True if it is there.
    fn chose<P: SignalProvider + 'static>(
        &mut self,
        what: &str,
        made: Result<P, SignalError>,
        describe: impl FnOnce(&P) -> String,
        every: Duration,
    ) -> bool {
        let Some(provider) = self.got(what, made) else { return false };
        let decided = describe(&provider);
        self.add(provider, every, decided);
        true
    }

    fn fall_back(
        &mut self,
        by: &str,
        provider: Result<impl SignalProvider + 'static, SignalError>,
    ) {
        if let Some(provider) = self.got(by, provider) {
            self.add(provider, COUNTERS, by.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::readings;

    #[test]
    fn each_is_there_or_has_a_fallback_or_says_what_it_needs() {
        let mut providers = KernelProviders::host();
        let names: Vec<_> = providers.chosen.iter().map(|it| it.provider.name()).collect();
        let missing = |what: &str| {
            providers.missing.iter().any(|it| it.starts_with(&format!("without {what}: ")))
        };
        let all = [
            "reclaim",
            "block-latency",
            "page-faults",
            "tcp",
            "oom-victims",
            "signals",
            "scheduling",
            "syscalls",
        ];
        for what in all {
            let there = providers
                .chosen
                .iter()
                .any(|it| it.provider.name() == what && it.decided.starts_with("BPF"));
            assert!(there != missing(what), "{what}: {names:?} {:?}", providers.missing);
        }
        // These have one that needs no BPF, on any Linux.
        assert!(names.contains(&"tcp") && names.contains(&"page-faults"), "{names:?}");
        for chosen in &mut providers.chosen {
            assert!(!chosen.decided.is_empty() && chosen.every > Duration::ZERO);
            readings(&mut *chosen.provider);
        }
    }
}
