//! Values that a key tells: `password=`, `"token":`, `Authorization: Bearer`.

use std::ops::Range;

use super::text::{self, Gap};
use super::words::Key;
use super::{Found, dates, people};
use crate::entity::Entity;

pub(super) fn after(text: &[u8], word: Range<usize>, key: Key, found: &mut Found<'_>) {
    if matches!(key, Key::Name | Key::PersonName) {
        return people::value(text, word, key == Key::PersonName, found);
    }
    if !text::begins(text, word.start) {
        return;
    }
    let named = matches!(key, Key::Secret | Key::Password | Key::Connection);
    let Some(end) = key_end(text, &word, named) else { return };
    let gap = text::gap_after(text, word.start, end);
    // `"hiPass", id: 7`: the quote ends a value.
    if !gap.sign && matches!(text.get(end), Some(b'"' | b'\'' | b'`')) {
        return;
    }
    match key {
        Key::Password => password(text, &word, end, &gap, found),
        Key::Pin => {
            // `OTP 493021`, `verification code is 830192`, but not `pin 1234`.
            let code = !text[word.start..word.end].eq_ignore_ascii_case(b"pin");
            let at = if code { skip_words(text, &gap, &[b"is"]) } else { gap.at };
            let value = found.value(&Gap { at, ..gap });
            let digits = text[value.clone()].iter().all(u8::is_ascii_digit);
            if (gap.sign || code && gap.blank && value.len() >= 4)
                && digits
                && (3..=8).contains(&value.len())
                && (value.len() > 3 || text[word.start] | 32 == b'c')
            {
                found.add(value, Entity::Password);
            }
        }
        Key::Secret => {
            let told = gap.sign || gap.quote.is_some();
            if !told && !gap.blank || is_of_a_place(text, word.start) {
                return;
            }
            let mut value = found.value(&gap);
            if text[word.start..word.end].ends_with(b"ookie") {
                return cookies(text, value.start, found);
            }
            // `secret: name=value`.
            if let Some(sign) =
                memchr::memchr(b'=', &text[value.start..value.end.min(value.start + 32)])
                && sign + 8 < value.len()
            {
                value.start += sign + 1;
            }
            let bytes = &text[value.clone()];
            if bytes.len() >= if told { 8 } else { 16 }
                && is_random(bytes)
                && !is_placeholder(bytes)
            {
                let says = |what: &[u8]| {
                    text[word.start..end]
                        .windows(what.len())
                        .any(|it| it.eq_ignore_ascii_case(what))
                };
                let entity =
                    if says(b"key") || says(b"token") { Entity::ApiKey } else { Entity::Secret };
                found.add(value, entity);
            }
        }
        Key::Authorization => {
            if gap.blank || gap.sign {
                let value = found.value(&gap);
                let bytes = &text[value.clone()];
                if bytes.len() >= 12 && is_random(bytes) {
                    found.add(value, Entity::ApiKey);
                }
            }
        }
        Key::Connection => {
            let value = found.value(&gap);
            let bytes = &text[value.clone()];
            if gap.sign && bytes.contains(&b'=') && gap.quote.is_some() && has_password(bytes) {
                found.add(value, Entity::ConnectionString);
            }
        }
        Key::Ssn => ssn(text, &gap, end, found),
        Key::NationalId => national(text, gap, end, found),
        Key::BirthDate => {
            let at = skip_words(
                text,
                &gap,
                &[b"is", b"am", b"on", b"was", b"el", b"le", b"em", b"il", b"of"],
            );
            if at > end
                && let Some(length) = dates::date(&text[at..text.len().min(at + 32)])
            {
                found.add(at..at + length, Entity::BirthDate);
            }
        }
        // `Street Fighter`.
        Key::Place if !gap.sign && text[word.clone()].eq_ignore_ascii_case(b"street") => {}
        Key::Place => people::place(text, &gap, found),
        Key::Name | Key::PersonName => {}
    }
}

/// `pageToken`, `next_token`: how far a list was read.
fn is_of_a_place(text: &[u8], start: usize) -> bool {
    let left = &text[start.saturating_sub(16)..start];
    let left = left.strip_suffix(b"_").or_else(|| left.strip_suffix(b"-")).unwrap_or(left);
    [&b"page"[..], b"next", b"continuation", b"cursor", b"sync", b"resume"].iter().any(|word| {
        left.len() >= word.len() && left[left.len() - word.len()..].eq_ignore_ascii_case(word)
    })
}

