use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gadget_core::testing::FakeHost;
use gadget_core::{Bytes, CgroupId, Comm, ProcessDetail, Telemetry};

use super::source::Rows;
use super::*;
use crate::testing::{sample, write};

/// Every sample takes a census.
fn always() -> TelemetryCell {
    TelemetryCell::new(Telemetry { every: Duration::ZERO, ..Telemetry::default() })
}

fn provider(host: &FakeHost) -> CensusProvider {
    CensusProvider::at_root(host.proc()).unwrap().telemetry(always())
}

/// Sets the count of forks of a made-up host.
fn forks(host: &FakeHost, count: u64) {
    let text = format!("cpu  300 20 100 7 9 11 13 17 0 0\nprocesses {count}\nprocs_running 1\n");
    host.write("proc/stat", text);
}

fn pids(census: &Census) -> Vec<u32> {
    census.rows.iter().map(|row| row.id.pid).collect()
}

#[test]
fn each_process_has_one_row_with_its_numbers_and_busy_time_is_what_is_not_idle() {
    let host = FakeHost::v2()
        .process(30, |it| it.comm("b) S 1 (c").start(70).threads(4).parent(9).state('D'))
        .process(7, |it| {
            it.comm("a").start(50).rss(Bytes::from_mib(1)).cpu_ticks(12).major_faults(3)
        })
        .process(2, |it| it.comm("kthreadd").kernel_thread());
    forks(&host, 5);
    for keep in [0, 100] {
        let mut provider = provider(&host).keep_open(keep).unwrap();
        let census = provider.take().unwrap();
        let source = if keep == 0 { CensusSource::Files } else { CensusSource::KeptFiles };
        assert_eq!((census.source, census.over, census.vanished), (source, None, 0));
        assert_eq!(census.busy, Duration::from_millis(10 * (300 + 20 + 100 + 11 + 13)));
        assert_eq!(pids(&census), [2, 7, 30]);
        let [kernel, a, b] = census.rows[..] else { panic!("{census:?}") };
        assert!(kernel.kernel_thread && !a.kernel_thread);
        assert_eq!((a.id.start, a.comm.as_bytes(), a.major_faults), (50, &b"a"[..], 3));
        assert_eq!((a.user, a.system), (Duration::from_millis(120), Duration::ZERO));
        assert_eq!((a.rss, a.virtual_size), (Bytes::from_mib(1), Bytes::from_mib(2)));
        assert_eq!(
            (b.comm.as_bytes(), b.state, b.threads, b.parent),
            (&b"b) S 1 (c"[..], 'D', 4, 9)
        );
        assert_eq!((a.execs, a.cgroup, a.swap, a.io), (None, None, None, None));
        assert_eq!(a.uid, rustix::process::geteuid().as_raw(), "the owner of the folder");
        assert_eq!(provider.status().get().kept_files, keep.min(3));
        assert!(provider.take().unwrap().over.is_some());
    }
}

#[test]
fn who_comes_is_seen_as_soon_as_the_count_of_forks_has_moved() {
    let mut host = FakeHost::v2().process(7, |it| it);
    forks(&host, 5);
    let mut provider = provider(&host);
    assert_eq!(pids(&provider.take().unwrap()), [7]);
    host.change_process(9, |it| it);
    host.change_process(3, |it| it);
    assert_eq!(pids(&provider.take().unwrap()), [7], "nobody has come, by that count");
    forks(&host, 7);
    assert_eq!(pids(&provider.take().unwrap()), [3, 7, 9]);
    host.remove_process(7);
    let census = provider.keep_open(0).unwrap().take().unwrap();
    assert_eq!((pids(&census), census.vanished), (vec![3, 9], 0));
}

