//! The changes from one census to another, made to the one, give the other.

#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use gadget_core::{Bytes, Census, CensusChange, CensusRow, CensusSource, Comm, ProcessId};
use libfuzzer_sys::fuzz_target;

/// Process ids with when they began, their parents, users and names.
type Processes = Vec<(u8, u8, u8, u8, [u8; 2])>;

fn census(mut processes: Processes) -> Census {
    processes.sort_unstable();
    processes.dedup_by_key(|(pid, ..)| *pid);
    let row = |(pid, start, parent, uid, comm): (u8, u8, u8, u8, [u8; 2])| CensusRow {
        id: ProcessId { pid: pid.into(), start: start.into() },
        parent: parent.into(),
        uid: uid.into(),
        comm: Comm::new(&comm),
        state: 'S',
        kernel_thread: false,
        threads: 1,
        execs: None,
        cgroup: None,
        user: Duration::ZERO,
        system: Duration::ZERO,
        minor_faults: 0,
        major_faults: 0,
        voluntary_switches: None,
        involuntary_switches: None,
        rss: Bytes::ZERO,
        virtual_size: Bytes::ZERO,
        swap: None,
        io: None,
    };
    Census {
        source: CensusSource::Files,
        over: None,
        cost: Duration::ZERO,
        busy: Duration::ZERO,
        vanished: 0,
        rows: processes.into_iter().map(row).collect(),
    }
}

fuzz_target!(|input: (Processes, Processes)| {
    let (before, after) = (census(input.0), census(input.1));
    let mut held: BTreeMap<_, _> = before.rows.iter().map(|row| (row.id, *row)).collect();
    after.diff(&before, |change| match change {
        CensusChange::Created(now) => assert!(held.insert(now.id, *now).is_none()),
        CensusChange::Changed { before, now } => {
            assert_eq!(held.insert(now.id, *now), Some(*before));
        }
        CensusChange::Terminated(before) => assert_eq!(held.remove(&before.id), Some(*before)),
    });
    assert!(held.into_values().eq(after.rows));
});
