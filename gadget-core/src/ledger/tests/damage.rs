//! Whatever is changed or missing is found, and a start makes the best of it.

use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::*;
use crate::ledger::store::Directory;

/// A ledger of several segments, each as short as can be, so that all its bits can be flipped one by one.
fn short() -> Home {
    let home = Home::new();
    let settings = LedgerSettings { segment_size: Bytes::new(700), segments: 8 };
    let mut ledger = open::open(&home.dir(), settings, &facts("a"), at(0)).unwrap();
    for n in 1..6 {
        ledger.append(at(n), &noted("a short note")).unwrap();
    }
    drop(ledger);
    assert_eq!(home.segments().len(), 3);
    home
}

fn lines(path: &PathBuf) -> Vec<Vec<u8>> {
    fs::read(path).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn every_flipped_bit_is_found() {
    let home = short();
    Ledger::verify(home.dir()).unwrap();
    for path in home.segments().into_iter().chain([home.dir().join("head")]) {
        let bytes = fs::read(&path).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            let (at, byte) = (bit / 8, bytes[bit / 8]);
            file.write_all_at(&[byte ^ 1 << (bit % 8)], at as u64).unwrap();
            let verified = Ledger::verify(home.dir());
            assert!(verified.is_err(), "bit {bit} of {path:?}: {verified:?}");
            file.write_all_at(&[byte], at as u64).unwrap();
        }
    }
    Ledger::verify(home.dir()).unwrap();
}

#[test]
fn every_missing_record_is_found() {
    let home = short();
    for path in home.segments() {
        let whole = lines(&path);
        for gone in 0..whole.len() {
            let mut rest = whole.clone();
            rest.remove(gone);
            fs::write(&path, rest.concat()).unwrap();
            let verified = Ledger::verify(home.dir());
            assert!(verified.is_err(), "line {gone} of {path:?}: {verified:?}");
        }
        fs::write(&path, whole.concat()).unwrap();
    }
    Ledger::verify(home.dir()).unwrap();
}

#[test]
fn every_missing_end_is_found() {
    let home = short();
    for path in home.segments() {
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let verified = Ledger::verify(home.dir());
            assert!(verified.is_err(), "cut at {end} of {path:?}: {verified:?}");
        }
        fs::write(&path, whole).unwrap();
    }
    Ledger::verify(home.dir()).unwrap();
}

#[test]
fn every_missing_segment_is_found() {
    let home = Home::new();
    let mut ledger = home.open_small(4);
    fill(&mut ledger, 60);
    drop(ledger);
    let segments = home.segments();
    assert_eq!(segments.len(), 4);
    for path in &segments {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        let verified = Ledger::verify(home.dir());
        assert!(matches!(verified, Err(LedgerError::Missing { .. })), "{path:?}: {verified:?}");
        fs::write(path, bytes).unwrap();
    }
    for path in &segments {
        fs::remove_file(path).unwrap();
    }
    assert!(matches!(Ledger::verify(home.dir()), Err(LedgerError::Missing { .. })));
}

#[test]
fn records_of_another_ledger_are_found() {
    let home = Home::with(4);
    let other = Home::new();
    let mut ledger = Ledger::open(other.dir(), &facts("b"), at(0)).unwrap();
    fill(&mut ledger, 4);
    drop(ledger);
    for line in 1..6 {
        let mut mixed = lines(&home.segment());
        mixed[line] = lines(&other.segment()).swap_remove(line);
        let path = home.segment();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, mixed.concat()).unwrap();
        assert!(Ledger::verify(home.dir()).is_err(), "record {line}");
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_last_record_that_was_half_written_is_cut_and_noted() {
    let home = Home::new();
    let mut ledger = home.open();
    fill(&mut ledger, 5);
    let (head, path) = (home.dir().join("head"), home.segment());
    let (before, whole_head) = (fs::read(&path).unwrap(), fs::read(&head).unwrap());
    ledger.append(at(9), &noted("never finished")).unwrap();
    drop(ledger);
    let whole = fs::read(&path).unwrap();
    for end in before.len() + 1..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        fs::write(&head, &whole_head).unwrap();
        let torn = Ledger::verify(home.dir()).unwrap().torn;
        assert_eq!(torn, (end - before.len()) as u64);
        drop(home.open());
        let verified = Ledger::verify(home.dir()).unwrap();
        // The start and the note follow the five.
        assert_eq!((verified.last, verified.torn), (7, 0));
        assert!(home.notes()[0].starts_with("cut what a crash left"), "{:?}", home.notes());
        assert_eq!(fs::read(&path).unwrap()[..before.len()], before);
    }
}

