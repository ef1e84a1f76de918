//! Once warm, a sweep allocates nothing: neither for a cgroup nor for a process nor in all, nor do lines that become records.

#![allow(clippy::unwrap_used)] // All of it is tests.

use std::fs;
use std::path::Path;
use std::time::Duration;

use gadget_core::testing::{Counting, allocations};
use gadget_core::{
    LogBatch, LogFlags, LogInput, LogMeta, LogRead, LogSource, LogSources, Scope, SignalError,
    SignalProvider, Signals, Subject, Timestamp,
};
use gadget_signals::logs::{Refine, RefineSettings};
use gadget_signals::{
    Calm, CgroupFiles, CgroupLayout, Cgroups, HostCpuProvider, HostIoProvider, HostMemoryProvider,
    PressureProvider, ProcessFiles, Processes,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of two sweeps and of one sample of `named` once warm, and how many readings they gave.
fn when_warm(provider: &mut dyn SignalProvider, named: &[Subject]) -> (u64, usize) {
    let mut out = Signals::at(Timestamp::EPOCH);
    let mut sample = |second: u64, scope: Scope<'_>| {
        // Past a walk and a review of everything each time.
        let now = Timestamp::from_secs(1_000_000 + second * 61);
        out.restart(now);
        provider.sample(now, scope, &mut out).unwrap();
        out.as_slice().len()
    };
    let before = allocations();
    sample(0, Scope::Everything);
    assert!(allocations() > before, "the first sample has to, or nothing is counted");
    for second in 1..20 {
        sample(second, Scope::Everything);
        sample(second, Scope::Only(named));
    }
    let before = allocations();
    let read = sample(20, Scope::Everything)
        + sample(21, Scope::Only(named))
        + sample(22, Scope::Everything);
    (allocations() - before, read)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn golden(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)
}

fn subject_of(folder: &Path) -> Subject {
    use std::os::unix::fs::MetadataExt;
    Subject::Cgroup(gadget_core::CgroupId(fs::metadata(folder).unwrap().ino()))
}

#[test]
fn cgroups_allocate_nothing_once_warm() {
    let files = CgroupFiles::CPU | CgroupFiles::IO | CgroupFiles::PIDS | CgroupFiles::PRESSURE;
    for kernel in ["6.1", "6.12", "6.18"] {
        let root = tempfile::tempdir().unwrap();
        let lab = if kernel == "6.18" { "memory/lab" } else { "lab" };
        copy(&golden(&format!("{kernel}/sys/fs/cgroup")), root.path());
        for number in 0..40 {
            copy(&root.path().join(lab), &root.path().join(format!("{lab}{number}")));
        }
        let named = [subject_of(&root.path().join(lab))];
        for (calm, keep) in [(Calm::default(), 1000), (Calm::never(), 1000), (Calm::never(), 0)] {
            let cgroups = Cgroups::at(root.path()).unwrap();
            let mut cgroups = cgroups.with(files).calm(calm).keep_open(keep);
            let (allocations, read) = when_warm(&mut cgroups, &named);
            assert!(read > 2 * 41, "{kernel}: {read}");
            assert_eq!(allocations, 0, "{kernel}, {calm:?}, {keep} files");
        }
    }
}

#[test]
fn processes_allocate_nothing_once_warm() {
    let root = tempfile::tempdir().unwrap();
    copy(&golden("6.1/sys/fs/cgroup"), &root.path().join("cg"));
    for pid in 100..160 {
        let folder = root.path().join("proc").join(pid.to_string());
        copy(&golden("6.1/proc/78"), &folder);
        std::os::unix::fs::symlink("/usr/bin/worker", folder.join("exe")).unwrap();
    }
    fs::write(root.path().join("cg/lab/cgroup.procs"), "100\n101\n").unwrap();
    let named = [subject_of(&root.path().join("cg/lab"))];
    for (calm_sweeps, keep) in [(10, 1000), (1, 1000), (1, 0)] {
        let layout = CgroupLayout::at(root.path().join("cg")).unwrap();
        let processes = Processes::at(root.path().join("proc"), Some(layout)).unwrap();
        let processes = processes.with(ProcessFiles::SMAPS | ProcessFiles::IO);
        let mut processes = processes.calm_sweeps(calm_sweeps).keep_open(keep);
        let (allocations, read) = when_warm(&mut processes, &named);
        assert!(read >= 4, "{read}");
        assert_eq!(allocations, 0, "{calm_sweeps} sweeps, {keep} files");
    }
}

