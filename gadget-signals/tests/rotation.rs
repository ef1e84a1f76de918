//! Logs that are rotated in every way while they are written, read by a process that is killed again and again: every line comes out
//! exactly once, in its file's order.
//!
//! `GADGET_ROTATIONS` says how many rotations; the default is what takes some seconds.
//!
//! What a kind of rotation destroys by itself is not asked of the reader: a file is deleted, packed or truncated without a copy only
//! when the reader has committed all of its lines, and a link is switched again only when the reader has committed a line of the file
//! that it leads to. Everything else happens at any time, whether the reader is there or not.

#![allow(clippy::unwrap_used)] // All of it is tests.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gadget_core::{LogBatch, LogInput};
use gadget_signals::logs::Tail;

/// Set for the reader: where everything is.
const FOLDER: &str = "GADGET_ROTATION_FOLDER";
const LOGS: [&str; 4] = ["numbers", "dates", "plain", "link"];
/// The reader is killed so often at least.
const KILLS: u64 = 12;
/// Rotated files that stay though they were read.
const KEPT: usize = 3;

#[test]
fn no_line_is_lost_or_repeated_over_rotations_of_every_kind_with_kills_in_between() {
    if let Ok(folder) = std::env::var(FOLDER) {
        read(Path::new(&folder));
    }
    let least = std::env::var("GADGET_ROTATIONS").map_or(150, |it| it.parse().unwrap());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let began = Instant::now();
    let (over, done, kills) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
    let (logs, counts) = thread::scope(|scope| {
        // Also where the writer finds something wrong.
        let (ends, _done) = (Ends(&over), Ends(&done));
        let mut writer = Writer::new(folder.path());
        let reader = scope.spawn(|| keep_killing(folder.path(), &over, &done, &kills));
        // What is rotated before the first start is nobody's loss.
        while !folder.path().join("checkpoint").exists() {
            thread::sleep(Duration::from_millis(1));
        }
        let mut counts = [0_u32; Kind::ALL.len()];
        // Where nobody else is busy, rotations are over before a reader has been killed a few times.
        while counts.iter().sum::<u32>() < least || kills.load(Ordering::Relaxed) < KILLS {
            let kind = writer.step();
            counts[kind as usize] += 1;
        }
        drop(ends);
        writer.wait("the end", |written, read| written == read);
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        (writer.logs, counts)
    });
    let text = fs::read_to_string(folder.path().join("output")).unwrap();
    let mut next = [0_u64; LOGS.len()];
    for (at, line) in text.lines().enumerate() {
        let (log, number) = parse(line).unwrap_or_else(|| panic!("line {at}: {line:?}"));
        assert_eq!(number, next[log], "line {at} is of {}", LOGS[log]);
        next[log] += 1;
    }
    for (log, next) in logs.iter().zip(next) {
        assert_eq!(log.next, next, "{}", log.name);
    }
    let (kills, rotations) = (kills.into_inner(), counts.iter().sum::<u32>());
    println!(
        "{rotations} rotations, {kills} kills, {} lines in {:?}: 0 lost, 0 repeated; {}",
        next.iter().sum::<u64>(),
        began.elapsed(),
        Kind::ALL.map(|it| format!("{it:?} {}", counts[it as usize])).join(", ")
    );
    assert!(rotations < 100 || counts.iter().all(|&count| count > 0));
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Renamed, and made anew at once.
    Rename,
    /// Renamed; the writer goes on with the old file for a while, and the new one is not there yet.
    RenameLate,
    /// Renamed; the new one is there, and the writer goes on with the old file for a while.
    RenameReopen,
    /// Copied and truncated; the writer appends.
    CopyTruncate,
    /// Copied and truncated; the writer goes on where it was, behind a hole.
    CopyTruncateHole,
    /// Deleted and made anew, most often with the same inode.
    Recreate,
    /// Truncated.
    Truncate,
    /// The link leads to another file.
    Switch,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Rename,
        Self::RenameLate,
        Self::RenameReopen,
        Self::CopyTruncate,
        Self::CopyTruncateHole,
        Self::Recreate,
        Self::Truncate,
        Self::Switch,
    ];
}

struct Log {
    name: &'static str,
    path: PathBuf,
    file: File,
    /// The number of the next line.
    next: u64,
    /// Of the first line in the file that is written.
    first: u64,
    /// Rotated files, the newest first, with the number of the line after their last.
    rotated: VecDeque<(PathBuf, u64)>,
}

struct Writer<'a> {
    folder: &'a Path,
    logs: Vec<Log>,
    random: u64,
    rotation: u64,
}

fn create(path: &Path, append: bool) -> File {
    let mut options = OpenOptions::new();
    if append {
        options.append(true)
    } else {
        options.write(true)
    };
    options.create(true).open(path).unwrap()
}

