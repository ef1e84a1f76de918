//! What stands in place of a value.

mod json;

use std::fmt;
use std::ops::Range;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::entity::Entity;
use crate::span::Span;

/// A key shows so much of its beginning and of its end...
const SHOWN: usize = 3;
/// ...if this much stays hidden.
const HIDDEN: usize = 16;

/// How values are replaced: by their kind, `[SSN_REDACTED]`, with what helps to tell where they come from and does not tell them:
/// the domain of a mail address, the first and last letters of a long key.
///
/// With a key each replacement has an HMAC-SHA-256 of the value, cut to 64 bits, so that equal values can be joined by those who
/// never see them: `[SSN_REDACTED:0123456789abcdef]`. Numbers are hashed without what separates their digits, and all else in lower
/// case. Whoever has the key can find a short value by trying all: it is to be kept as the values would be.
#[derive(Clone, Default)]
pub struct Style {
    key: Option<Hmac<Sha256>>,
}

/// One replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The bytes of the line that it stands for...
    pub from: Range<u32>,
    /// ...and its own bytes in what was written.
    pub to: Range<u32>,
    /// What was there.
    pub entity: Entity,
}

impl Style {
    /// Without hashes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With hashes under `key`, of any length; 32 random bytes are best.
    #[must_use]
    pub fn keyed(key: &[u8]) -> Self {
        // Of HMAC, keys of every length are keys.
        Self { key: Hmac::new_from_slice(key).ok() }
    }

    /// Adds `line` to `out` with each of `spans` replaced, and says what stands where in `replaced`.
    ///
    /// `spans` are in order and do not overlap, as the [`Scanner`](crate::Scanner) gives them; others are left out. JSON stays JSON, and
    /// logfmt logfmt: a bare number becomes a string, an escape is never cut in half, and no blank, quote or line break is brought in. Where a value overlaps the
    /// signs of JSON, each text and number that it touches is replaced as a whole.
    pub fn redact(
        &self,
        line: &[u8],
        spans: &[Span],
        out: &mut Vec<u8>,
        replaced: &mut Vec<Replaced>,
    ) {
        let (base, first) = (out.len(), replaced.len());
        self.put_all(line, spans, out, replaced);
        if replaced.len() > first && json::is_json(line) && !json::is_json(&out[base..]) {
            out.truncate(base);
            replaced.truncate(first);
            self.put_whole(line, spans, out, replaced);
        }
    }

    /// Replaces just the values.
    fn put_all(
        &self,
        line: &[u8],
        spans: &[Span],
        out: &mut Vec<u8>,
        replaced: &mut Vec<Replaced>,
    ) {
        let base = out.len();
        let mut done = 0;
        for span in spans {
            let range = number(line, whole(line, span.range()));
            if range.start < done || range.end > line.len() || range.is_empty() {
                continue;
            }
            out.extend_from_slice(&line[done..range.start]);
            let from = (out.len() - base) as u32;
            let quote = bare(line, &range);
            out.extend_from_slice(quote);
            self.put(&line[range.clone()], span.entity, out);
            out.extend_from_slice(quote);
            done = range.end;
            replaced.push(Replaced {
                from: range.start as u32..range.end as u32,
                to: from..(out.len() - base) as u32,
                entity: span.entity,
            });
        }
        out.extend_from_slice(&line[done..]);
    }

    /// Replaces every text, word and number of JSON that has a part of a value.
    fn put_whole(
        &self,
        line: &[u8],
        spans: &[Span],
        out: &mut Vec<u8>,
        replaced: &mut Vec<Replaced>,
    ) {
        let base = out.len();
        let mut done = 0;
        for (scalar, span) in json::touched(line, spans) {
            let quote: &[u8] = if scalar.bare { b"\"" } else { b"" };
            out.extend_from_slice(&line[done..scalar.range.start]);
            let from = (out.len() - base) as u32;
            out.extend_from_slice(quote);
            self.put_label(&line[scalar.range.clone()], span.entity, out);
            out.extend_from_slice(quote);
            done = scalar.range.end;
            replaced.push(Replaced {
                from: scalar.range.start as u32..scalar.range.end as u32,
                to: from..(out.len() - base) as u32,
                entity: span.entity,
            });
        }
        out.extend_from_slice(&line[done..]);
    }

