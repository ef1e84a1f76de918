use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Child, Command};

use gadget_core::{CgroupId, IoCount, ProcessId, ProcessUsage, Reading, Runtime};

use super::super::parse::{parse_stat, parse_statm};
use super::*;
use crate::testing::{golden, readings, sample, tree, write};

fn stat(pid: u32, comm: &str, start: u64, rss: u64) -> String {
    format!(
        "{pid} ({comm}) S 1 1 1 0 -1 4194304 5 0 6 0 150 50 0 0 20 0 3 0 {start} 4096 {rss} 0\n"
    )
}

/// A process of 100 pages in group `/lab` of a version 2 tree, as user 1000.
fn one_process() -> tempfile::TempDir {
    let root = tree(&[
        ("cg/cgroup.controllers", "memory\n"),
        ("cg/lab/cgroup.procs", "7\n"),
        ("proc/7/stat", &stat(7, "worker", 50, 100)),
        ("proc/7/statm", "900 100 40 1 0 1 0\n"),
        ("proc/7/status", "Name:\tworker\nUid:\t0\t1000\t0\t0\n"),
        ("proc/7/oom_score_adj", "-500\n"),
        ("proc/7/cgroup", "0::/lab\n"),
        ("proc/7/smaps_rollup", "00-01 ---p 0 0:0 0 [rollup]\nPss: 4 kB\nSwap: 8 kB\n"),
        ("proc/7/io", "rchar: 1\nread_bytes: 3\nwrite_bytes: 4\n"),
        ("proc/7/maps", "00-01 r--p 0 0:0 0 /lib/libpython3.11.so.1.0\n"),
        ("proc/notes", "no process\n"),
    ]);
    symlink("/opt/worker (deleted)", root.path().join("proc/7/exe")).unwrap();
    root
}

fn provider(root: &Path) -> Processes {
    let layout = CgroupLayout::at(root.join("cg")).unwrap();
    Processes::at(root.join("proc"), Some(layout)).unwrap()
}

fn identities(readings: &[(Subject, Reading)]) -> Vec<ProcessIdentity> {
    let of = |reading: &Reading| match reading {
        Reading::ProcessIdentity(identity) => Some((**identity).clone()),
        _ => None,
    };
    readings.iter().filter_map(|(_, reading)| of(reading)).collect()
}

fn usages(readings: &[(Subject, Reading)]) -> Vec<ProcessUsage> {
    let of = |reading: &Reading| match reading {
        Reading::ProcessUsage(usage) => Some(*usage),
        _ => None,
    };
    readings.iter().filter_map(|(_, reading)| of(reading)).collect()
}

const SEVEN: Subject = Subject::Process(ProcessId { pid: 7, start: 50 });

#[test]
fn a_process_gives_what_it_is_and_what_it_uses() {
    let root = one_process();
    let all = readings(&mut provider(root.path()));
    let lab = fs::metadata(root.path().join("cg/lab")).unwrap().ino();
    let identity = ProcessIdentity {
        parent: 1,
        comm: "worker".into(),
        exe: Some("/opt/worker".into()),
        uid: 1000,
        cgroup: Some(CgroupId(lab)),
        cgroup_path: Some("/lab".into()),
        oom_score_adj: Some(-500),
        kernel_thread: false,
        runtime: Runtime::Native,
    };
    let page = page_size() as u64;
    let usage = ProcessUsage {
        rss: Bytes::from_pages(100, page),
        shared: Some(Bytes::from_pages(40, page)),
        pss: None,
        swap: None,
        cpu: Duration::from_secs(2),
        minor_faults: 5,
        major_faults: 6,
        threads: 3,
        state: 'S',
        voluntary_switches: None,
        involuntary_switches: None,
    };
    let expected = [
        (SEVEN, Reading::ProcessIdentity(Box::new(identity))),
        (SEVEN, Reading::ProcessUsage(usage)),
    ];
    assert_eq!(all, expected);
}

#[test]
fn the_recorded_processes_are_read_on_each_kernel() {
    for (kernel, pid, path) in [("6.1", 78, "/lab"), ("6.12", 128, "/lab"), ("6.18", 4370, "/lab")]
    {
        let layout = CgroupLayout::at(golden(kernel).join("sys/fs/cgroup")).unwrap();
        let mut processes = Processes::at(golden(kernel).join("proc"), Some(layout)).unwrap();
        let all = readings(&mut processes);
        assert_eq!(processes.known(), 2, "{kernel}");
        let of = |wanted: u32| {
            let found = all.iter().find_map(|(subject, reading)| match (subject, reading) {
                (Subject::Process(id), Reading::ProcessIdentity(identity)) if id.pid == wanted => {
                    Some(identity.clone())
                }
                _ => None,
            });
            found.unwrap()
        };
        assert!(of(2).kernel_thread && &*of(2).comm == "kthreadd", "{kernel}");
        assert_eq!(of(pid).cgroup_path.as_deref(), Some(path), "{kernel}");
        assert!(of(pid).cgroup.is_some() && of(pid).oom_score_adj.is_some(), "{kernel}");
    }
}

