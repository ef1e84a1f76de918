use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;
use std::time::Duration;

use gadget_core::{LogBatch, LogFlags, LogInput, LogSource, LogSources};
use tempfile::TempDir;

use super::*;

/// A folder of logs, and who reads them.
pub(super) struct Host {
    folder: TempDir,
    tail: Option<Tail>,
    settings: Box<dyn Fn(TailBuilder) -> TailBuilder>,
    pub(super) flags: Vec<LogFlags>,
}

impl Host {
    /// Follows `*.log` from the start, before any file is there.
    pub(super) fn new() -> Self {
        Self::with(|it| it)
    }

    pub(super) fn with(settings: impl Fn(TailBuilder) -> TailBuilder + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Box::new(settings);
        let mut host = Self { folder, tail: None, settings, flags: Vec::new() };
        host.start();
        host
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn builder(&self) -> TailBuilder {
        let it = Tail::builder().files(self.path("*.log")).checkpoint(self.path("checkpoint"));
        (self.settings)(it.grace(Duration::ZERO))
    }

    pub(super) fn start(&mut self) {
        self.tail = Some(self.builder().build().unwrap());
    }

    /// As after a kill: nothing more is said to the checkpoint.
    pub(super) fn kill(&mut self) {
        self.tail = None;
    }

    pub(super) fn tail(&mut self) -> &mut Tail {
        self.tail.as_mut().unwrap()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(super) fn truncate(&self, name: &str) {
        File::options().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    /// Copies as `copytruncate` of logrotate(8) does.
    pub(super) fn copy_truncate(&self, name: &str, to: &str) {
        fs::copy(self.path(name), self.path(to)).unwrap();
        self.truncate(name);
    }

    /// All lines that are to be had, scanning now and not when it is due.
    pub(super) fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut batch = LogBatch::default();
        self.flags.clear();
        // A second look: what the first scan finds may show what else has changed.
        for _ in 0..3 {
            let tail = self.tail.as_mut().unwrap();
            tail.scan();
            tail.retired_due = tail.retired_due.map(|_| Instant::now());
            loop {
                batch.clear();
                let read = tail.read(&mut batch, Duration::ZERO).unwrap();
                for (meta, line) in batch.iter() {
                    lines.push(String::from_utf8_lossy(line).into_owned());
                    self.flags.push(meta.flags);
                }
                if read == LogRead::Nothing {
                    break;
                }
            }
        }
        lines
    }

    pub(super) fn commit(&mut self, mark: u64) {
        self.tail().commit(mark).unwrap();
    }
}

#[test]
fn lines_come_when_their_breaks_do() {
    let mut host = Host::new();
    host.write("app.log", "one\ntwo\nth");
    assert_eq!(host.lines(), ["one", "two"]);
    assert_eq!(host.lines(), [""; 0]);
    host.write("app.log", "ree\n\n");
    assert_eq!(host.lines(), ["three", ""]);
    let stats = host.tail().stats();
    assert_eq!((stats.lines, stats.bytes, stats.paths, stats.open), (4, 15, 1, 1));
}

#[test]
fn a_read_waits_for_a_line() {
    let mut host = Host::new();
    host.write("app.log", "one\n");
    assert_eq!(host.lines(), ["one"]);
    let path = host.path("app.log");
    let mut batch = LogBatch::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            File::options().append(true).open(&path).unwrap().write_all(b"two\n").unwrap();
        });
        assert_eq!(host.tail().read(&mut batch, Duration::from_secs(20)).unwrap(), LogRead::Lines);
    });
    assert_eq!(batch.block(), b"two\n");
    batch.clear();
    assert_eq!(host.tail().read(&mut batch, Duration::from_millis(1)).unwrap(), LogRead::Nothing);
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
    let mut host = Host::with(|it| it.grace(Duration::from_secs(60)));
    host.write("app.log", "one\ntwo\n");
    let mut late = File::options().append(true).open(host.path("app.log")).unwrap();
    assert_eq!(host.lines(), ["one", "two"]);
    host.write("app.log", "three\n");
    host.rename("app.log", "app.log.1");
    host.write("app.log", "five\n");
    late.write_all(b"four\nha").unwrap();
    assert_eq!(host.lines(), ["three", "four", "five"]);
    late.write_all(b"lf\nlate\n").unwrap();
    host.write("app.log", "six\n");
    assert_eq!(host.lines(), ["half", "late", "six"]);
    assert_eq!(host.tail().stats().rotated, 1);
}

