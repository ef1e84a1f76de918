//! Threads that claim anything of one another: the walk ends, every cycle is one, and what is printed can be read.
#![no_main]

use std::collections::HashSet;
use std::time::Duration;

use gadget_core::{
    Futex, FutexAddress, Lock, LockKind, ProcessId, Thread, ThreadId, Threads, Timestamp, Wait,
};
use gadget_pathologist::LockGraph;
use libfuzzer_sys::fuzz_target;

const KINDS: [LockKind; 6] = [
    LockKind::GlibcMutex,
    LockKind::GlibcRecursive,
    LockKind::GlibcRwlock,
    LockKind::Robust,
    LockKind::PriorityInheritance,
    LockKind::MuslMutex,
];

fuzz_target!(|bytes: &[u8]| {
    let mut processes: Vec<(ProcessId, Threads)> = (0..3)
        .map(|pid| (ProcessId { pid, start: 9 - u64::from(pid) }, Threads::default()))
        .collect();
    let ids = processes.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    for claim in bytes.chunks_exact(5) {
        let [process, tid, owner, kind, name] = *claim else { return };
        let wait = match kind % 8 {
            0 => Wait::Running,
            1 => Wait::Time,
            _ => Wait::Futex(Futex {
                address: FutexAddress::Private(u64::from(owner) << 56),
                timed: kind & 8 != 0,
                private: kind & 16 != 0,
                pi: false,
                word: None,
                lock: Some(Lock {
                    kind: KINDS[usize::from(kind) % KINDS.len()],
                    owner: (kind & 32 == 0).then(|| ThreadId {
                        process: ids[usize::from(owner >> 6) % ids.len()],
                        tid: u32::from(owner & 63),
                    }),
                    contended: kind & 64 == 0,
                    depth: None,
                }),
                joins: None,
            }),
        };
        processes[usize::from(process) % 3].1.threads.push(Thread {
            tid: u32::from(tid & 63),
            name: char::from(name).to_string().into(),
            state: if kind & 128 == 0 { 'S' } else { 'Z' },
            cpu: Duration::ZERO,
            ready: Duration::ZERO,
            slices: 0,
            since: (name & 1 == 0).then_some(Timestamp::from_secs(u64::from(name))),
            wait,
        });
    }
    let graph = LockGraph::of_all(processes.iter().map(|(id, threads)| (*id, threads)));
    let mut seen = HashSet::new();
    for cycle in graph.cycles() {
        assert!(!cycle.sentence(None, 3).is_empty() && cycle.len() > 0);
        for thread in cycle.threads() {
            assert!(seen.insert(thread), "a thread waits for one lock, so that it is on one cycle");
        }
    }
    assert!(seen.len() <= graph.waiting() && graph.waiting() <= graph.threads());
    let (text, picture) = (graph.to_string(), graph.svg());
    assert!(text.ends_with('\n') && picture.ends_with("</svg>\n"));
    let odd = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(odd) && !picture.contains(odd));
});