#[test]
fn where_forks_are_not_counted_all_are_listed_each_time_and_else_now_and_then() {
    let mut host = FakeHost::v2().process(7, |it| it);
    let mut uncounted = provider(&host);
    uncounted.take().unwrap();
    host.change_process(8, |it| it);
    assert_eq!(pids(&uncounted.take().unwrap()), [7, 8]);

    forks(&host, 5);
    let mut counted = provider(&host);
    counted.take().unwrap();
    host.change_process(9, |it| it);
    let until_seen = (1..100).find(|_| counted.take().unwrap().rows.len() == 3).unwrap();
    assert!((2..60).contains(&until_seen), "{until_seen}");
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    for keep in [0, 100] {
        let mut host = FakeHost::v2().process(7, |it| it.start(50).comm("old"));
        let mut provider = provider(&host).keep_open(keep).unwrap();
        let before = provider.take().unwrap();
        host.change_process(7, |it| it.start(90).comm("new"));
        let after = provider.take().unwrap();
        let mut changes = Vec::new();
        after.diff(&before, |change| changes.push(change));
        let [gadget_core::CensusChange::Terminated(old), gadget_core::CensusChange::Created(new)] =
            changes[..]
        else {
            panic!("{changes:?}")
        };
        assert_eq!((old.id.start, new.id.start), (50, 90));
    }
}

#[test]
fn who_is_listed_and_gone_is_counted_and_who_cannot_be_read_is_told() {
    let host = FakeHost::v2().process(7, |it| it);
    fs::create_dir(host.proc().join("8")).unwrap();
    let mut provider = provider(&host);
    let census = provider.take().unwrap();
    assert_eq!((pids(&census), census.vanished), (vec![7], 1));
    write(&host.proc(), &[("8/stat", "8 (a) nonsense\n")]);
    let mut out = Signals::default();
    let error = provider.sample(Timestamp::EPOCH, Scope::Everything, &mut out).unwrap_err();
    assert!(error.to_string().contains("8/stat:1: expected a letter of state"), "{error}");
    let Reading::Census(census) = &out.as_slice()[0].reading else { panic!("{out:?}") };
    assert_eq!((pids(census), census.vanished), (vec![7], 0));
}

#[test]
fn a_census_that_nobody_has_any_more_is_filled_again_and_one_that_somebody_has_is_left_alone() {
    let mut host = FakeHost::v2().process(7, |it| it);
    let mut provider = provider(&host);
    let (first, second) = (provider.take().unwrap(), provider.take().unwrap());
    host.change_process(8, |it| it);
    let third = provider.take().unwrap();
    assert_eq!((first.rows.len(), second.rows.len(), third.rows.len()), (1, 1, 2));
    let address = Arc::as_ptr(&first);
    drop(first);
    assert_eq!(Arc::as_ptr(&provider.take().unwrap()), address);
    // However many are held elsewhere, no more are kept here.
    let all: Vec<_> = (0..10).map(|_| provider.take().unwrap()).collect();
    assert!(all.iter().all(|census| census.rows.len() == 2));
    assert_eq!(provider.held.len(), RECYCLED);
}

#[test]
fn a_census_comes_when_it_is_due_and_the_users_come_with_the_first() {
    let host = FakeHost::v2().process(7, |it| it);
    host.write("passwd", "root:x:0:0:::\n");
    let cell =
        TelemetryCell::new(Telemetry { every: Duration::from_secs(9999), ..Telemetry::default() });
    let mut provider = provider(&host).telemetry(cell.clone()).users(host.root().join("passwd"));
    let kinds = |provider: &mut CensusProvider| {
        let readings = sample(provider, 1, Scope::Everything);
        let all = readings.iter().map(|(subject, reading)| match reading {
            Reading::Users(users) if *subject == Subject::Host => format!("{} user", users.len()),
            Reading::Census(_) if *subject == Subject::Host => "census".to_owned(),
            other => panic!("{other:?}"),
        });
        all.collect::<Vec<_>>()
    };
    assert_eq!(kinds(&mut provider), ["1 user", "census"]);
    assert!(kinds(&mut provider).is_empty());
    cell.set(Telemetry { every: Duration::ZERO, ..Telemetry::default() });
    assert_eq!(kinds(&mut provider), ["census"]);
    assert!(sample(&mut provider, 1, Scope::Only(&[Subject::Host])).is_empty());
}

