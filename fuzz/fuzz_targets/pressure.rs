//! A pressure file: what is accepted prints back to averages within 0 to 100.

#![no_main]

use std::path::Path;

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(pressure) = parse::pressure(text, Path::new("memory.pressure")) {
        for stall in [Some(pressure.some), pressure.full].into_iter().flatten() {
            assert!((0.0..=100.0).contains(&stall.avg10.get()));
        }
        assert!(text.ends_with(b"\n"));
    }
});