#[test]
fn a_line_without_end_comes_as_part_when_nobody_goes_on() {
    let mut host = Host::new();
    host.write("app.log", "one\nhalf");
    assert_eq!(host.lines(), ["one"]);
    host.rename("app.log", "app.log.1");
    host.write("app.log", "two\n");
    assert_eq!(host.lines(), ["half", "two"]);
    assert_eq!(host.flags, [LogFlags::PARTIAL, LogFlags::default()]);
}

#[test]
fn a_file_that_is_packed_and_deleted_stays_open() {
    let mut host = Host::new();
    host.write("app.log", "one\n");
    assert_eq!(host.lines(), ["one"]);
    host.write("app.log", "two\n");
    host.rename("app.log", "app.log.1");
    fs::write(host.path("app.log.1.gz"), "packed").unwrap();
    fs::remove_file(host.path("app.log.1")).unwrap();
    host.write("app.log", "three\n");
    assert_eq!(host.lines(), ["two", "three"]);
}

#[test]
fn what_a_truncated_file_held_comes_from_its_copy() {
    let mut host = Host::new();
    host.write("app.log", "one\n");
    assert_eq!(host.lines(), ["one"]);
    host.write("app.log", "two\nthr");
    assert_eq!(host.lines(), ["two"]);
    host.write("app.log", "ee\nfour\n");
    host.copy_truncate("app.log", "app.log.1");
    host.write("app.log", "five\n");
    assert_eq!(host.lines(), ["three", "four", "five"]);
    // Also when it has grown beyond what was read.
    host.write("app.log", "six\n");
    host.rename("app.log.1", "app.log.2");
    host.copy_truncate("app.log", "app.log.1");
    host.write("app.log", &"seven and more\n".repeat(9));
    let lines = host.lines();
    assert_eq!((lines.len(), &lines[..2]), (10, &["six".into(), "seven and more".into()][..]));
    let stats = host.tail().stats();
    assert_eq!((stats.truncated, stats.missed, stats.lost), (2, 0, 0));
}

#[test]
fn a_truncated_file_without_copy_begins_anew_and_a_lost_half_line_counts() {
    let mut host = Host::new();
    host.write("app.log", "one\ntwo\nhal");
    assert_eq!(host.lines(), ["one", "two"]);
    host.truncate("app.log");
    host.write("app.log", "one more\n");
    assert_eq!(host.lines(), ["one more"]);
    assert_eq!(host.tail().stats().lost, 1);
    host.truncate("app.log");
    assert_eq!(host.lines(), [""; 0]);
    host.write("app.log", "three\n");
    assert_eq!(host.lines(), ["three"]);
    assert_eq!(host.tail().stats().lost, 1);
}

#[test]
fn a_hole_left_by_a_writer_that_goes_on_is_skipped() {
    let mut host = Host::new();
    let mut writer = File::create(host.path("app.log")).unwrap();
    let long = format!("{}\n", "x".repeat(99_999));
    writer.write_all(long.as_bytes()).unwrap();
    assert_eq!(host.lines().len(), 1);
    host.copy_truncate("app.log", "app.log.1");
    writer.write_all(b"two\n").unwrap();
    assert_eq!(host.lines(), ["two"]);
    assert_eq!(host.tail().stats().nuls, 100_000);
    writer.write_all(b"three\n").unwrap();
    assert_eq!(host.lines(), ["three"]);
    writer.seek(SeekFrom::Start(0)).unwrap();
    host.truncate("app.log");
    writer.write_all(b"four\n").unwrap();
    assert_eq!(host.lines(), ["four"]);
}

