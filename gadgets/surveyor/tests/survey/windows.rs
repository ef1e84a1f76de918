//! Who is sent in full, and who is summed.

use gadget_core::{Bytes, CensusRow, CgroupId, CgroupIdentity, CgroupVersion, Comm, Container};
use gadget_core::{ProcessDetail, ProcessId, Reading, Subject};
use gadget_envelope::{AggregateKind, Mode, ProcessRow};
use std::sync::Arc;

use crate::host::{Rig, batch, census, end, ms, pids, residual, row};

/// So many, each with as much memory as its number says.
fn many(count: u32) -> Vec<CensusRow> {
    (1..=count)
        .map(|pid| CensusRow {
            rss: Bytes::new(u64::from(pid) << 20),
            ..row(pid, &format!("w{pid}"))
        })
        .collect()
}

#[test]
fn at_a_quarter_more_than_would_be_sent_all_are() {
    for (top, count, bypassed) in
        [(20, 25, true), (20, 26, false), (4, 5, true), (4, 6, false), (1, 1, true), (1, 2, false)]
    {
        let mut rig = Rig::each_scan(&format!("top = {top}\n[top]\ncapture = 0.0"));
        rig.scan(census(ms(0), many(count)));
        rig.next(census(ms(0), many(count)));
        let sent = rig.window();
        let mode = if bypassed { Mode::Bypass } else { Mode::Smart };
        assert_eq!((batch(&sent).bypassed, sent.mode()), (bypassed, mode), "{count} of {top}");
        let rows = if bypassed { count } else { top };
        assert_eq!((batch(&sent).rows.len(), batch(&sent).k_total), (rows as usize, count));
    }
}

#[test]
fn a_window_holds_what_was_used_in_it() {
    let mut rig = Rig::new("[telemetry]\nwindow = 3");
    let at = |user: u64| CensusRow { user: ms(100 + user), ..row(5, "busy") };
    rig.scan(census(ms(0), vec![at(0)]));
    rig.next(census(ms(50), vec![at(40)]));
    rig.next(census(ms(100), vec![at(80)]));
    assert!(rig.sent().processes.is_empty(), "a window is not yet over");
    rig.next(census(ms(200), vec![at(120)]));
    let sent = rig.window();
    let [row] = &batch(&sent).rows[..] else { panic!("{sent:?}") };
    assert_eq!(row.cpu_user_ns, 120_000_000);
    assert_eq!(row.cpu_percent, 2.0, "120 ms of 6 s");
    assert_eq!(sent.window_end_ns - sent.window_start_ns, 6_000_000_000);
    assert_eq!(residual(&sent, AggregateKind::Unattributed), Some(80_000_000));
    assert_eq!(batch(&sent).totals.unwrap().cpu_ns, 200_000_000);
    assert_eq!(batch(&sent).scan_ns, 3_000_000);
    for user in [130, 140, 150] {
        rig.next(census(ms(200), vec![at(user)]));
    }
    assert_eq!(batch(&rig.window()).rows[0].cpu_user_ns, 30_000_000, "the next begins there");
}

#[test]
fn as_many_are_sent_as_hold_the_share_that_is_asked_for() {
    // One with much memory, and 60 that share the CPU time.
    let hosts = |step: u64| {
        let mut rows: Vec<_> = (10..70)
            .map(|pid| CensusRow { user: ms(step * 100), rss: Bytes::ZERO, ..row(pid, "burner") })
            .collect();
        rows.extend((100..400).map(|pid| CensusRow { rss: Bytes::ZERO, ..row(pid, "idle") }));
        rows.push(CensusRow { rss: Bytes::new(1 << 30), ..row(500, "cache") });
        census(ms(0), rows)
    };
    let mut rig = Rig::each_scan("top = 5\n[top]\nmost = 100");
    rig.scan(hosts(0));
    rig.next(hosts(1));
    let sent = rig.window();
    assert_eq!(batch(&sent).rows.len(), 58, "57 of 60, and the one with the memory");
    assert!(batch(&sent).capture_cpu.unwrap() >= 0.95);
    assert_eq!(batch(&sent).capture_rss, Some(1.0));
    // What cannot be reached is said.
    let mut rig = Rig::each_scan("top = 5\n[top]\nmost = 20");
    rig.scan(hosts(0));
    rig.next(hosts(1));
    let sent = rig.window();
    assert_eq!(batch(&sent).rows.len(), 20);
    let capture = batch(&sent).capture_cpu.unwrap();
    assert!((0.3..0.35).contains(&capture), "{capture}");
}