#[test]
fn a_census_allocates_nothing_once_those_before_it_are_let_go() {
    use gadget_core::{CensusSource, Telemetry, TelemetryCell};
    use gadget_signals::CensusProvider;
    let every = std::time::Duration::ZERO;
    let always = || TelemetryCell::new(Telemetry { every, ..Telemetry::default() });
    let root = tempfile::tempdir().unwrap();
    copy(&golden("6.1/proc"), root.path());
    for pid in 100..160 {
        copy(&golden("6.1/proc/78"), &root.path().join(pid.to_string()));
    }
    for keep in [0, 1000] {
        let provider = CensusProvider::at_root(root.path()).unwrap().telemetry(always());
        let mut provider = provider.keep_open(keep).unwrap();
        assert_eq!(when_warm(&mut provider, &[]), (0, 2), "{keep} files");
    }
    // Of this host, which may have more processes meanwhile: some of the samples are without.
    use CensusSource::{BpfIterator, BpfWalk, Files, KeptFiles};
    for source in [BpfWalk, BpfIterator, KeptFiles, Files] {
        match CensusProvider::by(source) {
            Ok(provider) => {
                let mut provider = provider.telemetry(always());
                let free = (0..20).any(|_| when_warm(&mut provider, &[]).0 == 0);
                assert!(free, "{}", source.name());
            }
            Err(error) => println!("SKIPPED {}: {error}", source.name()),
        }
    }
}

#[test]
fn the_host_as_a_whole_allocates_nothing_once_warm() {
    let mut memory = HostMemoryProvider::host().unwrap();
    let mut cpu = HostCpuProvider::host().unwrap();
    let mut io = HostIoProvider::host().unwrap();
    let named = [Subject::Host];
    assert_eq!(when_warm(&mut memory, &named), (0, 3));
    assert_eq!(when_warm(&mut cpu, &named), (0, 3));
    assert_eq!(when_warm(&mut io, &named), (0, 3));
    match PressureProvider::host() {
        Ok(mut pressure) => assert_eq!(when_warm(&mut pressure, &named).0, 0),
        Err(error) => eprintln!("SKIPPED pressure of this host: {error}"),
    }
}

#[cfg(feature = "bpf")]
#[test]
fn scans_of_the_kernels_lists_allocate_nothing_once_warm() {
    use gadget_signals::{BlockedThreads, ProcessScan, ScanBy};
    let warm = |look: &mut dyn FnMut() -> usize| {
        // Room for processes that begin meanwhile.
        let most = (0..5).map(|_| look()).max();
        let before = allocations();
        let found = look();
        assert!(found > 10 && (allocations() == before || Some(found) > most), "{found}");
    };
    for by in [ScanBy::Walk, ScanBy::Iterator] {
        match ProcessScan::by(None, by) {
            Ok(mut scan) => warm(&mut || scan.scan().unwrap().len()),
            Err(error) => println!("SKIPPED {by:?}: {error}"),
        }
    }
    match BlockedThreads::host() {
        Ok(blocked) => {
            let mut blocked = blocked.still(std::time::Duration::ZERO);
            warm(&mut || blocked.look().unwrap().len());
        }
        Err(error) => println!("SKIPPED: {error}"),
    }
}

/// Gives the same lines again and again.
struct Lines(Vec<(gadget_core::SourceId, &'static [u8])>);

impl LogInput for Lines {
    fn read(&mut self, batch: &mut LogBatch, _: Duration) -> Result<LogRead, SignalError> {
        for (source, text) in &self.0 {
            let (at, flags) = (Timestamp::from_secs(1_735_600_000), LogFlags::default());
            let source = *source;
            batch.push(LogMeta { source, at, written: None, severity: None, flags }, text);
        }
        Ok(LogRead::Lines)
    }
}

#[test]
fn lines_become_records_without_allocation_once_warm() {
    const TEXTS: [&[u8]; 7] = [
        b"Jun 14 15:16:01 combo sshd[19939]: error: authentication failure",
        b"[Sun Dec 04 04:47:44 2005] [error] x",
        b"\tat a.B.c(B.java:3)",
        br#"{"level":30,"time":1700000000123,"msg":"a \"b\""}"#,
        b"time=\"2024-02-03T10:00:00Z\" level=warning msg=\"slow\"",
        b"\x1b[31mE0102 15:04:05.678901 7 a.go:1] x\x1b[0m \xff",
        b"2024-02-03T10:00:00.5Z stdout F 10:00:00.123 INFO x",
    ];
    let sources = LogSources::default();
    let source =
        |origin: &str| sources.id(&LogSource { origin: origin.into(), ..LogSource::default() });
    let (plain, pod) = (source("/a.log"), source("/var/log/pods/n_p_u/c/0.log"));
    let lines =
        TEXTS.iter().map(|text| (if text.starts_with(b"2024") { pod } else { plain }, *text));
    let settings = RefineSettings { hold: Duration::from_secs(3600), ..Default::default() };
    let mut refine = Refine::new(Lines(lines.collect()), sources, settings);
    let mut batch = LogBatch::default();
    let mut read = || {
        batch.clear();
        refine.read(&mut batch, Duration::ZERO).unwrap();
        batch.len()
    };
    let before = allocations();
    read();
    assert!(allocations() > before, "the first read has to, or nothing is counted");
    (0..20).for_each(|_| assert!(read() >= 6));
    let before = allocations();
    let records: usize = (0..20).map(|_| read()).sum();
    assert_eq!((allocations() - before, records), (0, 20 * 6));
}
