//! A scan of 5,000 processes: CPU time by BPF, by our files and by the `procfs` crate, one after the other in each round.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gadget_benches::{Herd, Limit, asked, print};
use gadget_core::testing::{Counting, allocations};
use gadget_core::{Scope, SignalProvider as _, Signals, Timestamp, thread_cpu};
use gadget_signals::{CgroupLayout, ProcessFiles, ProcessScan, Processes, ScanBy, parse};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PROCESSES: usize = 5_000;
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    Herd::be_one()?;
    if !asked("scan") {
        return Ok(());
    }
    let _herd = Herd::of(PROCESSES).context("no herd")?;
    let layout = CgroupLayout::detect().ok();
    let mut ways = Vec::new();
    for (name, by) in [("walk", ScanBy::Walk), ("iterator", ScanBy::Iterator)] {
        match ProcessScan::by(layout.as_ref(), by) {
            Ok(scan) => ways.push((name, scan)),
            Err(error) => eprintln!("SKIPPED scan/{name}: {error}"),
        }
    }
    let mut opened = ours(Processes::detect()?.by_files().keep_open(0));
    let mut shipped = ours(Processes::detect()?.by_files());
    let mut kept = Kept::open()?;
    let (mut hands, mut ships) = (Vec::new(), Vec::new());
    let mut crates = Vec::new();
    let (mut crate_pairs, mut crate_stats) = (Vec::new(), Vec::new());
    let (mut scans, mut opens, mut kepts) = (vec![Vec::new(); ways.len()], Vec::new(), Vec::new());
    let mut count = 0;
    for round in 0..=ROUNDS {
        let warm = round > 0;
        let mut measure = |spent: &mut Vec<Duration>, work: &mut dyn FnMut() -> usize| {
            let before = thread_cpu();
            count = black_box(work());
            if warm {
                spent.push(thread_cpu() - before);
            }
        };
        measure(&mut crates, &mut all_by_crate);
        measure(&mut crate_pairs, &mut pairs_by_crate);
        measure(&mut crate_stats, &mut stats_by_crate);
        measure(&mut hands, &mut all_by_hand);
        measure(&mut opens, &mut opened);
        measure(&mut ships, &mut shipped);
        measure(&mut kepts, &mut || kept.read());
        for ((_, scan), spent) in ways.iter_mut().zip(&mut scans) {
            // As often as they are cheap: neighbours disturb each of them.
            for _ in 0..10 {
                measure(spent, &mut || scan.scan().map_or(0, <[_]>::len));
            }
        }
    }
    let by_crate = median(&mut crates);
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let beside =
        format!("{count} processes; procfs, stat + status + statm + io: {:.0} us", us(by_crate));
    print("scan/procfs_crate", us(by_crate), "us", Limit::None, "");
    for ((name, scan), spent) in ways.iter_mut().zip(&mut scans) {
        let took = median(spent);
        print(&format!("scan/{name}"), us(took), "us", Limit::None, &beside);
        let each = us(took) / count as f64;
        print(&format!("scan/{name}_each"), each, "us a process", Limit::AtMost(1.0), &beside);
        let times = by_crate.as_secs_f64() / took.as_secs_f64();
        print(
            &format!("scan/{name}_ratio"),
            times,
            "x less CPU than procfs",
            Limit::AtLeast(60.0),
            &beside,
        );
        let before = allocations();
        let read = scan.scan()?.len();
        let calls = allocations() - before;
        let unit = format!("of {read} processes");
        print(&format!("scan/{name}_allocations"), calls as f64, &unit, Limit::AtMost(0.0), "");
    }
    let compare = |name: &str, ours: &mut [Duration], theirs: Duration, limit, files: &str| {
        let beside = format!("procfs, {files}: {:.0} us", us(theirs));
        let times = theirs.as_secs_f64() / median(ours).as_secs_f64();
        print(&format!("scan/{name}_ratio"), times, "x less CPU than procfs", limit, &beside);
    };
    let four = "stat + status + statm + io";
    compare("files_opened", &mut hands, by_crate, Limit::AtLeast(1.8), four);
    compare("sweep_by_files", &mut ships, by_crate, Limit::None, four);
    let pairs = median(&mut crate_pairs);
    compare("sweep_files_opened", &mut opens, pairs, Limit::None, "stat + io");
    let stats = median(&mut crate_stats);
    compare("stat_kept", &mut kepts, stats, Limit::AtLeast(3.0), "stat alone");
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// What the crate offers, of every process.
fn all_by_crate() -> usize {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    let read = |it: procfs::process::Process| {
        black_box((it.stat().ok()?, it.status().ok()?, it.statm().ok()?, it.io().ok()?));
        Some(())
    };
    processes.filter_map(read).count()
}

/// What a sweep of ours reads of each process with its files opened each time.
fn pairs_by_crate() -> usize {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    let read = |it: procfs::process::Process| Some(black_box((it.stat().ok()?, it.io().ok()?)));
    processes.filter_map(read).count()
}

fn stats_by_crate() -> usize {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    processes.filter_map(|it| it.stat().ok().map(black_box)).count()
}

/// The same files by our parsers, opened each time and read into memory that is kept.
fn all_by_hand() -> usize {
    let mut text = vec![0; 8192];
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut read = |entry: std::fs::DirEntry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        let folder = entry.path();
        let mut read = |name: &str| {
            let length = File::open(folder.join(name)).ok()?.read_at(&mut text, 0).ok()?;
            let (text, name) = (&text[..length], Path::new(name));
            match name.to_str()? {
                "stat" => parse::process_stat(text, name).ok().map(|stat| consume(&stat)),
                "status" => parse::uid(text, name).ok().map(|uid| consume(&uid)),
                "statm" => parse::statm(text, name).ok().map(|sizes| consume(&sizes)),
                _ => parse::process_io(text, name).ok().map(|io| consume(&io)),
            }
        };
        ["stat", "status", "statm", "io"].into_iter().try_for_each(&mut read)
    };
    entries.filter_map(&mut read).count()
}

fn consume<T>(value: &T) {
    black_box(value);
}

/// A sweep that sends every process.
fn ours(processes: Processes) -> impl FnMut() -> usize {
    let mut processes = processes.with(ProcessFiles::IO).calm_sweeps(1);
    let (mut now, mut signals) = (Timestamp::from_secs(1_700_000_000), Signals::default());
    move || {
        now = now + Duration::from_secs(2);
        signals.restart(now);
        let _ = processes.sample(now, Scope::Everything, &mut signals);
        signals.as_slice().len()
    }
}

/// `stat` of every process through a file that stays open.
struct Kept {
    files: Vec<File>,
    text: Vec<u8>,
}

impl Kept {
    fn open() -> Result<Self> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            if entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
                files.extend(File::open(entry.path().join("stat")));
            }
        }
        Ok(Self { files, text: vec![0; 4096] })
    }

    fn read(&mut self) -> usize {
        let Self { files, text } = self;
        let mut read = |file: &File| {
            let length = file.read_at(text, 0).ok()?;
            parse::process_stat(&text[..length], Path::new("stat"))
                .ok()
                .map(|stat| black_box(stat.pid))
        };
        files.iter().filter_map(&mut read).count()
    }
}
