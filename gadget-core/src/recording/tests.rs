use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::signal::{Reading, Signal};
use crate::subject::{CgroupId, HostFacts, Subject};
use crate::units::{Bytes, Timestamp};

/// A file in memory that can be looked at while it is written.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn facts() -> HostFacts {
    schema::samples().0
}

fn read(bytes: &[u8]) -> Result<Recording, RecordingError> {
    Recording::from("test", Box::new(Cursor::new(bytes.to_vec())))
}

/// One of everything.
fn batch(second: u64) -> Vec<Signal> {
    let at = Timestamp::from_secs(second);
    let (_, subjects, readings) = schema::samples();
    let pairs = readings.into_iter().zip(subjects.into_iter().cycle());
    pairs.map(|(reading, subject)| Signal { at, subject, reading }).collect()
}

/// A recording of `seconds` batches, finished.
fn recorded(seconds: u64) -> Vec<u8> {
    let file = Shared::default();
    let mut recorder = Recorder::to("test", Box::new(file.clone()), &facts()).unwrap();
    for second in 1..=seconds {
        recorder.write(&batch(second)).unwrap();
    }
    recorder.finish().unwrap();
    file.bytes()
}

#[test]
fn what_was_written_is_read_back() {
    let mut recording = read(&recorded(100)).unwrap();
    assert_eq!(recording.facts(), &facts());
    for second in 1..=100 {
        assert_eq!(recording.next().unwrap().unwrap(), batch(second));
    }
    assert!(recording.next().is_none());
    assert!(!recording.cut());
}

#[test]
fn signals_of_one_batch_may_have_different_times() {
    let file = Shared::default();
    let mut recorder = Recorder::to("test", Box::new(file.clone()), &facts()).unwrap();
    let times = [5_000, 4_999, u64::MAX, 0];
    let signals = times.map(|at| Signal {
        at: Timestamp::from_nanos(at),
        subject: Subject::Host,
        reading: Reading::Gone,
    });
    recorder.write(&signals).unwrap();
    drop(recorder);
    let bytes = file.bytes();
    assert_eq!(read(&bytes).unwrap().next().unwrap().unwrap(), signals);
}

#[test]
fn a_recording_cut_anywhere_reads_up_to_its_last_whole_batch_and_says_so() {
    let whole = recorded(30);
    let mut most = 0;
    for length in 0..whole.len() {
        let Ok(mut recording) = read(&whole[..length]) else { continue };
        let mut read = 0;
        for next in recording.by_ref() {
            read += 1;
            assert_eq!(next.unwrap(), batch(read), "cut at {length}");
        }
        assert!(recording.cut(), "cut at {length} and did not say so");
        assert!(read >= most, "a longer part held fewer batches");
        most = read;
    }
    assert!(most >= 28, "only {most} of 30 batches were ever read");
}

#[test]
fn a_writer_that_dies_loses_at_most_a_second() {
    let file = Shared::default();
    let mut recorder = Recorder::to("test", Box::new(file.clone()), &facts()).unwrap();
    for quarter in 4..=95 {
        let mut signals = batch(0);
        let at = Timestamp::EPOCH + Duration::from_millis(250 * quarter);
        signals.iter_mut().for_each(|signal| signal.at = at);
        recorder.write(&signals).unwrap();
        let survived = file.bytes();
        let batches = read(&survived).unwrap().count();
        let written = quarter - 3;
        assert!(batches as u64 + 4 > written, "{batches} of {written} batches");
    }
}

#[test]
fn another_schema_is_an_error_that_names_both() {
    let mut bytes = recorded(1);
    bytes[8] = 1;
    let error = read(&bytes).unwrap_err();
    assert!(matches!(&error, RecordingError::Schema { found, .. } if found == "1"));
    bytes[8] = 2;
    bytes[20] ^= 1;
    assert!(matches!(read(&bytes), Err(RecordingError::Schema { .. })));
    bytes[0] = b'x';
    assert!(matches!(read(&bytes), Err(RecordingError::NotARecording { .. })));
    assert!(matches!(read(b"gadgets"), Err(RecordingError::NotARecording { .. })));
    assert!(matches!(Recording::open("/does/not/exist"), Err(RecordingError::Read { .. })));
}

