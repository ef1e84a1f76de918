//! Our parsers and providers beside those of `procfs-core`, on recordings and on the running kernel.

#![allow(clippy::unwrap_used)] // All of it is tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadget_core::{HostCpu, Reading, Scope, SignalProvider, Signals, Subject, Timestamp};
use gadget_signals::{HostCpuProvider, HostMemoryProvider, Processes, parse};
use procfs_core::process::{Io, SmapsRollup, Stat};
use procfs_core::{
    DiskStat, ExplicitSystemInfo, FromBufRead, FromBufReadSI, FromRead, KernelStats, LoadAverage,
    Meminfo, MemoryPressure, VmStat,
};

/// The `/proc` of each recording, and that of this host.
fn procs() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut procs = ["6.1", "6.12", "6.18"].map(|kernel| data.join(kernel).join("proc")).to_vec();
    procs.push("/proc".into());
    procs
}

const INFO: ExplicitSystemInfo = ExplicitSystemInfo {
    boot_time_secs: 0,
    ticks_per_second: 100,
    page_size: 4096,
    is_little_endian: true,
};

#[test]
fn meminfo_and_vmstat_agree() {
    for proc in procs() {
        let path = proc.join("meminfo");
        let text = fs::read(&path).unwrap();
        let ours = parse::meminfo(&text, &path).unwrap();
        let theirs = Meminfo::from_read(&*text).unwrap();
        assert_eq!(ours.total.get(), theirs.mem_total);
        assert_eq!(ours.free.get(), theirs.mem_free);
        assert_eq!(Some(ours.available.get()), theirs.mem_available);
        assert_eq!(Some(ours.anon.get()), theirs.anon_pages);
        assert_eq!(Some(ours.active_file.get()), theirs.active_file);
        assert_eq!(Some(ours.inactive_file.get()), theirs.inactive_file);
        assert_eq!(Some(ours.shmem.get()), theirs.shmem);
        assert_eq!(Some(ours.slab_reclaimable.get()), theirs.s_reclaimable);
        assert_eq!(
            (ours.swap_total.get(), ours.swap_free.get()),
            (theirs.swap_total, theirs.swap_free)
        );

        let path = proc.join("vmstat");
        let text = fs::read(&path).unwrap();
        let (paging, oom_kills) = parse::vmstat(&text, &path).unwrap();
        let theirs = VmStat::from_read(&*text).unwrap().0;
        let theirs = |name: &str| theirs.get(name).map(|value| u64::try_from(*value).unwrap());
        assert_eq!(paging.major_faults, theirs("pgmajfault"));
        assert_eq!(paging.refaulted_file, theirs("workingset_refault_file"));
        assert_eq!(paging.refaulted_anon, theirs("workingset_refault_anon"));
        assert_eq!(paging.swapped_in, theirs("pswpin"));
        assert_eq!(paging.swapped_out, theirs("pswpout"));
        let sum = theirs("pgscan_anon").zip(theirs("pgscan_file")).map(|(anon, file)| anon + file);
        assert_eq!(paging.scanned, sum);
        assert_eq!(oom_kills, theirs("oom_kill"));
    }
}

#[test]
fn processors_and_load_agree() {
    for proc in procs() {
        let path = proc.join("stat");
        let text = fs::read(&path).unwrap();
        let ours = parse::host_stat(&text, &path, 100).unwrap();
        agree(&ours, &KernelStats::from_buf_read(&*text, &INFO).unwrap());
        let path = proc.join("loadavg");
        let text = fs::read(&path).unwrap();
        let theirs = f64::from(LoadAverage::from_read(&*text).unwrap().one);
        assert!((parse::loadavg(&text, &path).unwrap() - theirs).abs() < 1e-5);
    }
}

fn agree(ours: &HostCpu, theirs: &KernelStats) {
    let ticks = |ticks: u64| Duration::from_millis(ticks * 10);
    let total = &theirs.total;
    assert_eq!(ours.user, ticks(total.user + total.nice));
    let system = total.system + total.irq.unwrap() + total.softirq.unwrap();
    assert_eq!(ours.system, ticks(system));
    assert_eq!(ours.idle, ticks(total.idle));
    assert_eq!(ours.iowait, ticks(total.iowait.unwrap()));
    assert_eq!(ours.steal, ticks(total.steal.unwrap()));
    assert_eq!(ours.forks, Some(theirs.processes));
    assert_eq!(ours.running, theirs.procs_running);
}