#[test]
fn zeros_that_a_power_loss_left_are_cut() {
    let home = Home::with(5);
    let mut bytes = fs::read(home.segment()).unwrap();
    bytes.extend([0; 500]);
    fs::write(home.segment(), bytes).unwrap();
    assert_eq!(Ledger::verify(home.dir()).unwrap().torn, 500);
    drop(home.open());
    let verified = Ledger::verify(home.dir()).unwrap();
    assert_eq!((verified.last, verified.torn), (7, 0));
}

#[test]
fn an_end_that_the_power_took_is_noted_for_ever() {
    let home = Home::with(5);
    let kept = lines(&home.segment())[..4].concat();
    fs::write(home.segment(), kept).unwrap();
    drop(home.open());
    Ledger::verify(home.dir()).unwrap();
    assert_eq!(home.notes(), ["records 3 to 5 are missing: lost with the power, or removed"]);
}

#[test]
fn a_head_that_is_lost_late_or_broken_is_noted_and_made_anew() {
    let home = Home::with(5);
    let head = home.dir().join("head");
    let early = fs::read(&head).unwrap();
    fs::write(&head, b"gadget-head 1 nonsense\n").unwrap();
    drop(home.open());
    fs::remove_file(&head).unwrap();
    assert!(Ledger::verify(home.dir()).is_err());
    drop(home.open());
    fs::write(&head, early).unwrap();
    assert!(Ledger::verify(home.dir()).is_err());
    drop(home.open());
    let missing = "the head was missing or damaged";
    assert_eq!(home.notes(), [missing, missing, "the head was 4 records behind"]);
    Ledger::verify(home.dir()).unwrap();
}

#[test]
fn damage_in_the_midst_stays_to_be_seen_and_hides_no_unfinished_effect() {
    let home = Home::with(13);
    let path = home.segment();
    let mut whole = lines(&path);
    // Records 3, 8 and 13 are intents; the last one is unfinished. Damage comes before it.
    whole[7][100] ^= 4;
    fs::write(&path, whole.concat()).unwrap();
    let ledger = home.open();
    let unfinished: Vec<_> = ledger.carried().unfinished.iter().map(|open| open.plan.id).collect();
    assert_eq!(unfinished, [PlanId(3)]);
    drop(ledger);
    assert_eq!(fs::read(&path).unwrap(), whole.concat(), "what is damaged is left as it is");
    assert_eq!(home.segments().len(), 2);
    assert!(matches!(Ledger::verify(home.dir()), Err(LedgerError::Damaged { .. })));
    let read: Vec<_> = Ledger::read(home.dir()).collect();
    assert_eq!(read.iter().filter(|record| record.is_err()).count(), 1);
    assert_eq!(read.len(), 14 + 3, "what is carried, the start and the note");
    // The new segment stands for itself.
    assert_eq!(home.open().carried().unfinished.len(), 1);
}

#[test]
fn a_segment_that_a_crash_left_empty_is_removed() {
    let home = Home::with(8);
    let before = home.open().carried().clone();
    let directory = Directory::at(&home.dir());
    fs::write(directory.segment(10), b"gadget-ledger 1 000").unwrap();
    assert_eq!(Ledger::verify(home.dir()).unwrap().last, 9);
    assert_eq!(home.open().carried(), &before);
    assert_eq!(home.segments().len(), 1);
    Ledger::verify(home.dir()).unwrap();
}

