//! Names that stand in one line with a mail address or a number of a person: they are in the address, or have a field of a row.

use std::ops::Range;

use super::{Found, dates, people, text};
use crate::entity::Entity::{self, BirthDate, Email, Name, Phone, Ssn};

/// So far to the left and right of a value names are looked for.
const LEFT: usize = 160;
const RIGHT: usize = 96;
/// Of values closer than this to each other one is enough.
const APART: usize = 40;
/// Not past so many mail addresses, which have names beside them as well.
const MAILS: usize = 4;

/// Looks beside the values that were found since `from`.
pub(super) fn scan(text: &[u8], from: usize, found: &mut Found<'_>) {
    let (mut last, mut mails) = (0, [0; MAILS]);
    let count = found.spans.len();
    for nth in from..count {
        let span = found.spans[nth];
        let range = span.range();
        let near = last > 0 && (last..last + APART).contains(&range.start) && span.entity != Email;
        if matches!(span.entity, Email | Ssn | Phone) && !near {
            last = range.end;
            let next = found.spans[nth..count].get(MAILS).filter(|it| it.entity == Email);
            let right = next.map(|it| it.start as usize).filter(|at| *at > last);
            let within = mails[0].min(range.start)..right.unwrap_or(text.len());
            beside(text, range, span.entity, within, found);
            if span.entity == Email {
                mails.rotate_left(1);
                mails[MAILS - 1] = last;
            }
        }
    }
}

fn beside(
    text: &[u8],
    value: Range<usize>,
    entity: Entity,
    within: Range<usize>,
    found: &mut Found<'_>,
) {
    let left = value.start.saturating_sub(LEFT).max(within.start);
    let left = memchr::memrchr(b'\n', &text[left..value.start]).map_or(left, |at| left + at + 1);
    let right = within.end.min(value.end + RIGHT);
    let right = memchr::memchr(b'\n', &text[value.end..right]).map_or(right, |at| value.end + at);
    let local = match entity {
        Email => {
            text[value.clone()].split(|byte| matches!(byte, b'@' | b'%')).next().unwrap_or(b"")
        }
        _ => b"",
    };
    let (mut at, mut before, mut any): (usize, Option<Range<usize>>, bool) = (left, None, false);
    while at < right {
        if value.contains(&at) {
            at = value.end;
            continue;
        }
        let begins = text::before(text, at).is_none_or(|byte| {
            !text::is_word(byte)
                && !matches!(byte, b'_' | b'-' | b'.' | b'/' | b'@' | b'$' | b'\\' | b'%')
        });
        if begins
            && text[at].is_ascii_digit()
            && text::before(text, at) != Some(b'=')
            && any | (entity == Ssn)
            && let Some(length) = dates::date(&text[at..right])
            && is_field(text, at..at + length)
            && is_of_old(&text[at..at + length])
        {
            found.add(at..at + length, BirthDate);
            at += length;
            continue;
        }
        let end = Some(at).filter(|at| begins && people::starts_a_name(text, *at));
        let Some(end) = end.and_then(|at| people::name(text, at)).filter(|end| *end <= right)
        else {
            at += 1;
            continue;
        };
        if let Some(name) = full(text, at..end, local) {
            found.add(name, Name);
            (before, any) = (None, true);
        } else if is_field(text, at..end)
            && !people::is_technical(&text[at..end])
            && !text[at..end].contains(&b' ')
        {
            // Two fields beside each other, or one that the address has.
            let sure = |it: &Range<usize>| {
                people::is_given(text, it.start) || is_in(&text[it.clone()], local, 4)
            };
            let beside = before.take().filter(|it| is_between(&text[it.end..at]));
            match beside {
                Some(other) if sure(&other) || sure(&(at..end)) => {
                    found.add(other, Name);
                    found.add(at..end, Name);
                    any = true;
                }
                _ if is_in(&text[at..end], local, 4) && local.len() > end - at => {
                    found.add(at..end, Name);
                    any = true;
                }
                _ => before = Some(at..end),
            }
        } else {
            before = None;
        }
        at = end.max(at + 1);
    }
}

