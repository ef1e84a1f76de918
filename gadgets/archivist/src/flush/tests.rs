use std::fs;
use std::time::Duration;

use gadget_core::{Bytes, FlushRequest, LogFlags, LogMeta, PlanId, Severity, SourceId, Timestamp};
use serde_json::Value;

use super::*;
use crate::ring::ArchiveSettings;

const SMALL: ArchiveSettings = ArchiveSettings {
    bytes: Bytes::from_mib(16),
    window: Duration::from_secs(120),
    line: 64 << 10,
};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(1_800_000_000_000_000_000 + millis * 1_000_000)
}

fn request(from: u64, until: u64) -> FlushRequest {
    FlushRequest {
        plan: PlanId(7),
        from: at(from),
        until: at(until),
        reason: "never seen".into(),
        about: "api".into(),
    }
}

/// An archive and a watch that have seen the same lines: a thousand requests of two services, one line never seen before amid them.
fn scene(folder: &std::path::Path) -> (Archive, LogWatch) {
    scene_of(folder, "")
}

/// Its requests are as long as they have to be to be compressed.
fn long_scene(folder: &std::path::Path) -> (Archive, LogWatch) {
    scene_of(folder, &" and so on".repeat(150))
}

fn scene_of(folder: &std::path::Path, more: &str) -> (Archive, LogWatch) {
    let (mut archive, _) = Archive::open(folder.join("ring"), SMALL).unwrap();
    let mut watch = LogWatch::default();
    let mut log = |service: &str, millis: u64, severity, text: &str| {
        let (source, flags) = (SourceId::OTHER, LogFlags::default());
        let meta =
            LogMeta { source, at: at(millis), written: None, severity: Some(severity), flags };
        let seen = watch.observe_line(service, &meta, text.as_bytes());
        archive.append_line(service, &meta, seen.template, text.as_bytes());
    };
    for nth in 0..1_000 {
        log(
            ["api", "db"][nth as usize % 2],
            nth * 50,
            Severity::Info,
            &format!("request {nth} took {} ms{more}", nth % 97),
        );
        if nth == 900 {
            log("db", nth * 50 + 1, Severity::Error, "disk \"sda\" has\tfailed, giving up \u{1}");
        }
    }
    (archive, watch)
}

#[test]
fn what_is_new_comes_first_and_everything_comes_once() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, watch) = scene(folder.path());
    let mut sink = FileSink::new(folder.path());
    let summary = flush(&archive, &request(40_000, 50_000), &watch, &mut sink).unwrap();
    let path = sink.last().unwrap();
    assert_eq!(path.file_name().unwrap(), "incident-20270115T080050Z-7.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["incident"].as_u64(), lines[0]["lines"].as_u64()), (Some(7), Some(201)));
    assert_eq!(lines[0]["services"], serde_json::json!(["api", "db"]));
    assert_eq!(lines.len(), 202);
    let first = &lines[1];
    assert_eq!(first["line"], "disk \"sda\" has\tfailed, giving up \u{1}");
    assert_eq!(
        (first["severity"].as_str(), first["service"].as_str()),
        (Some("ERROR"), Some("db"))
    );
    assert!(first["novelty"].as_f64().unwrap() >= super::order::NEWS);
    assert_eq!(first["at"], "2027-01-15T08:00:45.001000Z");
    assert!(lines[2..].is_sorted_by_key(|line| line["at"].as_str()));
    assert!(
        lines[2..].iter().all(|line| line["novelty"].is_null() && line["line"] != first["line"])
    );
    assert_eq!(summary.news.len(), 1);
    assert!(!text.contains(".part") && fs::read_dir(folder.path()).unwrap().count() == 2);
}

#[test]
fn trouble_of_a_service_that_logs_little_comes_before_rarities_of_one_that_logs_much() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, mut watch) = scene(folder.path());
    for (service, text) in [
        ("api", "visitor with a browser of another make"),
        ("mail", "mailer got signal 11 [error]"),
        ("mail", "hello again, version 10"),
    ] {
        let (source, flags) = (SourceId::OTHER, LogFlags::default());
        let meta = LogMeta { source, at: at(50_000), written: None, severity: None, flags };
        let seen = watch.observe_line(service, &meta, text.as_bytes());
        archive.append_line(service, &meta, seen.template, text.as_bytes());
    }
    let mut first = Vec::new();
    let mut sink = |entry: &Entry<'_>, _: Option<f64>| {
        first.push(String::from_utf8_lossy(entry.text).into_owned());
        Ok(())
    };
    flush(&archive, &request(49_000, 51_000), &watch, &mut sink).unwrap();
    assert_eq!(first[0], "mailer got signal 11 [error]", "{first:?}");
}

