//! An incident that was kept before a process is killed is there afterwards, as a whole and once.

#![allow(clippy::unwrap_used)] // All of it is tests.

use std::collections::{HashMap, HashSet};
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gadget_archivist::flush::{FileSink, Kept};
use gadget_archivist::{Archive, ArchiveSettings, LogWatch};
use gadget_core::{Bytes, FlushRequest, LogFlags, LogMeta, PlanId, Severity, SourceId, Timestamp};

const FOLDER: &str = "GADGET_TEST_INCIDENTS";
const TEST: &str = "what_was_kept_is_sent_once_whenever_the_process_is_killed";
const KILLS: u64 = 30;
/// The lines of each incident.
const LINES: u64 = 3_000;

fn settings() -> ArchiveSettings {
    ArchiveSettings { bytes: Bytes::from_mib(8), line: 32 << 10, ..ArchiveSettings::default() }
}

fn at(nth: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000) + Duration::from_millis(nth)
}

/// What the child does: logs, keeps the time of it and sends it, for ever. It says when one was kept.
fn keep_for_ever(folder: &Path, life: u64) -> ! {
    let (mut archive, _) = Archive::open(folder.join("ring"), settings()).unwrap();
    let mut watch = LogWatch::default();
    let mut sink = FileSink::new(folder.join("out"));
    let mut out = std::io::stdout();
    // Its beginning is what another life's end has left.
    send_left(folder, &mut sink);
    for incident in 0.. {
        let begin = (life * 1_000 + incident) * (LINES + 200);
        for nth in begin..begin + LINES {
            let severity = if nth == begin + 2_000 { Severity::Error } else { Severity::Info };
            let text = match severity {
                Severity::Error => format!("disk of {incident} has failed at {nth}"),
                _ => format!("request {nth} took {} ms, {}", nth % 97, "and so on".repeat(9)),
            };
            let (source, flags) = (SourceId::OTHER, LogFlags::default());
            let severity = Some(severity);
            let meta = LogMeta { source, at: at(nth), written: None, severity, flags };
            let service = ["api", "db", "web"][nth as usize % 3];
            let seen = watch.observe_line(service, &meta, text.as_bytes());
            archive.append_line(service, &meta, seen.template, text.as_bytes());
        }
        let request = FlushRequest {
            plan: PlanId(life * 1_000 + incident),
            from: at(begin),
            until: at(begin + LINES - 1),
            reason: "never seen".into(),
            about: "db".into(),
        };
        let kept = Kept::keep(&archive, &request, &watch, folder.join("out")).unwrap();
        out.write_all(format!("kept {}\n", request.plan.0).as_bytes()).unwrap();
        kept.send(&mut sink, 1.0).unwrap();
        kept.done().unwrap();
    }
    unreachable!()
}

fn send_left(folder: &Path, sink: &mut FileSink) {
    for path in Kept::left(folder.join("out")).unwrap() {
        let kept = Kept::open(path).unwrap();
        kept.send(sink, 1.0).unwrap();
        kept.done().unwrap();
    }
}

/// The incidents that are there under the name they have to have, each of which is whole. By number.
fn whole(folder: &Path) -> HashSet<u64> {
    let mut numbers = HashSet::new();
    for entry in fs::read_dir(folder.join("out")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "jsonl") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut lines =
            text.lines().map(|it| serde_json::from_str::<serde_json::Value>(it).unwrap());
        let head = lines.next().unwrap();
        let mut seen: HashMap<String, u64> = HashMap::new();
        for (nth, line) in lines.enumerate() {
            assert_eq!(nth == 0 && line["severity"] == "ERROR", nth == 0, "news is first");
            *seen.entry(line["line"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(seen.len() as u64, LINES, "{}", path.display());
        assert!(seen.values().all(|times| *times == 1), "a line is there twice");
        assert!(numbers.insert(head["incident"].as_u64().unwrap()), "an incident is there twice");
    }
    numbers
}

#[test]
fn what_was_kept_is_sent_once_whenever_the_process_is_killed() {
    if let Some(folder) = env::var_os(FOLDER) {
        let life = env::var("GADGET_TEST_LIFE").unwrap().parse().unwrap();
        keep_for_ever(Path::new(&folder), life);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("out")).unwrap();
    let (mut said, mut halves, mut left) = (HashSet::new(), 0, 0);
    for kill in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(FOLDER, path)
            .env("GADGET_TEST_LIFE", kill.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // From its first incident on it is killed at another moment each time.
        let wait = Duration::from_micros(kill * 7_919 % 80_000);
        let mut begin = None;
        while let Some(Ok(text)) = lines.next() {
            // The harness has lines of its own.
            let Some(number) = text.split("kept ").nth(1).and_then(|it| it.parse::<u64>().ok())
            else {
                continue;
            };
            said.insert(number);
            if begin.is_none() {
                let rest = wait.saturating_sub(begin.get_or_insert_with(Instant::now).elapsed());
                std::thread::sleep(rest);
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let names = fs::read_dir(path.join("out")).unwrap().map(|it| it.unwrap().file_name());
        let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        halves += names.iter().filter(|name| name.ends_with(".part")).count();
        left += names.iter().filter(|name| name.ends_with(".kept")).count();
        // Half of them are looked after by the next child, the others here.
        if kill % 2 == 0 || kill + 1 == KILLS {
            send_left(path, &mut FileSink::new(path.join("out")));
            let there = whole(path);
            assert!(said.is_subset(&there), "{said:?} of which there are {there:?}");
            // What was looked at need not be looked at again.
            for entry in fs::read_dir(path.join("out")).unwrap() {
                let path = entry.unwrap().path();
                assert!(path.extension().is_some_and(|end| end == "jsonl"), "{}", path.display());
                fs::remove_file(path).unwrap();
            }
            said.clear();
        }
    }
    println!("{left} were left to be sent, {halves} files half written");
    assert!(left > 0, "it was never killed before it had sent what was kept");
    assert!(halves > 0, "it was never killed while it wrote");
}
