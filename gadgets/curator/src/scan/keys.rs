//! Values that a key tells: `password=`, `"token":`, `Authorization: Bearer`.

use std::ops::Range;

use super::Found;
use super::text::{self, Gap};
use super::words::{Key, entity};
use crate::entity::Entity;

pub(super) fn after(text: &[u8], word: Range<usize>, key: Key, found: &mut Found<'_>) {
    if !text::begins(text, word.start) {
        return;
    }
    if key == Key::Name {
        return super::people::value(text, word.end, found);
    }
    // The rest of the key: `token_id`, `passwordHash`, `secret-key`.
    let mut end = word.end;
    let strict = key == Key::Secret || key == Key::Password;
    while end < text.len()
        && end - word.end < 24
        && (text[end].is_ascii_alphanumeric() || matches!(text[end], b'_' | b'-'))
    {
        end += 1;
    }
    let tail = &text[word.end..end];
    if !tail.is_empty() && (!strict || is_a_number_of(tail)) {
        return;
    }
    let gap = text::gap(text, end);
    let span = text::value(text, &gap);
    let value = &text[span.clone()];
    match key {
        Key::Password => {
            if !gap.sign && gap.quote.is_none() {
                // `password hunter2`, but not `password policy updated`.
                let told = value.len() >= 6 && mixed(value) >= 2 && !is_word_like(value);
                if !gap.blank || !told {
                    return;
                }
            }
            if value.len() < 3 || is_placeholder(value) {
                return;
            }
            found.add(span, Entity::Password);
        }
        Key::Secret => {
            let long = if gap.sign || gap.quote.is_some() { 8 } else { 16 };
            if value.len() < long || is_placeholder(value) {
                return;
            }
            if !(gap.sign || gap.quote.is_some() || gap.blank) {
                return;
            }
            if is_random(value) {
                found.add(span, Entity::ApiKey);
            }
        }
        Key::Authorization => {
            if !gap.blank && !gap.sign {
                return;
            }
            if value.len() >= 12 && is_random(value) {
                found.add(span, entity(key));
            }
        }
        Key::Ssn => {
            // Masked or spelled ones too are taken as a whole.
            if gap.at == end {
                return;
            }
            let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
            if digits == 9 || digits == 4 && value.len() == 4 {
                found.add(span, Entity::Ssn);
            }
        }
        Key::NationalId => {
            if gap.at == end {
                return;
            }
            let gap = skip_number_word(text, gap);
            let span = text::value(text, &gap);
            let value = &text[span.clone()];
            let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
            if (6..=24).contains(&value.len())
                && digits >= 4
                && value
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'/'))
            {
                found.add(span, Entity::NationalId);
            }
        }
        Key::BirthDate => {
            if gap.at == end {
                return;
            }
            if let Some(length) = date(&text[gap.at..text.len().min(gap.at + 24)]) {
                found.add(gap.at..gap.at + length, Entity::BirthDate);
            }
        }
        Key::Place => {
            // A street with a number and at least two words; quoted, or it would not be known where it ends.
            let words = value
                .split(|byte| *byte == b' ')
                .filter(|word| word.iter().any(u8::is_ascii_alphabetic))
                .count();
            if gap.quote.is_some() && gap.sign && words >= 2 && value.iter().any(u8::is_ascii_digit)
            {
                found.add(span, Entity::Address);
            }
        }
        Key::Name => {}
    }
}

/// `number`, `no`, `nr`, `#` between a word and its number.
fn skip_number_word(text: &[u8], gap: Gap) -> Gap {
    for word in [&b"number"[..], b"no.", b"no", b"nr.", b"nr", b"id"] {
        let end = gap.at + word.len();
        if text.len() > end
            && text[gap.at..end].eq_ignore_ascii_case(word)
            && !text[end].is_ascii_alphanumeric()
        {
            return text::gap(text, end);
        }
    }
    gap
}

fn is_a_number_of(tail: &[u8]) -> bool {
    let tail = tail.trim_ascii_start();
    let ends = |with: &[u8]| {
        tail.len() >= with.len() && tail[tail.len() - with.len()..].eq_ignore_ascii_case(with)
    };
    [
        &b"count"[..],
        b"length",
        b"len",
        b"size",
        b"type",
        b"ttl",
        b"expiry",
        b"expires",
        b"expires_in",
        b"policy",
        b"age",
        b"url",
        b"file",
        b"path",
        b"limit",
        b"s",
        b"izer",
        b"name",
        b"version",
    ]
    .iter()
    .any(|with| ends(with))
}

/// How many of lower case, upper case, digits and others there are.
fn mixed(value: &[u8]) -> usize {
    let has = |is: fn(&u8) -> bool| usize::from(value.iter().any(is));
    has(u8::is_ascii_lowercase)
        + has(u8::is_ascii_uppercase)
        + has(u8::is_ascii_digit)
        + has(u8::is_ascii_punctuation)
}

fn is_word_like(value: &[u8]) -> bool {
    let trimmed = value.trim_ascii();
    let body = trimmed.strip_suffix(b".").or_else(|| trimmed.strip_suffix(b":")).unwrap_or(trimmed);
    body.iter().skip(1).all(u8::is_ascii_lowercase) || body.iter().all(u8::is_ascii_uppercase)
}

fn is_placeholder(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let same =
        value.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'-' | b'_' | b'#'));
    same || value.starts_with(b"$")
        || [
            &b"null"[..],
            b"none",
            b"nil",
            b"true",
            b"false",
            b"undefined",
            b"yes",
            b"no",
            b"redacted",
            b"empty",
            b"[redacted]",
            b"<redacted>",
            b"(null)",
            b"ok",
            b"expired",
            b"invalid",
            b"required",
            b"missing",
        ]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

/// A token, not a word: letters with digits, or hex, or long with mixed case.
pub(super) fn is_random(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let odd = value
        .iter()
        .filter(|byte| {
            !byte.is_ascii_alphanumeric()
                && !matches!(byte, b'-' | b'_' | b'.' | b'/' | b'+' | b'=' | b'~' | b':' | b'%')
        })
        .count();
    odd == 0
        && letters >= 3
        && (digits >= 2 || value.len() >= 24 && mixed(value) >= 2 && !value.contains(&b'.'))
}

/// A date in figures or with the month in words; its length.
fn date(text: &[u8]) -> Option<usize> {
    let number = |at: usize| {
        let count = text[at..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then(|| {
            (
                at + count,
                text[at..at + count]
                    .iter()
                    .fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0')),
                count,
            )
        })
    };
    let separator =
        |at: usize| text.get(at).copied().filter(|byte| matches!(byte, b'-' | b'/' | b'.' | b' '));
    let (end, first, width) = number(0)?;
    if width == 4 && !matches!(separator(end), Some(b'-' | b'/' | b'.')) {
        return None;
    }
    separator(end)?;
    if let Some((end, second, _)) = number(end + 1) {
        separator(end)?;
        let (end, third, last) = number(end + 1)?;
        let year = if width == 4 { first } else { third };
        let rest = if width == 4 { third } else { first };
        let plausible = (1900..=2030).contains(&year) || last == 2;
        return (plausible && (1..=31).contains(&second) && (1..=31).contains(&rest))
            .then_some(end);
    }
    let letters = text[end + 1..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let end = end + 1 + letters;
    (letters >= 3 && separator(end) == Some(b' ')).then_some(())?;
    let (end, year, width) = number(end + 1)?;
    (width == 4 && (1900..=2030).contains(&year)).then_some(end)
}