/// What a sink writes that is handed to this.
fn written(folder: &std::path::Path, send: impl FnOnce(&mut FileSink)) -> String {
    let mut sink = FileSink::new(folder);
    send(&mut sink);
    let path = sink.last().unwrap();
    let text = fs::read_to_string(path).unwrap();
    fs::remove_file(path).unwrap();
    text
}

#[test]
fn what_was_kept_is_sent_as_it_is_from_the_archive_also_by_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (from, until, lines) in [(0, 60_000, 1_001), (10_001, 46_000, 721)] {
        let (archive, watch) = long_scene(path);
        assert!(archive.counts().packed > 0, "nothing was compressed");
        let request = request(from, until);
        let want = written(path, |sink| {
            flush(&archive, &request, &watch, sink).unwrap();
        });
        let (news, all) = (want.lines().nth(1).unwrap(), want.lines().count());
        assert!(news.contains("failed, giving up"), "{news}");
        assert_eq!(all, lines + 1);
        let kept = Kept::keep(&archive, &request, &watch, path).unwrap();
        assert_eq!(kept.summary().lines, lines as u64);
        drop((archive, watch));
        fs::remove_file(path.join("ring")).unwrap();
        assert_eq!(written(path, |sink| kept.send(sink, 1.0).unwrap()), want);
        assert_eq!(Kept::open(kept.path()).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        drop(kept);
        let [left] = &Kept::left(path).unwrap()[..] else { panic!() };
        let again = Kept::open(left).unwrap();
        assert_eq!(written(path, |sink| again.send(sink, 0.5).unwrap()), want);
        again.done().unwrap();
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    }
}

#[test]
fn a_large_incident_s_file_is_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, watch) = scene(folder.path());
    let request = request(0, 50_000);
    let want = written(folder.path(), |sink| drop(flush(&archive, &request, &watch, sink)));
    let mut sink = FileSink::new(folder.path()).compress_from(Bytes::from_kib(20));
    flush(&archive, &request, &watch, &mut sink).unwrap();
    let path = sink.last().unwrap();
    assert_eq!(path.file_name().unwrap(), "incident-20270115T080050Z-7.jsonl.zst");
    let packed = fs::read(path).unwrap();
    assert!(packed.len() * 5 < want.len());
    assert_eq!(zstd::decode_all(&*packed).unwrap(), want.as_bytes());
    let mut sink = sink.compress_from(Bytes::from_kib(50));
    flush(&archive, &request, &watch, &mut sink).unwrap();
    assert_eq!(fs::read(sink.last().unwrap()).unwrap(), want.as_bytes());
}

#[test]
fn what_is_kept_of_an_earlier_process_s_lines_is_known_by_its_shape() {
    let folder = tempfile::tempdir().unwrap();
    drop(long_scene(folder.path()));
    let (archive, _) = Archive::open(folder.path().join("ring"), SMALL).unwrap();
    let mut watch = LogWatch::default();
    archive.read(Timestamp::EPOCH, at(99_999), |entry| watch.learn(entry.service, entry.text));
    let kept = Kept::keep(&archive, &request(0, 60_000), &watch, folder.path()).unwrap();
    let path = kept.path().to_owned();
    drop(kept);
    let text = written(folder.path(), |sink| Kept::open(path).unwrap().send(sink, 1.0).unwrap());
    assert_eq!(text.lines().count(), 1_002);
    assert!(text.lines().nth(1).unwrap().contains("failed, giving up"));
    let planted = |line: &&str| line.contains("failed, giving up");
    assert_eq!(text.lines().skip(1).filter(planted).count(), 1);
}

