//! Reads checkpoints of log files: any bytes as one, and sound frames with any bytes behind them.
#![no_main]

use gadget_signals::logs::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Frames are told by a checksum that fuzzing does not guess.
    let sound = |payload: &[u8]| {
        let crc = crc32fast::hash(payload).to_le_bytes();
        [&(payload.len() as u32).to_le_bytes(), &crc, payload].concat()
    };
    let magic = Checkpoint::default().encode()[..8].to_vec();
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    let framed = [magic.as_slice(), &sound(first), &sound(rest)].concat();
    let cut = [framed.as_slice(), bytes].concat();
    for bytes in [bytes, &framed, &cut] {
        let Some((state, rest)) = Checkpoint::decode(bytes) else { continue };
        assert!(rest < bytes.len());
        assert_eq!(Checkpoint::decode(&bytes[..bytes.len() - rest]), Some((state.clone(), 0)));
        assert_eq!(Checkpoint::decode(&state.encode()), Some((state, 0)));
    }
});
