//! JSON whose values overlap its own signs: there a value gives way as a whole.

use std::ops::Range;

use crate::span::Span;

/// True for a line that is JSON and nothing else.
pub(super) fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(line).is_ok()
}

/// A text, without its quotes, or a bare word or number.
pub(super) struct Scalar {
    pub(super) range: Range<usize>,
    pub(super) bare: bool,
}

/// The texts, words and numbers of a line of JSON that a span touches, with the first such span.
pub(super) fn touched<'a>(
    line: &'a [u8],
    spans: &'a [Span],
) -> impl Iterator<Item = (Scalar, Span)> + 'a {
    scalars(line).filter_map(move |scalar| {
        let range = &scalar.range;
        let touches =
            |span: &&Span| span.range().start < range.end && range.start < span.range().end;
        let span = *spans.iter().find(touches)?;
        Some((scalar, span))
    })
}

fn scalars(line: &[u8]) -> impl Iterator<Item = Scalar> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let is_word =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        at += line.get(at..)?.iter().position(|byte| *byte == b'"' || is_word(byte))?;
        if line[at] != b'"' {
            let length = line[at..].iter().take_while(|byte| is_word(byte)).count();
            let range = at..at + length;
            at = range.end;
            return Some(Scalar { range, bare: true });
        }
        let start = at + 1;
        at = start;
        while at < line.len() && line[at] != b'"' {
            at += if line[at] == b'\\' { 2 } else { 1 };
        }
        let range = start..at.min(line.len());
        at += 1;
        Some(Scalar { range, bare: false })
    })
}
