//! Numbers in words: `five five five one two`, `eight two four forty-seven thirty-one`.

use std::ops::Range;

use super::context::{Context, context};
use super::{Found, text};
use crate::entity::Entity;
use crate::validate::is_card;

/// The most digits that are read.
const MOST: usize = 24;

/// Reads the figures that begin with `word`, and says what they are.
pub(super) fn at(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    if word.start < found.figures || !text::begins(text, word.start) {
        return;
    }
    let mut digits = [b'0'; MOST];
    let (mut count, mut words, mut repeat) = (0, 0, 1);
    let (mut at, mut end) = (word.start, word.start);
    let mut tens = None;
    while count < MOST - 3 {
        let length = text[at..]
            .iter()
            .take(12)
            .take_while(|byte| byte.is_ascii_alphabetic() || **byte >= 0x80)
            .count();
        let word = &text[at..at + length];
        let figure = |is: fn(&str) -> Option<u8>| std::str::from_utf8(word).ok().and_then(is);
        if word.eq_ignore_ascii_case(b"double") || word.eq_ignore_ascii_case(b"triple") {
            repeat = if word[0] | 0x20 == b'd' { 2 } else { 3 };
        } else if let Some(value) = figure(value) {
            match (value, tens.take()) {
                (1..=9, Some(at)) => digits[at] = b'0' + value,
                (0..=9, _) => {
                    for _ in 0..repeat {
                        digits[count] = b'0' + value;
                        count += 1;
                    }
                }
                (value, _) => {
                    (digits[count], digits[count + 1]) = (b'0' + value / 10, b'0' + value % 10);
                    tens = (value >= 20).then_some(count + 1);
                    count += 2;
                }
            }
            repeat = 1;
            words += 1;
            end = at + length;
        } else if word.eq_ignore_ascii_case(b"hundred") && words > 0 {
            count += 2;
            tens = None;
            end = at + length;
        } else {
            break;
        }
        at += length;
        let gap = text[at..]
            .iter()
            .take(2)
            .take_while(|byte| matches!(byte, b' ' | b'-' | b',' | b'.' | b'_' | b'+'))
            .count();
        if gap == 0 {
            break;
        }
        // `forty-seven` is one number, `forty seven` may be: what follows tens with a blank is taken for theirs too.
        at += gap;
    }
    // `double double` without a figure is nothing from any of its words on.
    found.figures = if count == 0 { at.max(word.end) } else { end.max(word.end) };
    let digits = &digits[..count];
    let said = context(text, word.start).0;
    let entity = match (said, count) {
        (Context::Card, 12..=19) => Entity::Card,
        (_, 13..=19) if is_card(digits) => Entity::Card,
        (Context::Ssn, 7..=11) => Entity::Ssn,
        (Context::National | Context::Iban, 8..) => Entity::NationalId,
        (Context::Phone, 7..=15) => Entity::Phone,
        (Context::Other, _) => return,
        // Nobody counts so far, and each word is a figure of its own.
        (_, 9..=15)
            if words >= 7
                && digits.windows(2).filter(|two| two[1] == two[0] + 1).count() + 2 < count =>
        {
            Entity::Phone
        }
        _ => return,
    };
    found.add(word.start..end, entity);
}

/// What a word counts.
fn value(word: &str) -> Option<u8> {
    #[rustfmt::skip]
    const FIGURES: &[(u8, &[&str])] = &[
        (0, &["zero", "oh", "o", "null", "cero", "zéro"]),
        (1, &["one", "eins", "uno", "un", "um"]),
        (2, &["two", "zwei", "zwo", "dos", "deux", "dois"]),
        (3, &["three", "drei", "tres", "trois", "três"]),
        (4, &["four", "vier", "cuatro", "quatre", "quatro"]),
        (5, &["five", "fünf", "fuenf", "cinco", "cinq"]),
        (6, &["six", "sechs", "seis", "meia"]),
        (7, &["seven", "sieben", "siete", "sept", "sete"]),
        (8, &["eight", "acht", "ocho", "huit", "oito"]),
        (9, &["nine", "neun", "nueve", "neuf", "nove"]),
        (10, &["ten"]), (11, &["eleven"]), (12, &["twelve"]), (13, &["thirteen"]), (14, &["fourteen"]), (15, &["fifteen"]),
        (16, &["sixteen"]), (17, &["seventeen"]), (18, &["eighteen"]), (19, &["nineteen"]), (20, &["twenty"]), (30, &["thirty"]),
        (40, &["forty"]), (50, &["fifty"]), (60, &["sixty"]), (70, &["seventy"]), (80, &["eighty"]), (90, &["ninety"]),
    ];
    FIGURES
        .iter()
        .find(|(_, words)| words.iter().any(|it| it.eq_ignore_ascii_case(word)))
        .map(|(value, _)| *value)
}