#[test]
fn a_file_that_is_deleted_and_made_anew_is_another() {
    let mut host = Host::new();
    host.write("app.log", "one\n");
    assert_eq!(host.lines(), ["one"]);
    fs::remove_file(host.path("app.log")).unwrap();
    assert_eq!(host.lines(), [""; 0]);
    host.write("app.log", "one\ntwo\n");
    assert_eq!(host.lines(), ["one", "two"]);
}

#[test]
fn an_inode_that_is_given_again_is_told_by_its_content() {
    let mut host = Host::with(|it| it.descriptors(1));
    host.write("app.log", "one\ntwo\n");
    assert_eq!(host.lines(), ["one", "two"]);
    host.commit(1);
    host.kill();
    let inode = fs::metadata(host.path("app.log")).unwrap().ino();
    fs::remove_file(host.path("app.log")).unwrap();
    // The same inode where the file system gives it again at once, as ext4 does: it need not, and truncation is told as well.
    host.write("app.log", "other\nlines\nof it\n");
    let again = fs::metadata(host.path("app.log")).unwrap().ino() == inode;
    host.start();
    assert_eq!(host.lines(), ["other", "lines", "of it"], "given again: {again}");
}

#[test]
fn a_link_that_is_switched_leads_to_the_next_file() {
    let mut host = Host::with(|it| it.rescan(Duration::from_secs(3600)));
    fs::create_dir(host.path("pods")).unwrap();
    host.write("pods/0.log", "one\n");
    symlink("pods/0.log", host.path("current.log")).unwrap();
    assert_eq!(host.lines(), ["one"]);
    host.write("pods/0.log", "two\n");
    host.write("pods/1.log", "three\n");
    symlink("pods/1.log", host.path("new")).unwrap();
    host.rename("new", "current.log");
    assert_eq!(host.lines(), ["two", "three"]);
    // Writes behind a link are told, though the link's folder does not change.
    let scans = host.tail().stats().scans;
    host.write("pods/1.log", "four\n");
    let mut batch = LogBatch::default();
    host.tail().read(&mut batch, Duration::from_secs(20)).unwrap();
    assert_eq!((batch.block(), host.tail().stats().scans), (b"four\n".as_slice(), scans));
    // The file behind the link is rotated, as kubelets do.
    host.rename("pods/1.log", "pods/1.log.20261127-101010");
    host.write("pods/1.log.20261127-101010", "five\n");
    host.write("pods/1.log", "six\n");
    assert_eq!(host.lines(), ["five", "six"]);
}

#[test]
fn what_is_no_file_is_told_and_holds_nothing_up() {
    let mut host = Host::new();
    host.write("app.log", "one\n");
    host.write("db.log", "two\n");
    assert_eq!(host.lines(), ["one", "two"]);
    fs::remove_file(host.path("app.log")).unwrap();
    fs::create_dir(host.path("app.log")).unwrap();
    host.write("db.log", "three\n");
    assert_eq!(host.lines(), ["three"]);
    let unreadable: Vec<_> =
        host.tail().unreadable().map(|(path, why)| (path.to_owned(), why.to_owned())).collect();
    assert_eq!(unreadable, [(host.path("app.log"), "not a regular file".to_owned())]);
    fs::remove_dir(host.path("app.log")).unwrap();
    host.write("app.log", "four\n");
    assert_eq!(host.lines(), ["four"]);
    assert_eq!(host.tail().unreadable().count(), 0);
}

#[test]
fn files_that_came_and_went_while_nobody_read_are_read() {
    let mut host = Host::new();
    host.write("app.log", "one\n");
    assert_eq!(host.lines(), ["one"]);
    host.write("app.log", "two\n");
    for (old, line) in ["three\n", "four\n", "five\n"].into_iter().enumerate() {
        for old in (1..=old).rev() {
            host.rename(&format!("app.log.{old}"), &format!("app.log.{}", old + 1));
        }
        host.rename("app.log", "app.log.1");
        host.write("app.log", line);
    }
    assert_eq!(host.lines(), ["two", "three", "four", "five"]);
    assert_eq!(host.tail().stats().missed, 2);
    host.copy_truncate("app.log", "app.log-20261127");
    host.write("app.log", "six\n");
    host.copy_truncate("app.log", "app.log-20261128");
    host.write("app.log", "seven\n");
    assert_eq!(host.lines(), ["six", "seven"]);
    assert_eq!(host.tail().stats().missed, 3);
}

