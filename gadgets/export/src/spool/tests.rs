use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

const ALL: usize = usize::MAX;

fn spool(folder: &TempDir, bytes: u64) -> Spool {
    let directory = Some(folder.path().join("spool"));
    let spool =
        Spool::open(SpoolOptions { directory, bytes, memory_bytes: 1000, ..Default::default() });
    assert_eq!(spool.stats().in_memory, None);
    spool
}

/// What record `number` holds: any length, known by the number.
fn payload(number: u64) -> Vec<u8> {
    let mut bytes = format!("{number}:").into_bytes();
    let length = number * 37 % 300;
    bytes.extend((0..length).map(|at| (at * number) as u8));
    bytes
}

fn fill(spool: &mut Spool, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| spool.append(&payload(number)));
}

/// The numbers of the records that wait; each holds what it has to.
fn numbers(spool: &mut Spool) -> Vec<u64> {
    let records = spool.peek(ALL, ALL);
    records.iter().for_each(|it| assert_eq!(it.bytes, payload(it.number), "{}", it.number));
    records.into_iter().map(|it| it.number).collect()
}

/// The segments, the oldest first.
fn segments(folder: &TempDir) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(folder.path().join("spool"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "seg"))
        .collect();
    all.sort();
    all
}

#[test]
fn what_waits_is_there_again_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 1 << 20);
    fill(&mut spool, 0..100);
    assert_eq!(numbers(&mut spool), (0..100).collect::<Vec<_>>());
    spool.acknowledge(39);
    drop(spool);
    let mut spool = self::spool(&folder, 1 << 20);
    assert_eq!(numbers(&mut spool), (40..100).collect::<Vec<_>>());
    fill(&mut spool, 100..120);
    assert_eq!(spool.peek(3, ALL).len(), 3);
    assert_eq!(
        spool.peek(ALL, 400).iter().map(|it| it.bytes.len()).sum::<usize>().cmp(&401),
        std::cmp::Ordering::Less
    );
    assert_eq!(spool.peek(0, 0).len(), 1, "one at least");
    assert_eq!(numbers(&mut spool), (40..120).collect::<Vec<_>>());
    spool.acknowledge(u64::MAX);
    assert!(spool.is_empty());
    let stats = spool.stats();
    assert_eq!((stats.records, stats.dropped, stats.damaged, stats.cut), (0, 0, 0, 0));
}

#[test]
fn only_what_was_read_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 1 << 20);
    fill(&mut spool, 0..10);
    spool.acknowledge(9);
    assert_eq!(spool.stats().records, 10);
    spool.peek(4, ALL);
    spool.acknowledge(9);
    assert_eq!(numbers(&mut spool), [4, 5, 6, 7, 8, 9]);
    spool.acknowledge(2);
    assert_eq!(numbers(&mut spool).len(), 6);
}

#[test]
fn the_oldest_makes_room_and_every_record_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 16 << 10);
    for number in 0..400 {
        spool.append(&payload(number));
        let on_disk: u64 = segments(&folder).iter().map(|it| it.metadata().unwrap().len()).sum();
        assert!(on_disk <= 16 << 10, "{on_disk}");
        assert_eq!(spool.stats().bytes, on_disk);
    }
    let left = numbers(&mut spool);
    assert!((50..200).contains(&left.len()), "{}", left.len());
    assert_eq!(*left.last().unwrap(), 399);
    assert_eq!(spool.stats().dropped, left[0]);
    // What was acknowledged is not dropped.
    spool.acknowledge(399);
    fill(&mut spool, 400..800);
    let second = numbers(&mut spool);
    assert_eq!(spool.stats().dropped, left[0] + second[0] - 400);
    // The counts outlast the process.
    let before = spool.stats();
    drop(spool);
    assert_eq!(self::spool(&folder, 16 << 10).stats(), before);
}

#[test]
fn a_record_that_is_read_may_make_room_before_it_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 4 << 10);
    fill(&mut spool, 0..10);
    let read = numbers(&mut spool);
    fill(&mut spool, 10..100);
    let dropped = spool.stats().dropped;
    assert!(dropped >= 10);
    spool.acknowledge(*read.last().unwrap());
    let left = numbers(&mut spool);
    assert_eq!((left[0], spool.stats().dropped, spool.stats().damaged), (dropped, dropped, 0));
}

