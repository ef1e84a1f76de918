//! `/proc/PID/maps`.

#![no_main]

use std::path::Path;

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for mapping in parse::maps(text, Path::new("maps")).flatten() {
        assert!(mapping.start < mapping.end);
        assert!(mapping.holds(mapping.start) && !mapping.holds(mapping.end));
    }
});
