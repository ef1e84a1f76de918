//! Censuses of this host: by each source, beside processes that come and go, with odd names and with few files.

#![allow(clippy::unwrap_used)] // All of it is tests.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gadget_core::{Census, CensusRow, CensusSource, ProcessId, Reading, Scope, SignalProvider};
use gadget_core::{Signals, Subject, Timestamp};
use gadget_signals::CensusProvider;
use rustix::process::{Resource, Rlimit, setrlimit};

const SOURCES: [CensusSource; 4] = [
    CensusSource::BpfWalk,
    CensusSource::BpfIterator,
    CensusSource::KeptFiles,
    CensusSource::Files,
];

/// Those that this host offers; those by files it has to.
fn providers() -> Vec<CensusProvider> {
    let offered = |source: CensusSource| match CensusProvider::by(source) {
        Ok(provider) => Some(provider),
        Err(error) if matches!(source, CensusSource::BpfWalk | CensusSource::BpfIterator) => {
            println!("SKIPPED {}: {error}", source.name());
            None
        }
        Err(error) => panic!("{}: {error}", source.name()),
    };
    SOURCES.into_iter().filter_map(offered).collect()
}

struct Sleepers(Vec<Child>);

impl Sleepers {
    fn of(program: &OsStr, count: usize) -> Self {
        Self((0..count).map(|_| Command::new(program).arg("100").spawn().unwrap()).collect())
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|child| child.kill().unwrap());
        for child in &mut self.0 {
            child.wait().unwrap();
        }
    }
}

fn row(census: &Census, pid: u32) -> Option<&CensusRow> {
    let at = census.rows.partition_point(|row| row.id.pid < pid);
    census.rows.get(at).filter(|row| row.id.pid == pid)
}

fn is_sorted_and_unique(census: &Census) -> bool {
    census.rows.windows(2).all(|two| two[0].id.pid < two[1].id.pid)
}

#[test]
fn every_source_names_itself_and_finds_this_process_and_those_of_the_kernel() {
    let pid = std::process::id();
    for mut provider in providers() {
        let first = provider.take().unwrap();
        let census = provider.take().unwrap();
        let name = census.source.name();
        assert_eq!((first.source, first.over), (census.source, None));
        assert!(!census.over.unwrap().is_zero() && !census.cost.is_zero(), "{name}");
        assert!(census.busy >= first.busy && !census.busy.is_zero(), "{name}");
        assert!(is_sorted_and_unique(&census), "{name}");
        let own = row(&census, pid).unwrap();
        assert_eq!(own.uid, rustix::process::geteuid().as_raw(), "{name}");
        assert!(own.rss.get() > 0 && own.virtual_size > own.rss && own.threads >= 2, "{name}");
        assert!(!own.kernel_thread, "{name}");
        let counted = own.execs.is_some() && own.io.is_some() && own.cgroup.is_some();
        let by_files = matches!(census.source, CensusSource::KeptFiles | CensusSource::Files);
        assert_eq!(counted, !by_files, "{name}");
        match row(&census, 2).filter(|row| row.comm.as_bytes() == b"kthreadd") {
            Some(kernel) => assert!(kernel.kernel_thread && kernel.rss.get() == 0, "{name}"),
            None => println!("SKIPPED threads of the kernel: not in this pid namespace"),
        }
    }
}

