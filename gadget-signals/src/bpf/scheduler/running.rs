//! The scheduler's programs while somebody asks, and their counts.

use std::io;
use std::time::Instant;

use gadget_core::{CgroupId, LATENCY_BUCKETS, Latencies, Scheduling, SignalError};
use libbpf_rs::{MapCore as _, MapFlags};

use super::NAME;
use crate::bpf::program::{Programs, sum_lost, volatile};
use crate::bpf::record::record;
use crate::bpf::skel::scheduler::types::{bss, sched_count};
use crate::bpf::skel::scheduler::{OpenSchedulerSkel, SchedulerSkel, SchedulerSkelBuilder};
use crate::bpf::targets::{self, TargetTable};

/// As many cgroups at a time (`GROUPS` in `bpf/scheduler.h`).
pub(super) const GROUPS: usize = 256;

record! {
    /// `struct sched_count`.
    Count = "sched_count" in crate::bpf::skel::scheduler::DATA { voluntary: u64, involuntary: u64, run_queue: [u32; LATENCY_BUCKETS], off_cpu: [u32; LATENCY_BUCKETS], }
}

/// What the programs are told.
pub(super) struct Settings {
    pub(super) by_memory_controller: bool,
    pub(super) has_prev_state: bool,
}

/// Whose counts.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Process(usize),
    Group(usize),
}

/// Loaded and attached.
pub(super) struct Running {
    pub(super) table: TargetTable,
    pub(super) programs: Programs<SchedulerSkel<'static>>,
}

impl Running {
    pub(super) fn start(settings: &Settings) -> Result<Self, SignalError> {
        let ids = targets::process_ids()?;
        let programs = Programs::load(
            NAME,
            SchedulerSkelBuilder::default(),
            |open: &mut OpenSchedulerSkel<'_>| {
                if let Some(constants) = open.maps.rodata_data.as_mut() {
                    constants.by_memory_controller = settings.by_memory_controller;
                    constants.has_prev_state = settings.has_prev_state;
                }
                targets::resize(&mut open.maps.targets, ids)
            },
        )?;
        let table = TargetTable::of(&programs.skeleton().maps.targets, ids, NAME)?;
        Ok(Self { table, programs })
    }

    /// Has the programs look for a cgroup.
    pub(super) fn ask(&self, id: CgroupId, index: usize) -> Result<(), SignalError> {
        let index = u32::try_from(index).unwrap_or(0);
        let groups = &self.programs.skeleton().maps.groups;
        groups
            .update(&id.0.to_ne_bytes(), &index.to_ne_bytes(), MapFlags::ANY)
            .map_err(|error| failed("ask", io::Error::other(error)))
    }

    pub(super) fn forget(&self, id: CgroupId) -> Result<(), SignalError> {
        let groups = &self.programs.skeleton().maps.groups;
        groups.delete(&id.0.to_ne_bytes()).map_err(|error| failed("ask", io::Error::other(error)))
    }

    /// Says how many cgroups there are to look for: without any, programs do not look for a task's.
    pub(super) fn set_asked(&mut self, groups: usize) -> Result<(), SignalError> {
        let bss = self.programs.skeleton_mut().maps.bss_data.as_deref_mut();
        let bss = bss.ok_or_else(|| failed("ask", io::ErrorKind::NotFound.into()))?;
        bss.groups_asked = u32::try_from(groups).unwrap_or(u32::MAX);
        Ok(())
    }

    fn bss(&self) -> Result<&bss, SignalError> {
        let bss = self.programs.skeleton().maps.bss_data.as_deref();
        bss.ok_or_else(|| failed("read the counters of", io::ErrorKind::NotFound.into()))
    }

    pub(super) fn count(&self, of: Of) -> Result<Count, SignalError> {
        let bss = self.bss()?;
        let sched_count { voluntary, involuntary, run_queue, off_cpu } = volatile(match of {
            Of::Process(index) => &bss.by_process[index],
            Of::Group(index) => &bss.by_group[index],
        });
        Ok(Count { voluntary, involuntary, run_queue, off_cpu })
    }

    pub(super) fn lost(&self) -> u64 {
        sum_lost(self.bss().ok().map(|bss| &bss.lost))
    }
}

fn failed(attempt: &'static str, source: io::Error) -> SignalError {
    SignalError::Program { attempt, provider: NAME, source }
}

/// What was last told of a subject, and when.
pub(super) struct Told {
    at: Instant,
    count: Count,
}

impl Told {
    /// Of one that is asked for from now on.
    pub(super) fn now(count: Count) -> Box<Self> {
        Box::new(Self { at: Instant::now(), count })
    }

    /// What was added since, which is told from now on.
    pub(super) fn since(&mut self, count: Count) -> Scheduling {
        let (now, before) = (Instant::now(), self.count);
        let over = now.duration_since(self.at);
        *self = Self { at: now, count };
        let added = |now: [u32; LATENCY_BUCKETS], before: [u32; LATENCY_BUCKETS]| {
            Latencies(std::array::from_fn(|at| now[at].wrapping_sub(before[at])))
        };
        Scheduling {
            over,
            run_queue: added(count.run_queue, before.run_queue),
            off_cpu: added(count.off_cpu, before.off_cpu),
            voluntary: count.voluntary.wrapping_sub(before.voluntary),
            involuntary: count.involuntary.wrapping_sub(before.involuntary),
        }
    }
}
