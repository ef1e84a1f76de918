//! Opening a ledger that may have been left in any state.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::carried::Past;
use super::frame::{Flaw, GENESIS, Hash, Head};
use super::read::{Lines, decode, head};
use super::store::{Directory, Disk, Store};
use super::{Entry, Ledger, LedgerError, LedgerSettings, note, opened};
use crate::subject::HostFacts;
use crate::units::Timestamp;

/// What was found at the end of a ledger.
struct Tail {
    past: Past,
    /// The last readable record: its number and hash.
    last: Option<(u64, Hash)>,
    /// Where the readable part of the last segment that was read ends.
    end: u64,
    /// What is wrong behind it, or before.
    flaw: Option<(u64, Flaw)>,
    /// Records that are readable behind a flaw.
    behind: u64,
}

pub(super) fn open(
    dir: &Path,
    settings: LedgerSettings,
    facts: &HostFacts,
    now: Timestamp,
) -> Result<Ledger, LedgerError> {
    let directory = Directory::at(dir);
    let lock = directory.acquire(facts.agent_pid)?;
    let mut notes = Vec::new();
    let mut segments = directory.segments()?;
    let head = match head(&directory) {
        Ok(Some(head)) => Some(head),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(LedgerError::io("read", &directory.head(), error));
        }
        _ => None,
    };
    if let Some(head) = head.filter(|head| segments.contains(&head.oldest)) {
        // A crash came between writing the head and removing these.
        for &first in segments.iter().take_while(|first| **first < head.oldest) {
            directory.remove(first)?;
        }
        segments.retain(|first| *first >= head.oldest);
    }
    let mut tail = read_tail(&directory, &mut segments, &mut notes)?;
    compare(head.as_ref(), tail.last.map(|(seq, _)| seq), &mut notes);

    let first = segments.last().copied();
    let disk = Disk::open(directory, lock, first.unwrap_or(0))?;
    let mut ledger = Ledger::empty(Store::Disk(disk), settings);
    std::mem::swap(&mut ledger.past, &mut tail.past);
    ledger.segments = segments;
    (ledger.seq, ledger.hash) = tail.last.map_or((0, GENESIS), |(seq, hash)| (seq + 1, hash));
    ledger.offset = tail.end;
    match tail.flaw {
        None => {}
        Some((at, _)) if tail.behind == 0 => {
            ledger.store.cut(at)?;
            notes.push(format!("cut what a crash left of a record at byte {at}"));
        }
        Some((at, _)) => {
            notes.push(format!(
                "damage at byte {at}; {} records behind it are readable",
                tail.behind
            ));
            ledger.rotate(now)?;
        }
    }
    if ledger.segments.is_empty() {
        ledger.start(now, &opened(facts))?;
    } else {
        ledger.append(now, &opened(facts))?;
    }
    for text in notes {
        ledger.append(now, &Entry::Noted(Cow::Owned(note(text))))?;
    }
    Ok(ledger)
}

/// Reads the last segment, and the ones before as far as it does not stand for itself. Segments without any record are
/// removed: a crash came while they were made.
fn read_tail(
    directory: &Directory,
    segments: &mut Vec<u64>,
    notes: &mut Vec<String>,
) -> Result<Tail, LedgerError> {
    while let Some(&first) = segments.last() {
        let mut lines = Lines::open(directory, first)?;
        let mut empty = true;
        while let (true, Some(line)) = (empty, lines.next()?) {
            empty = line.content.is_err();
        }
        if !empty {
            break;
        }
        notes.push(format!("removed segment {first}, which a crash left without a record"));
        directory.remove(first)?;
        segments.pop();
    }
    let mut from = segments.len().saturating_sub(1);
    while from > 0 && !stands_alone(directory, segments[from])? {
        from -= 1;
    }
    let mut tail = Tail { past: Past::new(), last: None, end: 0, flaw: None, behind: 0 };
    for &first in &segments[from..] {
        read_segment(directory, first, &mut tail)?;
    }
    Ok(tail)
}

/// True if the segment starts with all that those before it mean.
fn stands_alone(directory: &Directory, first: u64) -> Result<bool, LedgerError> {
    let mut lines = Lines::open(directory, first)?;
    let path = lines.path().to_owned();
    Ok(match lines.next()? {
        Some(line) => match line.content {
            Ok((_, payload)) => {
                matches!(decode(&path, line.offset, payload)?.entry, Entry::Carried(_))
            }
            Err(_) => false,
        },
        None => false,
    })
}

fn read_segment(directory: &Directory, first: u64, tail: &mut Tail) -> Result<(), LedgerError> {
    let mut lines = Lines::open(directory, first)?;
    let path = lines.path().to_owned();
    if let Err(flaw) = lines.start() {
        tail.flaw.get_or_insert((0, flaw));
    }
    while let Some(line) = lines.next()? {
        match line.content {
            Ok((hash, payload)) => {
                let record = decode(&path, line.offset, payload)?;
                tail.past.note(record.at, &record.entry);
                tail.last = Some((record.seq, hash));
                tail.end = line.end;
                tail.behind += u64::from(tail.flaw.is_some());
            }
            Err(flaw) => _ = tail.flaw.get_or_insert((line.offset, flaw)),
        }
    }
    Ok(())
}

/// Notes what the head and the records say differently.
fn compare(head: Option<&Head>, last: Option<u64>, notes: &mut Vec<String>) {
    match (head, last) {
        (None, None | Some(0)) => {}
        (None, Some(_)) => notes.push("the head was missing or damaged".to_owned()),
        (Some(head), last) => {
            let next = last.map_or(0, |last| last + 1);
            if head.seq >= next {
                notes.push(format!(
                    "records {next} to {} are missing: lost with the power, or removed",
                    head.seq
                ));
            } else if head.seq + 2 < next {
                notes.push(format!("the head was {} records behind", next - 1 - head.seq));
            }
        }
    }
}
