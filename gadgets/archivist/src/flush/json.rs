//! Lines of JSON, written by hand: there may be millions of them.

use std::io::Write as _;

use gadget_core::Timestamp;

use crate::ring::Entry;

/// Adds a string of JSON. Bytes that are no UTF-8 become U+FFFD.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if std::str::from_utf8(text).is_ok() {
        plain(out, text);
    } else {
        for chunk in text.utf8_chunks() {
            plain(out, chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
}

/// Where the first byte is that cannot stand in a string: below a space, a quotation mark, a backslash. Eight at a time.
fn special(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let (eights, rest) = text.as_chunks::<8>();
    for (eight, nth) in eights.iter().zip(0..) {
        let word = u64::from_le_bytes(*eight);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (low | zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c))) & TOPS;
        if found != 0 {
            // A borrow may mark bytes above a true one, never below: the lowest is true.
            return Some(nth * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let last = rest.iter().position(|byte| *byte < 0x20 || matches!(*byte, b'"' | b'\\'));
    last.map(|at| text.len() - rest.len() + at)
}

fn plain(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(at) = special(text) {
        out.extend_from_slice(&text[..at]);
        match text[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => {
                let digit = |of: u8| b"0123456789abcdef"[usize::from(of)];
                out.extend_from_slice(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    digit(byte >> 4),
                    digit(byte & 15),
                ]);
            }
        }
        text = &text[at + 1..];
    }
    out.extend_from_slice(text);
}

/// The time of lines, most of which are of the same second as the one before.
#[derive(Default)]
pub(super) struct Times {
    second: Option<u64>,
    text: String,
}

impl Times {
    fn put(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        let (second, micros) = (at.as_nanos() / 1_000_000_000, at.as_nanos() / 1_000 % 1_000_000);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text = Timestamp::from_secs(second).to_string();
            self.text.truncate("2026-11-27T03:59:25.".len());
        }
        out.extend_from_slice(self.text.as_bytes());
        let digit = |by: u64| b'0' + (micros / by % 10) as u8;
        out.extend_from_slice(&[100_000, 10_000, 1_000, 100, 10, 1].map(digit));
        out.push(b'Z');
    }
}

/// Adds one line, its line break included.
pub(super) fn line(out: &mut Vec<u8>, entry: &Entry<'_>, novelty: Option<f64>, times: &mut Times) {
    out.extend_from_slice(b"{\"at\":\"");
    times.put(out, entry.at);
    out.extend_from_slice(b"\",\"service\":");
    string(out, entry.service.as_bytes());
    if let Some(severity) = entry.severity {
        out.extend_from_slice(b",\"severity\":\"");
        out.extend_from_slice(severity.name().as_bytes());
        out.push(b'"');
    }
    if let Some(novelty) = novelty {
        // A vector takes all that is written to it.
        let _ = write!(out, ",\"novelty\":{novelty:.2}");
    }
    out.extend_from_slice(b",\"line\":");
    string(out, entry.text);
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_is_read_as_it_was_written() {
        let mut seed = 1u64;
        for length in 0..400 {
            let text: String = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let drawn = (seed >> 33) as u32;
                    let most = if drawn.is_multiple_of(31) { 0x300 } else { 0x80 };
                    char::from_u32((seed >> 40) as u32 % most).unwrap_or('"')
                })
                .collect();
            let mut out = Vec::new();
            string(&mut out, text.as_bytes());
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
        let mut out = Vec::new();
        string(&mut out, b"half \xe2\x82 of it");
        assert_eq!(out, "\"half \u{fffd} of it\"".as_bytes());
    }

    #[test]
    fn each_byte_is_special_or_not_wherever_it_is() {
        for byte in 0..=255u8 {
            for at in 0..20 {
                let mut text = [b'x'; 20];
                text[at] = byte;
                let found = special(&text);
                let want = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(found, want.then_some(at), "{byte} at {at}");
            }
        }
    }
}
