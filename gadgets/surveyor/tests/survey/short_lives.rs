//! Processes that live between scans, or hardly longer.

use gadget_core::{Bytes, CgroupId, Comm, End, Exit, ExitSource, Exits, Reading, Subject};
use gadget_envelope::{AggregateKind, LifecycleSource};
use gadget_sketch::Sketch;
use std::sync::Arc;

use crate::host::{Rig, batch, census, end, ms, residual, row};

#[test]
fn what_no_scan_saw_is_charged_by_its_end() {
    let mut rig = Rig::each_scan("");
    rig.scan(census(ms(0), vec![row(10, "shell")]));
    rig.ended((100..110).map(|pid| end(&row(pid, "ls"), ms(7), ms(20))).collect());
    rig.next(census(ms(100), vec![row(10, "shell")]));
    let sent = rig.sent();
    let window = &sent.processes[0];
    assert_eq!(residual(window, AggregateKind::Ephemeral), Some(70_000_000));
    assert_eq!(residual(window, AggregateKind::Unattributed), Some(30_000_000));
    let row = batch(window).residual.iter().find(|it| it.kind() == AggregateKind::Ephemeral);
    assert_eq!(row.map(|it| (it.exited, it.process_count)), Some((10, 0)));
}

#[test]
fn what_ended_before_anybody_looked_is_not_charged() {
    let mut rig = Rig::each_scan("");
    rig.scan(census(ms(0), vec![row(10, "shell")]));
    rig.ended(vec![end(&row(100, "old"), ms(3_600_000), ms(7_200_000))]);
    rig.next(census(ms(0), vec![row(10, "shell")]));
    assert_eq!(residual(&rig.window(), AggregateKind::Ephemeral), None);
}

#[test]
fn one_that_nobody_has_waited_for_is_charged_where_it_is_still_seen() {
    let mut rig = Rig::each_scan("");
    let begun = row(20, "zombie");
    rig.scan(census(ms(0), vec![begun]));
    let ended = gadget_core::CensusRow { user: ms(90), state: 'Z', ..begun };
    rig.ended(vec![end(&ended, ms(90), ms(2_000))]);
    rig.next(census(ms(0), vec![ended]));
    let window = rig.window();
    assert_eq!(batch(&window).rows[0].cpu_user_ns, 90_000_000);
    assert_eq!(residual(&window, AggregateKind::Ephemeral), None);
    // When it goes at last, nothing is left to charge.
    rig.next(census(ms(0), vec![]));
    let window = rig.window();
    assert_eq!(batch(&window).rows[0].cpu_user_ns, 0);
    assert_eq!(residual(&window, AggregateKind::Ephemeral), None);
}

#[test]
fn short_lives_are_summarised_by_name_and_cgroup() {
    let mut rig = Rig::each_scan("");
    rig.scan(census(ms(0), vec![]));
    let of = |pid: u32, exit: Exit, parent: u32, cgroup: u64| End {
        exit: Exit { lifetime: ms(u64::from(pid)), peak_rss: Some(Bytes::new(pid.into())), ..exit },
        parent,
        cgroup: Some(CgroupId(cgroup)),
        oom: exit.signal == Some(9),
        ..end(&row(pid, "cc"), ms(3), ms(0))
    };
    let good = Exit { code: Some(0), signal: None, lifetime: ms(0), peak_rss: None };
    let bad = Exit { code: Some(2), ..good };
    let killed = Exit { code: None, signal: Some(9), ..good };
    let mut ends = vec![of(100, good, 1, 1), of(200, bad, 1, 1), of(300, killed, 2, 1)];
    ends.push(of(400, good, 1, 2));
    ends.extend([of(500, good, 3, 1), of(600, good, 4, 1), of(700, good, 1, 1)]);
    ends.push(of(6_000, good, 1, 1));
    rig.ended(ends);
    rig.next(census(ms(0), vec![]));
    let sent = rig.sent().ephemerals;
    assert_eq!(sent.len(), 2);
    let [first, second] = &sent[..] else { panic!() };
    assert_eq!((first.cgroup_id, second.cgroup_id), (1, 2));
    assert_eq!(first.exit_count, 6, "one lived too long");
    assert_eq!((first.exec_count, first.nonzero_exit_count, first.oom_exit_count), (6, 1, 1));
    assert_eq!(first.signal_exit.iter().collect::<Vec<_>>(), [(&9, &1)]);
    assert_eq!((first.cpu_ns, first.rss_max_bytes), (18_000_000, 700));
    let parents: Vec<_> = first.parents.iter().map(|it| (it.process_id, it.count)).collect();
    assert_eq!(parents, [(1, 3), (2, 1), (3, 1)]);
    assert_eq!(first.parents[0].name, "shell");
    let lives = Sketch::from_proto(first.lifetime.as_ref().unwrap(), None).unwrap();
    assert!((lives.quantile(1.0).unwrap() / 0.7 - 1.0).abs() <= 0.0075);
    assert_eq!(first.source(), LifecycleSource::Ebpf);
    assert_eq!(first.delivery.unwrap().produced_events, 24);
}

#[test]
fn a_storm_of_names_is_bounded_and_counted_in_full() {
    let mut rig = Rig::each_scan("[ephemeral]\ngroups = 10");
    rig.scan(census(ms(0), vec![]));
    // Each name once, but for one: 4,000 of them in two seconds.
    for part in 0..40_u32 {
        let ends = (0..100_u32).map(|n| {
            let pid = 1_000 + part * 100 + n;
            let name = if n < 50 { "storm".to_owned() } else { format!("n{pid}") };
            end(&row(pid, &name), ms(1), ms(2))
        });
        rig.ended(ends.collect());
    }
    rig.next(census(ms(10_000), vec![]));
    let sent = rig.sent();
    assert_eq!(sent.ephemerals.len(), 11);
    assert_eq!(sent.ephemerals.iter().map(|it| it.exit_count).sum::<u64>(), 4_000);
    let storm = sent.ephemerals.iter().find(|it| it.process_display_name == "storm").unwrap();
    assert_eq!(storm.exit_count, 2_000);
    assert_eq!(sent.ephemerals.last().unwrap().process_display_name, "other");
    assert_eq!(residual(&sent.processes[0], AggregateKind::Ephemeral), Some(4_000_000_000));
}

#[test]
fn events_that_were_lost_are_told() {
    let mut rig = Rig::each_scan("");
    rig.scan(census(ms(0), vec![]));
    let lossy = Exits {
        source: ExitSource::Netlink,
        forks: 5,
        execs: 5,
        produced: 10,
        lost: 7,
        ends: vec![End { comm: Comm::new(b"x"), ..end(&row(50, "x"), ms(1), ms(1)) }],
    };
    rig.see(Subject::Host, Reading::Exits(Arc::new(lossy)));
    rig.next(census(ms(0), vec![]));
    let sent = rig.sent();
    assert_eq!(sent.diag("events_lost").unwrap().value, Some(7.0));
    assert_eq!(sent.ephemerals[0].delivery.unwrap().lost_events, 7);
    assert_eq!(sent.ephemerals[0].source(), LifecycleSource::Netlink);
}
