//! One of everything that a frame can hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::log::Severity;
use crate::rules::RuleState;
use crate::signal::{
    BlockLatency, BlockOperation, CaptureCall, Census, CensusRow, CensusSource, CgroupCpu,
    CgroupMemory, CgroupMemoryEvents, CgroupMemoryStat, CgroupPids, Comm, End, Exit, ExitSource,
    Exits, Futex, HostCpu, HostMemory, IoCount, KernelCost, Latencies, Lifecycle, Listener, Lock,
    LockKind, LogActivity, LogTemplate, ModuleUse, MonitorWait, PageFaults, Paging, Peer, Pressure,
    ProcessDetail, ProcessUsage, Reading, Reclaim, Resource, RuleReport, RuntimeReport, Scheduling,
    ServiceLogs, SettingsText, SpanStats, Stall, Syscalls, Tcp, Thread, Threads, Wait, Wakers,
};
use crate::subject::{
    CgroupId, CgroupIdentity, CgroupVersion, Container, FutexAddress, HostFacts, ProcessId,
    ProcessIdentity, QosClass, Runtime, Subject, ThreadId,
};
use crate::units::{Bytes, MemoryLimit, Percent, Timestamp};

/// One of everything, every field present and written out, so that a new field does not compile until it is here.
pub(in crate::recording) fn samples() -> (HostFacts, Vec<Subject>, Vec<Reading>) {
    let facts = HostFacts { boot_id: "b".into(), kernel: "k".into(), agent_pid: 300, cpus: 2 };
    let process = ProcessId { pid: 300, start: 70_000 };
    let subjects = vec![
        Subject::Host,
        Subject::Cgroup(CgroupId(70_000)),
        Subject::Process(process),
        Subject::Agent,
    ];
    let mut readings = vec![
        Reading::HostMemory(host_memory()),
        Reading::HostCpu(host_cpu()),
        Reading::CgroupMemory(cgroup_memory()),
        Reading::CgroupCpu(CgroupCpu {
            usage: Duration::new(1, 2),
            periods: Some(3),
            throttled_periods: Some(4),
            throttled: Some(Duration::new(5, 6)),
        }),
        Reading::CgroupIo(io_count()),
        Reading::CgroupPids(CgroupPids { current: 1, max: Some(2) }),
        Reading::ProcessUsage(process_usage()),
        Reading::ProcessIo(io_count()),
        Reading::Gone,
        Reading::OomKill(1),
        Reading::HostIo(io_count()),
        Reading::Threads(Box::new(threads())),
        Reading::RuntimeReport(Box::new(runtime_report())),
    ];
    readings.extend(of_the_kernel());
    readings.extend(of_all_processes());
    readings.extend(of_the_agent());
    readings.extend(
        [Resource::Memory, Resource::Cpu, Resource::Io]
            .into_iter()
            .flat_map(|it| [Reading::Pressure(it, pressure()), Reading::StallTrigger(it)]),
    );
    for version in [CgroupVersion::V1, CgroupVersion::V2] {
        for qos in [QosClass::BestEffort, QosClass::Burstable, QosClass::Guaranteed] {
            readings.push(Reading::CgroupIdentity(Box::new(cgroup_identity(version, qos))));
        }
    }
    use Runtime::{DotNet, Jvm, Native, Node, Perl, Php, Python, Ruby};
    for runtime in [Native, Jvm, Python, Node, Ruby, DotNet, Perl, Php] {
        readings.push(Reading::ProcessIdentity(Box::new(process_identity(runtime))));
    }
    (facts, subjects, readings)
}

fn host_memory() -> HostMemory {
    HostMemory {
        total: Bytes::new(1),
        free: Bytes::new(2),
        available: Bytes::new(3),
        anon: Bytes::new(4),
        active_file: Bytes::new(5),
        inactive_file: Bytes::new(6),
        shmem: Bytes::new(7),
        slab_reclaimable: Bytes::new(8),
        swap_total: Bytes::new(9),
        swap_free: Bytes::new(10),
        paging: paging(),
        oom_kills: Some(11),
    }
}

fn paging() -> Paging {
    Paging {
        scanned: Some(1),
        stolen: Some(2),
        refaulted_file: Some(3),
        refaulted_anon: Some(4),
        major_faults: Some(5),
        swapped_in: Some(6),
        swapped_out: Some(7),
    }
}

fn host_cpu() -> HostCpu {
    HostCpu {
        user: Duration::new(1, 2),
        system: Duration::new(3, 4),
        idle: Duration::new(5, 6),
        iowait: Duration::new(7, 8),
        steal: Duration::new(9, 10),
        running: Some(11),
        load1: Some(0.5),
        forks: Some(12),
    }
}

