//! The providers on the running kernel: cgroups made here are read, run into their limit and removed.
//!
//! Needs root and a writable cgroup file system; where that is missing each test says so and is not counted as run.
//! What needs nothing is tested beside the code, on recorded and made-up trees.

#![allow(clippy::unwrap_used)] // All of it is tests.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gadget_core::{
    Bytes, CgroupId, CgroupVersion, MemoryLimit, Reading, Resource, Scope, SignalProvider, Signals,
    Subject, Timestamp,
};
use gadget_signals::{
    Calm, CgroupFiles, CgroupLayout, Cgroups, HostProviders, OomWatch, PsiTrigger, StallWatch,
    parse,
};
use rustix::process::{Resource as RLimit, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Groups of a test's own, in each hierarchy that is there; removed when dropped.
struct Groups {
    roots: Vec<PathBuf>,
    path: String,
    version: CgroupVersion,
}

impl Groups {
    /// `None`, after saying why, where groups cannot be made.
    fn make() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let layout = match CgroupLayout::detect() {
            Ok(layout) => layout,
            Err(error) => {
                eprintln!("SKIPPED: {error}");
                return None;
            }
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/gadget-signals-{}-{number}", std::process::id());
        let home = layout.root().to_owned();
        let mut roots = vec![home.clone()];
        if let (CgroupVersion::V1, Some(above)) = (layout.version(), home.parent()) {
            let others = ["unified", "cpu", "cpuacct", "pids", "blkio"];
            roots.extend(
                others.map(|name| above.join(name)).into_iter().filter(|root| root.is_dir()),
            );
        }
        let groups = Self { roots, path, version: layout.version() };
        match groups.add("").and_then(|()| groups.delegate()) {
            Ok(()) => Some(groups),
            Err(error) => {
                eprintln!("SKIPPED: cannot make a cgroup in {}: {error}", home.display());
                None
            }
        }
    }

    /// Version 2 gives a controller to the groups below only where it is told to.
    fn delegate(&self) -> std::io::Result<()> {
        match self.version {
            CgroupVersion::V1 => Ok(()),
            CgroupVersion::V2 => {
                fs::write(self.folder("").join("cgroup.subtree_control"), "+cpu +memory")
            }
        }
    }

    fn add(&self, name: &str) -> std::io::Result<()> {
        self.roots.iter().try_for_each(|root| fs::create_dir(self.at(root, name)))
    }

    fn remove(&self, name: &str) {
        for root in &self.roots {
            fs::remove_dir(self.at(root, name)).unwrap();
        }
    }

    fn at(&self, root: &Path, name: &str) -> PathBuf {
        root.join(self.path.trim_start_matches('/')).join(name)
    }

    /// The folder in the hierarchy that groups are listed in.
    fn folder(&self, name: &str) -> PathBuf {
        self.at(&self.roots[0], name)
    }

    fn subject(&self, name: &str) -> Subject {
        Subject::Cgroup(CgroupId(fs::metadata(self.folder(name)).unwrap().ino()))
    }

    fn limit(&self, name: &str, bytes: u64) {
        let file = match self.version {
            CgroupVersion::V1 => "memory.limit_in_bytes",
            CgroupVersion::V2 => "memory.max",
        };
        fs::write(self.folder(name).join(file), bytes.to_string()).unwrap();
    }

    fn provider(&self) -> Cgroups {
        Cgroups::detect().unwrap().subtree(&self.path)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for root in &self.roots {
            let top = self.at(root, "");
            for entry in fs::read_dir(&top).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    let _ = fs::remove_dir(entry.path());
                }
            }
            let _ = fs::remove_dir(top);
        }
    }
}

/// A child that is ended when the test is over, however it ends.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sample(provider: &mut Cgroups, second: u64, scope: Scope<'_>) -> Vec<(Subject, Reading)> {
    let now = Timestamp::from_secs(second);
    let mut out = Signals::at(now);
    provider.sample(now, scope, &mut out).unwrap();
    out.as_slice().iter().map(|signal| (signal.subject, signal.reading.clone())).collect()
}

#[test]
fn a_group_is_read_while_it_lives_and_told_gone_at_once_when_it_does_not() {
    let Some(groups) = Groups::make() else { return };
    groups.add("one").unwrap();
    groups.add("two").unwrap();
    groups.limit("one", 64 << 20);
    let (one, two) = (groups.subject("one"), groups.subject("two"));
    for keep in [0, 100] {
        let mut cgroups = groups.provider().keep_open(keep);
        let all = sample(&mut cgroups, 1, Scope::Everything);
        let memory = all.iter().find_map(|(subject, reading)| match reading {
            Reading::CgroupMemory(memory) if *subject == one => Some(memory),
            _ => None,
        });
        let memory = memory.expect("memory of the group");
        assert_eq!(memory.max, MemoryLimit::At(Bytes::from_mib(64)));
        assert!(memory.stat.is_some() && memory.events.is_some());
        let pressed = |(subject, reading): &(Subject, Reading)| {
            *subject == one && matches!(reading, Reading::Pressure(Resource::Memory, _))
        };
        assert_eq!(all.iter().any(pressed), Path::new("/proc/pressure").exists());
        assert_eq!(cgroups.known(), 3);
    }
    let mut swept = groups.provider();
    let mut named = groups.provider().keep_open(0);
    sample(&mut swept, 1, Scope::Everything);
    sample(&mut named, 1, Scope::Everything);
    groups.remove("two");
    // Neither waits for the next walk.
    assert!(sample(&mut swept, 2, Scope::Everything).contains(&(two, Reading::Gone)));
    assert_eq!(sample(&mut named, 2, Scope::Only(&[two])), [(two, Reading::Gone)]);
    groups.remove("one");
}