#[test]
fn a_calm_process_is_sent_in_one_of_ten_sweeps_and_a_growing_one_always() {
    let root = one_process();
    let mut processes = provider(root.path());
    readings(&mut processes);
    let sent: Vec<u64> = (2..32)
        .filter(|&second| !sample(&mut processes, second, Scope::Everything).is_empty())
        .collect();
    assert_eq!(sent, [4, 14, 24], "process 7 has its turn 7 sweeps early");
    let grown = 100 + (LEAST_MOVEMENT.get() / page_size() as u64);
    write(root.path(), &[("proc/7/statm", &*format!("900 {grown} 40 1 0 1 0\n"))]);
    assert_eq!(usages(&sample(&mut processes, 32, Scope::Everything)).len(), 1);
    assert_eq!(sample(&mut processes, 33, Scope::Everything), []);
}

#[test]
fn beyond_the_bound_on_open_files_stat_alone_is_read_and_always() {
    let root = one_process();
    let mut processes = provider(root.path()).keep_open(0);
    for second in 1..4 {
        let usage = usages(&sample(&mut processes, second, Scope::Everything))[0];
        assert_eq!(usage.rss, Bytes::from_pages(100, page_size() as u64));
        assert_eq!(usage.shared, None);
    }
}

#[test]
fn a_named_process_is_read_in_detail() {
    let root = one_process();
    let mut processes = provider(root.path()).with(ProcessFiles::SMAPS | ProcessFiles::IO);
    readings(&mut processes);
    let named = sample(&mut processes, 2, Scope::Only(&[SEVEN]));
    let usage = usages(&named)[0];
    assert_eq!((usage.pss, usage.swap), (Some(Bytes::from_kib(4)), Some(Bytes::from_kib(8))));
    let io = IoCount { read: Bytes::new(3), written: Bytes::new(4) };
    assert!(named.contains(&(SEVEN, Reading::ProcessIo(io))));
    assert_eq!(identities(&named)[0].runtime, Runtime::Python, "by its mapped library");
    assert!(identities(&sample(&mut processes, 3, Scope::Only(&[SEVEN]))).is_empty(), "told once");
    let other = Subject::Process(ProcessId { pid: 7, start: 51 });
    assert_eq!(sample(&mut processes, 4, Scope::Only(&[other, Subject::Host])), []);
}

#[test]
fn the_processes_of_a_named_cgroup_and_below_it_are_read_once_each() {
    let root = one_process();
    write(
        root.path(),
        &[
            ("cg/lab/sub/deep/cgroup.procs", "8\n7\n"),
            ("proc/8/stat", &stat(8, "new", 60, 1)),
            ("proc/8/status", "Uid:\t0\t0\t0\t0\n"),
            ("proc/8/cgroup", "0::/lab/sub/deep\n"),
            ("proc/9/stat", &stat(9, "elsewhere", 60, 1)),
            ("proc/9/status", "Uid:\t0\t0\t0\t0\n"),
            ("proc/9/cgroup", "0::/\n"),
        ],
    );
    let id =
        |path: &str| Subject::Cgroup(CgroupId(fs::metadata(root.path().join(path)).unwrap().ino()));
    let mut processes = provider(root.path());
    // Nothing was swept yet, so the group has to be looked for.
    for second in 1..3 {
        let scope = [id("cg/lab"), id("cg/lab/sub")];
        let read = sample(&mut processes, second, Scope::Only(&scope));
        assert_eq!(usages(&read).len(), 2, "{read:?}");
    }
    let sub = sample(&mut processes, 3, Scope::Only(&[id("cg/lab/sub")]));
    assert_eq!(usages(&sub).len(), 2);
    let nothing = Subject::Cgroup(CgroupId(u64::MAX));
    assert_eq!(sample(&mut processes, 4, Scope::Only(&[nothing])), []);
}

#[test]
fn a_process_that_took_the_number_of_another_is_another() {
    for keep in [0, 10] {
        let root = one_process();
        let mut processes = provider(root.path()).keep_open(keep);
        readings(&mut processes);
        write(
            root.path(),
            &[("proc/7/stat", &stat(7, "worker", 99, 5)), ("proc/7/statm", "9 500 1\n")],
        );
        let now = sample(&mut processes, 2, Scope::Everything);
        assert_eq!(now[0], (SEVEN, Reading::Gone), "{now:?}");
        assert_eq!(now[1].0, Subject::Process(ProcessId { pid: 7, start: 99 }));
        assert_eq!((identities(&now).len(), usages(&now).len(), processes.known()), (1, 1, 1));
    }
}

#[test]
fn a_process_that_is_gone_is_told_once() {
    let root = one_process();
    let mut processes = provider(root.path());
    readings(&mut processes);
    fs::remove_dir_all(root.path().join("proc/7")).unwrap();
    assert_eq!(sample(&mut processes, 2, Scope::Everything), [(SEVEN, Reading::Gone)]);
    assert_eq!(sample(&mut processes, 3, Scope::Everything), []);
    assert_eq!(processes.shared.kept, 0, "its file was closed");
}