#[test]
fn what_is_too_old_goes_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 16 << 10);
    fill(&mut spool, 0..40);
    spool.expire();
    assert_eq!((spool.stats().records, spool.stats().dropped), (40, 0));
    let all = segments(&folder);
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(4 * 86400);
    for path in &all[..2] {
        OpenOptions::new().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    spool.expire();
    let left = numbers(&mut spool);
    assert_eq!(segments(&folder), all[2..]);
    assert_eq!((spool.stats().dropped, *left.last().unwrap()), (left[0], 39));
    assert!(left[0] > 0);
}

#[test]
fn what_is_longer_than_all_the_room_is_dropped_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 4 << 10);
    fill(&mut spool, 0..3);
    spool.append(&[0; 4 << 10]);
    assert_eq!(numbers(&mut spool), [0, 1, 2]);
    assert_eq!(spool.stats().dropped, 1);
}

#[test]
fn the_last_record_may_be_torn_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 1 << 20);
    fill(&mut spool, 0..5);
    drop(spool);
    let path = segments(&folder).pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let last = Frames::of(&whole).last().unwrap();
    for end in last.start + 1..last.end {
        fs::write(&path, &whole[..end]).unwrap();
        // As if the record had never been.
        fs::remove_file(folder.path().join("spool/position")).unwrap();
        let mut spool = self::spool(&folder, 1 << 20);
        assert_eq!(numbers(&mut spool), [0, 1, 2, 3], "{end}");
        assert_eq!(spool.stats().cut, (end - last.start) as u64);
        fill(&mut spool, 4..6);
        assert_eq!(numbers(&mut spool), [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn damage_is_skipped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 64 << 10);
    fill(&mut spool, 0..200);
    drop(spool);
    let all = segments(&folder);
    assert!(all.len() > 5);
    // Bytes of one record, a segment that is gone, one that is nothing but noise, the end of another.
    let bytes = fs::read(&all[0]).unwrap();
    let hit = Frames::of(&bytes).nth(1).unwrap();
    let file = OpenOptions::new().write(true).open(&all[0]).unwrap();
    file.write_all_at(b"damage", hit.start as u64 + 22).unwrap();
    let first =
        |path: &Path| u64::from_str_radix(path.file_stem().unwrap().to_str().unwrap(), 16).unwrap();
    let mut lost: Vec<u64> = vec![hit.number];
    for gone in 1..=2 {
        lost.extend(first(&all[gone])..first(&all[gone + 1]));
    }
    fs::remove_file(&all[1]).unwrap();
    fs::write(&all[2], vec![0x5a; 4000]).unwrap();
    let bytes = fs::read(&all[3]).unwrap();
    let last = Frames::of(&bytes).last().unwrap();
    fs::write(&all[3], &bytes[..last.end - 1]).unwrap();
    lost.push(last.number);
    let mut spool = self::spool(&folder, 64 << 10);
    let expected: Vec<_> = (0..200).filter(|it| !lost.contains(it)).collect();
    assert_eq!(numbers(&mut spool), expected);
    assert_eq!(spool.stats().damaged, 0, "not before it is passed");
    // In small parts it is the same.
    let mut read = Vec::new();
    loop {
        let part: Vec<_> = spool.peek(7, ALL).iter().map(|it| it.number).collect();
        let Some(&last) = part.last() else { break };
        spool.acknowledge(last);
        read.extend(part);
    }
    assert_eq!(read, expected);
    assert_eq!(spool.stats().damaged, lost.len() as u64);
    assert_eq!(spool.stats().dropped, 0);
}

#[test]
fn a_last_segment_that_is_gone_is_counted_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 64 << 10);
    fill(&mut spool, 0..100);
    drop(spool);
    for path in segments(&folder) {
        fs::remove_file(path).unwrap();
    }
    let mut spool = self::spool(&folder, 64 << 10);
    assert_eq!(spool.stats().records, 100);
    fill(&mut spool, 100..102);
    assert_eq!(numbers(&mut spool), [100, 101]);
    spool.acknowledge(101);
    assert_eq!((spool.stats().damaged, spool.is_empty()), (100, true));
    for path in segments(&folder) {
        fs::remove_file(path).unwrap();
    }
    fill(&mut spool, 102..103);
    drop(spool);
    let mut spool = self::spool(&folder, 64 << 10);
    assert_eq!(numbers(&mut spool), Vec::<u64>::new());
    assert_eq!((spool.stats().damaged, spool.is_empty()), (101, true));
}