#[test]
fn pressure_disks_and_the_files_of_a_process_agree() {
    let mut compared = 0;
    for proc in procs() {
        let path = proc.join("pressure/memory");
        if let Ok(text) = fs::read(&path) {
            let ours = parse::pressure(&text, &path).unwrap();
            let theirs = MemoryPressure::from_read(&*text).unwrap();
            for (ours, theirs) in [(ours.some, theirs.some), (ours.full.unwrap(), theirs.full)] {
                assert_eq!(ours.total.as_micros(), u128::from(theirs.total));
                assert!((ours.avg10.get() - f64::from(theirs.avg10)).abs() < 1e-4);
                assert!((ours.avg300.get() - f64::from(theirs.avg300)).abs() < 1e-4);
                compared += 1;
            }
        }
        let path = proc.join("diskstats");
        let text = fs::read_to_string(&path).unwrap();
        for line in text.split_inclusive('\n') {
            let theirs = DiskStat::from_line(line.trim_end()).unwrap();
            if theirs.name.starts_with("vd") && !theirs.name.ends_with(|c: char| c.is_ascii_digit())
            {
                let ours = parse::diskstats(line.as_bytes(), &path).unwrap();
                assert_eq!(ours.read.get(), theirs.sectors_read * 512);
                assert_eq!(ours.written.get(), theirs.sectors_written * 512);
                compared += 1;
            }
        }
        for entry in fs::read_dir(&proc).unwrap().flatten() {
            let path = entry.path();
            let Ok(rollup) = fs::read(path.join("smaps_rollup")) else { continue };
            if let Some((pss, swap)) = parse::smaps_rollup(&rollup, &path).unwrap() {
                let theirs = SmapsRollup::from_buf_read(&*rollup).unwrap();
                let theirs = &theirs.memory_map_rollup.0[0].extension.map;
                assert_eq!((pss.get(), swap.get()), (theirs["Pss"], theirs["Swap"]));
                compared += 1;
            }
            if let Ok(text) = fs::read(path.join("io")) {
                let ours = parse::process_io(&text, &path).unwrap();
                let theirs = Io::from_read(&*text).unwrap();
                assert_eq!(
                    (ours.read.get(), ours.written.get()),
                    (theirs.read_bytes, theirs.write_bytes)
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 10, "{compared}");
}

/// One sweep, and what it says of `subject`.
fn sampled(provider: &mut dyn SignalProvider, subject: impl Fn(Subject) -> bool) -> Vec<Reading> {
    let mut out = Signals::at(Timestamp::from_secs(1));
    provider.sample(Timestamp::from_secs(1), Scope::Everything, &mut out).unwrap();
    let ours = out.as_slice().iter().filter(|signal| subject(signal.subject));
    ours.map(|signal| signal.reading.clone()).collect()
}

#[test]
fn what_a_provider_reads_lies_between_readings_before_and_after_it() {
    let mut cpu = HostCpuProvider::host().unwrap();
    let mut memory = HostMemoryProvider::host().unwrap();
    let mut processes = Processes::detect().unwrap();
    let stat = || KernelStats::from_buf_read(&*fs::read("/proc/stat").unwrap(), &INFO).unwrap();
    let own = || Stat::from_read(&*fs::read("/proc/self/stat").unwrap()).unwrap();
    let faults = || {
        let text = fs::read("/proc/vmstat").unwrap();
        u64::try_from(VmStat::from_read(&*text).unwrap().0["pgmajfault"]).unwrap()
    };
    let before = (stat(), own(), faults());
    let host = |subject| subject == Subject::Host;
    let pid = std::process::id();
    let us = |subject| matches!(subject, Subject::Process(id) if id.pid == pid);
    let read = (sampled(&mut cpu, host), sampled(&mut memory, host), sampled(&mut processes, us));
    let after = (stat(), own(), faults());

    let [Reading::HostCpu(cpu)] = &read.0[..] else { panic!("{:?}", read.0) };
    let ticks = |stat: &KernelStats| stat.total.user + stat.total.nice;
    let user = u64::try_from(cpu.user.as_millis()).unwrap() / 10;
    assert!((ticks(&before.0)..=ticks(&after.0)).contains(&user));
    assert!((before.0.processes..=after.0.processes).contains(&cpu.forks.unwrap()));

    let [Reading::HostMemory(memory)] = &read.1[..] else { panic!("{:?}", read.1) };
    assert!((before.2..=after.2).contains(&memory.paging.major_faults.unwrap()));

    let [Reading::ProcessIdentity(identity), Reading::ProcessUsage(usage)] = &read.2[..] else {
        panic!("{:?}", read.2)
    };
    assert_eq!(
        (&*identity.comm, i64::from(identity.parent)),
        (&*before.1.comm, before.1.ppid.into())
    );
    assert!((before.1.minflt..=after.1.minflt).contains(&usage.minor_faults));
    let cpu = u64::try_from(usage.cpu.as_millis()).unwrap() / 10;
    // The file cuts each of its two times to whole ticks, where a scan in the kernel has their sum to the nanosecond.
    let (least, most) = (before.1.utime + before.1.stime, after.1.utime + after.1.stime + 1);
    assert!((least..=most).contains(&cpu), "{cpu} is not in {least}..={most}");
}
