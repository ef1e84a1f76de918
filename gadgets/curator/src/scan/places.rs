//! Where people live.

use std::ops::Range;

use super::Found;
use super::text::{self, Gap};
use crate::entity::Entity;

/// The address goes on as far as this after its street.
const REST: usize = 64;

/// The address after a key: between quotes or after a sign, words with a number.
pub(super) fn told(text: &[u8], gap: &Gap, found: &mut Found<'_>) {
    // Read for the first few keys before it: of a row of keys each would read all that comes after.
    let (end, times) = found.places;
    let times = if gap.at < end { times + 1 } else { 0 };
    if times == 4 {
        return;
    }
    let mut range = found.value(gap);
    found.places = (end.max(range.start + 96), times);
    if gap.quote.is_none() {
        // As far as what ends it: a bar, a bracket, the next key.
        let rest = text[range.start..].iter().take(96);
        let rest = rest.take_while(|byte| {
            text::is_word(**byte) || matches!(byte, b' ' | b',' | b'.' | b'-' | b'/' | b'\'' | b'#')
        });
        let mut end = range.start + rest.count();
        if text.get(end) == Some(&b'=')
            || text.get(end) == Some(&b':')
            || text.get(end) == Some(&b'_')
        {
            end = text[range.start..end]
                .iter()
                .rposition(|byte| *byte == b' ')
                .map_or(range.start, |at| range.start + at);
        }
        range.end = end;
    }
    let value = &text[range.clone()];
    if value.len() > 160 {
        return;
    }
    // Most have no number.
    if !value.iter().any(u8::is_ascii_digit) {
        return;
    }
    let word = |word: &&[u8]| {
        word.iter().filter(|byte| byte.is_ascii_alphabetic() || **byte >= 0x80).count() > 1
            && !word.contains(&b'/')
            && !word.contains(&b'=')
    };
    let capitals = value
        .split(|byte| *byte == b' ')
        .filter(|it| it.first().is_some_and(u8::is_ascii_uppercase))
        .count();
    let words = value.split(|byte| *byte == b' ').filter(word).count();
    let number = value.split(|byte| matches!(byte, b' ' | b',')).any(|it| {
        it.first().is_some_and(u8::is_ascii_digit)
            && it.len() <= 6
            && !it.contains(&b'.')
            && !it.contains(&b':')
    });
    let told = gap.quote.is_some() && gap.sign;
    if words >= if told { 1 } else { 2 }
        && number
        && (told && words >= 2 || capitals >= 1)
        && value.contains(&b' ')
    {
        let trimmed = value.trim_ascii_end().len();
        if told {
            return found.add(range, Entity::Address);
        }
        // Without quotes: as long as the words have capitals or digits.
        let mut end = 0;
        for part in value[..trimmed].split(|byte| *byte == b' ') {
            let good = part == b"-"
                || part.first().is_some_and(|byte| {
                    byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte >= 0x80
                })
                || matches!(
                    part,
                    b"de"
                        | b"la"
                        | b"rue"
                        | b"calle"
                        | b"rua"
                        | b"via"
                        | b"der"
                        | b"am"
                        | b"street"
                        | b"road"
                        | b"avenue"
                        | b"st"
                        | b"ave"
                        | b"apt"
                        | b"du"
                        | b"da"
                        | b"do"
                );
            if !good {
                break;
            }
            end += part.len() + 1;
        }
        let value = &value[..end.saturating_sub(1).min(trimmed)];
        let value = value.strip_suffix(b",").or_else(|| value.strip_suffix(b".")).unwrap_or(value);
        if value.iter().any(u8::is_ascii_digit)
            && value.contains(&b' ')
            && value.iter().any(u8::is_ascii_alphabetic)
        {
            found.add(range.start..range.start + value.len(), Entity::Address);
        }
    }
}

