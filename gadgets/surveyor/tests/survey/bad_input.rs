//! What cannot be, and is read all the same.

use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Bytes, Census, CensusRow, CensusSource, Comm, ExitSource, Exits, IoCount, ProcessId, Reading,
    Subject,
};
use gadget_envelope::ProcessRow;
use proptest::prelude::*;

use crate::host::{Rig, batch, census, end, ms, row};

#[test]
fn no_process_and_one() {
    let mut rig = Rig::each_scan("");
    rig.scan(census(ms(0), vec![]));
    rig.next(census(ms(0), vec![]));
    let empty = rig.window();
    assert_eq!((batch(&empty).capture_cpu, batch(&empty).capture_rss), (None, None));
    assert_eq!((batch(&empty).k_total, batch(&empty).rows.len()), (0, 0));
    rig.next(census(ms(0), vec![row(1, "init")]));
    assert_eq!(batch(&rig.window()).rows.len(), 1);
    rig.next(census(ms(0), vec![]));
    assert!(batch(&rig.window()).rows[0].is(ProcessRow::ENDED));
}

#[test]
fn a_hundred_thousand_groups() {
    let hosts = |step: u64| {
        let rows = (1..=100_000_u32)
            .map(|pid| CensusRow { user: ms(step), ..row(pid, &format!("g{pid}")) })
            .collect();
        census(ms(step * 100_000), rows)
    };
    let mut rig = Rig::each_scan("");
    rig.scan(hosts(0));
    rig.next(hosts(1));
    let sent = rig.window();
    let it = batch(&sent);
    assert_eq!((it.k_total, it.rows.len(), it.tail.len()), (100_000, 200, 257));
    assert_eq!(it.unaccounted(), (0, 0));
    assert_eq!(it.tail.iter().map(|sum| sum.process_count).sum::<u64>(), 99_800);
    // All of them in full do not fit: who has no row is in the sums.
    let mut rig = Rig::each_scan("level = \"raw\"");
    rig.scan(hosts(0));
    rig.next(hosts(1));
    let mut rows = 0;
    rig.outbox.drain(|envelope| {
        if let gadget_envelope::Envelope::Process(it) = envelope {
            rows = batch(&it).rows.len();
            assert_eq!(batch(&it).unaccounted(), (0, 0));
        }
    });
    assert_eq!(rows, 50_000);
}

#[test]
fn counters_at_their_end_and_falling() {
    let most = |pid: u32| CensusRow {
        user: Duration::MAX,
        system: Duration::from_nanos(u64::MAX),
        rss: Bytes::new(u64::MAX),
        virtual_size: Bytes::new(u64::MAX),
        minor_faults: u64::MAX,
        major_faults: u64::MAX,
        threads: u32::MAX,
        io: Some(IoCount { read: Bytes::new(u64::MAX), written: Bytes::new(u64::MAX) }),
        ..row(pid, "most")
    };
    let mut rig = Rig::each_scan("top = 2\n[top]\nmost = 2\nweights = [1000.0, 1000.0, 1000.0]");
    rig.scan(census(ms(0), vec![row(1, "init")]));
    let late = CensusRow { id: ProcessId { pid: 99, start: u64::MAX }, ..most(99) };
    rig.ended(vec![end(&late, Duration::MAX, Duration::ZERO)]);
    rig.next(census(Duration::MAX, (10..30).map(most).collect()));
    let sent = rig.sent();
    assert_eq!(batch(&sent.processes[0]).unaccounted(), (0, 0));
    assert!(sent.diag("numbers_cut").unwrap().value.unwrap() > 0.0);
    rig.next(census(ms(0), (10..30).map(|pid| row(pid, "least")).collect()));
    let sent = rig.sent();
    // Each of 20: CPU time, two kinds of faults, two of IO; and the time that the host was busy.
    assert_eq!(sent.diag("counters_backwards").unwrap().value, Some(101.0));
    assert_eq!(batch(&sent.processes[0]).unaccounted(), (0, 0));
    assert_eq!(batch(&sent.processes[0]).totals.unwrap().cpu_ns, 0);
}

#[test]
fn a_clock_that_stands_or_steps_back() {
    let mut rig = Rig::each_scan("");
    let busy = |user: u64| CensusRow { user: ms(user), ..row(10, "busy") };
    rig.scan(census(ms(0), vec![busy(0)]));
    rig.scan(census(ms(5), vec![busy(5)]));
    let sent = rig.sent();
    assert_eq!(batch(&sent.processes[0]).rows[0].cpu_percent, 0.0, "of no time");
    assert_eq!(batch(&sent.processes[0]).rows[0].cpu_user_ns, 5_000_000);
    assert!(sent.sketches.iter().all(|it| it.metric_name != "process.io.bytes_per_second"));
    rig.now = rig.now - ms(60_000);
    let back = Census { over: Some(ms(1_000)), ..census(ms(10), vec![busy(15)]) };
    rig.scan(back);
    let sent = rig.window();
    assert!(sent.window_end_ns >= sent.window_start_ns);
    assert_eq!(batch(&sent).rows[0].cpu_percent, 1.0, "by its own account");
}

