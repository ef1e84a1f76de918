//! Looking around in a line: words, separators, quotes; never further than a bound.

use std::ops::Range;

/// Nothing looks further to the left than this for a word.
pub(super) const LEFT: usize = 64;

pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The byte before `at` in the same line.
pub(super) fn before(text: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).map(|at| text[at]).filter(|byte| *byte != b'\n')
}

/// True if a word begins here: after no letter or digit, or at the hump of a camel case name.
pub(super) fn begins(text: &[u8], at: usize) -> bool {
    match before(text, at) {
        None => true,
        Some(byte) if !is_word(byte) => true,
        Some(byte) => byte.is_ascii_lowercase() && text[at].is_ascii_uppercase(),
    }
}

/// Past `n` of the things that stand between a key and its value: blanks, quotes, backslashes, `=`, `:`, and their escapes in
/// URLs. With what was passed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap {
    /// Where the value begins.
    pub(super) at: usize,
    /// `=`, `:` or `=>` was among it.
    pub(super) sign: bool,
    /// A quote was the last of it.
    pub(super) quote: Option<u8>,
    /// A backslash stood before that quote.
    pub(super) escaped: bool,
    /// A blank was among it.
    pub(super) blank: bool,
}

pub(super) fn gap(text: &[u8], from: usize) -> Gap {
    let mut at = from;
    let mut gap = Gap::default();
    let end = text.len().min(at + 24);
    let mut signs = 0;
    while at < end {
        match text[at] {
            b'=' | b':' if signs < 2 && gap.quote.is_none_or(|_| !gap.sign) => {
                gap.sign = true;
                gap.quote = None;
                signs += 1;
            }
            b'>' if gap.sign && text[at - 1] == b'=' => {}
            // `<password>x</password>`.
            b'>' if at == from && opens(text, at) => gap.sign = true,
            b'-' if gap.blank && text.get(at + 1) == Some(&b'>') => {
                gap.sign = true;
                at += 1;
            }
            // `"label":"surname","value":"x"`, `"surname":{"value":"x"}`: the value of a field.
            b',' | b'{' if gap.quote.is_some() != gap.sign && fields_value(text, at) > 0 => {
                gap = Gap { sign: true, ..Gap::default() };
                at += fields_value(text, at);
                continue;
            }
            // `[surname] => x`.
            b']' if at == from && text[at + 1..].starts_with(b" =>") => {}
            b'#' if gap.quote.is_none() => {}
            b' ' | b'\t' if gap.quote.is_none() || !gap.sign => gap.blank = true,
            quote @ (b'"' | b'\'' | b'`') if gap.quote.is_none() || !gap.sign => {
                gap.quote = Some(quote)
            }
            b'\\' => gap.escaped = true,
            b'[' | b'(' if gap.sign && gap.quote.is_none() => {}
            // As Rust prints what may be absent.
            b'S' if gap.sign && text[at..].starts_with(b"Some(") => at += 4,
            b'%' if text[at..].starts_with(b"%3D") || text[at..].starts_with(b"%3d") => {
                gap.sign = true;
                at += 2;
            }
            b'%' if text[at..].starts_with(b"%22") => {
                gap.quote = None;
                at += 2;
            }
            _ => break,
        }
        at += 1;
    }
    gap.at = at;
    gap
}

/// The length of `,"value":` or `{"value":`, and what stands for it; 0 if there is none.
fn fields_value(text: &[u8], at: usize) -> usize {
    let rest = &text[at + 1..text.len().min(at + 16)];
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let close = match rest {
        [b'"', ..] => rest.strip_prefix(b"\"value\":"),
        [b'\'', ..] => rest.strip_prefix(b"'value':"),
        _ => rest.strip_prefix(b"value="),
    };
    close.map_or(0, |after| text.len().min(at + 16) - at - after.len())
}