#[test]
fn what_was_committed_is_not_read_again_after_a_kill() {
    let mut host = Host::new();
    assert_eq!(host.tail().resume(), None);
    host.write("app.log", "one\ntwo\n");
    assert_eq!(host.lines(), ["one", "two"]);
    host.commit(8);
    host.write("app.log", "three\n");
    assert_eq!(host.lines(), ["three"]);
    host.kill();
    host.write("app.log", "four\n");
    host.start();
    assert_eq!(host.tail().resume(), Some(8));
    assert_eq!(host.lines(), ["three", "four"]);
}

#[test]
fn rotations_of_every_kind_while_nothing_runs_are_caught_up_with() {
    for rotations in 1..5 {
        for kinds in 0..1 << rotations {
            let mut host = Host::new();
            host.write("app.log", "one\n");
            assert_eq!(host.lines(), ["one"]);
            host.commit(4);
            host.kill();
            let mut expected = Vec::new();
            for i in 0..rotations {
                host.write("app.log", &format!("{i} before\n"));
                for old in (1..=i).rev() {
                    host.rename(&format!("app.log.{old}"), &format!("app.log.{}", old + 1));
                }
                if kinds & 1 << i == 0 {
                    host.rename("app.log", "app.log.1");
                } else {
                    host.copy_truncate("app.log", "app.log.1");
                }
                host.write("app.log", &format!("{i} after\n"));
                expected.extend([format!("{i} before"), format!("{i} after")]);
                std::thread::sleep(Duration::from_millis(if i % 2 == 0 { 6 } else { 0 }));
            }
            host.start();
            assert_eq!(host.lines(), expected, "{rotations} {kinds:b}");
            host.commit(5);
            host.kill();
            host.start();
            assert_eq!(host.lines(), [""; 0], "{rotations} {kinds:b}");
        }
    }
}

#[test]
fn a_file_that_is_truncated_and_then_renamed_is_read_anew() {
    for running in [true, false] {
        let mut host = Host::new();
        host.write("app.log", "one\n");
        assert_eq!(host.lines(), ["one"]);
        host.commit(1);
        if !running {
            host.kill();
        }
        host.copy_truncate("app.log", "app.log.1");
        host.write("app.log", "two\n");
        host.rename("app.log.1", "app.log.2");
        host.rename("app.log", "app.log.1");
        host.write("app.log", "three\n");
        if !running {
            host.start();
        }
        assert_eq!(host.lines(), ["two", "three"], "{running}");
    }
}

#[test]
fn what_an_empty_file_held_before_it_was_looked_at_again_is_read_first() {
    for renamed in [false, true] {
        let mut host = Host::new();
        host.write("app.log", "one\n");
        assert_eq!(host.lines(), ["one"]);
        host.rename("app.log", "app.log.1");
        host.write("app.log", "");
        assert_eq!(host.lines(), [""; 0]);
        host.write("app.log", "two\n");
        host.rename("app.log.1", "app.log.2");
        host.copy_truncate("app.log", "app.log.1");
        host.write("app.log", "three\n");
        if renamed {
            host.rename("app.log", "app.log.0");
            host.write("app.log", "four\n");
        }
        let expected = ["two", "three", "four"];
        assert_eq!(host.lines(), expected[..2 + usize::from(renamed)], "{renamed}");
    }
}

