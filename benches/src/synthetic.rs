//! A made-up host: the same numbers on every machine.

use std::time::Duration;

use gadget_core::{
    Bytes, CgroupId, CgroupIdentity, CgroupMemory, CgroupMemoryEvents, CgroupMemoryStat,
    CgroupVersion, HostMemory, MemoryLimit, Paging, Percent, Pressure, Reading, Resource, Signal,
    Stall, Subject, Timestamp,
};

const MIB: u64 = 1 << 20;

/// What a cgroup's memory does.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Still,
    ComesAndGoes,
    /// By about a quarter of the limit an hour; let go at nine tenths of it.
    Grows,
    /// By about the limit in ten minutes; let go at nine tenths of it.
    Leaks,
}

/// A host whose cgroups behave as services do: most stand still, many come and go around a level, a few grow.
///
/// Every signal is full, as in the worst second of a real host: limit, `memory.stat` and events each time.
#[derive(Debug)]
pub struct SyntheticHost {
    groups: Vec<Group>,
    random: u64,
    /// The first sweep brings the identities.
    begun: bool,
}

#[derive(Debug)]
struct Group {
    id: CgroupId,
    level: u64,
    anon: u64,
    file: u64,
    limit: u64,
    faults: u64,
    kind: Kind,
}

impl SyntheticHost {
    /// A host with so many cgroups.
    #[must_use]
    pub fn new(cgroups: u64) -> Self {
        let mut host = Self { groups: Vec::new(), random: 0x9e37_79b9_7f4a_7c15, begun: false };
        for number in 0..cgroups {
            let level = (16 + host.random() % 496) * MIB;
            let kind = match host.random() % 100 {
                0..55 => Kind::Still,
                55..95 => Kind::ComesAndGoes,
                _ => Kind::Grows,
            };
            host.groups.push(Group {
                id: CgroupId(1_000 + number),
                level,
                anon: level,
                file: level / 4,
                limit: level * 3,
                faults: 0,
                kind,
            });
        }
        host
    }

    /// The same, with a leak in every cgroup that fills its limit in about ten minutes, over and over.
    #[must_use]
    pub fn leaking(cgroups: u64) -> Self {
        let mut host = Self::new(cgroups);
        for group in &mut host.groups {
            group.kind = Kind::Leaks;
        }
        host
    }

    /// Every reading of one sweep at `at`.
    pub fn sweep(&mut self, at: Timestamp, out: &mut Vec<Signal>) {
        out.clear();
        let mut push = |subject, reading| out.push(Signal { at, subject, reading });
        if !self.begun {
            self.begun = true;
            for group in &self.groups {
                push(Subject::Cgroup(group.id), group.identity());
            }
        }
        let used: u64 = self.groups.iter().map(|group| group.anon + group.file).sum();
        push(Subject::Host, host_memory(used));
        push(Subject::Host, Reading::Pressure(Resource::Memory, calm()));
        for index in 0..self.groups.len() {
            let random = self.random();
            let group = &mut self.groups[index];
            group.live(random);
            push(Subject::Cgroup(group.id), Reading::CgroupMemory(group.memory()));
        }
    }

    /// xorshift64*.
    fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }
}

impl Group {
    fn live(&mut self, random: u64) {
        let pages = |most: u64| random % most * 4096;
        let seconds = match self.kind {
            Kind::Still => {
                self.anon = self.level + if random.is_multiple_of(30) { 4096 } else { 0 };
                return;
            }
            Kind::ComesAndGoes => {
                self.anon = self.level + pages(self.level / 65_536);
                self.file = self.level / 4 + pages(256);
                self.faults += random % 3;
                return;
            }
            Kind::Grows => 4 * 3_600,
            Kind::Leaks => 600,
        };
        self.anon += pages(2 + 2 * self.limit / 4096 / seconds);
        if self.anon > self.limit / 10 * 9 - self.file {
            self.anon = self.level;
        }
    }

    fn identity(&self) -> Reading {
        Reading::CgroupIdentity(Box::new(CgroupIdentity {
            path: format!("/system.slice/service-{}.service", self.id.0).into(),
            parent: None,
            version: CgroupVersion::V2,
            container: None,
            oom_group: false,
        }))
    }

    fn memory(&self) -> CgroupMemory {
        CgroupMemory {
            current: Bytes::new(self.anon + self.file + 3 * MIB),
            max: MemoryLimit::At(Bytes::new(self.limit)),
            high: MemoryLimit::Unlimited,
            stat: Some(CgroupMemoryStat {
                anon: Bytes::new(self.anon),
                file: Bytes::new(self.file),
                inactive_file: Bytes::new(self.file / 3),
                active_file: Bytes::new(self.file - self.file / 3),
                shmem: Bytes::ZERO,
                dirty: Bytes::new(self.faults * 4096 % MIB),
                slab_reclaimable: Some(Bytes::new(2 * MIB)),
                kernel: Some(Bytes::new(3 * MIB)),
                swap: Some(Bytes::ZERO),
                paging: Paging {
                    scanned: Some(0),
                    stolen: Some(0),
                    refaulted_file: Some(self.faults),
                    refaulted_anon: Some(0),
                    major_faults: Some(self.faults),
                    swapped_in: None,
                    swapped_out: None,
                },
            }),
            events: Some(CgroupMemoryEvents {
                high: Some(0),
                max: Some(0),
                oom: Some(0),
                oom_kill: Some(0),
            }),
        }
    }
}

fn host_memory(used: u64) -> Reading {
    // Always half as large again as what is used, so that the host itself is calm.
    let total = used / 2 * 3;
    Reading::HostMemory(HostMemory {
        total: Bytes::new(total),
        free: Bytes::new(total - used),
        available: Bytes::new(total - used),
        anon: Bytes::new(used / 4 * 3),
        ..HostMemory::default()
    })
}

fn calm() -> Pressure {
    let stall =
        Stall { avg10: Percent::ZERO, total: Duration::from_micros(4_096), ..Stall::default() };
    Pressure { some: stall, full: Some(stall) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hosts_are_the_same_and_no_cgroup_ever_exceeds_its_limit() {
        let hosts = [SyntheticHost::new, SyntheticHost::leaking];
        for (mut one, mut other) in hosts.map(|host| (host(100), host(100))) {
            let (mut signals, mut same) = (Vec::new(), Vec::new());
            for second in 0..2_000 {
                one.sweep(Timestamp::from_secs(second), &mut signals);
                other.sweep(Timestamp::from_secs(second), &mut same);
                assert_eq!(signals, same);
                for signal in &signals {
                    let Reading::CgroupMemory(memory) = &signal.reading else { continue };
                    let limit = memory.max.bytes().unwrap();
                    assert!(memory.current < limit, "{} of {limit}", memory.current);
                }
            }
        }
    }
}