#[test]
fn what_rotation_could_not_remove_before_a_crash_is_removed_at_the_next_start() {
    let home = Home::new();
    let mut ledger = home.open_small(2);
    let (oldest, mut bytes) = (home.segment(), Vec::new());
    let mut entries = entries(500);
    while home.segments().contains(&oldest) {
        bytes = fs::read(&oldest).unwrap();
        let (at, entry) = entries.next().unwrap();
        ledger.append(at, &entry).unwrap();
    }
    drop(ledger);
    fs::write(&oldest, bytes).unwrap();
    assert_eq!(Ledger::verify(home.dir()).unwrap().segments, 3);
    drop(home.open_small(2));
    assert!(!home.segments().contains(&oldest));
    Ledger::verify(home.dir()).unwrap();
}

#[test]
fn a_ledger_that_is_being_written_verifies() {
    let home = Home::new();
    let mut ledger = home.open_small(8);
    let (written, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                let n = written.fetch_add(1, Relaxed);
                ledger.append(at(n), &noted("busy")).unwrap();
                // Slower than the reader, which has to come through before a segment it wants is removed.
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let mut results = Vec::new();
        // Some thirty records fill a segment, so that many are made and removed meanwhile.
        while written.load(Relaxed) < 500 {
            results.push(Ledger::verify(home.dir()).map(|verified| verified.in_use));
        }
        let unreadable = Ledger::read(home.dir()).filter(Result::is_err).count();
        done.store(true, Relaxed);
        assert!(!results.is_empty() && results.iter().all(|result| matches!(result, Ok(true))));
        assert_eq!(unreadable, 0);
    });
    drop(ledger);
    let verified = Ledger::verify(home.dir()).unwrap();
    assert!(!verified.in_use && verified.first > 0, "{verified:?}");
}

#[test]
fn what_a_newer_version_wrote_is_whole_but_not_opened() {
    let home = Home::new();
    home.open().append(at(1), &noted("text")).unwrap();
    // The same record with an entry of a kind that is not known yet, in bytes that are right.
    let path = home.segment();
    let mut whole = lines(&path);
    let (before, old) = (whole[1].clone(), whole.pop().unwrap());
    let payload = String::from_utf8(old[83..old.len() - 1].to_vec()).unwrap();
    let payload = payload.replace("noted", "sworn");
    let hash = frame::link(before[18..82].try_into().unwrap(), payload.as_bytes());
    let (len, crc) = (payload.len(), crc32fast::hash(payload.as_bytes()));
    let digits = std::str::from_utf8(&hash).unwrap();
    whole.push(format!("{len:08x} {crc:08x} {digits} {payload}\n").into_bytes());
    fs::write(&path, whole.concat()).unwrap();
    let head = home.dir().join("head");
    let mut line = fs::read(&head).unwrap();
    Head { hash, ..Head::parse(&line).unwrap() }.put(&mut line);
    fs::write(head, line).unwrap();

    assert_eq!(Ledger::verify(home.dir()).unwrap().last, 1);
    let opened = Ledger::open(home.dir(), &facts("a"), at(2));
    assert!(matches!(opened, Err(LedgerError::Unreadable { .. })), "{opened:?}");
    let read: Vec<_> = Ledger::read(home.dir()).collect();
    assert!(matches!(read[..], [Ok(_), Err(LedgerError::Unreadable { .. })]), "{read:?}");
}

#[test]
fn a_place_without_a_ledger_is_an_error_and_not_an_empty_ledger() {
    let home = Home::new();
    assert!(matches!(Ledger::verify(home.dir()), Err(LedgerError::Io { attempt: "list", .. })));
    assert!(matches!(Ledger::read(home.dir()).next(), Some(Err(LedgerError::Io { .. }))));
    fs::create_dir(home.dir()).unwrap();
    let empty = Ledger::verify(home.dir()).unwrap_err().to_string();
    assert!(empty.starts_with("cannot find a record in "), "{empty}");
}
