//! What is read of one group in one sweep, and how often.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Bytes, CgroupId, CgroupIdentity, CgroupMemory, CgroupMemoryEvents, CgroupMemoryStat,
    CgroupPids, CgroupVersion, MemoryLimit, Percent, Reading, Resource, SignalError, Signals,
    Subject,
};

use super::files::{CgroupFiles, File};
use super::memory::{
    parse_memory_events, parse_memory_limit, parse_memory_stat_v1, parse_memory_stat_v2,
    parse_oom_control,
};
use super::reader::{Handle, Reader};
use super::usage::{
    parse_blkio, parse_cpu_stat_v1, parse_cpu_stat_v2, parse_io_stat, parse_pids_max,
};
use crate::container::container_of;
use crate::pressure::parse_pressure;
use crate::text::number;

/// Limits of a calm group are read again in every fifth sweep.
const LIMITS_EVERY: u32 = 5;
/// A small group's usage moves by pages all the time; less than this is no movement.
const LEAST_MOVEMENT: Bytes = Bytes::from_mib(1);

/// When a group is calm, so that a sweep reads its usage alone and leaves `memory.stat`, events and pressure for later.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calm {
    /// A group is calm while it uses less than this share of its limit. Default 50 %; zero makes no limited group calm.
    pub below: Percent,
    /// A group is calm while its usage has moved by less than this share, or less than 1 MiB, since its detailed files
    /// were last read. Default 2 %.
    pub moved: Percent,
    /// Detailed files of a calm group are read in one of so many sweeps. Default 10; one makes no group calm.
    pub sweeps: u32,
}

impl Default for Calm {
    fn default() -> Self {
        let percent = |value| Percent::new(value).unwrap_or_default();
        Self { below: percent(50.0), moved: percent(2.0), sweeps: 10 }
    }
}

impl Calm {
    /// No group is calm: everything is read of every group in every sweep.
    #[must_use]
    pub fn never() -> Self {
        Self { sweeps: 1, ..Self::default() }
    }
}

/// What all groups are read by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    pub(super) files: CgroupFiles,
    pub(super) calm: Calm,
}

/// One group and what was read of it before.
pub(super) struct Group {
    pub(super) handle: Handle,
    pub(super) parent: Option<CgroupId>,
    /// The number of the last walk that found it.
    pub(super) walk: u64,
    oom_group: bool,
    limits: Option<(MemoryLimit, MemoryLimit)>,
    limits_age: u32,
    detail_age: u32,
    detailed_at: Option<Bytes>,
    oom_kills: Option<u64>,
}

impl Group {
    pub(super) fn new(id: CgroupId, path: Arc<str>, parent: Option<CgroupId>, walk: u64) -> Self {
        Self {
            handle: Handle::new(id, path),
            parent,
            walk,
            oom_group: false,
            limits: None,
            limits_age: 0,
            detail_age: 0,
            detailed_at: None,
            oom_kills: None,
        }
    }

    /// Says what the group is, if it was not said before or something about it has changed.
    pub(super) fn identify(&mut self, reader: &mut Reader, first: bool, out: &mut Signals) {
        let oom_group = reader.read(&mut self.handle, File::OomGroup, number) == Some(1);
        if !first && oom_group == self.oom_group {
            return;
        }
        self.oom_group = oom_group;
        let home = reader.layout.mount(reader.layout.home());
        // A container names itself in the part of the path above the mount, where only a part is mounted.
        let above = home.map_or("", |mount| mount.root.trim_end_matches('/'));
        let container = if above.is_empty() {
            container_of(&self.handle.path)
        } else {
            container_of(&format!("{above}{}", self.handle.path))
        };
        let identity = CgroupIdentity {
            path: self.handle.path.clone(),
            parent: self.parent,
            version: reader.layout.version(),
            container,
            oom_group,
        };
        out.push(Subject::Cgroup(self.handle.id), Reading::CgroupIdentity(Box::new(identity)));
    }

    /// Reads the group, in detail if it was `named` or is not calm. False if it is gone.
    pub(super) fn read(
        &mut self,
        reader: &mut Reader,
        manner: &Manner,
        named: bool,
        out: &mut Signals,
    ) -> bool {
        let subject = Subject::Cgroup(self.handle.id);
        let current = reader.read(&mut self.handle, File::Current, number).map(Bytes::new);
        let limits = current.and_then(|_| self.limits(reader, named));
        let detailed = named || self.is_due(current, limits, manner.calm);
        if let Some((current, (max, high))) = current.zip(limits) {
            let (mut stat, mut events) = (None, None);
            if detailed {
                stat = self.stat(reader);
                events = self.events(reader);
                self.detailed_at = Some(current);
            }
            let memory = CgroupMemory { current, max, high, stat, events };
            out.push(subject, Reading::CgroupMemory(memory));
            self.count_kills(events, out);
        }
        if detailed {
            // The ages of groups that are first read together are spread, so that they do not stay together.
            let first = std::mem::replace(&mut self.detail_age, 1) == 0;
            if first {
                self.detail_age += (self.handle.id.0 % u64::from(manner.calm.sweeps.max(1))) as u32;
            }
            self.pressure(reader, Resource::Memory, File::MemoryPressure, out);
        } else {
            self.detail_age += 1;
        }
        self.rest(reader, manner.files, out);
        !std::mem::take(&mut self.handle.doubt) || reader.is_alive(&self.handle)
    }

