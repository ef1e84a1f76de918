//! `/proc/diskstats`.

#![no_main]

use std::path::Path;

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let _ = parse::diskstats(text, Path::new("diskstats"));
});
