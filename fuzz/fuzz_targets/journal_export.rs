//! The export format of the journal: the same entries however the bytes come, and none larger than it may be.

#![no_main]

use gadget_signals::logs::{JournalEntry, JournalExport};
use libfuzzer_sys::fuzz_target;

fn entries<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<JournalEntry>, u64) {
    let mut export = JournalExport::new(64);
    let mut found = Vec::new();
    for mut chunk in chunks {
        while !chunk.is_empty() {
            let (used, entry) = export.next(chunk);
            assert!(used > 0);
            found.extend(entry.cloned());
            chunk = &chunk[used..];
        }
    }
    (found, export.malformed)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = entries(std::iter::once(bytes));
    assert_eq!(whole, entries(bytes.chunks(usize::from(size) + 1)));
    for entry in &whole.0 {
        assert!(entry.message().is_none_or(|message| message.len() <= 64));
        let _ = (entry.service(), entry.severity(), entry.written(), entry.container());
    }
});