fn pressure() -> Pressure {
    let percent = |percent| Percent::new(percent).unwrap_or_default();
    let stall = Stall {
        avg10: percent(1.0),
        avg60: percent(2.0),
        avg300: percent(3.0),
        total: Duration::new(4, 5),
    };
    Pressure { some: stall, full: Some(stall) }
}

fn cgroup_memory() -> CgroupMemory {
    CgroupMemory {
        current: Bytes::new(1),
        max: MemoryLimit::At(Bytes::new(2)),
        high: MemoryLimit::Unlimited,
        stat: Some(CgroupMemoryStat {
            anon: Bytes::new(1),
            file: Bytes::new(2),
            inactive_file: Bytes::new(3),
            active_file: Bytes::new(4),
            shmem: Bytes::new(5),
            dirty: Bytes::new(6),
            slab_reclaimable: Some(Bytes::new(7)),
            kernel: Some(Bytes::new(8)),
            swap: Some(Bytes::new(9)),
            paging: paging(),
        }),
        events: Some(CgroupMemoryEvents {
            high: Some(1),
            max: Some(2),
            oom: Some(3),
            oom_kill: Some(4),
        }),
    }
}

fn io_count() -> IoCount {
    IoCount { read: Bytes::new(1), written: Bytes::new(2) }
}

fn process_usage() -> ProcessUsage {
    ProcessUsage {
        rss: Bytes::new(1),
        shared: Some(Bytes::new(2)),
        pss: Some(Bytes::new(3)),
        swap: Some(Bytes::new(4)),
        cpu: Duration::new(5, 6),
        minor_faults: 7,
        major_faults: 8,
        threads: 9,
        state: 'R',
        voluntary_switches: Some(10),
        involuntary_switches: Some(11),
    }
}

fn cgroup_identity(version: CgroupVersion, qos: QosClass) -> CgroupIdentity {
    CgroupIdentity {
        path: "/a".into(),
        parent: Some(CgroupId(1)),
        version,
        container: Some(Container {
            runtime: "r".into(),
            id: "i".into(),
            pod: Some("p".into()),
            qos: Some(qos),
        }),
        oom_group: true,
    }
}

fn process_identity(runtime: Runtime) -> ProcessIdentity {
    ProcessIdentity {
        parent: 1,
        comm: "c".into(),
        exe: Some("e".into()),
        uid: 2,
        cgroup: Some(CgroupId(3)),
        cgroup_path: Some("/a".into()),
        oom_score_adj: Some(-1),
        kernel_thread: false,
        runtime,
    }
}

fn threads() -> Threads {
    use LockKind::{
        GlibcMutex, GlibcRecursive, GlibcRwlock, MuslMutex, PriorityInheritance, Robust,
    };
    let owner = ThreadId { process: ProcessId { pid: 300, start: 70_000 }, tid: 301 };
    let futex = |address, kind| {
        let lock = Lock { kind, owner: Some(owner), contended: true, depth: Some(1) };
        Wait::Futex(Futex {
            address,
            timed: true,
            private: true,
            pi: true,
            word: Some(2),
            lock: Some(lock),
            joins: Some(302),
        })
    };
    let shared = FutexAddress::Shared { device: 1, inode: 2, offset: 3 };
    let kinds = [GlibcMutex, GlibcRecursive, GlibcRwlock, Robust, PriorityInheritance, MuslMutex];
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    let mut waits: Vec<_> =
        kinds.into_iter().map(|kind| futex(FutexAddress::Private(4096), kind)).collect();
    waits.extend([
        futex(shared, GlibcMutex),
        Wait::Running,
        Wait::Peer(Peer {
            address: Some(address),
            sent: Some(Duration::new(1, 2)),
            received: Some(Duration::new(3, 4)),
            timed: true,
        }),
        Wait::Client { fd: 3 },
        Wait::Files { timed: true },
        Wait::Time,
        Wait::Child,
        Wait::Signal,
        Wait::Stopped,
        Wait::Kernel { channel: "c".into() },
        Wait::Call { number: 300 },
        Wait::Unknown,
    ]);
    let thread = |wait| Thread {
        tid: 300,
        name: "t".into(),
        state: 'S',
        cpu: Duration::new(1, 2),
        ready: Duration::new(3, 4),
        slices: 5,
        since: Some(Timestamp::from_secs(6)),
        wait,
    };
    Threads {
        threads: waits.into_iter().map(thread).collect(),
        left_out: 1,
        wakers: Wakers {
            signal_timers: Some(true),
            io_uring: Some(true),
            traced: Some(true),
            caught: Some(1),
        },
        listeners: vec![Listener { address, queued: 1, limit: 2, still: Duration::new(3, 4) }],
    }
}