    fn put_label(&self, value: &[u8], entity: Entity, out: &mut Vec<u8>) {
        out.extend_from_slice(b"[");
        out.extend_from_slice(entity.label().as_bytes());
        out.extend_from_slice(b"_REDACTED");
        if let Some(key) = &self.key {
            out.push(b':');
            out.extend_from_slice(&hash(key.clone(), value, entity));
        }
        out.push(b']');
    }

    fn put(&self, value: &[u8], entity: Entity, out: &mut Vec<u8>) {
        if self.key.is_some() {
            return self.put_label(value, entity, out);
        }
        match entity {
            Entity::Email => {
                if let Some(at) = value.iter().rposition(|byte| *byte == b'@') {
                    out.extend_from_slice(b"***");
                    return out.extend_from_slice(&value[at..]);
                }
                if let Some(at) = value.windows(3).rposition(|three| three == b"%40") {
                    out.extend_from_slice(b"***");
                    return out.extend_from_slice(&value[at..]);
                }
            }
            Entity::ApiKey | Entity::Secret => {
                let prefix = shown(value);
                // An escape is not cut in half.
                let escapes = memchr::memchr2(b'\\', b'%', value).is_some();
                if value.is_ascii() && !escapes && value.len() >= prefix + SHOWN + HIDDEN {
                    out.extend_from_slice(&value[..prefix]);
                    out.extend_from_slice(b"...");
                    return out.extend_from_slice(&value[value.len() - SHOWN..]);
                }
            }
            _ => {}
        }
        self.put_label(value, entity, out);
    }
}

/// Prints no key.
impl fmt::Debug for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Style").field("keyed", &self.key.is_some()).finish()
    }
}

/// True for what [`Style`] puts in place of a value, with its brackets or without: `[SSN_REDACTED]`, `sk-abc...xyz`.
pub(crate) fn is_replacement(text: &[u8]) -> bool {
    if text.len() <= 8 + 2 * SHOWN + 3 && text.windows(3).any(|three| three == b"...") {
        return true;
    }
    let inner = text.strip_prefix(b"[").unwrap_or(text);
    let inner = inner.strip_suffix(b"]").unwrap_or(inner);
    let (label, hash) = match inner.iter().position(|byte| *byte == b':') {
        Some(at) => (&inner[..at], Some(&inner[at + 1..])),
        None => (inner, None),
    };
    label.strip_suffix(b"_REDACTED").is_some_and(|label| {
        Entity::ALL.iter().any(|entity| entity.label().as_bytes() == label)
            && hash.is_none_or(|hash| hash.len() == 16 && hash.iter().all(u8::is_ascii_hexdigit))
    })
}

/// What a key may show of its beginning: a vendor's mark as far as the last `-` or `_` of the first eight bytes, and a little more.
fn shown(value: &[u8]) -> usize {
    let head = &value[..value.len().min(8)];
    head.iter().rposition(|byte| matches!(byte, b'-' | b'_')).map_or(0, |at| at + 1) + SHOWN
}

fn hash(mut mac: Hmac<Sha256>, value: &[u8], entity: Entity) -> [u8; 16] {
    mac.update(entity.label().as_bytes());
    mac.update(b":");
    let digits = matches!(
        entity,
        Entity::Card | Entity::Ssn | Entity::Phone | Entity::Iban | Entity::NationalId
    );
    for byte in value.iter().filter(|byte| !digits || byte.is_ascii_alphanumeric()) {
        mac.update(&[byte.to_ascii_lowercase()]);
    }
    let bytes = mac.finalize().into_bytes();
    let mut text = [0; 16];
    for (two, byte) in text.chunks_exact_mut(2).zip(&bytes) {
        let digit = |of: u8| b"0123456789abcdef"[usize::from(of)];
        (two[0], two[1]) = (digit(byte >> 4), digit(byte & 15));
    }
    text
}