/// Of words with capitals those of a name of which the address has one: from the first that it has, or that is a given name.
fn full(text: &[u8], words: Range<usize>, local: &[u8]) -> Option<Range<usize>> {
    let (mut at, mut start, mut end, mut count, mut kin) =
        (words.start, None, words.start, 0, false);
    for word in text[words.clone()].split(|byte| *byte == b' ') {
        let inside = is_in(word, local, 3);
        if people::is_technical(word) {
            if start.is_some() {
                break;
            }
        } else if start.is_some() || inside || people::is_given(text, at) {
            start.get_or_insert(at);
            (end, count) = (at + word.len(), count + 1);
            kin |= inside;
        }
        at += word.len() + 1;
    }
    let first = start?;
    // The family's name may stand first.
    let field = is_field(text, words.clone()) && people::is_given(text, first);
    let whole = first == words.start || !is_field(text, words.clone());
    let from = if whole { first } else { words.start };
    (count + usize::from(!whole) > 1 && (kin || field)).then_some(from..end)
}

/// True if the address has the letters of a word: those of `a` to `z` beside each other, at least so many.
fn is_in(word: &[u8], local: &[u8], least: usize) -> bool {
    let runs = word.split(|byte| !byte.is_ascii_alphabetic());
    let Some(run) = runs.max_by_key(|run| run.len()).filter(|run| run.len() >= least) else {
        return false;
    };
    local.len() <= 64 && local.windows(run.len()).any(|it| it.eq_ignore_ascii_case(run))
}

/// True if what is on both sides bounds a field.
fn is_field(text: &[u8], range: Range<usize>) -> bool {
    let bound = |byte: &u8| {
        matches!(byte, b'"' | b'\'' | b',' | b';' | b'|' | b'\t' | b'<' | b'>' | b'\\' | b'\n')
    };
    let left = match text[..range.start] {
        [.., before, b' '] => matches!(before, b' ' | b':' | b',' | b'0'..=b'9'),
        [.., before] => bound(&before) || before == b'=',
        [] => true,
    };
    let right = match text[range.end..] {
        [b' ', next, ..] => next == b' ',
        [next, ..] => bound(&next),
        [] => true,
    };
    left && right
}

/// What separates two fields of a row.
fn is_between(bytes: &[u8]) -> bool {
    bytes.len() <= 24
        && bytes
            .iter()
            .all(|byte| matches!(byte, b'"' | b'\'' | b',' | b';' | b'|' | b'\t' | b' ' | b'\\'))
}

/// A date of more than some years ago: not when the row was written.
fn is_of_old(date: &[u8]) -> bool {
    let old = |four: &[u8]| {
        four.iter().all(u8::is_ascii_digit)
            && four >= b"1900".as_slice()
            && four < b"2013".as_slice()
    };
    if date.iter().all(u8::is_ascii_digit) {
        // `19620417`, and no other number of eight digits.
        let two = |at: usize| date.get(at..at + 2).unwrap_or(b"99".as_slice());
        return date.len() == 8
            && old(&date[..4])
            && two(4) <= b"12".as_slice()
            && two(6) <= b"31".as_slice();
    }
    old(&date[..4.min(date.len())]) || old(&date[date.len().saturating_sub(4)..])
}

#[cfg(test)]
mod tests {
    use crate::entity::Entity;
    use crate::scan::Scanner;

    fn names(text: &str) -> Vec<String> {
        let mut spans = Vec::new();
        Scanner::new().scan(text.as_bytes(), &mut spans);
        let name = |span: &&crate::Span| span.entity == Entity::Name;
        spans.iter().filter(name).map(|span| text[span.range()].to_owned()).collect()
    }

    #[test]
    fn a_name_is_one_by_the_mail_address_beside_it() {
        assert_eq!(names("41;Tamsin Okoro;tamsin.okoro@example.com"), ["Tamsin Okoro"]);
        assert_eq!(names("41;Coral Harbor;tamsin.okoro@example.com"), [] as [&str; 0]);
        assert_eq!(names("41;Tamsin Okoro;2026"), [] as [&str; 0], "without one it is none");
    }

    #[test]
    fn rows_of_mail_addresses_have_all_their_names() {
        let row: Vec<String> = [
            "Ines Abara",
            "Joel Brandt",
            "Mira Castell",
            "Noel Dvorak",
            "Olga Ekdal",
            "Petra Falk",
        ]
        .iter()
        .map(|name| format!("{name},{}@example.com", name.to_lowercase().replace(' ', ".")))
        .collect();
        assert_eq!(names(&row.join(",")).len(), row.len());
    }
}
