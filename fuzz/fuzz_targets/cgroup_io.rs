//! `io.stat` and its version 1 counterpart.

#![no_main]

use std::path::Path;

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let path = Path::new("io.stat");
    let _ = parse::io_stat(text, path);
    let _ = parse::blkio(text, path);
});