#[test]
fn when_fewer_are_enough_there_are_fewer_slowly() {
    let hosts = |step: u64, burners: u32| {
        let rows = (10..210).map(|pid| {
            let user = ms(if pid < 10 + burners { step * 100 } else { 0 });
            let rss = Bytes::new(if pid == 10 { 1 << 30 } else { 0 });
            CensusRow { user, rss, ..row(pid, "w") }
        });
        census(ms(0), rows.collect())
    };
    let mut rig = Rig::each_scan("top = 4\n[top]\nmost = 100\nhalf_life = 0.0");
    rig.scan(hosts(0, 40));
    rig.next(hosts(1, 40));
    let wide = batch(&rig.window()).n_effective;
    assert_eq!(wide, 38);
    let mut n = vec![wide];
    for step in 2..120 {
        rig.next(hosts(step, 1));
        let sent = rig.window();
        assert!(batch(&sent).capture_cpu.unwrap() >= 0.95);
        n.push(batch(&sent).n_effective);
    }
    assert!(n.windows(2).all(|pair| pair[0] - pair[1] <= pair[0] / 16 + 1), "{n:?}");
    assert_eq!((n[3], n.last()), (38, Some(&4)), "{n:?}");
}

#[test]
fn two_that_take_turns_do_not_come_and_go() {
    // Each is a little more than the other in every other window.
    let hosts = |step: u64| {
        let more = |odd: bool| Bytes::new((100 + u64::from(odd) * 5) << 20);
        let mut rows = vec![
            CensusRow { rss: more(step.is_multiple_of(2)), ..row(10, "a") },
            CensusRow { rss: more(!step.is_multiple_of(2)), ..row(11, "b") },
        ];
        rows.extend((20..40).map(|pid| row(pid, "c")));
        census(ms(0), rows)
    };
    let turns = |hysteresis: f64| {
        let mut rig = Rig::each_scan(&format!(
            "top = 1\n[top]\ncapture = 0.0\nhalf_life = 0.0\nresidency = 0\nhysteresis = {hysteresis:?}"
        ));
        rig.scan(hosts(0));
        let mut tops = Vec::new();
        for step in 1..20 {
            rig.next(hosts(step));
            tops.push(pids(&rig.window()));
        }
        tops.windows(2).filter(|pair| pair[0] != pair[1]).count()
    };
    assert_eq!((turns(0.0), turns(0.1)), (18, 0));
}

#[test]
fn a_member_stays_for_a_while_and_says_that_it_does() {
    let hosts = |big: u32| {
        let rows = (10..30).map(|pid| {
            let rss = Bytes::new(if pid == big { 1 << 30 } else { 1 << 20 });
            CensusRow { rss, ..row(pid, "w") }
        });
        census(ms(0), rows.collect())
    };
    let mut rig = Rig::each_scan("top = 1\n[top]\ncapture = 0.0\nhalf_life = 0.0\nresidency = 3");
    rig.scan(hosts(10));
    let mut tops = Vec::new();
    for big in [10, 11, 11, 11] {
        rig.next(hosts(big));
        let sent = rig.window();
        let sticky = batch(&sent).rows[0].is(ProcessRow::STICKY);
        tops.push((batch(&sent).rows[0].process_id, sticky));
    }
    assert_eq!(tops, [(10, false), (10, true), (10, true), (11, false)]);
}

