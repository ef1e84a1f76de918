//! Values in other clothes: percent escapes, escapes of JSON, full-width and other digits, letters that look like Latin ones.

use std::ops::Range;

use super::{Found, Scanner};
use crate::span::Span;

/// So much of a line is undressed at once, and so much of it is looked at again with what follows.
const WINDOW: usize = 512;
const AGAIN: usize = 128;

/// Finds what the plain bytes do not show, line by line; `high` if there are bytes above 0x7f.
pub(super) fn scan(scanner: &Scanner, text: &[u8], high: bool, spans: &mut Vec<Span>) {
    let mut at = 0;
    while let Some(next) = first(text, at, high) {
        let from = memchr::memrchr(b'\n', &text[at..next]).map_or(at, |back| at + back + 1);
        let from = from.max(next.saturating_sub(AGAIN));
        at = window(scanner, text, from, spans).max(next + 1);
    }
}

/// Where the next thing in other clothes is.
fn first(text: &[u8], from: usize, high: bool) -> Option<usize> {
    let rest = &text[from..];
    let plain = memchr::memchr2_iter(b'%', b'\\', rest).find(|at| escape(&rest[*at..]).is_some());
    let until = plain.unwrap_or(rest.len());
    let other = if high {
        let leading = |byte: &u8| {
            matches!(byte, 0xc2 | 0xd0 | 0xd1 | 0xd9 | 0xdb | 0xe0 | 0xe2 | 0xe3 | 0xef | 0xf0)
        };
        let mut at = 0;
        loop {
            match rest[at..until].iter().position(leading) {
                None => break None,
                Some(next) if letter(rest, at + next).is_some() => break Some(at + next),
                Some(next) => at += next + 1,
            }
        }
    } else {
        None
    };
    other.or(plain).map(|at| from + at)
}

/// `%40`, `\u0040`: the byte that it stands for, with its length.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16);
    let two = |at: usize| Some((hex(text.get(at)?)? * 16 + hex(text.get(at + 1)?)?) as u8);
    match text.first()? {
        b'%' if text.get(1..3) == Some(b"25") => {
            let inner = (hex(text.get(3)?)? * 16 + hex(text.get(4)?)?) as u8;
            Some((inner, 5))
        }
        b'%' => Some((two(1)?, 3)),
        b'\\' if text.get(1..4) == Some(b"u00") => Some((two(4)?, 6)),
        _ => None,
    }
    .filter(|(byte, _)| matches!(byte, b' '..=b'~'))
}

/// The Latin letter, digit or sign that the character at `at` looks like, with its length; 0 for one that is not seen.
fn letter(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = &text[at..text.len().min(at + 4)];
    let length = match rest.first()? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let sign = std::str::from_utf8(rest.get(..length)?).ok()?.chars().next()?;
    let digit = |zero: char| Some(b'0' + (u32::from(sign) - u32::from(zero)) as u8);
    let plain = match sign {
        '\u{ff01}'..='\u{ff5e}' => Some((u32::from(sign) - 0xff01 + 0x21) as u8),
        '\u{660}'..='\u{669}' => digit('\u{660}'),
        '\u{6f0}'..='\u{6f9}' => digit('\u{6f0}'),
        '\u{966}'..='\u{96f}' => digit('\u{966}'),
        '\u{1d7ce}'..='\u{1d7ff}' => Some(b'0' + ((u32::from(sign) - 0x1d7ce) % 10) as u8),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => Some(b'-'),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => Some(b' '),
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{ad}' | '\u{feff}' => Some(0),
        '\u{fe6b}' => Some(b'@'),
        '\u{3002}' | '\u{ff61}' | '\u{2024}' => Some(b'.'),
        '\u{400}'..='\u{4ff}' => {
            let beside = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphabetic);
            let mixed = at.checked_sub(1).is_some_and(beside) || beside(at + 2);
            if mixed { homoglyph(sign) } else { None }
        }
        _ => None,
    }?;
    Some((plain, length))
}

/// Cyrillic letters that look like Latin ones.
fn homoglyph(sign: char) -> Option<u8> {
    const PAIRS: &[(char, u8)] = &[
        ('а', b'a'),
        ('е', b'e'),
        ('о', b'o'),
        ('р', b'p'),
        ('с', b'c'),
        ('у', b'y'),
        ('х', b'x'),
        ('і', b'i'),
        ('ѕ', b's'),
        ('ј', b'j'),
        ('А', b'A'),
        ('В', b'B'),
        ('Е', b'E'),
        ('К', b'K'),
        ('М', b'M'),
        ('Н', b'H'),
        ('О', b'O'),
        ('Р', b'P'),
        ('С', b'C'),
        ('Т', b'T'),
        ('Х', b'X'),
        ('І', b'I'),
        ('Ѕ', b'S'),
        ('Ј', b'J'),
    ];
    PAIRS.iter().find(|(cyrillic, _)| *cyrillic == sign).map(|(_, latin)| *latin)
}

/// Undresses what begins at `from`, as far as the end of its line at most, and scans it; where to go on.
fn window(scanner: &Scanner, text: &[u8], from: usize, spans: &mut Vec<Span>) -> usize {
    let mut plain = [0u8; WINDOW];
    // Where each byte was.
    let mut was = [0u16; WINDOW + 1];
    let (mut count, mut at) = (0, from);
    while count < WINDOW && at < text.len() && text[at] != b'\n' && at - from < 6 * WINDOW {
        let (byte, length) = match text[at] {
            b'%' | b'\\' => escape(&text[at..]).unwrap_or((text[at], 1)),
            0x80.. => letter(text, at).unwrap_or((text[at], 1)),
            byte => (byte, 1),
        };
        if byte != 0 {
            plain[count] = byte;
            was[count] = (at - from) as u16;
            count += 1;
        }
        at += length;
    }
    was[count] = (at - from) as u16;
    let first = spans.len();
    let bytes = &plain[..count];
    scanner.plain(bytes, &mut Found::new(bytes, spans, scanner.entities));
    let back = |at: u32| from as u32 + u32::from(was[at as usize]);
    for span in &mut spans[first..] {
        (span.start, span.end) = (back(span.start), back(span.end));
    }
    let dressed =
        |range: Range<usize>| text[range].iter().any(|byte| matches!(byte, b'%' | b'\\' | 0x80..));
    // What has nothing of it was found as it is, if it was to be found.
    let mut keep = first;
    for nth in first..spans.len() {
        if dressed(spans[nth].start.saturating_sub(48) as usize..spans[nth].end as usize) {
            spans[keep] = spans[nth];
            keep += 1;
        }
    }
    spans.truncate(keep);
    if count == WINDOW { at.saturating_sub(AGAIN).max(from + 1) } else { at }
}
