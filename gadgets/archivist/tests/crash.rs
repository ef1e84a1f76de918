//! Lines that were appended before a process is killed are there afterwards, each once and whole.

#![allow(clippy::unwrap_used)] // All of it is tests.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gadget_archivist::{Archive, ArchiveSettings, Left};
use gadget_core::{Bytes, Timestamp};

const RING: &str = "GADGET_TEST_RING";
const NAMES: [&str; 5] = ["api", "cache", "db", "queue", "web"];
const SERVICES: u64 = NAMES.len() as u64;
const KILLS: u64 = 40;

fn settings() -> ArchiveSettings {
    ArchiveSettings { bytes: Bytes::from_mib(2), line: 32 << 10, ..ArchiveSettings::default() }
}

fn at(nth: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000) + Duration::from_micros(nth)
}

/// The line of this number: of one to some thousands of bytes, which tell it.
fn line(nth: u64) -> Vec<u8> {
    let mixed = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let length = if mixed >> 56 == 0 { mixed >> 50 & 0x3fff } else { mixed >> 58 };
    let mut text = format!("line {nth} ");
    while text.len() < length as usize {
        text += &format!("{:x} of {nth}; ", mixed ^ text.len() as u64);
    }
    text.into_bytes()
}

fn which(nth: u64) -> u64 {
    (nth.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % SERVICES
}

/// What the child does: appends, and says after each line that it is there.
fn append_for_ever(path: &Path) -> ! {
    let (mut archive, _) = Archive::open(path, settings()).unwrap();
    let mut next = 0;
    archive.read(Timestamp::EPOCH, Timestamp::from_nanos(u64::MAX), |entry| {
        next = next.max(number(entry.text) + 1);
    });
    let mut out = std::io::stdout();
    loop {
        archive.append(NAMES[which(next) as usize], at(next), None, &line(next));
        out.write_all(format!("{next}\n").as_bytes()).unwrap();
        next += 1;
    }
}

fn number(text: &[u8]) -> u64 {
    let text = std::str::from_utf8(text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn nothing_that_was_appended_is_lost_torn_or_there_twice() {
    if let Some(path) = env::var_os(RING) {
        append_for_ever(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let (mut said, mut oldest) = (0, 0);
    for kill in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "nothing_that_was_appended_is_lost_torn_or_there_twice",
                "--nocapture",
            ])
            .env(RING, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // From its first line on it is killed at another moment each time.
        let mut begin = None;
        let wait = Duration::from_micros(500 + kill * 1_777 % 40_000);
        let mut killed = false;
        while let Some(Ok(text)) = lines.next() {
            // The harness has lines of its own.
            let Some(nth) = text.rsplit(' ').next().and_then(|it| it.parse().ok()) else {
                continue;
            };
            said = nth;
            if !killed && begin.get_or_insert_with(Instant::now).elapsed() >= wait {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();

        let (archive, left) = Archive::open(&path, settings()).unwrap();
        let mut seen: HashMap<u64, u32> = HashMap::new();
        archive.read(Timestamp::EPOCH, Timestamp::from_nanos(u64::MAX), |entry| {
            let nth = number(entry.text);
            assert_eq!(entry.text, line(nth), "line {nth} is torn");
            assert_eq!((entry.service, entry.at), (NAMES[which(nth) as usize], at(nth)));
            *seen.entry(nth).or_default() += 1;
        });
        assert!(matches!(left, Left::Behind { .. }), "{left:?} after {said}");
        assert!(seen.values().all(|times| *times == 1), "a line is there twice");
        // What went for want of room went from the front of each service.
        for service in 0..SERVICES {
            let its = |nth: &u64| which(*nth) == service;
            let Some(first) = seen.keys().copied().filter(its).min() else { continue };
            let lost = (first..=said).filter(its).find(|nth| !seen.contains_key(nth));
            assert_eq!(lost, None, "after kill {kill}, of lines up to {said}");
            oldest = oldest.max(first);
        }
    }
    assert!(said > 10_000, "only {said} lines were appended");
    assert!(oldest > 0, "the file was never full");
}
