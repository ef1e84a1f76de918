//! How long requests to block devices take.

use std::collections::BTreeMap;

use gadget_core::{
    BlockLatency, BlockOperation, Bytes, CgroupId, LATENCY_BUCKETS, Latencies, Reading, Scope,
    SignalError, SignalProvider, Signals, Subject, Timestamp,
};

use super::cost::CostMeter;
use super::kernel::Kernel;
use super::program::{Programs, sum_lost};
use super::record::record;
use super::skel::block::{BlockSkel, BlockSkelBuilder, OpenBlockSkel};
use super::subject::by_memory_controller;
use super::tally::{Counts, Tally};
use crate::CgroupLayout;

const NAME: &str = "block-latency";
const ISSUE: &str = "block_rq_issue";
const TRACEPOINTS: &[&str] = &[ISSUE, "block_rq_complete"];

/// Stands for those whose cgroup is not known.
const NOBODY: u64 = 0;

record! {
    /// `struct block_key`.
    #[derive(PartialEq, Eq, Hash)]
    Key = "block_key" in super::skel::block::DATA { cgroup: u64, major: u32, minor: u32, operation: u32, unused: u32, }
}
record! {
    /// `struct block_count`.
    Count = "block_count" in super::skel::block::DATA { bytes: u64, took: [u32; LATENCY_BUCKETS], }
}

impl Count {
    const NONE: Self = Self { bytes: 0, took: [0; LATENCY_BUCKETS] };

    fn add(&mut self, more: &Self) {
        self.bytes = self.bytes.saturating_add(more.bytes);
        for (count, more) in self.took.iter_mut().zip(more.took) {
            *count = count.saturating_add(more);
        }
    }
}

impl Counts for Count {
    fn since(&self, before: &Self) -> Option<Self> {
        // The buckets may wrap, after 4 billion requests of a kind; bytes do not.
        let bytes = self.bytes.checked_sub(before.bytes)?;
        let took = std::array::from_fn(|it| self.took[it].wrapping_sub(before.took[it]));
        Some(Self { bytes, took })
    }

    fn is_none(&self) -> bool {
        self.bytes == 0 && self.took == [0; LATENCY_BUCKETS]
    }
}

/// Tells how long requests to block devices took, by device and operation, for the host and for each cgroup.
///
/// - Gives [`Reading::BlockLatency`] of [`Subject::Host`] for each device and operation that had requests since the last
///   sample, and the same for each cgroup.
/// - Time is from issue to the device until completion; what waits in a scheduler's queue before that is not in it.
/// - The cgroup is the one that the request is charged to; where cgroups are of version 1, the group of the task that issues it,
///   and none for what the kernel's threads issue (write-back): that is in the host's alone.
/// - Source: `block_rq_issue` and `block_rq_complete` (include/trace/events/block.h). Without BPF there is
///   [`HostIoProvider`](crate::HostIoProvider), which has no times.
/// - Bound: 10,240 requests in flight, 2,048 kinds (cgroup, device, operation); what had no request for a minute makes room, and
///   what finds none is counted as lost in [`Reading::KernelCost`].
pub struct BlockWatch {
    programs: Programs<BlockSkel<'static>>,
    tally: Tally<Key, Count>,
    cost: CostMeter,
    host: BTreeMap<(u32, u32, u32), Count>,
    decided: String,
}

impl BlockWatch {
    /// For this host, whose cgroups are those of `layout`; without one, of the unified hierarchy.
    ///
    /// # Errors
    /// What BPF programs need and is missing here.
    pub fn host(layout: Option<&CgroupLayout>) -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_tracepoints(TRACEPOINTS)?;
        let queue_first = kernel.arguments_of(ISSUE) == Some(2);
        let by_memory = by_memory_controller(layout);
        let configure = |open: &mut OpenBlockSkel<'_>| {
            if let Some(settings) = open.maps.rodata_data.as_mut() {
                settings.by_memory_controller = by_memory;
            }
            open.progs.handle__block_rq_issue.set_autoload(!queue_first);
            open.progs.handle__block_rq_issue_queue.set_autoload(queue_first);
            Ok(())
        };
        let programs = Programs::load(NAME, BlockSkelBuilder::default(), configure)?;
        let tally = Tally::of(&programs.skeleton().maps.counts, NAME);
        let by = if by_memory { "the issuing task" } else { "the request" };
        let decided = format!("BPF on {}, cgroup by {by}", TRACEPOINTS.join(" and "));
        Ok(Self { programs, tally, cost: CostMeter::default(), host: BTreeMap::new(), decided })
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        self.decided.clone()
    }

    fn lost(&self) -> u64 {
        let bss = self.programs.skeleton().maps.bss_data.as_deref();
        sum_lost(bss.map(|bss| &bss.lost))
    }
}

impl SignalProvider for BlockWatch {
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
        self.host.clear();
        let (host, counts) = (&mut self.host, &self.programs.skeleton().maps.counts);
        self.tally.read(counts, now, |key, count| {
            let kind = (key.major, key.minor, key.operation);
            host.entry(kind).or_insert(Count::NONE).add(count);
            if key.cgroup != NOBODY
                && let Some(reading) = reading(kind, count)
            {
                out.push(Subject::Cgroup(CgroupId(key.cgroup)), reading);
            }
        })?;
        for (&kind, count) in &self.host {
            if let Some(reading) = reading(kind, count) {
                out.push(Subject::Host, reading);
            }
        }
        self.cost.sample(&self.programs, self.lost(), out);
        Ok(())
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

/// `None` for an operation that the programs do not name.
fn reading((major, minor, operation): (u32, u32, u32), count: &Count) -> Option<Reading> {
    let operation = match operation {
        0 => BlockOperation::Read,
        1 => BlockOperation::Write,
        2 => BlockOperation::Flush,
        3 => BlockOperation::Discard,
        _ => return None,
    };
    Some(Reading::BlockLatency(Box::new(BlockLatency {
        device: (major, minor),
        operation,
        took: Latencies(count.took),
        bytes: Bytes::new(count.bytes),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_was_begun_anew_is_not_compared() {
        let mut before = Count::NONE;
        before.add(&Count { bytes: 4096, ..Count::NONE });
        before.took[3] = u32::MAX;
        let mut now = Count { bytes: 8192, ..before };
        now.took[3] = 1;
        let added = now.since(&before).unwrap();
        assert_eq!((added.bytes, added.took[3]), (4096, 2));
        assert!(!added.is_none() && Count::NONE.since(&before).is_none());
        assert!(now.since(&now).unwrap().is_none());
    }

    #[test]
    fn operations_have_their_names_and_others_none() {
        let name = |operation| match reading((254, 0, operation), &Count::NONE) {
            Some(Reading::BlockLatency(it)) => Some(it.operation),
            _ => None,
        };
        assert_eq!(name(0), Some(BlockOperation::Read));
        assert_eq!(name(3), Some(BlockOperation::Discard));
        assert_eq!(name(4), None);
    }
}