/// A process as censuses before and after have it, and one in between by another source.
fn compare(before: &CensusRow, between: &CensusRow, after: &CensusRow, tick_ms: u128) {
    let what = format!("\n{before:?}\n{between:?}\n{after:?}");
    let cpu = |row: &CensusRow| (row.user + row.system).as_millis();
    // Files cut each of two times to whole ticks; a program has their sum to the nanosecond.
    let most = cpu(after) + 2 * tick_ms;
    assert!(cpu(before) <= cpu(between) && cpu(between) <= most, "{what}");
    let faults = |row: &CensusRow| row.minor_faults;
    assert!((faults(before)..=faults(after)).contains(&faults(between)), "{what}");
    let faults = |row: &CensusRow| row.major_faults;
    assert!((faults(before)..=faults(after)).contains(&faults(between)), "{what}");
    // What was the same before and after was so in between, of a process that did not run meanwhile.
    if (CensusRow { rss: after.rss, ..*before }) != *after {
        return;
    }
    let alike = |row: &CensusRow| (row.id, row.parent, row.uid, row.kernel_thread);
    assert_eq!(alike(before), alike(between), "{what}");
    assert!(between.threads >= 1, "{what}");
    // A program can map something, begin a thread, and be done with both, in less than a tick.
    let size = |row: &CensusRow| row.virtual_size.get();
    assert!(size(before).abs_diff(size(between)) <= 1 << 20, "{what}");
    // Threads of the kernel are named at greater length by their files, workers also by what they did last.
    let worker =
        |row: &CensusRow| row.kernel_thread && row.comm.as_bytes().starts_with(b"kworker/");
    let names = (before.comm.as_bytes(), between.comm.as_bytes());
    let same = match before.kernel_thread {
        true => worker(before) && worker(between) || names.0.starts_with(names.1),
        false => names.0 == names.1,
    };
    // In less than a tick one can also run, sleep and run again.
    let ran = before.state == 'R' || between.state == 'R';
    assert!(same && (before.state == between.state || ran), "{what}");
    if before.rss == after.rss {
        let (files, program) = (before.rss.get(), between.rss.get());
        assert!(files.abs_diff(program) <= (1 << 20) + files / 50, "{what}");
    }
}

#[test]
fn what_a_program_says_lies_between_what_files_say_before_and_after() {
    let _sleepers = Sleepers::of(OsStr::new("sleep"), 30);
    let tick_ms = u128::from(1_000 / rustix::param::clock_ticks_per_second());
    let mut kept = CensusProvider::by(CensusSource::KeptFiles).unwrap();
    for mut provider in providers() {
        let before = (*kept.take().unwrap()).clone();
        let between = provider.take().unwrap();
        let after = kept.take().unwrap();
        let rows = |census: &Census| -> BTreeMap<ProcessId, CensusRow> {
            census.rows.iter().map(|row| (row.id, *row)).collect()
        };
        let (rows_before, rows_between, rows_after) = (rows(&before), rows(&between), rows(&after));
        let mut compared = 0;
        for (id, before) in &rows_before {
            let Some(after) = rows_after.get(id) else { continue };
            let name = between.source.name();
            let Some(between) = rows_between.get(id) else {
                // Seen on Linux 6.18: the kernel's iterator gives neither the first process nor its threads.
                let first = id.pid == 1 && between.source == CensusSource::BpfIterator;
                assert!(first, "{name} misses {before:?}");
                continue;
            };
            compare(before, between, after, tick_ms);
            compared += 1;
        }
        assert!(compared >= 30, "{compared} by {}", between.source.name());
        assert!(before.busy <= between.busy && between.busy <= after.busy);
    }
}

#[test]
fn names_of_any_bytes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let names: [&[u8]; 4] = [b"a) R 1 (\xff\n", b"(((", b")", b"fifteen bytes a longer name"];
    let mut sleepers = Vec::new();
    for name in names {
        let program = folder.path().join(OsStr::from_bytes(name));
        symlink("/bin/sleep", &program).unwrap();
        sleepers.push((name, Sleepers::of(program.as_os_str(), 1)));
    }
    // A program has its name a moment before it has its arguments.
    for (_, sleeper) in &sleepers {
        let path = format!("/proc/{}/cmdline", sleeper.0[0].id());
        while !fs::read(&path).unwrap().ends_with(b"\x00100\0") {
            std::thread::yield_now();
        }
    }
    for mut provider in providers() {
        let census = provider.take().unwrap();
        for (name, sleeper) in &sleepers {
            let row = row(&census, sleeper.0[0].id()).unwrap();
            let held = &name[..name.len().min(15)];
            assert_eq!(row.comm.as_bytes(), held, "{}", census.source.name());
            let mut out = Signals::default();
            let subject = [Subject::Process(row.id)];
            provider.sample(Timestamp::EPOCH, Scope::Only(&subject), &mut out).unwrap();
            let Reading::ProcessDetail(detail) = &out.as_slice()[0].reading else {
                panic!("{out:?}")
            };
            let line = detail.command_line.as_deref().unwrap();
            assert!(line.ends_with(" 100") && line.contains(&*String::from_utf8_lossy(name)));
            assert!(detail.exe.is_some() && detail.fds.unwrap() >= 3, "{detail:?}");
            assert_eq!(detail.io.is_some(), row.io.is_none());
        }
    }
}