#[test]
fn who_has_no_row_is_summed_by_name_container_and_user() {
    let mut rig = Rig::each_scan(
        "top = 1\n[tail]\nby_container = true\nby_user = true\n[top]\ncapture = 0.0",
    );
    rig.see(Subject::Host, Reading::Users(Arc::new(vec![(7, "web".into())])));
    let container =
        Container { runtime: "docker".into(), id: "c0ffee".into(), pod: None, qos: None };
    let identity = CgroupIdentity {
        path: "/docker/c0ffee".into(),
        parent: None,
        version: CgroupVersion::V2,
        container: Some(container),
        oom_group: false,
    };
    rig.see(Subject::Cgroup(CgroupId(5)), Reading::CgroupIdentity(Box::new(identity)));
    let hosts =
        || {
            let mut rows = vec![CensusRow { rss: Bytes::new(1 << 30), ..row(2, "big") }];
            rows.extend((10..13).map(|pid| row(pid, "nginx")));
            rows.extend((20..24).map(|pid| CensusRow {
                cgroup: Some(CgroupId(5)),
                uid: 7,
                ..row(pid, "nginx")
            }));
            rows.extend((30..32).map(|pid| CensusRow {
                kernel_thread: true,
                ..row(pid, &format!("kworker/{pid}"))
            }));
            census(ms(0), rows)
        };
    rig.scan(hosts());
    rig.next(hosts());
    let sent = rig.window();
    let tail: Vec<_> = batch(&sent)
        .tail
        .iter()
        .map(|sum| {
            let key = |name| sum.key.get(name).map_or("", String::as_str);
            (&*sum.process_display_name, key("container"), key("user"), sum.process_count)
        })
        .collect();
    assert_eq!(
        tail,
        [("[kernel]", "", "0", 2), ("nginx", "", "0", 3), ("nginx", "c0ffee", "web", 4)]
    );
}

#[test]
fn the_smallest_groups_are_one_sum() {
    let mut rig = Rig::each_scan("top = 1\n[top]\ncapture = 0.0\n[tail]\ngroups = 3");
    rig.scan(census(ms(0), many(50)));
    rig.next(census(ms(0), many(50)));
    let sent = rig.window();
    let names: Vec<_> =
        batch(&sent).tail.iter().map(|sum| (&*sum.process_display_name, sum.kind())).collect();
    let tail = AggregateKind::Tail;
    assert_eq!(
        names,
        [("w47", tail), ("w48", tail), ("w49", tail), ("", AggregateKind::Other)],
        "w50 has a row"
    );
    assert!(batch(&sent).tail[3].is_other);
    assert_eq!(batch(&sent).tail[3].process_count, 46);
}

#[test]
fn whoever_settings_leave_out_has_no_row_and_is_in_the_totals() {
    let mut rig = Rig::each_scan("top = 2\n[filter]\nexclude = [\"name:secret*\"]");
    let hosts = || {
        let mut rows = many(10);
        rows.push(CensusRow { rss: Bytes::new(1 << 40), ..row(99, "secret-1") });
        census(ms(0), rows)
    };
    rig.scan(hosts());
    rig.next(hosts());
    let sent = rig.window();
    assert!(!pids(&sent).contains(&99));
    let excluded = batch(&sent).tail.iter().find(|sum| sum.kind() == AggregateKind::Excluded);
    assert_eq!(excluded.unwrap().rss_bytes, 1 << 40);
    assert!(!format!("{sent:?}").contains("secret"));
    assert!(batch(&sent).capture_rss.unwrap() < 0.01, "of all, also of those left out");
}

#[test]
fn rows_say_what_befell_a_process() {
    let mut rig = Rig::new("[telemetry]\nwindow = 2");
    let stays = row(10, "stays");
    let ends = CensusRow { user: ms(100), ..row(12, "ends") };
    let old = row(13, "old");
    rig.scan(census(ms(0), vec![stays, row(11, "shell"), ends, old]));
    let ends = CensusRow { user: ms(300), ..ends };
    let other = CensusRow { execs: Some(2), ..row(11, "program") };
    let young = CensusRow { id: ProcessId { pid: 13, start: 900 }, ..row(13, "young") };
    rig.next(census(ms(0), vec![stays, other, ends, old]));
    rig.ended(vec![end(&ends, ms(350), ms(60_000))]);
    rig.next(census(ms(0), vec![stays, other, young]));
    let sent = rig.window();
    let flags = |name: &str| {
        let row = batch(&sent).rows.iter().find(|row| row.process_display_name == name);
        row.unwrap().flags
    };
    assert_eq!(flags("stays"), 0);
    assert_eq!(flags("program"), ProcessRow::CHANGED);
    assert_eq!(flags("young"), ProcessRow::NEW | ProcessRow::REUSED);
    assert_eq!((flags("ends"), flags("old")), (ProcessRow::ENDED, ProcessRow::ENDED));
    let row = batch(&sent).rows.iter().find(|row| row.process_display_name == "ends").unwrap();
    assert_eq!((row.cpu_user_ns, row.rss_bytes), (250_000_000, 0), "what its end told");
    assert_eq!(residual(&sent, AggregateKind::Ephemeral), None);
    let it = batch(&sent);
    assert_eq!((it.created, it.changed, it.terminated, it.k_total), (1, 1, 2, 3));
}