#[test]
fn a_disk_that_fails_loses_nothing_that_memory_has_room_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = self::spool(&folder, 1 << 20);
    fill(&mut spool, 0..3);
    spool.disk.as_mut().unwrap().fails = Some(10);
    fill(&mut spool, 3..6);
    let stats = spool.stats();
    assert_eq!((stats.records, stats.memory_records, stats.failures), (6, 3, 3));
    assert!(stats.last_error.is_some());
    assert_eq!(numbers(&mut spool), [0, 1, 2, 3, 4, 5]);
    // Also when some of it is sent meanwhile.
    spool.acknowledge(3);
    assert_eq!(numbers(&mut spool), [4, 5]);
    spool.disk.as_mut().unwrap().fails = None;
    fill(&mut spool, 6..7);
    assert_eq!(spool.stats().memory_records, 0);
    drop(spool);
    let mut spool = self::spool(&folder, 1 << 20);
    assert_eq!(numbers(&mut spool), [4, 5, 6]);
    assert_eq!((spool.stats().dropped, spool.stats().damaged, spool.stats().cut), (0, 0, 0));
    // Memory has a bound, and the newest go.
    spool.disk.as_mut().unwrap().fails = Some(usize::MAX);
    (0..5).for_each(|_| spool.append(&[1; 300]));
    assert_eq!((spool.stats().memory_records, spool.stats().dropped), (3, 2));
    spool.disk.as_mut().unwrap().fails = None;
    spool.append(&[2; 300]);
    let all: Vec<_> = spool.peek(ALL, ALL).iter().map(|it| (it.number, it.bytes[0])).collect();
    assert_eq!(all[3..], [(7, 1), (8, 1), (9, 1), (10, 2)]);
}

/// A small file system of its own.
struct Mount(TempDir);

impl Mount {
    fn new(bytes: u32) -> Result<Self, rustix::io::Errno> {
        use rustix::mount::{MountFlags, mount};
        let folder = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), options.as_c_str())?;
        Ok(Self(folder))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_file_system_is_counted_and_recovered_from() {
    let mount = match Mount::new(64 << 10) {
        Ok(mount) => mount,
        Err(error) => {
            println!("SKIPPED: cannot mount a tmpfs: {error}");
            return;
        }
    };
    let directory = Some(mount.0.path().join("spool"));
    let options =
        SpoolOptions { directory, bytes: 1 << 20, memory_bytes: 1 << 20, ..Default::default() };
    let mut spool = Spool::open(options.clone());
    let mut appended = 0;
    while spool.stats().failures < 5 {
        assert!(appended < 2000);
        fill(&mut spool, appended..appended + 1);
        appended += 1;
    }
    let stats = spool.stats();
    assert!(stats.memory_records >= 1, "{stats:?}");
    assert!(stats.last_error.unwrap().contains("No space"));
    // As it is sent, segments go, and there is room again.
    let mut sent = Vec::new();
    while let Some(last) = spool.peek(20, ALL).last().map(|it| it.number) {
        sent.extend(spool.peek(20, ALL).iter().map(|it| it.number));
        spool.acknowledge(last);
        if appended < 1000 {
            fill(&mut spool, appended..appended + 10);
            appended += 10;
        }
    }
    assert!(sent.iter().copied().eq(0..appended), "{} of {appended}", sent.len());
    fill(&mut spool, appended..appended + 5);
    assert_eq!(spool.stats().memory_records, 0);
    drop(spool);
    assert_eq!(numbers(&mut Spool::open(options)).len(), 5);
}