fn details(provider: &mut CensusProvider, id: ProcessId) -> Option<ProcessDetail> {
    match &sample(provider, 1, Scope::Only(&[Subject::Process(id)]))[..] {
        [(Subject::Process(of), Reading::ProcessDetail(detail))] if *of == id => {
            Some((**detail).clone())
        }
        [(Subject::Process(of), Reading::Gone)] if *of == id => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_costly_is_read_of_who_is_asked_for_and_what_stays_the_same_once() {
    let mut host = FakeHost::v2().process(7, |it| it.start(50).exe("/bin/a").cgroup("/g"));
    host.write("proc/7/cmdline", "a\0-x\0");
    host.write("proc/7/io", "read_bytes: 3\nwrite_bytes: 4\n");
    host.write("proc/7/fd/0", "");
    host.write("proc/7/fd/1", "");
    let layout = CgroupLayout::at(host.cgroups()).ok();
    let mut provider = provider(&host).cgroups(layout).with(ProcessFiles::SMAPS);
    provider.take().unwrap();
    let id = ProcessId { pid: 7, start: 50 };
    let detail = details(&mut provider, id).unwrap();
    assert_eq!(detail.command_line.as_deref(), Some("a -x"));
    assert_eq!((detail.exe.as_deref(), detail.fds), (Some("/bin/a"), Some(2)));
    assert_eq!((detail.pss, detail.cgroup), (Some(Bytes::from_mib(1)), host.cgroup_id("/g")));
    let io = detail.io.unwrap();
    assert_eq!((io.read.get(), io.written.get()), (3, 4));

    host.write("proc/7/cmdline", "b\0");
    assert_eq!(details(&mut provider, id).unwrap().command_line, detail.command_line);
    assert_eq!(provider.details.kept(), (1, 0));
    host.change_process(7, |it| it.comm("b"));
    host.write("proc/7/cmdline", "b\0");
    assert_eq!(details(&mut provider, id).unwrap().command_line.as_deref(), Some("b"));

    host.change_process(7, |it| it.start(60));
    assert_eq!(details(&mut provider, id), None, "another process");
    host.remove_process(7);
    assert_eq!(details(&mut provider, ProcessId { pid: 7, start: 60 }), None);
    provider.take().unwrap();
    assert_eq!(provider.details.kept(), (0, 0));
}

#[test]
fn what_the_census_says_is_not_read_again_and_an_exec_is_seen_by_its_count() {
    let host = FakeHost::v2().process(7, |it| it.start(50));
    host.write("proc/7/io", "read_bytes: 3\nwrite_bytes: 4\n");
    let row = |execs| {
        let mut census = provider(&host);
        let mut row = census.take().unwrap().rows[0];
        (row.execs, row.cgroup) = (Some(execs), Some(CgroupId(3)));
        row.io = Some(Default::default());
        row
    };
    let mut details = Details::at(&host.proc()).unwrap();
    let id = ProcessId { pid: 7, start: 50 };
    let mut read = |execs| details.read(id, Some(&row(execs)), Duration::ZERO).ok().unwrap();
    host.write("proc/7/cmdline", "a\0");
    let detail = read(1);
    assert_eq!((detail.io, detail.cgroup), (None, None));
    host.write("proc/7/cmdline", "b\0");
    assert_eq!(read(1).command_line.as_deref(), Some("a"));
    assert_eq!(read(2).command_line.as_deref(), Some("b"));
}

#[test]
fn command_lines_are_remembered_of_so_many_and_beyond_that_counted() {
    let host = FakeHost::v2();
    let mut details = Details::at(&host.proc()).unwrap();
    for pid in 1..=4_100 {
        host.write(
            &format!("proc/{pid}/stat"),
            format!("{pid} (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n"),
        );
        let id = ProcessId { pid, start: 5 };
        assert!(details.read(id, None, Duration::ZERO).is_ok(), "{pid}");
    }
    assert_eq!(details.kept(), (4_096, 4));
}

/// Gives one process, or fails.
struct Fragile(Arc<AtomicBool>);

impl Rows for Fragile {
    fn source(&self) -> CensusSource {
        CensusSource::BpfWalk
    }
    fn describe(&self) -> &'static str {
        "made up"
    }
    fn read(&mut self, rows: &mut Vec<CensusRow>) -> Result<(), SignalError> {
        if self.0.load(Ordering::Relaxed) {
            let source = std::io::Error::other("no memory");
            return Err(SignalError::Program { attempt: "run", provider: "scan", source });
        }
        let host = FakeHost::v2().process(9, |it| it.start(1)).process(4, |it| it.start(1));
        let census = CensusProvider::at_root(host.proc())?.take()?;
        // In any order, and one of them twice.
        rows.extend(census.rows.iter().rev().chain(&census.rows[..1]));
        Ok(())
    }
}

#[test]
fn while_a_program_fails_files_are_read_and_it_is_tried_again_later() {
    let host = FakeHost::v2().process(7, |it| it);
    let fails = Arc::new(AtomicBool::new(false));
    let preferred = Box::new(Fragile(fails.clone()));
    let mut provider = provider(&host).with_source(|source| source.prefer(preferred));
    let status = provider.status();
    let mut look = || {
        let mut out = Signals::default();
        let said = provider.sample(Timestamp::EPOCH, Scope::Everything, &mut out);
        let Reading::Census(census) = &out.as_slice()[0].reading else { panic!("{out:?}") };
        let said = said.map_err(|error| source::said(&error));
        (census.source, pids(census), said)
    };
    assert_eq!(look(), (CensusSource::BpfWalk, vec![4, 9], Ok(())));
    fails.store(true, Ordering::Relaxed);
    let error = "cannot run the programs of census: cannot run the programs of scan: no memory";
    for _ in 0..3 {
        assert_eq!(look(), (CensusSource::KeptFiles, vec![7], Err(error.to_owned())));
    }
    assert_eq!(status.get().kept_files, 1);
    fails.store(false, Ordering::Relaxed);
    let until_back = (1..100).find(|_| look().0 == CensusSource::BpfWalk).unwrap();
    assert!((2..60).contains(&until_back), "{until_back}");
    assert_eq!(look(), (CensusSource::BpfWalk, vec![4, 9], Ok(())));
    let state = status.get();
    assert_eq!((state.source, state.kept_files), (CensusSource::BpfWalk, 0));
    let notes = status.take_notes();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].ends_with("no memory") && notes[1] == "by bpf-walk again", "{notes:?}");
}

