//! Finding the parts of a line: where strings, values and words begin and end.

use crate::told::{is_word, tells};

/// True if values with this between them are parts of one.
pub(crate) fn joins(between: &[u8]) -> bool {
    between.iter().all(|byte| b" ,;:/|-.'\"T".contains(byte))
}

/// The word before `at`, over a quote; empty if there is none.
pub(crate) fn key_before(line: &[u8], at: usize) -> &[u8] {
    let end = if at > 0 && matches!(line[at - 1], b':' | b'=') { at - 1 } else { at };
    let end = if end > 0 && line[end - 1] == b'"' { end - 1 } else { end };
    let start = line[..end].iter().rposition(|&byte| !is_word(byte)).map_or(0, |i| i + 1);
    &line[start..end]
}

pub(crate) fn past_blanks(line: &[u8], at: usize, end: usize) -> usize {
    at + line[at.min(end)..end].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

pub(crate) fn after(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part).map(|i| i + part.len())
}

/// Where the string that begins at `at` ends, by its own quotes.
pub(crate) fn end_of_string(line: &[u8], at: usize, end: usize) -> Option<usize> {
    let mut i = at + 1;
    while i < end {
        match line[i] {
            b'\\' => i += 1,
            b'"' => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

/// Where a value of JSON ends.
pub(crate) fn end_of_json(line: &[u8], at: usize, end: usize) -> Option<usize> {
    match line.get(at).filter(|_| at < end)? {
        b'"' => end_of_string(line, at, end).map(|close| close + 1),
        b'{' | b'[' => {
            let (mut depth, mut i) = (0u32, at);
            while i < end {
                match line[i] {
                    b'"' => i = end_of_string(line, i, end)?,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                i += 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            None
        }
        _ => line[at..end].iter().position(|byte| b",}".contains(byte)).map(|len| at + len),
    }
}

/// True if what is between these brackets is a value: an object, a list, what a call was given, what follows a key.
pub(crate) fn is_value(line: &[u8], at: usize, close: usize) -> bool {
    let inner = &line[at + 1..close];
    if inner.trim_ascii().is_empty() {
        return false;
    }
    let before = line[..at].trim_ascii_end();
    // The wide colon of CJK texts is one, too.
    let after_key =
        before.ends_with(b"=") || before.ends_with(b":") || before.ends_with("：".as_bytes());
    let has = |byte| inner.contains(&byte);
    match line[at] {
        b'{' => true,
        b'(' => has(b'=') || after_key || (has(b',') && at > 0 && is_word(line[at - 1])),
        _ if after_key => has(b'=') || !tells(inner),
        _ => {
            let items = inner.split(|&byte| byte == b',');
            (has(b'(') && has(b'=')) || (has(b',') && items.into_iter().all(is_one_word))
        }
    }
}

fn is_one_word(item: &[u8]) -> bool {
    let item = item.trim_ascii();
    !item.is_empty() && !item.contains(&b' ')
}
