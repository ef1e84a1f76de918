//! Values that a key tells: `password=`, `"token":`, `Authorization: Bearer`.

use std::ops::Range;

use super::secret::{
    is_call, is_chosen, is_of_words, is_path, is_placeholder, is_random, is_version, is_word_like,
    mixed,
};
use super::text::{self, Gap};
use super::words::Key;
use super::{Found, dates, people, places};
use crate::entity::Entity;

pub(super) fn after(text: &[u8], word: Range<usize>, key: Key, found: &mut Found<'_>) {
    if matches!(key, Key::Name | Key::PersonName) {
        return people::value(text, word, key == Key::PersonName, found);
    }
    if !text::begins(text, word.start) {
        return;
    }
    let Some(end) = key_end(text, &word, key) else { return };
    let gap = bracketed(text, &word, end)
        .or_else(|| attribute(text, end))
        .unwrap_or_else(|| in_columns(text, text::gap_after(text, word.start, end)));
    // `"hiPass", id: 7`: the quote ends a value.
    let quoted = text.get(end + usize::from(text.get(end) == Some(&b'\\')));
    if !gap.sign && matches!(quoted, Some(b'"' | b'\'' | b'`')) {
        // `"AUTH" "hunter2"`: what a server was sent.
        if text[word.clone()] == *b"AUTH" && text[end..].starts_with(b"\" \"") {
            let value = found.value(&Gap { at: end + 3, quote: Some(b'"'), ..Gap::default() });
            found.add(value, Entity::Password);
        }
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
            let tail = end > word.end;
            if !told && (!gap.blank || tail) || is_of_a_place(text, word.start) {
                return;
            }
            let mut value = found.value(&gap);
            // `token --name value`, `token name:value`: something else that follows.
            let next = &text[value.clone()];
            if !told && (next.starts_with(b"-") || memchr::memchr(b':', next).is_some()) {
                return;
            }
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
            let of_words = tail && is_of_words(bytes);
            let random = bytes.len() >= if told { 8 } else { 16 } && is_random(bytes) && !of_words;
            let chosen = told && is_secret(text, end) && is_chosen(bytes);
            // `SECRET_KEY = '(-kf)2+#ynv9...'`: of more signs than tokens are.
            let signs = gap.sign
                && gap.quote.is_some()
                && (32..=128).contains(&bytes.len())
                && mixed(bytes) >= 3
                && bytes.iter().all(u8::is_ascii_graphic)
                && text[word.start..end].eq_ignore_ascii_case(b"secret_key");
            if (random || chosen || signs)
                && !is_placeholder(bytes)
                && !is_version(bytes)
                && !is_path(bytes)
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
            if gap.sign && gap.quote.is_some() && bytes.contains(&b'=') && has_password(bytes) {
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
        // `Street Fighter`, `41 Orchard Street`.
        Key::Place if !gap.sign && text[word.clone()].eq_ignore_ascii_case(b"street") => {
            places::street(text, word, found);
        }
        Key::Place => places::told(text, &gap, found),
        Key::Name | Key::PersonName => {}
    }
}

/// `client_secret`, `recoveryCode`: a key that ends so is that of a secret, whatever it looks like.
fn is_secret(text: &[u8], end: usize) -> bool {
    let key = &text[end.saturating_sub(16)..end];
    let ends = |with: &[u8]| {
        key.len() > with.len() && key[key.len() - with.len()..].eq_ignore_ascii_case(with)
    };
    let joined = |with: &[u8]| {
        let before = key[key.len() - with.len() - 1];
        text::is_word(before) || matches!(before, b'_' | b'-')
    };
    ends(b"secret") && joined(b"secret")
        || [&b"recovery_code"[..], b"recoverycode", b"backup_code"].iter().any(|with| ends(with))
}

/// `pageToken`, `next_token`: how far a list was read.
fn is_of_a_place(text: &[u8], start: usize) -> bool {
    let left = &text[start.saturating_sub(16)..start];
    let left = left.strip_suffix(b"_").or_else(|| left.strip_suffix(b"-")).unwrap_or(left);
    let left = left.strip_suffix(b" ").unwrap_or(left);
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
fn key_end(text: &[u8], word: &Range<usize>, key: Key) -> Option<usize> {
    let rest = text[word.end..].iter().take(24);
    let tail = rest.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let end = word.end + tail.count();
    let tail = &text[word.end..end];
    let whole = match key {
        _ if tail.is_empty() => true,
        // `auth-16:9614`: the name of a host.
        Key::Secret | Key::Password | Key::Connection => {
            (!tells_of(tail) || tail == b"_string") && !tail[1..].iter().all(u8::is_ascii_digit)
                || tail.len() == 1
        }
        Key::NationalId | Key::Ssn | Key::BirthDate | Key::Place => is_number_of(tail),
        _ => false,
    };
    whole.then_some(end)
}

/// The end of a key that has the value all the same: `passport_number`, `taxIdNo`, `dob2`.
fn is_number_of(tail: &[u8]) -> bool {
    let digits = tail.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let tail = &tail[..tail.len() - digits];
    let tail = tail.strip_prefix(b"_").or_else(|| tail.strip_prefix(b"-")).unwrap_or(tail);
    let tail = tail.strip_suffix(b"_").or_else(|| tail.strip_suffix(b"-")).unwrap_or(tail);
    [&b""[..], b"number", b"no", b"num", b"nr", b"code", b"value", b"string", b"text", b"raw"]
        .iter()
        .any(|it| tail.eq_ignore_ascii_case(it))
}

/// `dob(1990-01-05)`, `ssn[078-05-1120]`, `('email', 'a@b.example')`: the gap of a value in brackets, or of the other one of a pair.
pub(super) fn bracketed(text: &[u8], word: &Range<usize>, end: usize) -> Option<Gap> {
    let told = |at, quote| Gap { at, sign: true, quote, ..Gap::default() };
    let rest = &text[end..text.len().min(end + 96)];
    match *rest.first()? {
        open @ (b'[' | b'(') if end == word.end => {
            let close = if open == b'[' { b']' } else { b')' };
            let length = memchr::memchr(close, rest)?;
            let value = &rest[1..length];
            let plain = !value.iter().any(|byte| matches!(byte, b'(' | b'[' | b'{' | b'"' | b'\''));
            // `reset_password(self, token)`, `getPassword(user_id)`: what a function takes.
            let name = |it: &u8| it.is_ascii_alphabetic() || *it == b'_';
            let first = value.split(|it| matches!(it, b',' | b'=')).next().unwrap_or_default();
            let joined = text::before(text, word.start).is_some_and(|it| name(&it));
            let takes = first.iter().all(name) && (joined || first.len() < value.len());
            (plain && !takes && value.len() > 3 && mixed(value) > 1).then(|| told(end + 1, None))
        }
        quote @ (b'"' | b'\'') => {
            let open = text[..word.start].iter().rev().take(32).position(|byte| *byte == quote)?;
            let open = word.start - open - 1;
            let pair = matches!(text::before(text, open), Some(b'(' | b'['));
            let rest = rest[1..].strip_prefix(b", ").or_else(|| rest[1..].strip_prefix(b","))?;
            let value = (pair && rest.first() == Some(&quote)).then_some(rest)?;
            let at = end.max(text.len().min(end + 96) - value.len()) + 1;
            Some(told(at, Some(quote)))
        }
        _ => None,
    }
}

/// `password                  = "x"`: the gap with more blanks than there are between words.
fn in_columns(text: &[u8], gap: Gap) -> Gap {
    if gap.sign || !text[..gap.at].ends_with(b"          ") {
        return gap;
    }
    let rest = &text[gap.at..text.len().min(gap.at + 48)];
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    let next = text::gap(text, gap.at + blanks);
    if next.sign { next } else { gap }
}

/// `<add key="SmtpPassword" value="x">`: the gap to the value beside the key.
fn attribute(text: &[u8], end: usize) -> Option<Gap> {
    let rest = &text[end..text.len().min(end + 24)];
    let escaped = rest.first() == Some(&b'\\');
    let quote = *rest.get(usize::from(escaped))?;
    if !matches!(quote, b'"' | b'\'') {
        return None;
    }
    let rest = &rest[1 + usize::from(escaped)..];
    // `form-data; name="password"\r\n\r\nx`, as JSON has it.
    const LINES: &[u8] = b"\\r\\n\\r\\n";
    if rest.starts_with(LINES) {
        let at = end + 1 + usize::from(escaped) + LINES.len();
        return Some(Gap { at, sign: true, ..Gap::default() });
    }
    let rest = rest.strip_prefix(b" value=")?;
    let rest = if escaped { rest.strip_prefix(b"\\")? } else { rest };
    let signs = 2 * (1 + usize::from(escaped)) + b" value=".len();
    let gap = Gap { at: end + signs, sign: true, quote: Some(quote), escaped, ..Gap::default() };
    (rest.first() == Some(&quote)).then_some(gap)
}

fn password(text: &[u8], word: &Range<usize>, end: usize, gap: &Gap, found: &mut Found<'_>) {
    let option = text[..word.start].ends_with(b"--");
    let told = gap.sign || gap.quote.is_some();
    if !told && !gap.blank {
        return;
    }
    let mut gap = *gap;
    // `/etc/passwd: permission denied`: a file.
    let file = text::before(text, word.start) == Some(b'/') && gap.blank;
    if !told {
        gap.at = skip_words(
            text,
            &gap,
            &[
                b"i use is",
                b"is",
                b"was",
                b"set to",
                b"changed to",
                b"reset to",
                b"to",
                b"from",
                b"ist",
                b"es",
                b"est",
            ],
        );
    }
    let mut value = found.value(&gap);
    // `password changed: hunter2`.
    if !told && text[value.clone()].ends_with(b":") {
        gap.at = text::gap(text, value.end).at;
        value = found.value(&gap);
    }
    let bytes = &text[value.clone()];
    // `password= token=`, `password: valueFrom: name`, `PWD=/root`.
    let bare = gap.quote.is_none();
    let none = bare && gap.blank && matches!(bytes.last(), Some(b'=' | b':'));
    let directory = word.len() == 3
        && text[word.end - 1] | 0x20 == b'd'
        && matches!(bytes.first(), Some(b'/' | b'~'));
    // `passwd (1:4.13)`, "to rerun pass `--bin x`".
    let other = !gap.sign && matches!(bytes, [b'(' | b'[', ..] | [b'-', b'-', ..]) && !option;
    // `/User[x]/password: changed 'hunter2' to 'hunter3'`.
    if told && bare && bytes == b"changed" && text[value.end..].starts_with(b" '") {
        let gap = text::gap(text, value.end);
        let old = found.value(&gap);
        let next = text[old.end..].strip_prefix(b"' to '").map(|_| old.end + 5);
        found.add(old, Entity::Password);
        if let Some(next) = next {
            let new = found.value(&text::gap(text, next));
            found.add(new, Entity::Password);
        }
        return;
    }
    if none || directory || file || other || bare && is_call(bytes) || bytes.ends_with(b"(") {
        return;
    }
    // `password is hunter2`: told in words.
    let said = !told && gap.at > end + 1;
    let enough = match (told || option, gap.sign) {
        (true, _) => bytes.len() >= 3,
        _ if said && bytes.len() >= 4 && bytes.iter().all(u8::is_ascii_digit) => true,
        _ if said && bytes.iter().filter(|byte| **byte == b'-').count() > 1 => true,
        // `QypSKsTM`
        _ if said && bytes.len() >= 8 && humps(bytes) > 1 => true,
        _ if is_common(bytes) => true,
        _ if is_always(&text[word.clone()]) => bytes.len() >= 4,
        // `SetEnv DB_PASS x`
        _ if text[word.start.saturating_sub(16)..word.start]
            .windows(7)
            .any(|it| it == b"SetEnv ") =>
        {
            bytes.len() >= 4
        }
        // `password hunter2`, but not `password policy updated` or `password v1.2`.
        _ => bytes.len() >= 6 && mixed(bytes) >= 2 && !is_word_like(bytes) && !is_version(bytes),
    };
    let short_number =
        bytes.len() < 5 && bytes.iter().all(u8::is_ascii_digit) && end - word.start == 4;
    if enough && !short_number && !is_placeholder(bytes) {
        let end = value.end + usize::from(matches!(text.get(value.end), Some(b'"' | b'\'')));
        found.add(value, Entity::Password);
        // `changed from "hunter2" to "hunter3"`.
        if said && text[end..].starts_with(b" to ") {
            let gap = text::gap(text, end + 3);
            let value = found.value(&gap);
            found.add(value, Entity::Password);
        }
    }
}

/// How often a capital comes after a small letter.
fn humps(value: &[u8]) -> usize {
    let value = &value[..value.len().min(64)];
    value
        .windows(2)
        .filter(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase())
        .count()
}

/// The keys that have a password after a blank, whatever it looks like.
fn is_always(key: &[u8]) -> bool {
    const ALWAYS: &[&[u8]] =
        &[b"bindpw", b"rootpw", b"requirepass", b"masterauth", b"convertto-securestring"];
    ALWAYS.iter().any(|always| key.eq_ignore_ascii_case(always))
}

/// Passwords that many people have, and that look like words.
fn is_common(value: &[u8]) -> bool {
    #[rustfmt::skip]
    const COMMON: &[&[u8]] = &[
        b"changeme", b"letmein", b"qwerty", b"iloveyou", b"sunshine", b"princess", b"dragon", b"football", b"baseball", b"monkey", b"superman", b"trustno",
    ];
    COMMON.iter().any(|common| value.eq_ignore_ascii_case(common))
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
    if bytes.len() > 64 {
        return;
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let others = bytes
        .iter()
        .filter(|byte| {
            !byte.is_ascii_digit() && !matches!(byte, b'-' | b'.' | b' ' | b'/' | b'_' | b'+')
        })
        .count();
    if others == 0 && (digits == 9 || bytes.len() == 4 && digits == 4) {
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
            b"\xc3\xa8",
            b"\xc3\xa9",
            b"#",
        ],
    );
    if at == end {
        return;
    }
    let value = found.value(&Gap { at, ..gap });
    let bytes = &text[value.clone()];
    if (6..=24).contains(&bytes.len()) {
        let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
        let plain = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'/' | b' ' | b'+')
        };
        // `T/12345/2020`, and with a sign before it whatever is in capitals: `GARCIA<X81`.
        let capitals = gap.sign
            && digits > 0
            && bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        if (digits >= 5 || capitals) && bytes.iter().all(plain) {
            return found.add(value, Entity::NationalId);
        }
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
        bytes.split(|byte| *byte == b' ').all(|group| group.len() <= 12 && !group.is_empty());
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