#[test]
fn beside_processes_that_come_and_go_nobody_who_stays_is_missed() {
    const SHORT: usize = 400;
    let sleepers = Sleepers::of(OsStr::new("sleep"), 20);
    let mut providers = providers();
    let done = Arc::new(AtomicBool::new(false));
    let storm = std::thread::spawn({
        let done = done.clone();
        move || {
            for _ in 0..SHORT / 20 {
                let spawn = |_| Command::new("true").spawn().unwrap();
                let batch: Vec<Child> = (0..20).map(spawn).collect();
                for mut child in batch {
                    child.wait().unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
        }
    });
    let (mut censuses, mut come, mut gone) = (0, 0, 0);
    let mut before: Vec<Option<Census>> = vec![None; providers.len()];
    while !done.load(Ordering::Relaxed) || censuses < 10 {
        for (provider, before) in providers.iter_mut().zip(&mut before) {
            let census = provider.take().unwrap();
            let name = census.source.name();
            assert!(is_sorted_and_unique(&census), "{name}");
            for sleeper in &sleepers.0 {
                assert!(row(&census, sleeper.id()).is_some(), "{name} misses one who stays");
            }
            if let Some(before) = before {
                census.diff(before, |change| match change {
                    gadget_core::CensusChange::Created(_) => come += 1,
                    gadget_core::CensusChange::Terminated(_) => gone += 1,
                    gadget_core::CensusChange::Changed { .. } => {}
                });
            }
            *before = Some((*census).clone());
            censuses += 1;
        }
    }
    storm.join().unwrap();
    assert!(come > 0 && gone > 0, "{come} came and {gone} went in {censuses} censuses");
    // Whoever is waited for is in none any more.
    for mut provider in providers {
        let census = provider.take().unwrap();
        let zombies = census.rows.iter().filter(|row| row.parent == std::process::id());
        assert!(zombies.filter(|row| row.comm.as_bytes() == b"true").count() == 0);
    }
}

const FEW_FILES: &str = "GADGET_TEST_FEW_FILES";

#[test]
fn with_few_files_the_rest_of_the_processes_are_opened_each_time() {
    let limit = |files| {
        let limit = Rlimit { current: Some(files), maximum: Some(files) };
        setrlimit(Resource::Nofile, limit).unwrap();
    };
    if std::env::var_os(FEW_FILES).is_none() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "with_few_files_the_rest_of_the_processes_are_opened_each_time"]);
        let child = child.env(FEW_FILES, "1").output().unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let sleepers = Sleepers::of(OsStr::new("sleep"), 80);
    limit(60);
    let found = |provider: &mut CensusProvider| {
        let census = provider.take().unwrap();
        sleepers.0.iter().filter(|it| row(&census, it.id()).is_some()).count()
    };
    let mut provider = CensusProvider::by(CensusSource::KeptFiles).unwrap();
    for _ in 0..3 {
        assert_eq!(found(&mut provider), 80);
        assert_eq!(provider.status().get().kept_files, 30, "half of what it may");
    }
    // More than it may have: then some are given up, and still nobody is missed.
    let mut greedy = provider.keep_open(1_000).unwrap();
    for _ in 0..3 {
        assert_eq!(found(&mut greedy), 80);
        assert!(greedy.status().get().kept_files < 60);
    }
    fs::File::open("/proc/self/stat").unwrap();
}