#[test]
fn a_folder_that_cannot_be_opened_means_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let directory = Some(file.join("spool"));
    let mut spool =
        Spool::open(SpoolOptions { directory, bytes: 0, memory_bytes: 1000, ..Default::default() });
    assert!(spool.stats().in_memory.unwrap().contains("file/spool"));
    (0..5).for_each(|_| spool.append(&[1; 300]));
    let stats = spool.stats();
    assert_eq!((stats.memory_records, stats.dropped, stats.memory_bytes), (3, 2, 900));
    let read: Vec<_> = spool.peek(ALL, ALL).iter().map(|it| it.number).collect();
    assert_eq!(read, [2, 3, 4]);
    spool.acknowledge(3);
    assert_eq!(spool.stats().records, 1);
    spool.append(&[1; 1001]);
    assert_eq!((spool.stats().records, spool.stats().dropped), (0, 4));
}

#[test]
fn one_process_writes_and_nobody_else_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = self::spool(&folder, 1 << 20);
    fill(&mut first, 0..1);
    let directory = folder.path().join("spool");
    let second =
        Spool::open(SpoolOptions { directory: Some(directory.clone()), ..Default::default() });
    assert!(second.stats().in_memory.unwrap().contains("another process"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert!(fs::read_dir(&directory).unwrap().all(|it| mode(&it.unwrap().path()) == 0o600));
}

const CHILD: &str = "GADGET_SPOOL_CHILD";

/// The writer that the next test ends: says the number of every record once it is appended, and acknowledges a third of them.
#[test]
fn writer() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let options = SpoolOptions {
        directory: Some(directory.into()),
        bytes: 1 << 30,
        memory_bytes: 0,
        ..Default::default()
    };
    let mut spool = Spool::open(options);
    assert_eq!(spool.stats().in_memory, None);
    let mut out = std::io::stdout().lock();
    loop {
        let number = spool.next;
        spool.append(&payload(number));
        writeln!(out, "appended {number}").unwrap();
        if number.is_multiple_of(3) {
            let oldest = spool.peek(1, ALL)[0].number;
            writeln!(out, "acknowledging {oldest}").unwrap();
            spool.acknowledge(oldest);
        }
    }
}

#[test]
fn a_writer_may_be_killed_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("spool");
    let program = std::env::current_exe().unwrap();
    let (mut appended, mut acknowledged, mut total) = (0, 0, 0);
    for round in 0..12 {
        let mut child = Command::new(&program)
            .args(["--exact", "spool::tests::writer", "--nocapture"])
            .env(CHILD, &directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It runs; then it ends somewhere.
        let began = lines.by_ref().find(|it| it.as_ref().unwrap().contains("appended"));
        assert!(began.is_some());
        let started = appended;
        std::thread::sleep(Duration::from_micros(round * 1731 % 9000));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in [began.unwrap()].into_iter().chain(lines) {
            let line = line.unwrap();
            let Some(number) = line.rsplit_once("appended ").map(|it| it.1) else {
                // A line may be torn: what it says was at least begun.
                if let Some((_, number)) = line.rsplit_once("acknowledging ") {
                    acknowledged = number.parse().unwrap_or(acknowledged).max(acknowledged);
                }
                continue;
            };
            appended = number.parse().unwrap_or(appended).max(appended);
        }
        assert!(appended > started || round == 0);
        let mut spool = Spool::open(SpoolOptions {
            directory: Some(directory.clone()),
            bytes: 1 << 30,
            memory_bytes: 0,
            ..Default::default()
        });
        let left = numbers(&mut spool);
        assert!(left.is_sorted_by(|a, b| a + 1 == *b), "no gap");
        // Nothing is lost: what is not there was about to be acknowledged. What is acknowledged stays so, but for the last one.
        // The first may be acknowledged before there is a second.
        let first = left.first().copied().unwrap_or(spool.next);
        assert!((acknowledged..=acknowledged + 1).contains(&first), "{first} {acknowledged}");
        let last = spool.next - 1;
        assert_eq!(left.len() as u64, last + 1 - first);
        assert!(last >= appended && last <= appended + 1, "{last} {appended}");
        appended = last;
        let stats = spool.stats();
        assert_eq!((stats.dropped, stats.damaged, stats.failures), (0, 0, 0));
        total += left.len();
    }
    assert!(total > 12);
}
