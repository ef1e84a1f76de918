//! Tokens that their form tells: vendors' prefixes, JSON web tokens, private keys, passwords in URLs.

use std::ops::Range;

use super::Found;
use super::text;
use super::words::Token;
use crate::entity::Entity;

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

pub(super) fn at(text: &[u8], word: Range<usize>, token: Token, found: &mut Found<'_>) {
    match token {
        Token::Prefix { least } => {
            if text::before(text, word.start).is_some_and(text::is_word) {
                return;
            }
            let length = run(text, word.end, |byte| is_token(byte) || byte == b'.');
            let value = &text[word.end..word.end + length];
            let value = value.strip_suffix(b".").unwrap_or(value);
            if value.len() >= least as usize
                && value.iter().any(u8::is_ascii_digit)
                && value.iter().any(u8::is_ascii_alphabetic)
            {
                found.add(word.start..word.end + value.len(), Entity::ApiKey);
            }
        }
        Token::Jwt => jwt(text, word, found),
        Token::Pem => pem(text, word, found),
        Token::Url => url(text, word, found),
    }
}

fn run(text: &[u8], from: usize, is: impl Fn(u8) -> bool) -> usize {
    text[from..].iter().take(4096).take_while(|byte| is(**byte)).count()
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
    let window = &text[word.start..text.len().min(word.start + 64)];
    let Some(key) = memchr::memmem::find(window, b"PRIVATE KEY") else { return };
    let rest = &text[word.start..text.len().min(word.start + (16 << 10))];
    let end = match memchr::memmem::find(&rest[key..], b"-----END") {
        Some(at) => {
            let from = key + at + 8;
            from + rest[from..].windows(5).position(|five| five == b"-----").map_or(0, |at| at + 5)
        }
        None => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
    };
    found.add(word.start..word.start + end, Entity::PrivateKey);
}

/// `scheme://user:password@host`: the password.
fn url(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    let rest = &text[word.end..text.len().min(word.end + 512)];
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b' ' | b'\n' | b'"' | b'\'' | b'<' | b'>'))
        .unwrap_or(rest.len());
    let Some(sign) = memchr::memrchr(b'@', &rest[..end]) else { return };
    let Some(colon) = memchr::memchr(b':', &rest[..sign]) else { return };
    if rest[colon + 1..sign].iter().any(|byte| *byte != b'*') {
        let from = word.end + colon + 1;
        found.add(from..word.end + sign, Entity::Password);
    }
}
