//! Reads JSON lines: what is accepted is written and read back the same.
#![no_main]

use gadget_export::json::{JsonLines, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(envelope) = parse(text) else { return };
    let mut lines = JsonLines::new(Vec::new());
    lines.write(&envelope).expect("memory takes it");
    let line = String::from_utf8(lines.into_inner()).expect("JSON is UTF-8");
    assert_eq!(line.matches('\n').count(), 1);
    let again = parse(&line).expect("what was written can be read");
    // Bytes are compared: NaN is not equal to itself.
    assert_eq!(again.message(), envelope.message());
});