#[test]
fn changes_of_an_identity_are_told_when_they_are_seen() {
    let root = one_process();
    let mut processes = provider(root.path()).calm_sweeps(1);
    readings(&mut processes);
    write(root.path(), &[("proc/7/stat", &stat(7, "renamed", 50, 100))]);
    let now = identities(&sample(&mut processes, 2, Scope::Everything));
    assert_eq!((now.len(), &*now[0].comm), (1, "renamed"));
    write(root.path(), &[("proc/7/oom_score_adj", "300\n")]);
    assert!(identities(&sample(&mut processes, 3, Scope::Everything)).is_empty());
    let now = identities(&sample(&mut processes, 70, Scope::Everything));
    assert_eq!((now.len(), now[0].oom_score_adj), (1, Some(300)));
    assert!(identities(&sample(&mut processes, 140, Scope::Everything)).is_empty(), "unchanged");
}

#[test]
fn a_bad_file_is_an_error_with_its_path_and_does_not_stop_the_sweep() {
    let root = one_process();
    write(root.path(), &[("proc/6/stat", "6 (half"), ("proc/8/stat", &stat(8, "ok", 1, 1))]);
    write(root.path(), &[("proc/8/status", "Uid:\t0\t0\t0\t0\n"), ("proc/8/cgroup", "0::/\n")]);
    let mut processes = provider(root.path());
    let mut out = Signals::at(Timestamp::from_secs(1));
    let error = processes.sample(Timestamp::from_secs(1), Scope::Everything, &mut out).unwrap_err();
    let path = root.path().join("proc/6/stat");
    assert!(error.to_string().starts_with(&format!("{}:1: expected", path.display())), "{error}");
    assert_eq!(processes.known(), 2);
}

/// A child that is ended when the test is over, however it ends.
struct Sleeper(Child);

impl Sleeper {
    fn spawn() -> Self {
        Self(Command::new("sleep").arg("100").spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_child_on_this_host_is_seen_and_its_end_too() {
    let child = Sleeper::spawn();
    let pid = child.0.id();
    let mut processes = Processes::detect().unwrap();
    let all = readings(&mut processes);
    let subject = all
        .iter()
        .map(|(subject, _)| *subject)
        .find(|subject| matches!(subject, Subject::Process(id) if id.pid == pid));
    let subject = subject.expect("the child");
    drop(child);
    let after = sample(&mut processes, 2, Scope::Only(&[subject]));
    assert_eq!(after, [(subject, Reading::Gone)]);
}

#[test]
fn the_numbers_agree_with_procfs_core() {
    use procfs_core::FromRead;
    let mut compared = 0;
    for (kernel, pid) in
        [("6.1", 78), ("6.1", 2), ("6.12", 128), ("6.12", 2), ("6.18", 4370), ("6.18", 2)]
    {
        let folder = golden(kernel).join("proc").join(pid.to_string());
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        compared += compare(&read("stat"), &read("statm"), &read("status"));
        let _ = procfs_core::process::Status::from_read(&*read("status")).unwrap();
    }
    assert_eq!(compared, 6);
    let live = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let read = |name: &str| fs::read(entry.path().join(name)).ok();
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        Some((read("stat")?, read("statm")?, read("status")?))
    });
    let compared: usize = live.map(|(stat, statm, status)| compare(&stat, &statm, &status)).sum();
    assert!(compared > 5, "{compared} processes of this host");
}

/// Parses the same bytes both ways.
fn compare(stat: &[u8], statm: &[u8], status: &[u8]) -> usize {
    use procfs_core::FromRead;
    use procfs_core::process::{Stat, StatFlags, StatM, Status};
    let path = Path::new("f");
    let ours = parse_stat(stat, path).unwrap();
    let theirs = Stat::from_read(stat).unwrap();
    assert_eq!(i64::from(ours.pid), i64::from(theirs.pid));
    assert_eq!(String::from_utf8_lossy(ours.comm), theirs.comm);
    assert_eq!(ours.state, theirs.state);
    assert_eq!(i64::from(ours.parent), i64::from(theirs.ppid));
    assert_eq!(ours.minor_faults, theirs.minflt);
    assert_eq!(ours.major_faults, theirs.majflt);
    assert_eq!((ours.user_ticks, ours.system_ticks), (theirs.utime, theirs.stime));
    assert_eq!(ours.virtual_size, theirs.vsize);
    assert_eq!(i64::from(ours.threads), theirs.num_threads);
    assert_eq!(ours.start, theirs.starttime);
    assert_eq!(ours.rss_pages, theirs.rss);
    let flags = StatFlags::from_bits_truncate(theirs.flags);
    assert_eq!(ours.kernel_thread, flags.contains(StatFlags::PF_KTHREAD));
    let theirs = StatM::from_read(statm).unwrap();
    assert_eq!(parse_statm(statm, path).unwrap(), (theirs.resident, theirs.shared));
    let theirs = Status::from_read(status).unwrap();
    assert_eq!(super::super::parse::parse_uid(status, path).unwrap(), theirs.euid);
    1
}
