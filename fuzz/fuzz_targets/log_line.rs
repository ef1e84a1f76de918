//! The head of a log line: whatever it is, its message is in it, and what is said of it depends on its beginning alone.

#![no_main]

use gadget_core::Timestamp;
use gadget_signals::logs::{When, head, severity, written};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, i32, &[u8])| {
    let (read, east, line) = input;
    // From 2001 to 2064: a date without a year has one then.
    let read = 1_000_000_000 + read % 2_000_000_000;
    let when = When { read: Timestamp::from_secs(read), east: east % (24 * 3600) };
    let found = head(line, when);
    assert!(line.get(found.message.clone()).is_some());
    assert_eq!(found.written, written(line, when));
    assert_eq!(found.severity, severity(line));
    if line.len() > 262 && !line.contains(&b'{') {
        let longer = head(&[line, b"x"].concat(), when);
        assert_eq!((longer.severity, longer.written), (found.severity, found.written));
    }
});