/// The range, grown or cut so that it begins and ends between escapes: `\"`, `\u0040`, `%40`, and characters of more than a byte.
fn whole(line: &[u8], mut range: Range<usize>) -> Range<usize> {
    range.end = range.end.min(line.len());
    range.start = range.start.min(range.end);
    let backslashes =
        |to: usize| line[..to].iter().rev().take_while(|byte| **byte == b'\\').count();
    if backslashes(range.start) % 2 == 1 {
        range.start -= 1;
    }
    if range.len() > 1 && backslashes(range.end) % 2 == 1 {
        range.end -= 1;
    }
    // `\u` and its four digits: where one that holds the byte at `at` begins.
    let unicode = |at: usize| {
        let back = (2..=5).find(|back| at >= *back && line[at - back..].starts_with(b"\\u"))?;
        (backslashes(at - back) % 2 == 0).then_some(at - back)
    };
    range.start = unicode(range.start).unwrap_or(range.start);
    range.end = unicode(range.end).map_or(range.end, |at| line.len().min(at + 6));
    let percent = |at: usize| {
        line[..at].iter().rev().take(2).position(|byte| *byte == b'%').map(|back| at - back - 1)
    };
    let hex = |at: usize| {
        line.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    if let Some(at) = percent(range.start).filter(|at| hex(*at)) {
        range.start = at;
    }
    if let Some(at) = percent(range.end).filter(|at| hex(*at)) {
        range.end = at + 3;
    }
    let inside = |at: usize| line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    while range.start > 0 && inside(range.start) {
        range.start -= 1;
    }
    while inside(range.end) {
        range.end += 1;
    }
    range
}

/// The range, grown to the whole number if it is within a bare one of JSON: its sign, its fraction, its exponent.
fn number(line: &[u8], range: Range<usize>) -> Range<usize> {
    let of = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    if !line[range.clone()].iter().all(of) {
        return range;
    }
    let before = line[..range.start].iter().rev().take(32).take_while(|byte| of(byte)).count();
    let after = line[range.end..].iter().take(32).take_while(|byte| of(byte)).count();
    let grown = range.start - before..range.end + after;
    if bare(line, &grown).is_empty() { range } else { grown }
}

/// The quotes that a bare value of JSON needs around what replaces it: it stands between `:`, `,` or `[` and `,`, `}` or `]`, and is
/// the value of a quoted key or an element beside others. Empty if it needs none.
fn bare(line: &[u8], range: &Range<usize>) -> &'static [u8] {
    let before = line[..range.start].trim_ascii_end();
    let after = line[range.end..].trim_ascii_start().first();
    if !matches!(after, Some(b',' | b'}' | b']')) {
        return b"";
    }
    // What is before the colon of a key, blanks aside.
    if let [key @ .., b':'] = before {
        return match key.trim_ascii_end() {
            [.., b'\\', b'"'] => b"\\\"",
            [.., b'"'] => b"\"",
            _ => b"",
        };
    }
    // An element: only where it is a number, for a text has quotes of its own.
    let of = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let element = matches!(before, [.., b'[' | b','])
        && matches!(line.trim_ascii_start().first(), Some(b'{' | b'['))
        && line[range.clone()].iter().all(of)
        && !in_a_string(&line[..range.start]);
    if element { b"\"" } else { b"" }
}

/// True if a string of JSON that began in `line` goes on beyond it.
fn in_a_string(line: &[u8]) -> bool {
    let (mut inside, mut escaped) = (false, false);
    for byte in line {
        inside ^= *byte == b'"' && !escaped;
        escaped = inside && *byte == b'\\' && !escaped;
    }
    inside
}

#[cfg(test)]
mod tests;