impl<'a> Writer<'a> {
    fn new(folder: &'a Path) -> Self {
        let logs = LOGS.map(|name| {
            let path = folder.join(format!("{name}.log"));
            if name == "link" {
                fs::create_dir(folder.join("targets")).unwrap();
                symlink("targets/0", &path).unwrap();
            }
            let file = create(&path, true);
            Log { name, path, file, next: 0, first: 0, rotated: VecDeque::new() }
        });
        let mut random = [0; 8];
        File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
        let random = u64::from_le_bytes(random) | 1;
        println!("seed {random}");
        Self { folder, logs: logs.into(), random, rotation: 0 }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn write(&mut self, log: usize, lines: u64) {
        for _ in 0..lines {
            let long = if self.random(500) == 0 { 9_000 } else { self.random(120) };
            let log = &mut self.logs[log];
            let line = format!("{} {} {}\n", log.name, log.next, "x".repeat(long as usize));
            log.file.write_all(line.as_bytes()).unwrap();
            log.next += 1;
        }
    }

    /// How many lines of each log were written, and how many of those the reader has committed.
    fn wait(&self, what: &str, enough: impl Fn(&[u64], &[u64]) -> bool) {
        let written: Vec<_> = self.logs.iter().map(|it| it.next).collect();
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let read = progress(self.folder);
            if enough(&written, &read) {
                return;
            }
            if Instant::now() > until {
                let text = fs::read(self.folder.join("output")).unwrap();
                let end =
                    String::from_utf8_lossy(&text[text.len().saturating_sub(600)..]).into_owned();
                let names: Vec<_> =
                    fs::read_dir(self.folder).unwrap().map(|it| it.unwrap().file_name()).collect();
                panic!("{what}: {written:?} written, {read:?} read\n{end}\n{names:?}");
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Writes some lines, and rotates one log in some way.
    fn step(&mut self) -> Kind {
        self.rotation += 1;
        let log = self.random(LOGS.len() as u64) as usize;
        for other in 0..LOGS.len() {
            let lines = self.random(60);
            self.write(other, lines);
        }
        let lines = self.random(400);
        self.write(log, lines);
        let kind = match LOGS[log] {
            "link" => Kind::Switch,
            "plain" => [Kind::Recreate, Kind::Truncate, Kind::Rename][self.random(3) as usize],
            _ => Kind::ALL[self.random(5) as usize],
        };
        let late = self.random(10);
        let pause = Duration::from_micros(self.random(3) * self.random(3000));
        let path = self.logs[log].path.clone();
        match kind {
            Kind::Rename | Kind::RenameLate | Kind::RenameReopen => {
                let to = self.make_room(log);
                fs::rename(&path, &to).unwrap();
                if let Kind::RenameLate = kind {
                    thread::sleep(pause);
                    self.write(log, late);
                }
                let new = create(&path, true);
                if let Kind::RenameReopen = kind {
                    thread::sleep(pause);
                    self.write(log, late);
                }
                self.logs[log].file = new;
                self.rotated(log, to);
            }
            Kind::CopyTruncate | Kind::CopyTruncateHole => {
                let hole = matches!(kind, Kind::CopyTruncateHole);
                if hole {
                    // A writer of its own position, from here on.
                    let at = self.logs[log].path.metadata().unwrap().len();
                    self.logs[log].file = create(&path, false);
                    std::io::Seek::seek(&mut self.logs[log].file, std::io::SeekFrom::Start(at))
                        .unwrap();
                    self.write(log, late);
                }
                let to = self.make_room(log);
                fs::copy(&path, &to).unwrap();
                thread::sleep(pause);
                File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
                thread::sleep(pause);
                if hole {
                    self.write(log, late + 1);
                    self.logs[log].file = create(&path, true);
                }
                self.rotated(log, to);
                if hole {
                    let log = &mut self.logs[log];
                    log.rotated[0].1 = log.next - late - 1;
                    log.first = log.next - late - 1;
                }
            }
            Kind::Recreate | Kind::Truncate => {
                self.wait("all lines before truncation", |written, read| written[log] == read[log]);
                if let Kind::Recreate = kind {
                    fs::remove_file(&path).unwrap();
                    thread::sleep(pause);
                    self.logs[log].file = create(&path, true);
                } else {
                    self.logs[log].file.set_len(0).unwrap();
                }
                self.logs[log].first = self.logs[log].next;
            }
            Kind::Switch => {
                let first = self.logs[log].first;
                self.wait("a line of the link's file", |written, read| {
                    read[log] > first || written[log] == first
                });
                let to = self.folder.join("targets").join(self.rotation.to_string());
                self.logs[log].file = create(&to, true);
                symlink(&to, self.folder.join("new")).unwrap();
                fs::rename(self.folder.join("new"), &path).unwrap();
                self.logs[log].first = self.logs[log].next;
                self.write(log, 1);
            }
        }
        thread::sleep(pause);
        kind
    }

    /// Moves rotated files out of the way of the next one, and deletes or packs old ones that were read.
    fn make_room(&mut self, log: usize) -> PathBuf {
        let read = progress(self.folder)[log];
        let pack = self.random(2) == 0;
        let log = &mut self.logs[log];
        while log.rotated.len() > KEPT && log.rotated.back().is_some_and(|(_, end)| *end <= read) {
            let (path, _) = log.rotated.pop_back().unwrap();
            if pack {
                fs::write(format!("{}.gz", path.display()), "packed").unwrap();
            }
            fs::remove_file(path).unwrap();
        }
        let name = log.path.display();
        if log.name == "dates" {
            return format!("{name}-20261127-{:06}", self.rotation).into();
        }
        for (i, (path, _)) in log.rotated.iter_mut().enumerate().rev() {
            let to = PathBuf::from(format!("{name}.{}", i + 2));
            fs::rename(&*path, &to).unwrap();
            *path = to;
        }
        format!("{name}.1").into()
    }

    fn rotated(&mut self, log: usize, to: PathBuf) {
        let log = &mut self.logs[log];
        log.rotated.push_front((to, log.next));
        log.first = log.next;
    }
}

/// How many lines of each log the reader has committed.
fn progress(folder: &Path) -> Vec<u64> {
    let bytes = fs::read(folder.join("progress")).unwrap_or_default();
    let mut read: Vec<_> =
        bytes.chunks_exact(8).map(|it| u64::from_le_bytes(it.try_into().unwrap())).collect();
    read.resize(LOGS.len(), 0);
    read
}

/// The log and the number of a line.
fn parse(line: &str) -> Option<(usize, u64)> {
    let (name, rest) = line.split_once(' ')?;
    let (number, rest) = rest.split_once(' ')?;
    rest.bytes().all(|byte| byte == b'x').then_some(())?;
    Some((LOGS.iter().position(|it| *it == name)?, number.parse().ok()?))
}

/// Lets readers run, and kills each at some moment of its life, until it is over; the last one may live until it is done.
fn keep_killing(folder: &Path, over: &AtomicBool, done: &AtomicBool, kills: &AtomicU64) {
    let mut random = 88_172_645_463_325_252_u64;
    while !over.load(Ordering::Relaxed) {
        let mut reader = start(folder);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Also right after its start, and now and then only after a while.
        let life = if random.is_multiple_of(4) { random % 1000 } else { random % 120 };
        thread::sleep(Duration::from_millis(life));
        assert_eq!(reader.try_wait().unwrap(), None, "the reader ended by itself");
        reader.kill().unwrap();
        reader.wait().unwrap();
        kills.fetch_add(1, Ordering::Relaxed);
        // So that there are rotations that nobody sees.
        thread::sleep(Duration::from_millis(random % 40));
    }
    let mut reader = start(folder);
    while !done.load(Ordering::Relaxed) {
        assert_eq!(reader.try_wait().unwrap(), None, "the reader ended by itself");
        thread::sleep(Duration::from_millis(5));
    }
    reader.kill().unwrap();
    reader.wait().unwrap();
}

fn start(folder: &Path) -> Child {
    let name = "no_line_is_lost_or_repeated_over_rotations_of_every_kind_with_kills_in_between";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(FOLDER, folder);
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// The reader: cuts its output to what was committed, and goes on from there.
fn read(folder: &Path) -> ! {
    let mut tail = Tail::builder()
        .files(folder.join("*.log"))
        .checkpoint(folder.join("checkpoint"))
        .build()
        .unwrap();
    let mut output = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .read(true)
        .open(folder.join("output"))
        .unwrap();
    let mut mark = tail.resume().unwrap_or(0);
    output.set_len(mark).unwrap();
    let mut text = Vec::new();
    output.read_to_end(&mut text).unwrap();
    let mut counts = [0; LOGS.len()];
    for line in text.split(|&byte| byte == b'\n') {
        if let Some((log, _)) = str::from_utf8(line).ok().and_then(parse) {
            counts[log] += 1;
        }
    }
    let progress = create(&folder.join("progress"), false);
    let slow = Duration::from_millis(mark % 7 * 4);
    let mut batch = LogBatch::default();
    loop {
        batch.clear();
        tail.read(&mut batch, Duration::from_millis(200)).unwrap();
        output.write_all(batch.block()).unwrap();
        mark += batch.block().len() as u64;
        tail.commit(mark).unwrap();
        for (_, line) in batch.iter() {
            if let Some((log, _)) = str::from_utf8(line).ok().and_then(parse) {
                counts[log] += 1;
            }
        }
        progress.write_all_at(&counts.map(u64::to_le_bytes).concat(), 0).unwrap();
        thread::sleep(slow);
    }
}