#[test]
fn a_census_that_costs_too_much_comes_more_seldom_and_says_so_once() {
    let host = FakeHost::v2().process(7, |it| it);
    let every = Duration::from_millis(1);
    let cell = TelemetryCell::new(Telemetry { every, ..Telemetry::default() });
    let mut provider = provider(&host).telemetry(cell).budget(Percent::new(0.001).unwrap());
    let status = provider.status();
    for _ in 0..20 {
        provider.take().unwrap();
    }
    let state = status.get();
    assert_eq!((state.pace, state.pace_changes, state.taken), (8, 3, 20));
    let notes = status.take_notes();
    assert!(notes[0].starts_with("a census each 2ms instead of 1ms: one took "), "{notes:?}");
    assert_eq!(notes.len(), 3, "{notes:?}");
}

#[test]
fn a_name_of_any_bytes_is_told_apart() {
    let host = FakeHost::v2();
    for (pid, comm) in [(5, &b"\xff\n)"[..]), (6, b") R 1 1 1"), (7, b""), (8, b"((((\t")] {
        let mut line = format!("{pid} (").into_bytes();
        line.extend_from_slice(comm);
        line.extend_from_slice(b") S 1 1 1 0 -1 0 1 0 2 0 3 4 0 0 20 0 1 0 9 0 0\n");
        host.write(&format!("proc/{pid}/stat"), line);
        let census = provider(&host).take().unwrap();
        let row = census.rows.iter().find(|row| row.id.pid == pid).unwrap();
        assert_eq!((row.comm, row.id.start, row.state), (Comm::new(comm), 9, 'S'));
        assert_eq!((row.minor_faults, row.major_faults), (1, 2));
    }
}