fn runtime_report() -> RuntimeReport {
    let wait = MonitorWait { thread: "a".into(), monitor: "m".into(), held_by: "b".into() };
    RuntimeReport { deadlocks: vec![vec![wait]] }
}

fn of_the_kernel() -> Vec<Reading> {
    let took = Latencies([1; _]);
    let mut readings = vec![
        Reading::Lifecycle(Lifecycle { forks: 1, execs: 2, exits: 3, signalled: 4, short: 5 }),
        Reading::Exited(Exit {
            code: Some(1),
            signal: Some(2),
            lifetime: Duration::new(3, 4),
            peak_rss: Some(Bytes::new(5)),
        }),
        Reading::Syscalls(Box::new(Syscalls {
            over: Duration::new(1, 2),
            counts: vec![(300, 3)],
            waits: Some(took),
            works: Some(took),
        })),
        Reading::Scheduling(Box::new(Scheduling {
            over: Duration::new(1, 2),
            run_queue: took,
            off_cpu: took,
            voluntary: 3,
            involuntary: 4,
        })),
        Reading::PageFaults(PageFaults { minor: 1, major: 2 }),
        Reading::Tcp(Tcp {
            retransmits: 1,
            resets_sent: 2,
            resets_received: 3,
            opened: 4,
            closed: 5,
            listen_overflows: 6,
        }),
        Reading::ListenOverflow(1),
        Reading::OomVictim,
        Reading::Signalled { signal: 9, count: 300 },
        Reading::Reclaim(Reclaim { begun: 1, took: Duration::new(2, 3), pages: 4 }),
        Reading::KernelCost(Box::new(KernelCost {
            provider: "p".into(),
            runs: 1,
            took: Duration::new(2, 3),
            over: Duration::new(4, 5),
            lost: 6,
        })),
    ];
    use BlockOperation::{Discard, Flush, Read, Write};
    for operation in [Read, Write, Flush, Discard] {
        let latency = BlockLatency { device: (8, 300), operation, took, bytes: Bytes::new(1) };
        readings.push(Reading::BlockLatency(Box::new(latency)));
    }
    readings
}

fn of_all_processes() -> Vec<Reading> {
    let id = ProcessId { pid: 300, start: 70_000 };
    let comm = Comm::new(b"c");
    let row = CensusRow {
        id,
        parent: 1,
        uid: 2,
        comm,
        state: 'R',
        kernel_thread: true,
        threads: 3,
        execs: Some(4),
        cgroup: Some(CgroupId(5)),
        user: Duration::new(6, 7),
        system: Duration::new(8, 9),
        minor_faults: 10,
        major_faults: 11,
        voluntary_switches: Some(12),
        involuntary_switches: Some(13),
        rss: Bytes::new(14),
        virtual_size: Bytes::new(15),
        swap: Some(Bytes::new(16)),
        io: Some(io_count()),
    };
    use CensusSource::{BpfIterator, BpfWalk, Files, KeptFiles};
    let census = |source| Census {
        source,
        over: Some(Duration::new(1, 2)),
        cost: Duration::new(3, 4),
        busy: Duration::new(5, 6),
        vanished: 7,
        rows: vec![row],
    };
    let end = End {
        id,
        parent: 1,
        parent_comm: Some(comm),
        comm,
        cgroup: Some(CgroupId(2)),
        exit: Exit {
            code: Some(1),
            signal: Some(2),
            lifetime: Duration::new(3, 4),
            peak_rss: Some(Bytes::new(5)),
        },
        user: Some(Duration::new(6, 7)),
        system: Some(Duration::new(8, 9)),
        execs: 10,
        oom: true,
    };
    let exits =
        |source| Exits { source, forks: 1, execs: 2, produced: 3, lost: 4, ends: vec![end] };
    let detail = ProcessDetail {
        command_line: Some("a b".into()),
        exe: Some("e".into()),
        fds: Some(1),
        pss: Some(Bytes::new(2)),
        io: Some(io_count()),
        cgroup: Some(CgroupId(3)),
    };
    let mut readings: Vec<_> = [BpfWalk, BpfIterator, KeptFiles, Files]
        .map(|source| Reading::Census(Arc::new(census(source))))
        .into();
    readings.extend(
        [ExitSource::Bpf, ExitSource::Netlink, ExitSource::Scan]
            .map(|source| Reading::Exits(Arc::new(exits(source)))),
    );
    readings.push(Reading::Users(Arc::new(vec![(300, "u".into())])));
    readings.push(Reading::ProcessDetail(Box::new(detail)));
    readings
}

