//! Reads messages of the kernel's taskstats.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut count = 0;
    gadget_signals::parse_taskstats(bytes, |used| {
        count += 1;
        assert!(used.comm.as_bytes().len() <= 15);
    });
    // Each has at least its own header and the fields that are read.
    assert!(count * 200 <= bytes.len());
});
