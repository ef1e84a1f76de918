//! Tokens that their form tells: vendors' prefixes, JSON web tokens, private keys, passwords in URLs.

use std::ops::Range;

use super::Found;
use super::secret::{is_placeholder, is_random};
use super::text;
use super::words::Token;
use crate::entity::Entity;

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The last run of a token's bytes that was read, so that one of nothing but prefixes is not read for each of them.
#[derive(Debug, Default)]
pub(super) struct Run {
    range: Range<usize>,
    /// Where its next digit is.
    digit: usize,
}

impl Run {
    /// What of a run goes on from `at`.
    fn from(&mut self, text: &[u8], at: usize) -> Range<usize> {
        let known = self.range.contains(&at);
        if !known {
            let run = text[at..].iter().take_while(|byte| is_token(**byte) || **byte == b'.');
            self.range = at..at + run.count();
        }
        if !known || self.digit < at {
            let rest = &text[at..self.range.end];
            let digit = rest.iter().position(u8::is_ascii_digit).unwrap_or(rest.len());
            self.digit = at + digit;
        }
        at..self.range.end
    }
}

pub(super) fn at(text: &[u8], word: Range<usize>, token: Token, found: &mut Found<'_>) {
    match token {
        Token::Prefix { least } => {
            if text::before(text, word.start).is_some_and(text::is_word) {
                return;
            }
            let length = found.token.from(text, word.end).len();
            let value = &text[word.end..word.end + length];
            let value = value.strip_suffix(b".").unwrap_or(value);
            if value.len() >= least as usize
                && found.token.digit < word.end + value.len()
                && value.iter().any(u8::is_ascii_alphabetic)
            {
                let end = word.end + value.len();
                // `ATATT3...=5271ECOA`: with a sum of it.
                let sum = text.get(end) == Some(&b'=')
                    && text[word.start..end].starts_with(b"AT")
                    && run(text, end + 1, |byte| byte.is_ascii_hexdigit()) == 8;
                found.add(word.start..if sum { end + 9 } else { end }, Entity::ApiKey);
            }
        }
        Token::Capitals { count } => {
            let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            let length = run(text, word.end, capital);
            let alone = !text::before(text, word.start).is_some_and(text::is_word)
                && !text.get(word.end + length).is_some_and(|byte| text::is_word(*byte));
            if length == usize::from(count) && alone && text[word.start].is_ascii_uppercase() {
                found.add(word.start..word.end + length, Entity::ApiKey);
            }
        }
        Token::Jwt => jwt(text, word, found),
        Token::Pem => pem(text, word, found),
        Token::Path => {
            let part = |byte: u8| is_token(byte) || matches!(byte, b'/' | b':' | b'@' | b'.');
            let length = run(&text[..text.len().min(word.end + 160)], word.end, part);
            if length >= 16 && text[word.end..word.end + length].iter().any(u8::is_ascii_digit) {
                found.add(word.end..word.end + length, Entity::ApiKey);
            }
        }
        Token::Crypt => crypt(text, word.start, found),
        Token::Code => code(text, word, found),
    }
}

fn run(text: &[u8], from: usize, is: impl Fn(u8) -> bool) -> usize {
    text[from..].iter().take(4096).take_while(|byte| is(**byte)).count()
}

/// `?code=x&state=y`: what a browser brings back from where somebody signed in.
fn code(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    if !matches!(text::before(text, word.start), Some(b'?' | b'&')) {
        return;
    }
    let part = |byte: u8| is_token(byte) || matches!(byte, b'.' | b'/' | b'%' | b'~');
    let length = run(&text[..text.len().min(word.end + 512)], word.end, part);
    let value = word.end..word.end + length;
    let left = &text[word.start.saturating_sub(96)..word.start];
    let after = text[value.end..].starts_with(b"&state=");
    if length >= 10
        && is_random(&text[value.clone()])
        && (after || memchr::memmem::find(left, b"state=").is_some())
    {
        found.add(value, Entity::Secret);
    }
}

/// The hash of a password as crypt(5) has it, `$6$salt$hash`: its method begins at `method`, or a digit after.
pub(super) fn crypt(text: &[u8], method: usize, found: &mut Found<'_>) {
    let from = method.saturating_sub(2);
    let Some(dollar) = text[from..method].iter().rposition(|byte| *byte == b'$') else { return };
    let start = from + dollar;
    let part = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'$' | b'.' | b'/' | b'=' | b',' | b'+' | b'-')
    };
    // One within another is not gone through again.
    if text::before(text, start).is_some_and(|byte| byte != b'=' && part(byte)) {
        return;
    }
    let length = run(&text[..text.len().min(start + 192)], start, part);
    let value = &text[start..start + length];
    let parts = memchr::memchr_iter(b'$', value).count();
    if parts >= 3 && length >= 24 {
        found.add(start..start + length, Entity::Password);
    }
}

