//! Rows of a table whose columns are named before them: `INSERT INTO t (name, ssn) VALUES ('x', 'y')`.

use std::ops::Range;

use super::{Found, Scanner};

/// The most columns, and how far before the word their names begin.
const COLUMNS: usize = 24;
const NAMES: usize = 1024;
/// No more of the rows is looked at.
const ROWS: usize = 4096;
/// A column and its value, as they are looked at together.
const PAIR: usize = 320;

/// Looks at the values after `word` beside the names of their columns, which stand in brackets before it.
pub(super) fn after(scanner: &Scanner, text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    if word.start < found.rows {
        return;
    }
    let left = text[word.start.saturating_sub(NAMES)..word.start].trim_ascii_end();
    let Some(left) = left.strip_suffix(b")") else { return };
    let Some(open) = memchr::memrchr(b'(', left) else { return };
    let mut columns: [&[u8]; COLUMNS] = [b""; COLUMNS];
    let mut count = 0;
    for (column, name) in columns.iter_mut().zip(left[open + 1..].split(|byte| *byte == b',')) {
        let sign = |byte: &u8| matches!(byte, b' ' | b'"' | b'`' | b'\\' | b'[' | b']' | b'\'');
        let from = name.iter().position(|byte| !sign(byte)).unwrap_or(name.len());
        let to = name.iter().rposition(|byte| !sign(byte)).map_or(from, |at| at + 1);
        *column = &name[from..to];
        count += 1;
    }
    let end = text.len().min(word.end + ROWS);
    let (mut at, mut nth) = (word.end, count);
    while let Some(byte) = text[..end].get(at) {
        match byte {
            b'(' if nth == count => nth = 0,
            b' ' | b'(' => {}
            b',' if nth < count => nth += 1,
            b',' => {}
            b')' => nth = count,
            b'\'' if nth < count => {
                let value = at + 1..quoted(&text[..end], at + 1);
                pair(scanner, text, columns[nth], value.clone(), found);
                at = value.end;
            }
            _ if nth < count => {
                let ends = |byte: &u8| matches!(byte, b',' | b')' | b'\n');
                let length = text[at..end].iter().position(ends).unwrap_or(end - at);
                at += length.max(1) - 1;
            }
            _ => break,
        }
        at += 1;
    }
    found.rows = at;
}

/// Where a value in quotes ends; two quotes are one in it.
fn quoted(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'\'' if text.get(at + 1) == Some(&b'\'') => at += 1,
            b'\'' | b'\n' => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Looks at a value as if its column stood before it.
fn pair(scanner: &Scanner, text: &[u8], column: &[u8], value: Range<usize>, found: &mut Found<'_>) {
    let mut line = [0u8; PAIR];
    let start = column.len() + 2;
    let length = start + value.len() + 1;
    if column.is_empty() || value.len() < 2 || length > PAIR {
        return;
    }
    line[..column.len()].copy_from_slice(column);
    line[column.len()..start].copy_from_slice(b"=\"");
    line[start..length - 1].copy_from_slice(&text[value.clone()]);
    line[length - 1] = b'"';
    let from = found.spans.len();
    let mut inner = Found::new(&line[..length], found.spans, found.entities);
    // No rows are within a value.
    inner.rows = usize::MAX;
    scanner.plain(&line[..length], &mut inner);
    let mut kept = from;
    for nth in from..found.spans.len() {
        let mut span = found.spans[nth];
        if span.start as usize >= start && (span.end as usize) < length {
            let back = |at: u32| (value.start + at as usize - start) as u32;
            (span.start, span.end) = (back(span.start), back(span.end));
            found.spans[kept] = span;
            kept += 1;
        }
    }
    found.spans.truncate(kept);
}
