//! What a capture reads of another process: its mappings, a mapped file, the unwind tables in it, and the line of `syscall`.

#![no_main]

use gadget_actions::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let maps = parse::maps(bytes);
    assert!(maps.iter().all(|mapping| mapping.start < mapping.end));
    assert!(maps.windows(2).all(|two| two[0].end <= two[1].start));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = parse::syscall(text);
    }
    let _ = parse::unwind_tables(bytes, &[0, 0x1000, 0x1010, 0x40_1000, u64::MAX]);
});