fn of_the_agent() -> Vec<Reading> {
    vec![
        Reading::ModuleUse(Box::new(ModuleUse {
            module: "m".into(),
            cpu: Duration::new(1, 2),
            over: Duration::new(3, 4),
            memory: Some(Bytes::new(5)),
            fds: Some(6),
            silent: Some(Duration::new(7, 8)),
        })),
        Reading::Settings(Box::new(SettingsText {
            gadget: "g".into(),
            from: "f".into(),
            text: "t".into(),
        })),
        Reading::LogActivity(Arc::new(LogActivity {
            over: Duration::new(1, 2),
            services: vec![ServiceLogs {
                service: "s".into(),
                lines: 3,
                errors: 4,
                bytes: 5,
                lost: 6,
            }],
        })),
        Reading::LogTemplate(Box::new(LogTemplate {
            service: "s".into(),
            template: "t".into(),
            id: 1,
            severity: Some(Severity::Fatal),
            at: Timestamp::from_secs(2),
            known: 3,
            lines: 4,
            kin: 5,
            count: 6,
            elsewhere: 7,
        })),
        Reading::SpanStats(Box::new(SpanStats {
            service: "s".into(),
            name: "n".into(),
            over: Duration::new(1, 2),
            count: 3,
            errors: 4,
            p50: Duration::new(5, 6),
            p99: Duration::new(7, 8),
        })),
        Reading::CaptureCall(Box::new(CaptureCall {
            by: "b".into(),
            reason: "r".into(),
            service: Some("s".into()),
        })),
        Reading::RuleReport(Box::new(RuleReport {
            rule: 1,
            finds: "f".into(),
            text: "t".into(),
            state: RuleState::Retired,
            agreed: 2,
            disagreed: 3,
            lines: 4,
            lookalikes: 5,
            worst: 6,
            since: Timestamp::from_secs(7),
            expires: Timestamp::from_secs(8),
        })),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::mem::discriminant;

    use super::*;

    /// How many variants there are; a new one does not compile until it is counted here.
    fn variants(reading: &Reading) -> usize {
        match reading {
            Reading::HostMemory(_)
            | Reading::HostCpu(_)
            | Reading::Pressure(..)
            | Reading::CgroupMemory(_)
            | Reading::CgroupCpu(_)
            | Reading::CgroupIo(_)
            | Reading::CgroupPids(_)
            | Reading::CgroupIdentity(_)
            | Reading::ProcessUsage(_)
            | Reading::ProcessIo(_)
            | Reading::ProcessIdentity(_)
            | Reading::Gone
            | Reading::StallTrigger(_)
            | Reading::OomKill(_)
            | Reading::HostIo(_)
            | Reading::Threads(_)
            | Reading::RuntimeReport(_)
            | Reading::Lifecycle(_)
            | Reading::Exited(_)
            | Reading::Syscalls(_)
            | Reading::Scheduling(_)
            | Reading::BlockLatency(_)
            | Reading::PageFaults(_)
            | Reading::Tcp(_)
            | Reading::ListenOverflow(_)
            | Reading::OomVictim
            | Reading::Signalled { .. }
            | Reading::Reclaim(_)
            | Reading::KernelCost(_)
            | Reading::Census(_)
            | Reading::Exits(_)
            | Reading::Users(_)
            | Reading::ProcessDetail(_)
            | Reading::ModuleUse(_)
            | Reading::Settings(_)
            | Reading::LogActivity(_)
            | Reading::LogTemplate(_)
            | Reading::SpanStats(_)
            | Reading::CaptureCall(_)
            | Reading::RuleReport(_) => 40,
        }
    }

    #[test]
    fn the_samples_hold_every_kind_of_reading() {
        let (_, _, readings) = samples();
        let kinds: HashSet<_> = readings.iter().map(discriminant).collect();
        assert_eq!(kinds.len(), variants(&readings[0]));
    }

    #[test]
    fn no_field_of_the_samples_is_absent() {
        let (_, subjects, readings) = samples();
        let json = serde_json::to_string(&(subjects, readings)).unwrap();
        assert!(!json.contains("null"), "what is absent is not covered by a fingerprint: {json}");
    }
}