fn jwt(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    if text::before(text, word.start).is_some_and(is_token) || &text[word.clone()] != b"eyJ" {
        return;
    }
    let length = run(text, word.end, |byte| is_token(byte) || byte == b'.' || byte == b'=');
    let whole = &text[word.start..word.end + length];
    let whole = whole.strip_suffix(b".").unwrap_or(whole);
    let parts = whole.split(|byte| *byte == b'.').filter(|part| part.len() >= 4).count();
    if parts >= 2 && whole.len() >= 24 || whole.len() >= 60 {
        found.add(word.start..word.start + whole.len(), Entity::Jwt);
    }
}

fn pem(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    if !text[..word.start].ends_with(b"-----") {
        return;
    }
    let word = word.start - 5..word.end;
    let window = &text[word.start..text.len().min(word.start + 64)];
    let Some(key) = memchr::memmem::find(window, b"PRIVATE KEY") else { return };
    let rest = &text[word.start..text.len().min(word.start + (16 << 10))];
    // A key has no quote in it: in JSON it ends with its string.
    let rest = &rest[..memchr::memchr(b'"', rest).unwrap_or(rest.len())];
    let rest = rest.strip_suffix(b"\\").unwrap_or(rest);
    if rest.len() <= key {
        return;
    }
    let end = match memchr::memmem::find(&rest[key..], b"-----END") {
        Some(at) => {
            let from = key + at + 8;
            from + rest[from..].windows(5).position(|five| five == b"-----").map_or(0, |at| at + 5)
        }
        None => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
    };
    found.add(word.start..word.start + end, Entity::PrivateKey);
}

/// `-pSECRET`, `-p SECRET`, `-u user:SECRET` after the name of a program that takes a password there.
pub(super) fn program(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    let rest = &text[word.end..text.len().min(word.end + 160)];
    let rest = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
    let name = &text[word.clone()];
    if name.eq_ignore_ascii_case(b"chpasswd") {
        return chpasswd(text, word, found);
    }
    if name.eq_ignore_ascii_case(b"net user") {
        return net_user(text, word.end, rest, found);
    }
    let first = name[0].to_ascii_lowercase();
    let user = first == b'c';
    let option: &[u8] = match first {
        b'c' => b" -u",
        b'r' => b" -a",
        b'l' => b" -w",
        b'n' => b" /user:",
        b'b' => b" -P",
        b's' if name[1] | 0x20 == b'q' => b" -P",
        b's' if name[1] | 0x20 == b'c' => b" /rp",
        _ => b" -p",
    };
    let Some(at) = memchr::memmem::find(rest, option) else { return };
    let mut from = at + option.len();
    // `net use ... /user:jane x`
    if first == b'n' {
        from += rest[from..].iter().take_while(|byte| **byte != b' ').count();
    }
    // After a blank, `mysql` and `mariadb` have a database, and ask for the password.
    let attached = first == b'm' && text[word.start + 1] | 0x20 != b'o';
    while !attached && matches!(rest.get(from), Some(b' ' | b'=')) {
        from += 1;
    }
    if matches!(rest.get(from), Some(b'\'' | b'"')) {
        from += 1;
    }
    let length =
        rest[from..].iter().take_while(|byte| !matches!(byte, b' ' | b'\'' | b'"')).count();
    let mut value = from..from + length;
    if user {
        let Some(colon) = memchr::memchr(b':', &rest[value.clone()]) else { return };
        value.start += colon + 1;
    }
    // `-p 8080:80`, `-P 3306` and directories are none.
    let bytes = &rest[value.clone()];
    let number = bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b':');
    if value.len() >= 3 && !number && bytes[0] != b'-' && bytes[0] != b'/' && !is_placeholder(bytes)
    {
        found.add(word.end + value.start..word.end + value.end, Entity::Password);
    }
}

