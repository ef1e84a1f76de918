//! Syslog: a message is cut into what is in it, a stream into the same messages however its bytes come.

#![no_main]

use gadget_core::LogFlags;
use gadget_signals::logs::{SyslogFrames, When, syslog_message};
use libfuzzer_sys::fuzz_target;

fn frames<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, LogFlags)> {
    let mut frames = SyslogFrames::new(64);
    let mut found = Vec::new();
    let mut take = |message: &[u8], flags| found.push((message.to_vec(), flags));
    for chunk in chunks {
        frames.feed(chunk, &mut take);
    }
    frames.end(&mut take);
    found
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let message = syslog_message(bytes, When::default());
    let text = message.text;
    assert!(text.is_empty() || bytes.windows(text.len()).any(|part| part == text));
    let whole = frames(std::iter::once(bytes));
    assert_eq!(whole, frames(bytes.chunks(usize::from(size) + 1)));
    assert!(whole.iter().all(|(message, _)| message.len() <= 64));
});
