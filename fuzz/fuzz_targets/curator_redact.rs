//! A line of any bytes: it is redacted without a panic, its spans are in order and within it, nothing but the values changes, what was
//! JSON stays JSON, and what was redacted is redacted no further.

#![no_main]

use std::sync::LazyLock;

use gadget_curator::{Scanner, Style};
use libfuzzer_sys::fuzz_target;

static SCANNER: LazyLock<Scanner> = LazyLock::new(Scanner::new);

fuzz_target!(|line: &[u8]| {
    let mut spans = Vec::new();
    SCANNER.scan(line, &mut spans);
    assert!(spans.iter().all(|span| span.start < span.end && span.end as usize <= line.len()));
    assert!(spans.windows(2).all(|two| two[0].end <= two[1].start));
    let (mut out, mut replaced) = (Vec::new(), Vec::new());
    Style::new().redact(line, &spans, &mut out, &mut replaced);
    let (mut from, mut to) = (0, 0);
    for one in &replaced {
        assert_eq!(line[from..one.from.start as usize], out[to..one.to.start as usize]);
        (from, to) = (one.from.end as usize, one.to.end as usize);
    }
    assert_eq!(line[from..], out[to..]);
    if serde_json::from_slice::<serde_json::Value>(line).is_ok() {
        assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
    }
});