#[test]
fn a_kill_in_a_group_is_told_as_the_kernel_counts_it() {
    let Some(groups) = Groups::make() else { return };
    groups.add("leak").unwrap();
    groups.limit("leak", 24 << 20);
    let leak = groups.subject("leak");
    let mut cgroups = groups.provider();
    sample(&mut cgroups, 1, Scope::Everything);
    let mut watch = OomWatch::host().unwrap();
    // It waits for a line, so that it is in the group before it begins; `tail` keeps all of an endless line.
    let mut child = Guarded(
        Command::new("sh")
            .args(["-c", "read go && exec tail /dev/zero"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    fs::write(groups.folder("leak").join("cgroup.procs"), child.0.id().to_string()).unwrap();
    child.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let status = child.0.wait().unwrap();
    assert!(!status.success());
    let host: Vec<_> = told(&mut watch);
    assert!(matches!(host[..], [Reading::OomKill(1..)]), "{host:?}, {}", watch.describe());
    let kills: u64 = sample(&mut cgroups, 2, Scope::Only(&[leak]))
        .iter()
        .map(|(_, reading)| match reading {
            Reading::OomKill(kills) => *kills,
            _ => 0,
        })
        .sum();
    assert_eq!(kills, 1);
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of each of several turns at several ways of doing the same; the least of each is compared, which neighbours
/// disturb least.
fn least_cpu(turns: usize, ways: &mut [&mut dyn FnMut()]) -> Vec<Duration> {
    let mut least = vec![Duration::MAX; ways.len()];
    for _ in 0..turns {
        for (least, way) in least.iter_mut().zip(ways.iter_mut()) {
            let before = thread_cpu();
            way();
            *least = (*least).min(thread_cpu() - before);
        }
    }
    least
}

#[test]
fn keeping_files_open_costs_at_most_half_of_opening_them_by_path() {
    const GROUPS: usize = 200;
    let Some(groups) = Groups::make() else { return };
    // Where root starts with 1024, as a service does.
    let files = getrlimit(RLimit::Nofile);
    let most = Rlimit { current: files.maximum, maximum: files.maximum };
    setrlimit(RLimit::Nofile, most).unwrap();
    for number in 0..GROUPS {
        groups.add(&format!("g{number}")).unwrap();
    }
    // The files that the provider reads, each with its parser.
    type Check = fn(&[u8], &Path) -> bool;
    let number: Check = |text, path| parse::memory_limit(text, path).is_ok();
    let pressure: (usize, &str, Check) =
        (1, "memory.pressure", |text, path| parse::pressure(text, path).is_ok());
    let files: Vec<(usize, &str, Check)> = match groups.version {
        CgroupVersion::V1 => vec![
            (0, "memory.usage_in_bytes", number),
            (0, "memory.limit_in_bytes", number),
            (0, "memory.stat", |text, path| parse::memory_stat_v1(text, path).is_ok()),
            (0, "memory.oom_control", |text, path| parse::oom_control(text, path).is_ok()),
            (0, "memory.failcnt", number),
            (0, "memory.kmem.usage_in_bytes", number),
            pressure,
            (2, "cpu.stat", |text, path| parse::cpu_stat_v1(text, path, Duration::ZERO).is_ok()),
            (3, "cpuacct.usage", number),
        ],
        CgroupVersion::V2 => vec![
            (0, "memory.current", number),
            (0, "memory.max", number),
            (0, "memory.high", number),
            (0, "memory.stat", |text, path| parse::memory_stat_v2(text, path).is_ok()),
            (0, "memory.events", |text, path| parse::memory_events(text, path).is_ok()),
            (0, "memory.swap.current", number),
            (0, pressure.1, pressure.2),
            (0, "cpu.stat", |text, path| parse::cpu_stat_v2(text, path).is_ok()),
        ],
    };
    let paths: Vec<(PathBuf, Check)> = (0..GROUPS)
        .flat_map(|group| {
            let group = format!("g{group}");
            let at = |root: usize| groups.at(&groups.roots[root], &group);
            files
                .iter()
                .map(|(root, file, check)| (at(*root).join(file), *check))
                .collect::<Vec<_>>()
        })
        .filter(|(path, _)| path.exists())
        .collect();
    assert!(paths.len() >= GROUPS * 6, "{} files", paths.len());
    let mut by_path = || {
        for (path, check) in &paths {
            assert!(check(&fs::read(path).unwrap(), path));
        }
    };
    let provider = |calm| {
        let cgroups = groups.provider().with(CgroupFiles::CPU).calm(calm).keep_open(5000);
        cgroups.walk_every(Duration::from_secs(3600))
    };
    let (mut all, mut calm) = (provider(Calm::never()), provider(Calm::default()));
    let mut out = Signals::default();
    let (mut all_second, mut calm_second) = (0, 0);
    let mut sweep = |provider: &mut Cgroups, second: &mut u64| {
        *second += 2;
        let now = Timestamp::from_secs(*second);
        out.restart(now);
        provider.sample(now, Scope::Everything, &mut out).unwrap();
        assert!(out.as_slice().len() >= GROUPS);
    };
    sweep(&mut all, &mut all_second);
    sweep(&mut calm, &mut calm_second);
    let sweep = std::cell::RefCell::new(sweep);
    let times = least_cpu(
        15,
        &mut [&mut by_path, &mut || sweep.borrow_mut()(&mut all, &mut all_second), &mut || {
            sweep.borrow_mut()(&mut calm, &mut calm_second)
        }],
    );
    println!(
        "{GROUPS} groups: by path {:?}, kept open {:?}, calm {:?}",
        times[0], times[1], times[2]
    );
    // Unoptimized, parsing outweighs the system calls.
    let times_less = if cfg!(debug_assertions) { 1 } else { 2 };
    assert!(times[1] * times_less <= times[0], "kept open {:?}, by path {:?}", times[1], times[0]);
    assert!(times[2] <= times[1], "calm {:?}, all {:?}", times[2], times[1]);
}

/// A group of the unified hierarchy with a pressure file, in which two busy processes share one processor.
fn crowded(groups: &Groups) -> Option<(PathBuf, Vec<Guarded>)> {
    let folder = groups.roots.iter().map(|root| groups.at(root, "busy")).find(|folder| {
        folder.join("cpu.pressure").exists() && folder.join("cgroup.procs").exists()
    });
    let Some(folder) = folder else {
        eprintln!("SKIPPED: no pressure of cgroups on this host");
        return None;
    };
    let spin = || {
        // The same single processor for both, so that one always waits.
        let mut command = Command::new("taskset");
        let child = command.args(["-c", "0", "sh", "-c", "while :; do :; done"]).spawn();
        let child = Guarded(child.unwrap());
        fs::write(folder.join("cgroup.procs"), child.0.id().to_string()).unwrap();
        child
    };
    Some((folder.join("cpu.pressure"), vec![spin(), spin()]))
}

/// What is told within a minute.
fn told(provider: &mut dyn SignalProvider) -> Vec<Reading> {
    for _ in 0..60 {
        if provider.wait(Duration::from_secs(1)).unwrap().unwrap() {
            let mut out = Signals::at(Timestamp::EPOCH);
            provider.sample(Timestamp::EPOCH, Scope::Everything, &mut out).unwrap();
            return out.as_slice().iter().map(|signal| signal.reading.clone()).collect();
        }
    }
    Vec::new()
}

#[test]
fn a_real_stall_is_told_by_the_watch_and_by_the_kernels_trigger() {
    let Some(groups) = Groups::make() else { return };
    groups.add("busy").unwrap();
    let subject = groups.subject("busy");
    let Some((path, spinning)) = crowded(&groups) else { return };
    let (stall, window) = (Duration::from_millis(150), Duration::from_secs(1));
    let mut watch = StallWatch::at(&path, subject, Resource::Cpu, stall, window).unwrap();
    let mut trigger = PsiTrigger::at(&path, subject, Resource::Cpu, stall, window).unwrap();
    let stalled = Reading::StallTrigger(Resource::Cpu);
    assert_eq!(told(&mut watch).last(), Some(&stalled), "{}", watch.describe());
    assert_eq!(told(&mut trigger), [stalled], "{}", trigger.describe());
    drop(spinning);
    groups.remove("busy");
    while told(&mut watch) != [Reading::Gone] {}
    while told(&mut trigger) != [Reading::Gone] {}
    let quiet = |provider: &mut dyn SignalProvider| {
        matches!(provider.wait(Duration::from_millis(20)), Some(Ok(false)))
    };
    assert!(quiet(&mut watch) && quiet(&mut trigger), "gone is told once");
}

#[test]
fn a_subtree_is_given_its_own_stall_watch() {
    let Some(groups) = Groups::make() else { return };
    let providers = HostProviders::for_memory(&[&groups.path, "/gadget-signals-none"]).unwrap();
    let stalls = providers.chosen.iter().filter(|chosen| chosen.decided.contains(&groups.path));
    let names: Vec<_> = stalls.map(|chosen| chosen.provider.name()).collect();
    let stalls = usize::from(Path::new("/proc/pressure/memory").exists());
    assert_eq!(names.len(), 1 + stalls, "cgroups and stalls of the subtree: {names:?}");
    assert!(providers.missing.iter().any(|missing| missing.contains("/gadget-signals-none")));
}