/// The gap after a key: if that is the name of an element of XML, past its attributes.
pub(super) fn gap_after(text: &[u8], start: usize, end: usize) -> Gap {
    let element = || {
        let mut left = text[start.saturating_sub(24)..start].iter().rev();
        let first =
            left.find(|byte| !is_word(**byte) && !matches!(byte, b':' | b'-' | b'_' | b'.'));
        let rest = &text[end..text.len().min(end + 128)];
        let close = rest.iter().position(|byte| matches!(byte, b'>' | b'<' | b'\n'))?;
        let value = first == Some(&b'<') && rest[close] == b'>' && rest[close - 1] != b'/';
        value.then_some(Gap { at: end + close + 1, sign: true, ..Gap::default() })
    };
    let attributes = text.get(end) == Some(&b' ');
    attributes.then(element).flatten().unwrap_or_else(|| gap(text, end))
}

/// True if the tag that ends at `at` is an opening one.
fn opens(text: &[u8], at: usize) -> bool {
    let left = &text[at.saturating_sub(32)..at];
    left.iter().rfind(|byte| matches!(byte, b'<' | b'/')) == Some(&b'<')
}

/// No value is longer.
const VALUE: usize = 4096;

/// Where values that were looked at end, so that a text of nothing but keys is not gone through for each of them.
#[derive(Debug, Default)]
pub(super) struct Ends([Range<usize>; 8]);

impl Ends {
    /// Where a value that begins after `gap` is: as far as its quote, or as what ends a value without quotes.
    pub(super) fn value(&mut self, text: &[u8], gap: &Gap) -> Range<usize> {
        let kind = match gap.quote {
            None => 0,
            Some(b'"') => 1,
            Some(b'\'') => 2,
            Some(_) => 3,
        };
        let known = &mut self.0[kind + if gap.escaped { 4 } else { 0 }];
        if !known.contains(&gap.at) {
            let rest = &text[gap.at..text.len().min(gap.at + VALUE)];
            let length = match gap.quote {
                Some(quote) => match quoted(rest, quote, gap.escaped) {
                    // A quote that is never closed is none, for it would hide the rest of what it is in.
                    end if quote != b'"' && rest.get(end) != Some(&quote) && !gap.escaped => {
                        rest.iter().position(ends).unwrap_or(rest.len())
                    }
                    end => end,
                },
                None => rest.iter().position(ends).unwrap_or(rest.len()),
            };
            *known = gap.at..gap.at + length.min(rest.len());
        }
        gap.at..known.end
    }
}

fn quoted(rest: &[u8], quote: u8, escaped: bool) -> usize {
    let mut at = 0;
    loop {
        match rest.get(at) {
            None | Some(b'\n') => return at,
            Some(b'\\') if !escaped => at += 2,
            Some(b'\\') if rest.get(at + 1) == Some(&quote) => return at,
            Some(&byte) if byte == quote => return at,
            _ => at += 1,
        }
    }
}

fn ends(byte: &u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\n'
            | b'\r'
            | b','
            | b';'
            | b'&'
            | b'"'
            | b'\''
            | b'<'
            | b'>'
            | b'|'
            | b')'
            | b']'
            | b'}'
            | b'`'
            | b'\\'
    )
}

/// Words to the left of `at` in the same line, nearest first, in lower case, cut at 16 bytes; camel case is several.
pub(super) fn words_before(text: &[u8], at: usize, mut each: impl FnMut(&[u8]) -> bool) {
    let start = at.saturating_sub(LEFT);
    let left = &text[start..at];
    let left = &left[memchr::memrchr(b'\n', left).map_or(0, |at| at + 1)..];
    let mut at = left.len();
    loop {
        while at > 0 && !left[at - 1].is_ascii_alphabetic() {
            at -= 1;
        }
        if at == 0 {
            return;
        }
        let mut word = [0u8; 16];
        let mut first = 16;
        loop {
            at -= 1;
            if first > 0 {
                first -= 1;
                word[first] = left[at] | 0x20;
            }
            let Some(before) = at.checked_sub(1).map(|before| left[before]) else {
                break;
            };
            let hump = left[at].is_ascii_uppercase() && before.is_ascii_lowercase();
            if !before.is_ascii_alphabetic() || hump {
                break;
            }
        }
        if !each(&word[first..]) {
            return;
        }
    }
}