#[test]
fn at_the_first_start_the_end_may_be_where_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.log"), "old\nhal").unwrap();
    fs::write(folder.path().join("app.log.1"), "older\n").unwrap();
    let mut host = Host {
        folder,
        tail: None,
        settings: Box::new(|it| it.start(Start::End)),
        flags: Vec::new(),
    };
    host.start();
    assert_eq!(host.lines(), [""; 0]);
    host.write("app.log", "f\nnew\n");
    host.write("db.log", "all of it\n");
    assert_eq!(host.lines(), ["new", "all of it"]);
    // Where it began is remembered before the first commit.
    host.kill();
    host.start();
    assert_eq!(host.tail().resume(), None);
    assert_eq!(host.lines(), ["new", "all of it"]);
}

#[test]
fn a_corrupt_checkpoint_is_told_and_the_start_is_the_first() {
    let mut host = Host::with(|it| it.start(Start::End));
    host.write("app.log", "one\n");
    assert_eq!(host.lines(), ["one"]);
    host.commit(1);
    host.kill();
    fs::write(host.path("checkpoint"), "damaged").unwrap();
    host.start();
    let aside = host.path("checkpoint.corrupt");
    assert_eq!(*host.tail().resumed(), Resumed::Corrupt { aside });
    host.write("app.log", "two\n");
    assert_eq!(host.lines(), ["two"]);
}

#[test]
fn sources_are_named_by_rules_or_by_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["app.log", "nginx-1.log", "pod.log"] {
        fs::write(path(name), "line\n").unwrap();
    }
    let sources = LogSources::default();
    let mut tail = Tail::builder()
        .files(path("*.log"))
        .service(path("nginx-*.log"), "web")
        .source(|path| {
            let container = path.ends_with("pod.log").then(|| "c1".into());
            container.map(|it| LogSource {
                service: "pod".into(),
                origin: "x".into(),
                container: Some(it),
            })
        })
        .sources(sources.clone())
        .build()
        .unwrap();
    let mut batch = LogBatch::default();
    tail.read(&mut batch, Duration::from_secs(1)).unwrap();
    let mut of: Vec<_> = batch.iter().map(|(meta, _)| sources.get(meta.source)).collect();
    of.sort_by(|a, b| a.service.cmp(&b.service));
    let services: Vec<_> = of.iter().map(|it| &*it.service).collect();
    assert_eq!(services, ["app", "pod", "web"]);
    assert_eq!(*of[2].origin, *path("nginx-1.log").to_str().unwrap());
    assert_eq!(of[1].container.as_deref(), Some("c1"));
}

#[test]
fn two_paths_of_one_file_are_read_once() {
    let mut host = Host::new();
    host.write("a.log", "one\n");
    fs::hard_link(host.path("a.log"), host.path("b.log")).unwrap();
    symlink("a.log", host.path("c.log")).unwrap();
    assert_eq!(host.lines(), ["one"]);
    // What was followed goes on where it was under its other name.
    fs::remove_file(host.path("c.log")).unwrap();
    fs::remove_file(host.path("a.log")).unwrap();
    host.write("b.log", "two\n");
    assert_eq!(host.lines(), ["two"]);
    host.write("b.log", "three\n");
    assert_eq!(host.lines(), ["three"]);
    assert_eq!(host.tail().stats().lost, 0);
}

#[test]
fn the_source_of_a_path_that_is_gone_for_long_makes_room_for_another() {
    let sources = LogSources::new(2);
    let mut host = Host::with({
        let sources = sources.clone();
        move |it| it.sources(sources.clone()).forget(Duration::ZERO)
    });
    host.write("one.log", "first\n");
    assert_eq!(host.lines(), ["first"]);
    host.commit(1);
    fs::remove_file(host.path("one.log")).unwrap();
    let source = |host: &Host, name: &str| LogSource {
        service: name.into(),
        origin: host.path(&format!("{name}.log")).to_str().unwrap().into(),
        container: None,
    };
    let gone = sources.id(&source(&host, "one"));
    let freed = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        host.lines();
        host.commit(1);
        sources.id(&source(&host, "two")) != gadget_core::SourceId::OTHER
    });
    assert!(freed);
    assert_eq!(*sources.get(gone).service, *"other");
}
