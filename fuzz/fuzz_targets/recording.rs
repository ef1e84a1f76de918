//! Reads recordings: any bytes as a file, and any bytes as a frame of an otherwise sound one.
#![no_main]

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use gadget_core::{HostFacts, Recorder, Recording, Signal};
use libfuzzer_sys::fuzz_target;

/// How long the header is: magic, version, two counts, and as many fingerprints of four bytes.
fn header(file: &[u8]) -> usize {
    let count = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    14 + 4 * (count(10) + count(12))
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let sound = empty();
    let header = header(&sound);
    let mut plain = zstd::decode_all(&sound[header..]).expect("a recording is a zstd stream");
    plain.extend((bytes.len() as u32).to_le_bytes());
    plain.extend(crc32fast::hash(bytes).to_le_bytes());
    plain.extend(bytes);
    let mut file = sound[..header].to_vec();
    file.extend(zstd::encode_all(plain.as_slice(), 1).expect("memory takes it"));
    for batch in read(&file) {
        // What was accepted is written and read back the same. Texts are compared: NaN is not equal to itself.
        let again = read(&recorded(&batch));
        assert_eq!(format!("{again:?}"), format!("{:?}", [batch]));
    }
});

fn read(bytes: &[u8]) -> Vec<Vec<Signal>> {
    match Recording::from("fuzz", Box::new(Cursor::new(bytes.to_vec()))) {
        Ok(recording) => {
            recording.map_while(Result::ok).filter(|batch| !batch.is_empty()).collect()
        }
        Err(_) => Vec::new(),
    }
}

/// A recording without batches.
fn empty() -> Vec<u8> {
    recorded(&[])
}

fn recorded(batch: &[Signal]) -> Vec<u8> {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("nobody panics here").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let file = Shared::default();
    let facts = HostFacts { boot_id: "b".into(), kernel: "k".into(), agent_pid: 1, cpus: 1 };
    let mut recorder =
        Recorder::to("fuzz", Box::new(file.clone()), &facts).expect("memory takes it");
    recorder.write(batch).expect("what was read can be written");
    recorder.finish().expect("memory takes it");
    let bytes = file.0.lock().expect("nobody panics here").clone();
    bytes
}
