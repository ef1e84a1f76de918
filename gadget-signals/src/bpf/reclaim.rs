//! Reclaim that tasks have to do themselves, told as it begins.

use std::collections::HashMap;
use std::time::Duration;

use gadget_core::{
    CgroupId, Reading, Reclaim, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};
use libbpf_rs::{MapCore as _, MapFlags};
use rustix::time::{ClockId, clock_gettime};

use super::cost::CostMeter;
use super::kernel::Kernel;
use super::program::{Programs, sum_lost};
use super::record::{Record as _, record};
use super::ring::Ring;
use super::skel::reclaim::{OpenReclaimSkel, ReclaimSkel, ReclaimSkelBuilder};
use super::subject::by_memory_controller;
use crate::CgroupLayout;

const NAME: &str = "reclaim";
const TRACEPOINTS: &[&str] = &[
    "mm_vmscan_direct_reclaim_begin",
    "mm_vmscan_direct_reclaim_end",
    "mm_vmscan_memcg_reclaim_begin",
    "mm_vmscan_memcg_reclaim_end",
];

/// Stands for the host where programs name a cgroup.
const HOST: u64 = 0;
/// Twice as many as the kernel counts.
const MOST_TOLD: usize = 8192;

record! {
    /// `struct reclaim_count`.
    Count = "reclaim_count" in super::skel::reclaim::DATA { begun: u64, took_ns: u64, pages: u64, woken_ns: u64, }
}
record! {
    /// `struct reclaim_event`.
    Event = "reclaim_event" in super::skel::reclaim::DATA { cgroup: u64, at_ns: u64, }
}

/// Tells when tasks begin to reclaim memory themselves, because a cgroup is at its limit or the host is out of free
/// pages: the earliest sign that memory is short.
///
/// - Gives [`Reading::Reclaim`], with what was added since the last one: of the host when a task finds no free page, of a
///   task's cgroup when that is at a limit. It streams: the first reclaim wakes it, the following ones at most 20 times a
///   second for each subject.
/// - The cgroup is the task's own; the limit that made it reclaim may be that of a group above. What this process reclaims by
///   itself is not told.
/// - Source: `mm_vmscan_direct_reclaim_begin` and `_end`, `mm_vmscan_memcg_reclaim_begin` and `_end`
///   (include/trace/events/vmscan.h); background reclaim by kswapd is not told.
/// - Bound: 4,096 cgroups are counted at a time; the one that was quiet for longest makes room. What finds no room is counted
///   as lost in [`Reading::KernelCost`].
pub struct ReclaimWatch {
    programs: Programs<ReclaimSkel<'static>>,
    ring: Ring<Event>,
    cost: CostMeter,
    /// Who woke us since the last sample.
    woke: Vec<u64>,
    told: HashMap<u64, Count>,
    delay: Option<Duration>,
    decided: String,
}

impl ReclaimWatch {
    /// For this host, whose cgroups are those of `layout`; without one, of the unified hierarchy.
    ///
    /// # Errors
    /// What BPF programs need and is missing here; use a [`StallWatch`](crate::StallWatch) then.
    pub fn host(layout: Option<&CgroupLayout>) -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_tracepoints(TRACEPOINTS)?;
        let by_memory = by_memory_controller(layout);
        let programs = Programs::load(
            NAME,
            ReclaimSkelBuilder::default(),
            |open: &mut OpenReclaimSkel<'_>| {
                if let Some(settings) = open.maps.rodata_data.as_mut() {
                    settings.by_memory_controller = by_memory;
                    settings.agent_tgid = std::process::id().cast_signed();
                }
                Ok(())
            },
        )?;
        let ring = Ring::of(&programs.skeleton().maps.events, NAME)?;
        let decided =
            format!("BPF on {} tracepoints of vmscan, wakes as reclaim begins", TRACEPOINTS.len());
        Ok(Self {
            programs,
            ring,
            cost: CostMeter::default(),
            woke: Vec::new(),
            told: HashMap::new(),
            delay: None,
            decided,
        })
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        self.decided.clone()
    }

    /// How long ago, when the last sample was taken, the first reclaim in it had begun; none before the first.
    #[must_use]
    pub const fn delay(&self) -> Option<Duration> {
        self.delay
    }

    fn count_of(&self, cgroup: u64) -> Option<Count> {
        let counts = &self.programs.skeleton().maps.counts;
        let bytes = counts.lookup(&cgroup.to_ne_bytes(), MapFlags::ANY).ok()??;
        Count::from_bytes(&bytes)
    }

    fn tell(&mut self, cgroup: u64, out: &mut Signals) {
        // Without an entry its count was forgotten for others since it woke us: that it reclaimed is certain.
        let count =
            self.count_of(cgroup).unwrap_or(Count { begun: 1, took_ns: 0, pages: 0, woken_ns: 0 });
        let before = self.told.insert(cgroup, count);
        // A count that was begun anew is smaller.
        let before = before.filter(|before| before.begun <= count.begun);
        let since =
            |now: u64, then: fn(&Count) -> u64| now.saturating_sub(before.as_ref().map_or(0, then));
        let reclaim = Reclaim {
            begun: since(count.begun, |it| it.begun),
            took: Duration::from_nanos(since(count.took_ns, |it| it.took_ns)),
            pages: since(count.pages, |it| it.pages),
        };
        let subject =
            if cgroup == HOST { Subject::Host } else { Subject::Cgroup(CgroupId(cgroup)) };
        out.push(subject, Reading::Reclaim(reclaim));
    }

    fn lost(&self) -> u64 {
        let bss = self.programs.skeleton().maps.bss_data.as_deref();
        sum_lost(bss.map(|bss| &bss.lost)) + self.ring.malformed()
    }
}

/// The clock of `bpf_ktime_get_ns`.
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (now.tv_sec.cast_unsigned(), now.tv_nsec.cast_unsigned());
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

impl SignalProvider for ReclaimWatch {
    fn sample(&mut self, _: Timestamp, _: Scope<'_>, out: &mut Signals) -> Result<(), SignalError> {
        let mut woke = std::mem::take(&mut self.woke);
        woke.clear();
        let now = monotonic_ns();
        let mut oldest = u64::MAX;
        let taken = self.ring.take(|event| {
            woke.push(event.cgroup);
            oldest = oldest.min(event.at_ns);
        });
        if !woke.is_empty() {
            self.delay = Some(Duration::from_nanos(now.saturating_sub(oldest)));
        }
        woke.sort_unstable();
        woke.dedup();
        if self.told.len() > MOST_TOLD {
            // The kernel has forgotten most of them as well.
            self.told.clear();
        }
        for &cgroup in &woke {
            self.tell(cgroup, out);
        }
        self.woke = woke;
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
