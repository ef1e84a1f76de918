//! Addresses on the network, where the line tells whose they are.

use std::net::IpAddr;
use std::ops::Range;

use super::Found;
use super::text;
use crate::entity::Entity;

/// The address on the network after a word that says whose it is.
pub(super) fn after(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    if !text::begins(text, word.start) || text.get(word.end).is_some_and(u8::is_ascii_alphanumeric)
    {
        return;
    }
    let gap = text::gap(text, word.end);
    let mut at = gap.at;
    if text[at..].starts_with(b"ip ") {
        at += 3;
    }
    let bound = text.len().min(at + 48);
    let length = text[at..bound]
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))
        .count();
    let value = text[at..at + length].trim_ascii_end();
    let value = value.strip_suffix(b".").or_else(|| value.strip_suffix(b":")).unwrap_or(value);
    let Ok(value) = std::str::from_utf8(value) else { return };
    let bare = match value.rsplit_once(':') {
        Some((host, port))
            if host.contains('.') && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            host
        }
        _ => value,
    };
    if bare.parse::<IpAddr>().is_ok() {
        found.add(at..at + bare.len(), Entity::Ip);
    }
}
