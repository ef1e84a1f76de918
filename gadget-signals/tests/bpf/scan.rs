//! The scan of all processes beside the files of `/proc`.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use gadget_signals::{CgroupLayout, ProcessRecord, ProcessScan, ScanBy, parse};
use procfs_core::FromRead as _;
use procfs_core::process::{Io, Stat, Status};

use crate::support::{Process, or_skip};

const TICK: Duration = Duration::from_millis(10);

/// A scan in each way that this kernel offers.
fn scans(layout: Option<&CgroupLayout>) -> Vec<ProcessScan> {
    let best = or_skip(ProcessScan::host(layout));
    let other = match best.as_ref().map(ProcessScan::way) {
        Some(ScanBy::Walk) => or_skip(ProcessScan::by(layout, ScanBy::Iterator)),
        _ => None,
    };
    best.into_iter().chain(other).collect()
}

/// What the files of a process say at one time.
struct Files {
    stat: Stat,
    status: Status,
    io: Option<Io>,
    oom_score_adj: i16,
    /// Switches of its living threads.
    voluntary: u64,
    involuntary: u64,
    threads: Vec<String>,
    cgroup: Option<u64>,
}

impl Files {
    fn read(layout: &CgroupLayout, pid: u32) -> Option<Self> {
        let folder = std::path::PathBuf::from(format!("/proc/{pid}"));
        let read = |name: &str| fs::read(folder.join(name)).ok();
        let mut files = Self {
            stat: Stat::from_read(&*read("stat")?).ok()?,
            status: Status::from_read(&*read("status")?).ok()?,
            io: read("io").map(|text| Io::from_read(&*text).unwrap()),
            oom_score_adj: String::from_utf8(read("oom_score_adj")?).ok()?.trim().parse().ok()?,
            voluntary: 0,
            involuntary: 0,
            threads: Vec::new(),
            cgroup: parse::membership(&read("cgroup")?, "cgroup".as_ref(), layout.version())
                .unwrap()
                .and_then(|path| layout.id_of(path))
                .map(|id| id.0),
        };
        for task in fs::read_dir(folder.join("task")).ok()?.flatten() {
            let status = Status::from_read(&*fs::read(task.path().join("status")).ok()?).ok()?;
            files.voluntary += status.voluntary_ctxt_switches?;
            files.involuntary += status.nonvoluntary_ctxt_switches?;
            files.threads.push(task.file_name().into_string().ok()?);
        }
        Some(files)
    }

    fn all(layout: &CgroupLayout) -> HashMap<u32, Self> {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| Some((pid, Self::read(layout, pid)?))).collect()
    }

    /// Of the scheduler's time, what whole ticks show.
    fn cpu(&self) -> Duration {
        TICK * u32::try_from(self.stat.utime + self.stat.stime).unwrap()
    }
}

/// Set for a process that is looked at by the test which it is told to run.
const LOOKED_AT: &str = "GADGET_TEST_LOOKED_AT";

/// A process that runs `test` to be looked at by it.
fn child(test: &str) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("scan::{test}"), "--nocapture"]).env(LOOKED_AT, "");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Its threads are there once it says so.
    let mut said = Vec::new();
    let stdout = child.stdout.as_mut().unwrap();
    while !said.ends_with(b"ready\n") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    Process(child)
}

/// Four threads work, wait, read, write and fault, and none ends.
fn be_the_worker() {
    let busy = || loop {
        // So large that it is mapped anew, and faulted in, each time.
        let mut zeros = Vec::with_capacity(64 << 20);
        fs::File::open("/dev/zero").unwrap().take(1 << 20).read_to_end(&mut zeros).unwrap();
        fs::write("/dev/null", &zeros).unwrap();
        thread::sleep(Duration::from_millis(1));
    };
    let _threads: Vec<_> = (0..3).map(|_| thread::spawn(busy)).collect();
    println!("ready");
    busy()
}

#[test]
fn every_number_of_a_scan_lies_between_two_reads_of_the_files() {
    if std::env::var_os(LOOKED_AT).is_some() {
        return be_the_worker();
    }
    let layout = CgroupLayout::detect().unwrap();
    let worker = child("every_number_of_a_scan_lies_between_two_reads_of_the_files");
    for mut scan in scans(Some(&layout)) {
        let before = Files::all(&layout);
        thread::sleep(Duration::from_millis(30));
        let records = scan.scan().unwrap().to_vec();
        thread::sleep(Duration::from_millis(30));
        let after = Files::all(&layout);
        let (mut compared, mut still) = (0, 0);
        for record in &records {
            let pid = record.id.pid;
            if let Some((before, after)) = before.get(&pid).zip(after.get(&pid))
                && before.stat.starttime == after.stat.starttime
            {
                still += usize::from(compare(record, before, after, pid == worker.0.id()));
                compared += 1;
            }
        }
        assert!(compared >= 20 && still >= 10, "{compared} of {}, {still} still", before.len());
        let worker = (&before[&worker.0.id()], &after[&worker.0.id()]);
        moved(worker.0, worker.1);
    }
}

/// Without movement there is nothing between two reads.
fn moved(before: &Files, after: &Files) {
    assert!(before.stat.minflt < after.stat.minflt);
    assert!(before.voluntary < after.voluntary);
    assert!(before.cpu() < after.cpu());
    let (before, after) = (before.io.as_ref().unwrap(), after.io.as_ref().unwrap());
    assert!(before.rchar < after.rchar && before.wchar < after.wchar);
    assert!(before.syscr < after.syscr && before.syscw < after.syscw);
}