#[test]
fn those_in_full_are_read_closely_until_they_are_not() {
    let mut rig = Rig::each_scan("top = 1\n[top]\ncapture = 0.0\nhalf_life = 0.0\nresidency = 0");
    let hosts = |big: u32| {
        let rows = (10..30).map(|pid| {
            let rss = Bytes::new(if pid == big { 1 << 30 } else { 1 << 20 });
            CensusRow { rss, ..row(pid, "w") }
        });
        census(ms(0), rows.collect())
    };
    let of = |pid: u32| Subject::Process(row(pid, "w").id);
    rig.scan(hosts(10));
    rig.next(hosts(10));
    assert_eq!(rig.plans.watches(), [(of(10), Some(ms(30_000)))]);
    let detail = |text: &str| ProcessDetail {
        command_line: Some(text.into()),
        fds: Some(3),
        ..ProcessDetail::default()
    };
    rig.see(of(10), Reading::ProcessDetail(Box::new(detail("w --fast"))));
    rig.see(of(11), Reading::ProcessDetail(Box::new(detail("nobody asked"))));
    rig.next(hosts(10));
    assert!(rig.plans.watches().is_empty(), "it is already");
    rig.next(hosts(11));
    assert_eq!(rig.plans.watches(), [(of(10), None), (of(11), Some(ms(30_000)))]);
    let sent = rig.sent().processes;
    let lines: Vec<_> = sent.iter().map(|it| batch(it).rows[0].command_line.as_str()).collect();
    assert_eq!(lines, ["", "w --fast", ""]);
    assert_eq!(batch(&sent[1]).rows[0].fd_count, Some(3));
}

#[test]
fn of_the_kernels_threads_there_is_nothing_to_read_closely_and_their_names_are_no_news() {
    let mut rig = Rig::each_scan("");
    let hosts = |work: &str| {
        let worker = CensusRow { kernel_thread: true, execs: None, ..row(2, work) };
        census(ms(0), vec![worker, row(3, "w")])
    };
    rig.scan(hosts("kworker/0:1-mm"));
    rig.next(hosts("kworker/0:1-net"));
    let watched: Vec<_> = rig.plans.watches().iter().map(|(subject, _)| *subject).collect();
    assert_eq!(watched, [Subject::Process(row(3, "w").id)]);
    let sent = rig.window();
    assert_eq!(batch(&sent).changed, 0);
    let worker = batch(&sent).rows.iter().find(|row| row.process_id == 2).unwrap();
    assert_eq!((worker.flags, &*worker.process_display_name), (ProcessRow::KERNEL, "kworker"));
    assert_eq!(worker.command_name, "kworker/0:1-net");
}

#[test]
fn a_name_of_any_bytes_is_a_text() {
    let mut rig = Rig::each_scan("");
    let odd = CensusRow { comm: Comm::new(b"a\xff\\\n"), ..row(10, "") };
    rig.scan(census(ms(0), vec![odd]));
    rig.next(census(ms(0), vec![odd]));
    assert_eq!(batch(&rig.window()).rows[0].command_name, "a\\xff\\\\\n");
}

/// Its parent has not waited for it: it is in a census that was taken after its end was told.
#[test]
fn an_end_that_was_told_before_it_was_seen_is_charged_once() {
    let mut rig = Rig::each_scan("");
    rig.scan(census(ms(0), vec![row(1, "init")]));
    let dead = CensusRow { user: ms(30), system: ms(10), state: 'Z', ..row(50, "dead") };
    rig.ended(vec![end(&dead, ms(30), ms(10))]);
    rig.next(census(ms(40), vec![row(1, "init"), dead]));
    let charged = |sent: &gadget_envelope::TopNBatch| {
        let sums = sent.tail.iter().chain(&sent.residual);
        let unattributed = gadget_envelope::AggregateKind::Unattributed as i32;
        sums.filter(|it| it.kind != unattributed)
            .map(|it| it.cpu_user_ns + it.cpu_system_ns)
            .sum::<i64>()
            + sent.rows.iter().map(|it| (it.cpu_user_ns + it.cpu_system_ns) as i64).sum::<i64>()
    };
    assert_eq!(charged(batch(&rig.sent().processes[0])), 40_000_000);
    rig.next(census(ms(40), vec![row(1, "init")]));
    assert_eq!(charged(batch(&rig.sent().processes[0])), 0, "nor is it charged when it goes");
}
