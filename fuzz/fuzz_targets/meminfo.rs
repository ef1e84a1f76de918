//! `/proc/meminfo`: any bytes are numbers or a typed error, never a panic.

#![no_main]

use std::path::Path;

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(memory) = parse::meminfo(text, Path::new("meminfo")) {
        assert!(memory.total.get() % 1024 == 0 && memory.total.get() <= i64::MAX as u64);
    }
});