/// True if it stood still, so that all of it was compared.
fn compare(record: &ProcessRecord, before: &Files, after: &Files, threads_stay: bool) -> bool {
    let about = String::from_utf8_lossy(record.comm()).into_owned();
    let between = |name: &str, low: u64, value: u64, high: u64| {
        assert!((low..=high).contains(&value), "{name} of {about}: {low} <= {value} <= {high}");
    };
    between("minflt", before.stat.minflt, record.minor_faults, after.stat.minflt);
    between("majflt", before.stat.majflt, record.major_faults, after.stat.majflt);
    assert!(before.cpu() <= record.cpu, "{about}: {:?} <= {:?}", before.cpu(), record.cpu);
    // Of each of the two that it shows, `stat` leaves out a part of a tick.
    assert!(record.cpu <= after.cpu() + 2 * TICK, "{about}: {:?} {:?}", record.cpu, after.cpu());
    assert_eq!(record.user + record.system, record.cpu);
    if let Some((before, after)) = before.io.as_ref().zip(after.io.as_ref()) {
        between("rchar", before.rchar, record.read_chars, after.rchar);
        between("wchar", before.wchar, record.written_chars, after.wchar);
        between("syscr", before.syscr, record.read_calls, after.syscr);
        between("syscw", before.syscw, record.write_calls, after.syscw);
        between("read_bytes", before.read_bytes, record.io.read.get(), after.read_bytes);
        between("write_bytes", before.write_bytes, record.io.written.get(), after.write_bytes);
    }
    // The files do not say what threads that ended have counted.
    let most = |files: u64| if threads_stay { files } else { u64::MAX };
    if before.threads == after.threads {
        let switches = (record.voluntary_switches, record.involuntary_switches);
        between("nvcsw", before.voluntary, switches.0, most(after.voluntary));
        between("nivcsw", before.involuntary, switches.1, most(after.involuntary));
    }
    assert_eq!(record.id.start, before.stat.starttime, "{about}");
    let kernel_thread = before.stat.flags & 0x0020_0000 != 0;
    assert_eq!(record.kernel_thread, kernel_thread, "{about}");

    // What changes only while it runs can be compared where it did not.
    let ran = (before.voluntary, before.involuntary, before.stat.minflt)
        != (after.voluntary, after.involuntary, after.stat.minflt);
    if ran || before.stat.state == 'R' || after.stat.state == 'R' {
        return false;
    }
    assert_eq!(record.state, before.stat.state, "{about}");
    assert_eq!(i64::from(record.parent), i64::from(before.stat.ppid), "{about}");
    assert_eq!(record.uid, before.status.euid, "{about}");
    assert_eq!(i64::from(record.nice), before.stat.nice, "{about}");
    assert_eq!(record.oom_score_adj, before.oom_score_adj, "{about}");
    assert_eq!(i64::from(record.threads), before.stat.num_threads, "{about}");
    assert_eq!(record.virtual_size.get(), before.stat.vsize, "{about}");
    if before.cgroup == after.cgroup {
        assert_eq!(Some(record.cgroup.0), before.cgroup, "{about}");
    }
    if !kernel_thread {
        assert_eq!(about, before.stat.comm);
    }
    // Each processor keeps some pages to itself, which files show or not by version.
    let cpus = thread::available_parallelism().unwrap().get() as u64;
    let slack = 3 * cpus * (2 * cpus).max(32) * 4096;
    let rss = before.stat.rss * 4096;
    between("rss", rss.saturating_sub(slack), record.rss().get(), rss + slack);
    let swap = before.status.vmswap.unwrap_or(0) * 1024;
    between("swap", swap.saturating_sub(slack), record.swap.get(), swap + slack);
    true
}

const WAITS: u64 = 300;

#[test]
fn what_a_thread_counted_stays_when_it_ends() {
    if std::env::var_os(LOOKED_AT).is_some() {
        let wait = || (0..WAITS).for_each(|_| thread::sleep(Duration::from_micros(100)));
        thread::spawn(wait).join().unwrap();
        println!("ready");
        return thread::sleep(Duration::from_secs(100));
    }
    let layout = CgroupLayout::detect().unwrap();
    let process = child("what_a_thread_counted_stays_when_it_ends");
    for mut scan in scans(None) {
        let records = scan.scan().unwrap();
        let record = records.iter().find(|record| record.id.pid == process.0.id()).unwrap();
        let living = Files::read(&layout, process.0.id()).unwrap().voluntary;
        assert!(living < WAITS && record.voluntary_switches >= WAITS, "{living} {record:?}");
    }
}

#[test]
fn a_process_that_ended_is_a_zombie_until_it_is_waited_for_and_then_nothing() {
    for mut scan in scans(None) {
        let mut child = Process(Command::new("true").spawn().unwrap());
        let pid = child.0.id();
        let mut of_child =
            || scan.scan().unwrap().iter().find(|record| record.id.pid == pid).copied();
        for _ in 0..500 {
            if of_child().is_some_and(|record| record.state == 'Z') {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let zombie = of_child().unwrap();
        assert_eq!((zombie.state, zombie.rss().get(), zombie.threads), ('Z', 0, 1));
        child.0.wait().unwrap();
        assert_eq!(of_child(), None);
    }
}

#[test]
fn threads_of_the_kernel_are_told_and_have_no_memory() {
    for mut scan in scans(None) {
        let records = scan.scan().unwrap();
        let kernels: Vec<_> = records.iter().filter(|record| record.kernel_thread).collect();
        assert!(kernels.len() >= 5, "{}", kernels.len());
        assert!(kernels.iter().any(|record| record.comm() == b"kthreadd" && record.id.pid == 2));
        for record in kernels {
            assert_eq!((record.rss().get(), record.virtual_size.get()), (0, 0), "{record:?}");
        }
    }
}