/// `name=value; name=value`: the values that are random, of the first eight.
fn cookies(text: &[u8], from: usize, found: &mut Found<'_>) {
    let mut at = from;
    for _ in 0..8 {
        let end = found.value(&Gap { at, ..Gap::default() }).end;
        let sign =
            memchr::memchr(b'=', &text[at..end.min(at + 64)]).map_or(at, |sign| at + sign + 1);
        let value = &text[sign..end];
        if value.len() >= 12 && is_random(value) && !is_placeholder(value) {
            found.add(sign..end, Entity::Secret);
        }
        if !text[end..].starts_with(b"; ") {
            return;
        }
        at = end + 2;
    }
}

/// Where the rest of the key ends: `token_value`, `secret-key`. None if it is the key of something about the value: `password_length`.
fn key_end(text: &[u8], word: &Range<usize>, named: bool) -> Option<usize> {
    let rest = text[word.end..].iter().take(24);
    let tail = rest.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let end = word.end + tail.count();
    let tail = &text[word.end..end];
    if tail.is_empty() {
        return Some(end);
    }
    (named && !tells_of(tail)).then_some(end)
}

fn password(text: &[u8], word: &Range<usize>, end: usize, gap: &Gap, found: &mut Found<'_>) {
    let option = text[..word.start].ends_with(b"--");
    let told = gap.sign || gap.quote.is_some();
    if !told && !gap.blank {
        return;
    }
    let mut gap = *gap;
    if !told {
        gap.at = skip_words(
            text,
            &gap,
            &[b"is", b"was", b"set to", b"changed to", b"reset to", b"to", b"ist", b"es", b"est"],
        );
    }
    let mut value = found.value(&gap);
    // `password changed: hunter2`.
    if !told && text[value.clone()].ends_with(b":") {
        gap.at = text::gap(text, value.end).at;
        value = found.value(&gap);
    }
    let bytes = &text[value.clone()];
    let enough = match (told || option, gap.sign) {
        (true, _) => bytes.len() >= 3,
        // `password hunter2`, but not `password policy updated` or `password v1.2`.
        _ => bytes.len() >= 6 && mixed(bytes) >= 2 && !is_word_like(bytes) && !is_version(bytes),
    };
    let short_number =
        bytes.len() < 5 && bytes.iter().all(u8::is_ascii_digit) && end - word.start == 4;
    if enough && !short_number && !is_placeholder(bytes) {
        found.add(value, Entity::Password);
    }
}

fn has_password(value: &[u8]) -> bool {
    let value = &value[..value.len().min(512)];
    [&b"assword="[..], b"wd=", b"PASSWORD=", b"Key=", b"ASS=", b"secret="]
        .iter()
        .any(|key| memchr::memmem::find(value, key).is_some())
}

fn ssn(text: &[u8], gap: &Gap, end: usize, found: &mut Found<'_>) {
    let at = skip_words(
        text,
        gap,
        &[
            b"number",
            b"no.",
            b"no",
            b"nr",
            b"is",
            b"was",
            b"of",
            b"#",
            b"num",
            b"ending in",
            b"last4",
            b"last 4",
            b"last four",
            b"security",
        ],
    );
    if at == end {
        return;
    }
    let value = found.value(&Gap { at, ..*gap });
    let bytes = &text[value.clone()];
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let others = bytes
        .iter()
        .filter(|byte| {
            !byte.is_ascii_digit()
                && !matches!(byte, b'-' | b'.' | b'*' | b'X' | b'x' | b' ' | b'/' | b'_' | b'+')
        })
        .count();
    if others == 0 && (digits == 9 || digits == 4 && (bytes.len() == 4 || bytes.len() == 11)) {
        found.add(value, Entity::Ssn);
    }
}

fn national(text: &[u8], gap: Gap, end: usize, found: &mut Found<'_>) {
    let at = skip_words(
        text,
        &gap,
        &[
            b"number",
            b"num",
            b"no.",
            b"no",
            b"nr.",
            b"nr",
            b"id",
            b"is",
            b"ist",
            b"est",
            b"es",
            b"n\xc2\xb0",
            b"#",
        ],
    );
    if at == end {
        return;
    }
    let value = found.value(&Gap { at, ..gap });
    let bytes = &text[value.clone()];
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let plain = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'/' | b' ' | b'+')
    };
    if (6..=24).contains(&bytes.len()) && digits >= 5 && bytes.iter().all(plain) {
        return found.add(value, Entity::NationalId);
    }
    // In groups: `AB 12 34 56 C`.
    let run = text[at..].iter().take(24);
    let run = run
        .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b' ')
        .count();
    let run = text[at..at + run].trim_ascii_end().len();
    let bytes = &text[at..at + run];
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let groups =
        bytes.split(|byte| *byte == b' ').all(|group| group.len() <= 8 && !group.is_empty());
    if run >= 8 && digits >= 5 && groups {
        found.add(at..at + run, Entity::NationalId);
    }
}

