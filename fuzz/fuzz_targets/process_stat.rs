//! `/proc/PID/stat`: `comm` is whatever stands between the first and the last bracket.

#![no_main]

use std::path::Path;

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(stat) = parse::process_stat(text, Path::new("stat")) {
        let open = text.iter().position(|byte| *byte == b'(').expect("a bracket");
        let close = text.iter().rposition(|byte| *byte == b')').expect("a bracket");
        assert_eq!(stat.comm, &text[open + 1..close]);
    }
});
