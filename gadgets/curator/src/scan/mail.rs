//! Mail addresses: plain, in URLs, and in words.

use std::ops::Range;

use super::Found;
use super::text::LEFT;
use crate::entity::Entity;

const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'%' | b'\'' | b'!' | b'~')
        || byte >= 0x80
}

const fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || byte >= 0x80
}

/// Around each `@`.
pub(super) fn plain(text: &[u8], found: &mut Found<'_>) {
    for at in memchr::memchr_iter(b'@', text) {
        around(text, at..at + 1, found);
    }
}

/// Around `%40`, ` at ` and the like.
pub(super) fn encoded(text: &[u8], sign: Range<usize>, found: &mut Found<'_>) {
    if text[sign.start] == b' ' {
        return in_words(text, sign, found);
    }
    around(text, sign, found);
}

fn around(text: &[u8], sign: Range<usize>, found: &mut Found<'_>) {
    let start = left(text, sign.start);
    let end = right(text, sign.end);
    // `scheme://user:password@host` is none.
    let left = &text[start.saturating_sub(LEFT)..start];
    if left.last() == Some(&b':') && memchr::memmem::find(left, b"//").is_some() {
        return;
    }
    if start < sign.start && ends_in_a_domain(&text[sign.end..end]) {
        found.add(start..end, Entity::Email);
    }
}

fn left(text: &[u8], to: usize) -> usize {
    let bound = to.saturating_sub(64);
    let count = text[bound..to].iter().rev().take_while(|byte| is_local(**byte)).count();
    let mut start = to - count;
    // A quote or a percent escape before it is not a part of it.
    while start < to && matches!(text[start], b'\'' | b'.' | b'-' | b'!' | b'~') {
        start += 1;
    }
    while start + 3 <= to && text[start] == b'%' {
        start += 3;
    }
    start.min(to)
}

fn right(text: &[u8], from: usize) -> usize {
    let bound = text.len().min(from + 128);
    let count = text[from..bound].iter().take_while(|byte| is_domain(**byte)).count();
    let mut end = from + count;
    while end > from && matches!(text[end - 1], b'.' | b'-') {
        end -= 1;
    }
    end
}

fn ends_in_a_domain(domain: &[u8]) -> bool {
    let Some(dot) = memchr::memrchr(b'.', domain) else { return false };
    let top = &domain[dot + 1..];
    dot > 0 && top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic)
}

/// `jane at example dot com`.
fn in_words(text: &[u8], sign: Range<usize>, found: &mut Found<'_>) {
    let start = left(text, sign.start);
    if start == sign.start {
        return;
    }
    let mut end = sign.end;
    let mut dots = 0;
    loop {
        let word = text[end..]
            .iter()
            .take(64)
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-')
            .count();
        if word == 0 {
            return;
        }
        end += word;
        if text.get(end) == Some(&b'.') && dots > 0 {
            break;
        }
        match text.get(end..end + 5) {
            Some(next) if next.eq_ignore_ascii_case(b" dot ") && dots < 3 => {
                dots += 1;
                end += 5;
            }
            _ => break,
        }
    }
    if dots > 0 {
        found.add(start..end, Entity::Email);
    }
}
