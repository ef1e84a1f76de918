//! Lines of JSON, written by hand: there may be millions of them.

use std::io::Write as _;

use gadget_core::Timestamp;

use crate::ring::Entry;

/// Adds a string of JSON. Bytes that are no UTF-8 become U+FFFD.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        plain(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn plain(out: &mut Vec<u8>, mut text: &[u8]) {
    let special = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\\');
    while let Some(at) = text.iter().position(special) {
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