/// Past the first of `words` that stands there, and what separates it from the value.
fn skip_words(text: &[u8], gap: &Gap, words: &[&[u8]]) -> usize {
    let mut at = gap.at;
    for _ in 0..3 {
        let next = words.iter().find_map(|word| {
            let end = at + word.len();
            let same = text.len() > end && text[at..end].eq_ignore_ascii_case(word);
            (same && !text[end].is_ascii_alphanumeric()).then(|| text::gap(text, end).at)
        });
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

/// The end of a key that is about a value and is none: `password_length`.
fn tells_of(tail: &[u8]) -> bool {
    #[rustfmt::skip]
    const ABOUT: &[&[u8]] = &[
        b"count", b"length", b"len", b"size", b"type", b"ttl", b"expiry", b"expires", b"expires_in", b"expiresin", b"policy", b"age", b"url",
        b"uri", b"file", b"path", b"limit", b"limits", b"s", b"izer", b"ization", b"name", b"version", b"enabled", b"required", b"changed", b"reset", b"status",
        b"hint", b"date", b"time", b"at", b"endpoint", b"source", b"provider", b"manager", b"alias", b"arn", b"ref", b"_id", b"-id", b"less", b"port", b"word_policy", b"rotation", b"usage", b"index", b"used", b"ed", b"ing", b"er",
    ];
    ABOUT.iter().any(|with| {
        tail.len() >= with.len() && tail[tail.len() - with.len()..].eq_ignore_ascii_case(with)
    })
}

/// How many of lower case, upper case, digits and others there are.
fn mixed(value: &[u8]) -> usize {
    let value = &value[..value.len().min(128)];
    let has = |is: fn(&u8) -> bool| usize::from(value.iter().any(is));
    has(u8::is_ascii_lowercase)
        + has(u8::is_ascii_uppercase)
        + has(u8::is_ascii_digit)
        + has(u8::is_ascii_punctuation)
}

fn is_word_like(value: &[u8]) -> bool {
    let body = value.strip_suffix(b".").or_else(|| value.strip_suffix(b":")).unwrap_or(value);
    body.iter().skip(1).all(u8::is_ascii_lowercase)
        || body.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
        || !body.iter().any(u8::is_ascii_digit)
            && body.iter().all(|byte| {
                byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b'/' | b'\'')
            })
}

fn is_version(value: &[u8]) -> bool {
    let rest = value.strip_prefix(b"v").unwrap_or(value);
    rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

pub(super) fn is_placeholder(value: &[u8]) -> bool {
    const PLACEHOLDERS: &[&[u8]] = &[
        b"null",
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
        b"hidden",
        b"masked",
        b"filtered",
        b"[filtered]",
        b"failed",
        b"authentication",
        b"incorrect",
        b"changed",
        b"not",
        b"wrong",
        b"accepted",
        b"set",
        b"unset",
        b"provided",
        b"{}",
        b"...",
        b"publickey",
        b"plaintext",
        b"too",
        b"must",
        b"cannot",
        b"mismatch",
        b"rejected",
        b"updated",
        b"reset",
    ];
    let value = value.trim_ascii();
    let fill = |byte: &u8| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'-' | b'_' | b'#');
    // `XXXX-XXXX-XXXX-9911`: all but the last four.
    let masked = value.len() >= 12 && value[..value.len() - 4].iter().all(fill);
    masked
        || value.iter().take(64).all(fill)
        || value.starts_with(b"${")
        || value.starts_with(b"$(")
        || value.starts_with(b"{{")
        || value.starts_with(b"%(")
        || PLACEHOLDERS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// A token, not a word: letters with digits, or long in both cases. Looks at 128 bytes.
pub(super) fn is_random(value: &[u8]) -> bool {
    let value = &value[..value.len().min(128)];
    let (mut digits, mut letters, mut colons) = (0, 0, 0);
    for (nth, byte) in value.iter().enumerate() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'z' | b'A'..=b'Z' => letters += 1,
            b'-' | b'_' | b'.' | b'/' | b'+' | b'~' | b'%' => {}
            b'=' if nth + 3 > value.len() => {}
            b':' if colons == 0 && value.len() >= 20 => colons = 1,
            _ => return false,
        }
    }
    let long =
        value.len() >= 24 && mixed(value) >= 2 && !value.contains(&b'.') && !value.contains(&b'/');
    let all = value.len() >= 32 && mixed(value) >= 4 && value[0] != b'/';
    letters >= 3 && (digits >= 2 || long || all)
        || value.len() >= 16 && value.iter().all(u8::is_ascii_uppercase)
}