/// A recording with a proper header and these frames, each with a proper checksum.
fn forged(frames: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut plain = Vec::new();
    for (length, payload) in frames {
        plain.extend(length.to_le_bytes());
        plain.extend(crc32fast::hash(payload).to_le_bytes());
        plain.extend(payload);
    }
    let mut bytes = recorder::MAGIC.to_vec();
    bytes.extend(schema::VERSION.to_le_bytes());
    bytes.extend(schema::OURS.to_bytes());
    bytes.extend(zstd::encode_all(plain.as_slice(), 1).unwrap());
    bytes
}

fn whole(payload: Vec<u8>) -> (u32, Vec<u8>) {
    (u32::try_from(payload.len()).unwrap(), payload)
}

#[test]
fn what_a_frame_claims_is_not_believed() {
    let first = whole(postcard::to_stdvec(&facts()).unwrap());
    let cases = [
        ("longer than a frame may be", (u32::MAX, Vec::new())),
        ("more signals", whole(postcard::to_stdvec(&(u32::MAX, Timestamp::EPOCH)).unwrap())),
        ("not a signal", whole(postcard::to_stdvec(&(9_u32, Timestamp::EPOCH)).unwrap())),
        ("bytes behind", whole(postcard::to_stdvec(&(0_u32, Timestamp::EPOCH, 7_u8)).unwrap())),
    ];
    for (expected, frame) in cases {
        let mut recording = read(&forged(&[first.clone(), frame])).unwrap();
        let error = recording.next().unwrap().unwrap_err();
        assert!(error.to_string().contains(expected), "{error} instead of {expected}");
        assert!(recording.next().is_none(), "it has ended after an error");
    }
    assert!(matches!(read(&forged(&[])), Err(RecordingError::Corrupt { frame: 0, .. })));
    // Claims 32 MiB and has 3 bytes.
    let mut recording = read(&forged(&[first, (32 << 20, vec![1, 2, 3])])).unwrap();
    assert!(recording.next().is_none() && recording.cut());
}

#[test]
fn a_batch_that_is_too_large_is_refused_and_the_recording_goes_on() {
    let file = Shared::default();
    let mut recorder = Recorder::to("test", Box::new(file.clone()), &facts()).unwrap();
    let signal = Signal {
        at: Timestamp::from_secs(1),
        subject: Subject::Cgroup(CgroupId(1)),
        reading: Reading::Gone,
    };
    let many = vec![signal; frame::MAX_SIGNALS + 1];
    assert!(matches!(recorder.write(&many), Err(RecordingError::TooLarge { .. })));
    recorder.write(&many[1..]).unwrap();
    recorder.write(&batch(2)).unwrap();
    drop(recorder);
    let bytes = file.bytes();
    let lengths: Vec<_> = read(&bytes).unwrap().map(|batch| batch.unwrap().len()).collect();
    assert_eq!(lengths, [frame::MAX_SIGNALS, batch(2).len()]);
}

#[test]
fn a_full_recording_is_complete_and_takes_no_more() {
    let file = Shared::default();
    let mut recorder =
        Recorder::to("test", Box::new(file.clone()), &facts()).unwrap().limit(Bytes::new(4_000));
    let written = (1..10_000).take_while(|&second| recorder.write(&batch(second)).is_ok()).count();
    assert!(matches!(recorder.write(&batch(1)), Err(RecordingError::Full { limit: 4_000, .. })));
    drop(recorder);
    let bytes = file.bytes();
    let mut recording = read(&bytes).unwrap();
    assert_eq!(recording.by_ref().count(), written);
    assert!(written > 0 && !recording.cut());
}

#[test]
fn a_disk_that_refuses_is_an_error_and_not_a_panic() {
    struct Refuses;
    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let refused = Recorder::to("test", Box::new(Refuses), &facts());
    assert!(matches!(refused, Err(RecordingError::Write { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_damaged_recording_never_panics_and_never_reads_as_something_else(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let whole = recorded(12);
        let mut bytes = whole.clone();
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let Ok(recording) = read(&bytes) else { return Ok(()) };
        for (second, next) in (1..).zip(recording) {
            match next {
                Ok(read) => prop_assert_eq!(read, batch(second)),
                Err(_) => break,
            }
        }
    }

    #[test]
    fn any_bytes_as_a_frame_are_refused_or_read(payload in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut signals = Vec::new();
        if frame::decode(&payload, &mut signals).is_ok() {
            let mut again = Vec::new();
            frame::encode(&signals, &mut again).unwrap();
            let mut same = Vec::new();
            frame::decode(&again, &mut same).unwrap();
            // NaN is not equal to itself, so the texts are compared.
            prop_assert_eq!(format!("{same:?}"), format!("{signals:?}"));
        }
    }
}
