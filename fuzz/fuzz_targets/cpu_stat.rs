//! `cpu.stat` of both versions.

#![no_main]

use std::path::Path;

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let path = Path::new("cpu.stat");
    let _ = parse::cpu_stat_v1(text, path, std::time::Duration::ZERO);
    let _ = parse::cpu_stat_v2(text, path);
});