/// `12 Long Street`: the number, the words with capitals, the word for a street.
pub(super) fn street(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    let goes_on = text.get(word.end).is_some_and(u8::is_ascii_alphanumeric);
    if goes_on || text::before(text, word.start) != Some(b' ') {
        return;
    }
    let upper = text[word.start].is_ascii_uppercase();
    let to = word.start - 1;
    let bound = to.saturating_sub(40);
    let left = &text[bound..to];
    let left = &left[memchr::memrchr(b'\n', left).map_or(0, |at| at + 1)..];
    let start = to - left.len();
    // The last word that begins with a digit: the number of the house.
    let house = left
        .iter()
        .enumerate()
        .rev()
        .find(|(at, byte)| byte.is_ascii_digit() && (*at == 0 || !text::is_word(left[at - 1])));
    let Some((first, _)) = house else { return french(text, word, found) };
    let digits = left[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut parts = left[first..].split(|byte| *byte == b' ');
    let number = parts.next().unwrap_or_default();
    let letters = number[digits..].iter().all(u8::is_ascii_alphabetic);
    let sound = digits <= 5
        && letters
        && number.len() <= digits + 2
        && first
            .checked_sub(1)
            .is_none_or(|at| !matches!(left[at], b'.' | b':' | b'/' | b'-' | b'#' | b'=' | b'_'));
    let (mut words, mut ordinal) = (0, false);
    for part in parts.filter(|part| !part.is_empty()) {
        let word =
            part.iter().all(|byte| text::is_word(*byte) || matches!(byte, b'\'' | b'.' | b'-'));
        ordinal |= part[0].is_ascii_digit();
        if !word || !(part[0].is_ascii_uppercase() || part[0].is_ascii_digit() || part[0] >= 0x80) {
            return french(text, word_of(text, to + 1), found);
        }
        words += 1;
    }
    if sound && (1..=4).contains(&words) && (upper || ordinal) {
        found.add(start + first..rest(text, word.end), Entity::Address);
    } else if words == 0 {
        french(text, word, found);
    }
}

fn word_of(text: &[u8], at: usize) -> Range<usize> {
    at..at + text[at..].iter().take(16).take_while(|byte| text::is_word(**byte)).count()
}

/// Of the English words for a street, those that stand before names in other languages.
fn french(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    let is = |it: &&[u8]| text[word.clone()].eq_ignore_ascii_case(it);
    if [&b"avenue"[..], b"boulevard", b"place", b"plaza", b"pl", b"via"].iter().any(is) {
        rue(text, word, found);
    }
}

/// `12 rue de la Paix`, `Calle Mayor 5`, `Via Roma, 10`.
pub(super) fn rue(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    if !text::begins(text, word.start) || text.get(word.end) != Some(&b' ') {
        return;
    }
    let left = &text[word.start.saturating_sub(9)..word.start];
    let left = left.strip_suffix(b" ").unwrap_or(left);
    let left = left.strip_suffix(b" bis").or_else(|| left.strip_suffix(b" ter")).unwrap_or(left);
    let left = left.strip_suffix(b",").unwrap_or(left);
    let digits = left.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let house = (1..=4).contains(&digits)
        && left.len() > digits
        && matches!(
            left[left.len() - digits - 1],
            b' ' | b'"' | b'=' | b'\'' | b':' | b'(' | b'[' | b'>'
        );
    if !house && !text[word.start].is_ascii_uppercase() {
        return;
    }
    // Words with capitals, with small ones between them.
    let (mut at, mut end, mut capitals) = (word.end + 1, 0, 0);
    for _ in 0..6 {
        let length = text[at..]
            .iter()
            .take(24)
            .take_while(|byte| text::is_word(**byte) || matches!(byte, b'\'' | b'-'))
            .count();
        let part = &text[at..at + length];
        let Some(&first) = part.first() else { break };
        if first.is_ascii_digit() {
            break;
        }
        let particle = matches!(
            part,
            b"de"
                | b"la"
                | b"le"
                | b"les"
                | b"du"
                | b"des"
                | b"del"
                | b"los"
                | b"las"
                | b"da"
                | b"do"
                | b"dos"
                | b"das"
                | b"di"
                | b"della"
                | b"d'"
                | b"y"
                | b"e"
                | b"et"
        );
        let capital = first.is_ascii_uppercase()
            || first >= 0x80
            || part.starts_with(b"l'")
            || part.starts_with(b"d'");
        if !particle && !capital {
            break;
        }
        at += length;
        if capital {
            (end, capitals) = (at, capitals + 1);
        }
        if text.get(at) != Some(&b' ') {
            break;
        }
        at += 1;
    }
    if capitals == 0 {
        return;
    }
    if house {
        let start = text[..word.start]
            .iter()
            .rposition(|byte| byte.is_ascii_digit())
            .map_or(word.start, |at| at + 1 - digits);
        return found.add(start..rest(text, end), Entity::Address);
    }
    let number = text[end..]
        .iter()
        .take(6)
        .take_while(|byte| matches!(byte, b',' | b' ' | b'n' | b'.'))
        .count();
    let digits =
        text[end + number..].iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    let stop = end + number + digits;
    if number > 0
        && (1..=4).contains(&digits)
        && !text.get(stop).is_some_and(|byte| text::is_word(*byte) || matches!(byte, b':' | b'/'))
    {
        found.add(word.start..rest(text, stop), Entity::Address);
    }
}

/// A number after the German kind of street: `Hauptstraße 12`.
pub(super) fn house(text: &[u8], start: usize, end: usize, found: &mut Found<'_>) {
    const ENDS: &[&[u8]] = &[
        "straße".as_bytes(),
        b"strasse",
        b"str.",
        b"weg",
        b"platz",
        b"gasse",
        b"allee",
        b"ring",
        b"damm",
        b"ufer",
        b"chaussee",
        b"straat",
        b"laan",
        b"gracht",
        b"gatan",
        b"gate",
        b"gata",
        b"veien",
        b"plein",
        b"kade",
        b"singel",
        "vägen".as_bytes(),
        b"vagen",
        b"vej",
        b"gade",
        b"katu",
    ];
    let to = start - 1;
    let left = &text[to.saturating_sub(32)..to];
    let length = left
        .iter()
        .rev()
        .take_while(|byte| text::is_word(**byte) || matches!(byte, b'-' | b'.' | b'\''))
        .count();
    let name = &left[left.len() - length..];
    let Some(first) = name.first() else { return };
    let street = ENDS.iter().any(|ends| name.len() > ends.len() + 2 && name.ends_with(ends));
    let goes_on =
        text.get(end).is_some_and(|byte| matches!(byte, b'.' | b':' | b'%' | b'/' | b'_'));
    if street && first.is_ascii_uppercase() && end - start <= 3 && !goes_on {
        let letter = text.get(end).is_some_and(u8::is_ascii_lowercase)
            && !text.get(end + 1).is_some_and(|byte| text::is_word(*byte));
        let end = if letter { end + 1 } else { end };
        found.add(to - length..rest(text, end), Entity::Address);
    }
}

/// True if a word that ends before `at` may be the end of a street: looked at before [`house`].
pub(super) fn may_be_house(text: &[u8], at: usize) -> bool {
    let Some([end @ .., b' ']) = at.checked_sub(3).map(|from| &text[from..at]) else {
        return false;
    };
    // The ends of the words for streets.
    #[rustfmt::skip]
    let street = matches!(
        end,
        [0x9f, b'e'] | b"se" | b"r." | b"eg" | b"tz" | b"ee" | b"ng" | b"mm" | b"er" | b"at" | b"an" | b"ht" | b"en" | b"ej" | b"de" | b"tu" | b"te" | b"ta" | b"in" | b"el"
    );
    street
}

/// What comes after a street: a flat, the town with its code, the state and the country.
fn rest(text: &[u8], from: usize) -> usize {
    let mut end = from;
    for _ in 0..4 {
        let bytes = &text[end..text.len().min(from + REST)];
        let separator = if bytes.starts_with(b", ") {
            2
        } else if bytes.starts_with(b" - ") {
            3
        } else if bytes.starts_with(b" ") && bytes.get(1).is_some_and(|byte| byte.is_ascii_digit())
        {
            1
        } else {
            break;
        };
        let part = &bytes[separator..];
        let length = part
            .iter()
            .take_while(|byte| {
                text::is_word(**byte) || matches!(byte, b' ' | b'-' | b'.' | b'\'' | b'#')
            })
            .count();
        let part = part[..length].trim_ascii_end();
        // Words with capitals, and numbers of at least three digits or with letters.
        let mut good = 0;
        let mut count = 0;
        for word in part.split(|byte| *byte == b' ') {
            let capital = word
                .first()
                .is_some_and(|byte| byte.is_ascii_uppercase() || *byte >= 0x80 || *byte == b'#');
            let code = word.iter().any(u8::is_ascii_digit) && (3..=10).contains(&word.len())
                || count > 0 && word.len() < 5 && word.iter().any(u8::is_ascii_digit);
            let particle = count > 0
                && matches!(word, b"de" | b"am" | b"an" | b"der" | b"upon" | b"la" | b"do" | b"da");
            if !(capital || code || particle) || word.ends_with(b".") && word.len() > 4 {
                break;
            }
            good += word.len() + usize::from(count > 0);
            count += 1;
            if word.ends_with(b".") && count > 1 {
                break;
            }
        }
        if count == 0 || count > 6 || separator == 1 && count < 2 {
            break;
        }
        end += separator + good;
        if good < part.len() {
            break;
        }
    }
    end
}