/// `net user jane x /add`, where `rest` is what comes after the program.
fn net_user(text: &[u8], at: usize, rest: &[u8], found: &mut Found<'_>) {
    let mut parts = rest.split(|byte| *byte == b' ').skip(1);
    let (Some(name), Some(value), Some(next)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let start = at + name.len() + 2;
    let option = |part: &[u8]| part.first() == Some(&b'/');
    if !name.is_empty() && value.len() >= 3 && !option(name) && !option(value) && option(next) {
        let value = start..start + value.len();
        if !is_placeholder(&text[value.clone()]) {
            found.add(value, Entity::Password);
        }
    }
}

/// `input 'jane:x'` after it, or `echo "jane:x" |` before it.
fn chpasswd(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    let quoted = |window: Range<usize>| {
        let part = &text[window.clone()];
        let part = &part[..memchr::memchr(b'\n', part).unwrap_or(part.len())];
        let open = part.iter().position(|byte| matches!(byte, b'\'' | b'"'))?;
        let length = memchr::memchr(part[open], &part[open + 1..])?;
        let colon = memchr::memchr(b':', &part[open + 1..][..length])?;
        let start = window.start + open + 1;
        Some(start + colon + 1..start + length)
    };
    let left = word.start.saturating_sub(96);
    let echo = memchr::memmem::rfind(&text[left..word.start], b"echo ");
    let piped = echo.and_then(|echo| quoted(left + echo..word.start));
    let Some(value) = piped.or_else(|| quoted(word.end..text.len().min(word.end + 128))) else {
        return;
    };
    let bytes = &text[value.clone()];
    if bytes.len() >= 3 && !bytes.contains(&b' ') && !is_placeholder(bytes) {
        found.add(value, Entity::Password);
    }
}

/// `scheme://user:password@host`, where `sign` is the place of the `@`: the password.
pub(super) fn url(text: &[u8], sign: usize, found: &mut Found<'_>) -> bool {
    let from = sign.saturating_sub(160);
    let left = &text[from..sign];
    let left = &left[memchr::memrchr(b'@', left).map_or(0, |at| at + 1)..];
    // Most have no URL before them.
    if !memchr::memrchr_iter(b'/', left).any(|at| left[..at].ends_with(b":/")) {
        return false;
    }
    // A password may hold what else ends it, but no blank.
    let stop = left
        .iter()
        .rposition(|byte| matches!(byte, b' ' | b'\n' | b'"' | b'\'' | b'<' | b'>' | b'@'));
    let left = &left[stop.map_or(0, |at| at + 1)..];
    let Some(slashes) = memchr::memmem::rfind(left, b"://") else { return false };
    let user = &left[slashes + 3..];
    let Some(colon) = memchr::memchr(b':', user) else {
        return !user.contains(&b'/') && !user.contains(&b'?');
    };
    if user[..colon].contains(&b'/') || user[..colon].contains(&b'?') {
        return false;
    }
    let password = &user[colon + 1..];
    if !matches!(password, b"PASSWORD" | b"PASS" | b"PWD") && !is_placeholder(password) {
        found.add(sign - password.len()..sign, Entity::Password);
        let start = sign - user.len() - 3;
        if let Some(scheme) = of_a_store(&text[from..start]) {
            found.add(start - scheme..connection_end(text, sign), Entity::ConnectionString);
        }
    }
    true
}

/// How long the scheme is that ends there, with `jdbc:` before it, if it is one of a database or a queue.
fn of_a_store(left: &[u8]) -> Option<usize> {
    #[rustfmt::skip]
    const STORES: &[&[u8]] = &[
        b"postgres", b"postgresql", b"mysql", b"mariadb", b"mongodb", b"redis", b"rediss", b"amqp", b"amqps", b"mssql", b"sqlserver", b"oracle", b"clickhouse", b"cockroachdb",
        b"kafka", b"nats", b"memcached", b"cassandra", b"couchdb", b"neo4j", b"bolt", b"ldap", b"ldaps", b"sqlite", b"db2", b"snowflake", b"redshift", b"valkey",
    ];
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'+';
    let length = left.iter().rev().take(24).take_while(part).count();
    let scheme = &left[left.len() - length..];
    let base = scheme.split(|byte| *byte == b'+').next()?;
    let store = STORES.iter().any(|store| base.eq_ignore_ascii_case(store));
    let jdbc = left[..left.len() - length].ends_with(b"jdbc:");
    store.then_some(length + if jdbc { 5 } else { 0 })
}

/// Where a connection string ends whose `@` is at `sign`.
fn connection_end(text: &[u8], sign: usize) -> usize {
    let rest = &text[sign..text.len().min(sign + 256)];
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace()
            || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b')' | b']' | b'}' | b'\\' | b';')
    };
    let length = rest.iter().position(ends).unwrap_or(rest.len());
    let value = &rest[..length];
    sign + value.len()
        - value.iter().rev().take_while(|it| matches!(it, b',' | b'.' | b':')).count()
}
