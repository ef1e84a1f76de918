//! `memory.max` and its like: what is accepted prints back to what was read.

#![no_main]

use std::path::Path;

use gadget_core::MemoryLimit;
use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    match parse::memory_limit(text, Path::new("memory.max")) {
        Ok(MemoryLimit::At(bytes)) => {
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let digits = std::str::from_utf8(line).expect("digits").trim_start_matches('0');
            let printed = bytes.get().to_string();
            assert_eq!(digits, printed.trim_start_matches('0'));
        }
        Ok(MemoryLimit::Unlimited) | Err(_) => {}
    }
});
