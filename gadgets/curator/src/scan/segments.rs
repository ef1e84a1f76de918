//! Segments of HL7 version 2, in which the place of a field tells what it is (chapter 3, PID and NK1; chapter 6, GT1).

use std::ops::Range;

use super::{Found, dates, text};
use crate::entity::Entity;

/// So far into a segment its fields are read.
const MOST: usize = 512;
/// So many fields are read, the name with them.
const FIELDS: usize = 21;

/// Looks at the fields after the name of a segment.
pub(super) fn at(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    if !text::begins(text, word.start) || text.get(word.end) != Some(&b'|') {
        return;
    }
    use Entity::{Address, BirthDate, Name, NationalId, Phone, Ssn};
    let fields: &[(usize, Entity)] = match &text[word.clone()] {
        b"PID" => &[
            (5, Name),
            (6, Name),
            (7, BirthDate),
            (9, Name),
            (11, Address),
            (13, Phone),
            (14, Phone),
            (19, Ssn),
            (20, NationalId),
        ],
        b"NK1" => &[(2, Name), (4, Address), (5, Phone), (6, Phone)],
        b"GT1" => &[(3, Name), (5, Address), (6, Phone), (8, BirthDate), (12, Ssn)],
        _ => return,
    };
    let rest = &text[word.end..text.len().min(word.end + MOST)];
    let ends = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\\' | b'"');
    let mut at = word.end;
    for (nth, whole) in rest.split(|byte| *byte == b'|').take(FIELDS).enumerate() {
        let field = &whole[..whole.iter().position(ends).unwrap_or(whole.len())];
        if let Some((_, entity)) = fields.iter().find(|(place, _)| *place == nth) {
            let value = field.trim_ascii_end();
            let value =
                &value[..value.len() - value.iter().rev().take_while(|it| **it == b'^').count()];
            let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
            let letters = value.iter().any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
            let sound = match entity {
                Name => letters && digits == 0,
                Address => letters,
                BirthDate => dates::date(value).is_some(),
                _ => digits >= 4,
            };
            if sound {
                found.add(at..at + value.len(), *entity);
            }
        }
        if field.len() < whole.len() {
            return;
        }
        at += field.len() + 1;
    }
}