#[test]
fn what_was_kept_in_part_is_removed_and_what_is_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, watch) = scene(folder.path());
    let kept = Kept::keep(&archive, &request(0, 60_000), &watch, folder.path()).unwrap();
    let path = kept.path().to_owned();
    let refused = Archive::open(&path, SMALL);
    assert!(refused.is_err(), "it is no archive to append to");
    drop(kept);
    let whole = fs::read(&path).unwrap();
    fs::write(folder.path().join("incident-1-2.kept.part"), &whole[..9_000]).unwrap();
    assert_eq!(*Kept::left(folder.path()).unwrap(), *std::slice::from_ref(&path));
    assert!(!folder.path().join("incident-1-2.kept.part").exists());
    for cut in [0, 5, 40, 4_096, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(Kept::open(&path).is_err(), "{cut} bytes of {}", whole.len());
    }
    let mut wrong = whole.clone();
    *wrong.last_mut().unwrap() ^= 1;
    fs::write(&path, &wrong).unwrap();
    assert_eq!(Kept::open(&path).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    // A page that is damaged costs its chain, not the incident.
    let mut damaged = whole;
    let pages = 130 * 4_096;
    damaged[pages..pages + 4].fill(0xff);
    fs::write(&path, &damaged).unwrap();
    let text = written(folder.path(), |sink| Kept::open(&path).unwrap().send(sink, 1.0).unwrap());
    let lines = text.lines().count();
    assert!((2..1_002).contains(&lines), "{lines}");
}

#[test]
fn a_sender_keeps_to_its_share_of_a_core() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = Archive::open(folder.path().join("ring"), SMALL).unwrap();
    for nth in 0..20_000 {
        archive.append("api", at(nth), None, b"a line");
    }
    let watch = LogWatch::default();
    let kept = Kept::keep(&archive, &request(0, 60_000), &watch, folder.path()).unwrap();
    let mut sink = |_: &Entry<'_>, _: Option<f64>| Ok(());
    let (wall, cpu) = (std::time::Instant::now(), gadget_core::thread_cpu());
    kept.send(&mut sink, 0.2).unwrap();
    let (wall, cpu) = (wall.elapsed(), gadget_core::thread_cpu() - cpu);
    assert!(cpu.as_secs_f64() < 0.5 * wall.as_secs_f64(), "{cpu:?} of {wall:?}");
}

#[test]
fn an_embedder_s_function_is_a_sink() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, watch) = scene(folder.path());
    let (mut first, mut lines) = (None, 0);
    let mut sink = |entry: &Entry<'_>, novelty: Option<f64>| {
        first.get_or_insert((entry.service.to_owned(), novelty.is_some()));
        lines += 1;
        Ok(())
    };
    flush(&archive, &request(40_000, 50_000), &watch, &mut sink).unwrap();
    assert_eq!((first, lines), (Some(("db".to_owned(), true)), 201));
}

#[test]
fn lines_of_an_earlier_process_are_known_by_their_shape() {
    let folder = tempfile::tempdir().unwrap();
    drop(scene(folder.path()));
    let (archive, _) = Archive::open(folder.path().join("ring"), SMALL).unwrap();
    let mut watch = LogWatch::default();
    archive.read(Timestamp::EPOCH, at(99_999), |entry| {
        assert_eq!(entry.template, None);
        watch.learn(entry.service, entry.text);
    });
    let mut sink = FileSink::new(folder.path());
    let summary = flush(&archive, &request(40_000, 50_000), &watch, &mut sink).unwrap();
    assert_eq!(summary.news.len(), 1);
    assert!(summary.news[0].template.contains("failed"), "{summary:?}");
}

#[test]
fn a_sink_that_fails_leaves_no_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, watch) = scene(folder.path());
    let mut sink = FileSink::new(folder.path().join("nowhere"));
    assert!(flush(&archive, &request(0, 50_000), &watch, &mut sink).is_err());
    assert_eq!(sink.last(), None);
}

#[test]
fn a_day_s_budget_holds_over_restarts_and_ends_with_the_day() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("budget.json");
    let settings = BudgetSettings { bytes: Bytes::new(1_000), incidents: 3 };
    let mut budget = Budget::open(&path, settings);
    for _ in 0..2 {
        assert_eq!(budget.ask(at(0)), Ok(()));
        budget.spend(400).unwrap();
    }
    let mut budget = Budget::open(&path, settings);
    assert_eq!(budget.ask(at(0)), Ok(()));
    budget.spend(1).unwrap();
    assert_eq!(budget.ask(at(0)), Err(BudgetError::Incidents(3)));
    assert_eq!(budget.ask(at(24 * 3_600_000)), Ok(()));
    budget.spend(1_000).unwrap();
    assert_eq!(budget.ask(at(24 * 3_600_000)), Err(BudgetError::Bytes(Bytes::new(1_000))));
    assert_eq!(budget.spent().refused, 1);
    assert_eq!(Budget::open(&path, settings).spent(), budget.spent());
    fs::write(&path, "not json").unwrap();
    assert_eq!(Budget::open(&path, settings).spent(), Spent::default());
}
