//! Reads ledgers: any bytes as a segment, and records that are framed as they should be, with any bytes in their place.
#![no_main]

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::Duration;

use gadget_core::{
    Change, Entry, Evidence, Expectation, HostFacts, Ledger, Plan, PlanId, Probability, ProcessId,
    Reach, Record, Records, Step, Subject, Target, Timestamp, Undo,
};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

/// Length, CRC and hash in hexadecimal, a space after each.
const PREFIX: usize = 8 + 1 + 8 + 1 + 64 + 1;

fuzz_target!(|bytes: &[u8]| {
    let _ = Records::of(bytes).count();
    let _ = read(bytes);
    let Some((&[from, skipped], text)) = bytes.split_first_chunk() else { return };
    let sound = SOUND.get_or_init(sound);
    let from = (usize::from(from) * 4) % sound.len();
    let rest = (from + usize::from(skipped)).min(sound.len());
    let _ = read(&[&sound[..from], text, &sound[rest..]].concat());
});

/// The payload of a record that says much: what is about to be done, and how it is put back.
static SOUND: OnceLock<Vec<u8>> = OnceLock::new();

fn sound() -> Vec<u8> {
    let subject = Subject::Process(ProcessId { pid: 7, start: 99 });
    let plan = Plan {
        id: PlanId(1),
        gadget: "oracle".into(),
        at: Timestamp::from_secs(9),
        step: Step::SetNice { to: 7 },
        target: Target { subject, reach: Reach::Alone, name: "a".into() },
        reason: "r".into(),
        confidence: Probability::ONE,
        evidence: Evidence::new(),
        expects: Expectation { subject, change: Change::Gone, within: Duration::from_secs(1) },
        merit: 1.5,
        deadline: Some(Duration::from_millis(1500)),
    };
    let mut ledger = empty();
    let entry = Entry::Intended { plan: Cow::Owned(plan), undo: Cow::Owned(Undo::Nothing) };
    ledger.append(Timestamp::from_secs(9), &entry).expect("memory takes it");
    let bytes = ledger.bytes();
    let lines = bytes.strip_suffix(b"\n").expect("a line ends");
    let start = lines.iter().rposition(|byte| *byte == b'\n').expect("there is a line before it");
    let payload = lines[start + 1 + PREFIX..].to_vec();
    assert!(read(&payload).is_some(), "as it stands it is read");
    payload
}

fn empty() -> Ledger {
    let facts = HostFacts { boot_id: "b".into(), kernel: "k".into(), agent_pid: 1, cpus: 1 };
    Ledger::in_memory(&facts, Timestamp::EPOCH)
}

/// The record with this payload. What was accepted is written and read back the same.
fn read(payload: &[u8]) -> Option<Record<'static>> {
    let record = Records::of(&segment(payload)).next()?.ok()?;
    let mut ledger = empty();
    ledger.append(record.at, &record.entry).expect("what was read can be written");
    let again = ledger.records().last().expect("it is there").expect("it is whole");
    assert_eq!(format!("{:?}", again.entry), format!("{:?}", record.entry));
    Some(record)
}

/// A segment with one record.
fn segment(payload: &[u8]) -> Vec<u8> {
    let before = [b'0'; 64];
    let hash = Sha256::new().chain_update(before).chain_update(payload).finalize();
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut segment = format!("gadget-ledger 1 {:020} ", 0).into_bytes();
    segment.extend(before);
    let (length, crc) = (payload.len(), crc32fast::hash(payload));
    segment.extend(format!("\n{length:08x} {crc:08x} {hash} ").bytes());
    segment.extend(payload);
    segment.push(b'\n');
    segment
}
