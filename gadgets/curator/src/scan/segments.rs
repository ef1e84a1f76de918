//! Records in which the place of a field tells what it is: segments of HL7 version 2 (chapter 3, PID and NK1; chapter 6, GT1 and IN1), of
//! X12 and of EDIFACT, elements of DICOM (PS3.6), addresses of vCard (RFC 6350).

use std::ops::Range;

use super::{Found, dates, text};
use crate::entity::Entity;
use crate::entity::Entity::{Address, BirthDate, Name, NationalId, Phone, Ssn};

/// So far into a segment its fields are read.
const MOST: usize = 512;
/// So many fields are read, the name with them.
const FIELDS: usize = 21;

/// A segment's fields of people, by their places. The name of the segment is at 0.
struct Segment {
    name: &'static [u8],
    separator: u8,
    /// The field that tells whether the others are of people, with what it has then.
    if_field: Option<(usize, &'static [&'static [u8]])>,
    fields: &'static [(usize, Entity)],
}

const fn segment(
    name: &'static [u8],
    separator: u8,
    fields: &'static [(usize, Entity)],
) -> Segment {
    Segment { name, separator, if_field: None, fields }
}

const fn of(
    name: &'static [u8],
    separator: u8,
    at: usize,
    values: &'static [&'static [u8]],
    fields: &'static [(usize, Entity)],
) -> Segment {
    Segment { name, separator, if_field: Some((at, values)), fields }
}

#[rustfmt::skip]
const SEGMENTS: &[Segment] = &[
    segment(b"PID", b'|', &[
        (5, Name), (6, Name), (7, BirthDate), (9, Name), (11, Address), (13, Phone), (14, Phone), (19, Ssn), (20, NationalId),
    ]),
    segment(b"NK1", b'|', &[(2, Name), (4, Address), (5, Phone), (6, Phone)]),
    segment(b"GT1", b'|', &[(3, Name), (5, Address), (6, Phone), (8, BirthDate), (12, Ssn)]),
    segment(b"IN1", b'|', &[(16, Name), (18, BirthDate), (19, Address)]),
    // A person, not an organisation.
    of(b"NM1", b'*', 2, &[b"1"], &[(3, Name), (4, Name), (5, Name)]),
    segment(b"N3", b'*', &[(1, Address), (2, Address)]),
    of(b"DMG", b'*', 1, &[b"D8"], &[(2, BirthDate)]),
    of(b"REF", b'*', 1, &[b"SY"], &[(2, Ssn)]),
    segment(b"PER", b'*', &[(2, Name)]),
    of(b"PER", b'*', 3, &[b"TE", b"CP", b"HP", b"WP"], &[(4, Phone)]),
    of(b"PER", b'*', 5, &[b"TE", b"CP", b"HP", b"WP"], &[(6, Phone)]),
    // A passenger.
    of(b"NAD", b'+', 1, &[b"FL"], &[(4, Name)]),
    of(b"NAD", b'+', 1, &[b"BY", b"DP", b"UD", b"CN", b"UC"], &[(4, Name), (5, Address)]),
    segment(b"CTA", b'+', &[(2, Name)]),
    segment(b"DTM", b'+', &[(1, BirthDate)]),
    of(b"DOC", b'+', 1, &[b"P"], &[(2, NationalId)]),
    segment(b"PN ", b'[', &[(1, Name)]),
    segment(b"DA ", b'[', &[(1, BirthDate)]),
    segment(b"ADR", b';', &[(3, Address)]),
    // A passenger's passport, as airlines send it.
    segment(b"SSR DOCS", b' ', &[]),
];

/// Looks at the fields after the name of a segment.
pub(super) fn at(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    let begins = text::begins(text, word.start) || text[..word.start].ends_with(b"\\n");
    let Some(separator) = text.get(word.end).filter(|_| begins) else { return };
    let these =
        SEGMENTS.iter().filter(|it| it.separator == *separator && it.name == &text[word.clone()]);
    for segment in these {
        if segment.separator == b' ' {
            return passport(text, word.end, found);
        }
        read(text, &word, segment, found);
    }
}

fn read(text: &[u8], word: &Range<usize>, segment: &Segment, found: &mut Found<'_>) {
    // The group and element of DICOM: a person's name and the date of birth, of the patient.
    let patient = || {
        let left = &text[word.start.saturating_sub(12)..word.start];
        left.ends_with(b"(0010,0010) ") || left.ends_with(b"(0010,0030) ")
    };
    if segment.separator == b'[' && !patient() {
        return;
    }
    if let Some((at, values)) = segment.if_field
        && !fields(text, word.end, segment.separator)
            .nth(at)
            .is_some_and(|(_, field)| values.contains(&field))
    {
        return;
    }
    let last = segment.fields.iter().map(|(place, _)| *place).max().unwrap_or(0);
    let fields = fields(text, word.end, segment.separator).take(last + 1);
    for (nth, (at, field)) in fields.enumerate() {
        if let Some((_, entity)) = segment.fields.iter().find(|(place, _)| *place == nth) {
            // `329:900223`, the day of birth after its qualifier.
            let skipped = if segment.name == b"DTM" { 4 } else { 0 };
            let value = match field.get(skipped..) {
                Some(value) if skipped == 0 || field.starts_with(b"329:") => value.trim_ascii_end(),
                _ => b"",
            };
            let empty = value.iter().rev().take_while(|it| matches!(it, b'^' | b':')).count();
            let value = &value[..value.len() - empty];
            if sound(value, *entity) {
                found.add(at + skipped..at + skipped + value.len(), *entity);
            }
        }
    }
}