    /// `memory.max` and `memory.high`, read again if that is due; `None` if they cannot be read.
    fn limits(&mut self, reader: &mut Reader, named: bool) -> Option<(MemoryLimit, MemoryLimit)> {
        self.limits_age += 1;
        if named || self.limits.is_none() || self.limits_age >= LIMITS_EVERY {
            self.limits_age = 0;
            let handle = &mut self.handle;
            let mut limit = |file| {
                let limit = reader.read(handle, file, parse_memory_limit);
                limit.or(handle.lacks(file).then_some(MemoryLimit::Unlimited))
            };
            self.limits = limit(File::Max).zip(limit(File::High));
        }
        self.limits
    }

    fn is_due(
        &self,
        current: Option<Bytes>,
        limits: Option<(MemoryLimit, MemoryLimit)>,
        calm: Calm,
    ) -> bool {
        if self.detail_age == 0 || self.detail_age >= calm.sweeps {
            return true;
        }
        let Some((current, (max, high))) = current.zip(limits) else { return false };
        if let MemoryLimit::At(limit) = max.min(high)
            && current.as_f64() >= limit.as_f64() * calm.below.get() / 100.0
        {
            return true;
        }
        self.detailed_at.is_none_or(|before| {
            let moved = current.saturating_sub(before).max(before.saturating_sub(current));
            moved >= LEAST_MOVEMENT && moved.as_f64() > before.as_f64() * calm.moved.get() / 100.0
        })
    }

    fn stat(&mut self, reader: &mut Reader) -> Option<CgroupMemoryStat> {
        let handle = &mut self.handle;
        let stat = match reader.layout.version() {
            CgroupVersion::V1 => {
                let stat = reader.read(handle, File::Stat, parse_memory_stat_v1)?;
                let kernel = reader.read(handle, File::Kernel, number).map(Bytes::new);
                CgroupMemoryStat { kernel, ..stat }
            }
            CgroupVersion::V2 => {
                let stat = reader.read(handle, File::Stat, parse_memory_stat_v2)?;
                let swap = reader.read(handle, File::Swap, number).map(Bytes::new);
                CgroupMemoryStat { swap, ..stat }
            }
        };
        Some(stat)
    }

    fn events(&mut self, reader: &mut Reader) -> Option<CgroupMemoryEvents> {
        let handle = &mut self.handle;
        match reader.layout.version() {
            CgroupVersion::V1 => {
                let oom_kill = reader.read(handle, File::Events, parse_oom_control)?;
                let max = reader.read(handle, File::Failures, number);
                Some(CgroupMemoryEvents { max, oom_kill, ..CgroupMemoryEvents::default() })
            }
            CgroupVersion::V2 => reader.read(handle, File::Events, parse_memory_events),
        }
    }

    /// Says how many were killed since the events were last read.
    fn count_kills(&mut self, events: Option<CgroupMemoryEvents>, out: &mut Signals) {
        let Some(now) = events.and_then(|events| events.oom_kill) else { return };
        let before = self.oom_kills.replace(now).unwrap_or(now);
        if now > before {
            out.push(Subject::Cgroup(self.handle.id), Reading::OomKill(now - before));
        }
    }

    fn pressure(&mut self, reader: &mut Reader, resource: Resource, file: File, out: &mut Signals) {
        if let Some(pressure) = reader.read(&mut self.handle, file, parse_pressure) {
            out.push(Subject::Cgroup(self.handle.id), Reading::Pressure(resource, pressure));
        }
    }

    /// The files that were asked for besides memory.
    fn rest(&mut self, reader: &mut Reader, files: CgroupFiles, out: &mut Signals) {
        let subject = Subject::Cgroup(self.handle.id);
        let v1 = reader.layout.version() == CgroupVersion::V1;
        if files.contains(CgroupFiles::CPU) {
            let handle = &mut self.handle;
            let cpu = if v1 {
                let usage = reader.read(handle, File::CpuUsage, number).map(Duration::from_nanos);
                usage.and_then(|usage| {
                    let parse = |text: &[u8], path: &Path| parse_cpu_stat_v1(text, path, usage);
                    reader.read(handle, File::CpuStat, parse)
                })
            } else {
                reader.read(handle, File::CpuStat, parse_cpu_stat_v2)
            };
            out.extend_one(subject, cpu.map(Reading::CgroupCpu));
        }
        if files.contains(CgroupFiles::IO) {
            let parse: fn(&[u8], &Path) -> Result<_, SignalError> =
                if v1 { parse_blkio } else { parse_io_stat };
            out.extend_one(
                subject,
                reader.read(&mut self.handle, File::Io, parse).map(Reading::CgroupIo),
            );
        }
        if files.contains(CgroupFiles::PIDS) {
            let current = reader.read(&mut self.handle, File::PidsCurrent, number);
            let max = reader.read(&mut self.handle, File::PidsMax, parse_pids_max);
            let pids = current.map(|current| CgroupPids { current, max: max.flatten() });
            out.extend_one(subject, pids.map(Reading::CgroupPids));
        }
        if files.contains(CgroupFiles::PRESSURE) {
            self.pressure(reader, Resource::Cpu, File::CpuPressure, out);
            self.pressure(reader, Resource::Io, File::IoPressure, out);
        }
    }
}

/// Adds a reading if there is one.
trait ExtendOne {
    fn extend_one(&mut self, subject: Subject, reading: Option<Reading>);
}

impl ExtendOne for Signals {
    fn extend_one(&mut self, subject: Subject, reading: Option<Reading>) {
        if let Some(reading) = reading {
            self.push(subject, reading);
        }
    }
}