#[test]
fn every_process_is_another_in_each_scan() {
    let mut rig = Rig::new("");
    let hosts = |step: u64| {
        let rows = (1..=500_u32).map(|pid| CensusRow {
            id: ProcessId { pid, start: step },
            user: ms(2),
            ..row(pid, "fork")
        });
        census(ms(step * 1_000), rows.collect())
    };
    rig.scan(hosts(0));
    for step in 1..=5 {
        rig.next(hosts(step));
    }
    let sent = rig.window();
    let it = batch(&sent);
    assert_eq!((it.created, it.terminated, it.k_total), (2_500, 2_500, 500));
    // Those there were at the beginning had used their time before.
    let seen = it.rows.iter().map(|row| row.cpu_user_ns as i64).sum::<i64>()
        + it.tail.iter().map(|sum| sum.cpu_user_ns).sum::<i64>();
    assert_eq!(seen, 2_500 * 2_000_000);
}

#[test]
fn more_ends_than_can_be_told_apart_are_summed_and_counted() {
    let mut rig = Rig::new("[telemetry]\nwindow = 2");
    let hosts = |step: u64| {
        let rows = (1..=20_000_u32).map(|pid| CensusRow {
            id: ProcessId { pid, start: step },
            user: ms(1),
            ..row(pid, "fork")
        });
        census(ms(0), rows.collect())
    };
    rig.scan(hosts(0));
    rig.next(hosts(1));
    rig.next(hosts(2));
    let sent = rig.sent();
    let it = batch(&sent.processes[0]);
    assert_eq!(it.diff_overflow, 40_000 - 16_384);
    assert_eq!(it.unaccounted(), (0, 0));
    let exited = it.tail.iter().map(|sum| sum.exited).sum::<u64>()
        + it.rows.iter().filter(|row| row.is(ProcessRow::ENDED)).count() as u64;
    assert_eq!(exited, 40_000);
    assert_eq!(sent.diag("ends_overflow").unwrap().value, Some(23_616.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn censuses_in_no_order_and_with_one_process_twice_still_add_up(
        looks in proptest::collection::vec(proptest::collection::vec((1_u32..9, 0_u64..3), 0..12), 1..9),
        told in proptest::collection::vec((1_u32..9, 0_u64..3), 0..9),
    ) {
        let mut rig = Rig::new("[telemetry]\nwindow = 2\ntop = 2\n[top]\nmost = 3");
        for (step, look) in looks.into_iter().enumerate() {
            let rows = look.into_iter().map(|(pid, start)| CensusRow {
                id: ProcessId { pid, start },
                user: ms(step as u64),
                ..row(pid, "w")
            });
            let rows = rows.collect();
            rig.next(Census { rows, ..census(ms(step as u64), vec![]) });
            if let Some(&(pid, start)) = told.get(step) {
                let row = CensusRow { id: ProcessId { pid, start }, ..row(pid, "w") };
                rig.ended(vec![end(&row, ms(9), ms(10))]);
            }
        }
        for window in rig.sent().processes {
            prop_assert_eq!(batch(&window).unaccounted(), (0, 0));
        }
    }
}

#[test]
fn another_way_of_reading_is_told_and_what_only_one_tells_is_not_counted() {
    let mut rig = Rig::each_scan("");
    let files = row(10, "w");
    let files = CensusRow { io: None, execs: None, cgroup: None, ..files };
    let read = Bytes::new(1 << 30);
    let walk = CensusRow { io: Some(IoCount { read, written: read }), ..row(10, "w") };
    rig.scan(census(ms(0), vec![files]));
    rig.next(Census { source: CensusSource::BpfWalk, ..census(ms(0), vec![walk]) });
    let sent = rig.sent();
    assert_eq!(batch(&sent.processes[0]).rows[0].io, None, "since when is not known");
    assert_eq!(batch(&sent.processes[0]).scan_source, "bpf-walk");
    let reason = &sent.diag("source_changed").unwrap().reason;
    assert_eq!(reason, "processes are read by bpf-walk, no longer by files");
}

#[test]
fn another_way_of_learning_of_ends_is_told() {
    let mut rig = Rig::each_scan("");
    rig.scan(census(ms(0), vec![row(1, "init")]));
    rig.ended(Vec::new());
    let netlink = Exits {
        source: ExitSource::Netlink,
        forks: 0,
        execs: 0,
        produced: 0,
        lost: 0,
        ends: Vec::new(),
    };
    rig.see(Subject::Host, Reading::Exits(Arc::new(netlink)));
    let sent = rig.sent();
    let reason = &sent.diag("source_changed").unwrap().reason;
    assert_eq!(reason, "ends of processes are told by netlink, no longer by bpf");
}

#[test]
fn a_process_without_a_number_and_names_of_any_bytes() {
    let mut rig = Rig::each_scan("");
    let mut rows: Vec<_> = (0..=255_u8)
        .map(|byte| CensusRow { comm: Comm::new(&[byte; 15]), ..row(u32::from(byte) + 1, "") })
        .collect();
    rows.push(CensusRow { id: ProcessId { pid: 0, start: 0 }, ..row(0, "swapper") });
    rig.scan(census(ms(0), rows.clone()));
    rig.next(census(ms(0), rows));
    let sent = rig.window();
    assert_eq!(batch(&sent).totals.unwrap().process_count, 257);
    assert!(batch(&sent).rows.iter().all(|row| row.process_id != 0));
}