/// The fields of a segment and where they begin, as far as its end or to the next one of its kind, which is read for itself.
fn fields(text: &[u8], from: usize, separator: u8) -> impl Iterator<Item = (usize, &[u8])> {
    let end = match separator {
        b'*' => b'~',
        b'+' => b'\'',
        b'[' => b']',
        _ => b'\n',
    };
    let ends = move |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\\' | b'"') || *byte == end;
    let is_next = move |field: &[u8]| {
        SEGMENTS.iter().any(|it| it.separator == separator && field.ends_with(it.name))
    };
    let rest = &text[from..text.len().min(from + MOST)];
    let whole = rest.split(move |byte| *byte == separator).take(FIELDS);
    let (mut at, mut done) = (from, false);
    whole.map_while(move |whole| {
        if done {
            return None;
        }
        let field = &whole[..whole.iter().position(ends).unwrap_or(whole.len())];
        let begins = at;
        at += whole.len() + 1;
        done = field.len() < whole.len() || is_next(field);
        Some((begins, field))
    })
}

/// `YY HK1/P/US/K7712094/US/17APR62/F/30JUN30/GRANTHAM/OLWEN`: the number, the day of birth and the name.
fn passport(text: &[u8], from: usize, found: &mut Found<'_>) {
    let rest = &text[from..text.len().min(from + 160)];
    let ends = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\\' | b'"' | b'\'' | b'<');
    let rest = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
    let mut at = from;
    for (nth, field) in rest.split(|byte| *byte == b'/').take(10).enumerate() {
        let value = field.trim_ascii_end();
        let capital = value.first().is_some_and(|byte| byte.is_ascii_uppercase() || *byte >= 0x80);
        match nth {
            1 if value != b"P" => return,
            3 if sound(value, NationalId) => found.add(at..at + value.len(), NationalId),
            5 if value.len() == 7 && value[..2].iter().all(u8::is_ascii_digit) => {
                found.add(at..at + value.len(), BirthDate);
            }
            8 | 9 if capital && sound(value, Name) => found.add(at..at + value.len(), Name),
            _ => {}
        }
        at += field.len() + 1;
    }
}

/// True if it may be such a value.
fn sound(value: &[u8], entity: Entity) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
    match entity {
        Name => letters && digits == 0,
        Address => letters,
        BirthDate => dates::date(value).is_some() || value.len() == 6 && digits == 6,
        _ => digits >= 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Scanner;

    fn left(text: &str) -> String {
        let (mut spans, mut text) = (Vec::new(), text.to_owned());
        Scanner::new()
            .only(&[Name, BirthDate, Address, Ssn, Phone])
            .scan(text.as_bytes(), &mut spans);
        for span in spans.iter().rev() {
            text.replace_range(span.start as usize..span.end as usize, "_");
        }
        text
    }

    #[test]
    fn fields_of_people_are_hidden_by_their_places_and_the_others_stay() {
        for (text, want) in [
            ("PID|1||774||OKAFOR^ADA||19750615|F|||9 Elm Rd^^Bath", "PID|1||774||_||_|F|||_"),
            (
                "NM1*IL*1*OKAFOR*ADA****MI*42~DMG*D8*19681130*F~",
                "NM1*IL*1*_*_****MI*42~DMG*D8*_*F~",
            ),
            // An organisation, and the date of the message.
            (
                "NM1*PR*2*NORTHERN MUTUAL*****PI*8~DTP*472*D8*20260102~",
                "NM1*PR*2*NORTHERN MUTUAL*****PI*8~DTP*472*D8*20260102~",
            ),
            ("DTM+137:20260102'", "DTM+137:20260102'"),
        ] {
            assert_eq!(left(text), want);
        }
    }

    #[test]
    fn a_segment_ends_where_the_next_one_of_its_kind_begins() {
        let found: Vec<&[u8]> = fields(b"||a|b NK1|c|d", 0, b'|').map(|(_, field)| field).collect();
        assert_eq!(found, [&b""[..], b"", b"a", b"b NK1"]);
        let found: Vec<(usize, &[u8])> = fields(b"*a*b~c*d", 0, b'*').collect();
        assert_eq!(found, [(0, &b""[..]), (1, b"a"), (3, b"b")]);
    }
}
