//! Addresses on the network, where the line tells whose they are.

use std::net::IpAddr;
use std::ops::Range;

use super::Found;
use super::set::Within;
use super::text;
use super::words::Owner;
use crate::entity::Entity;

/// So far after a word that tells of somebody an address may be theirs.
const REACH: usize = 80;

/// Who was spoken of last.
#[derive(Debug, Default)]
pub(super) struct Whose {
    word: Range<usize>,
}

impl Whose {
    /// Somebody may be spoken of at `word`.
    pub(super) fn speak(&mut self, text: &[u8], word: Range<usize>) {
        let joined = |byte: &u8| text::is_word(*byte) || *byte == b'_';
        let within = text::before(text, word.start).is_some_and(|byte| joined(&byte));
        // `user-service-1`
        let goes_on = text.get(word.end) == Some(&b'-')
            && text.get(word.end + 1).is_some_and(u8::is_ascii_alphabetic);
        if !within && !goes_on && !text.get(word.end).is_some_and(joined) {
            self.word = word;
        }
    }

    /// True if an address at `at` may be of who was spoken of.
    #[inline]
    pub(super) fn is_near(&self, at: usize) -> bool {
        at.wrapping_sub(self.word.end) < REACH && self.word.end > 0
    }
}

/// The address on the network after a word that says whose it is.
pub(super) fn after(text: &[u8], word: Range<usize>, owner: Owner, found: &mut Found<'_>) {
    if !text::begins(text, word.start) {
        return;
    }
    let owned = match owner {
        Owner::Key => is_owned(text, &word),
        Owner::Maybe => false,
        Owner::Known | Owner::Person => true,
    };
    if owned {
        found.whose.speak(text, word.clone());
    }
    let part = |byte: &&u8| text::is_word(**byte) || matches!(**byte, b'_' | b'-' | b'.');
    let tail = match owner {
        // `source_ip_of_user`
        Owner::Key if owned => text[word.end..].iter().take(16).take_while(part).count(),
        _ => usize::from(text.get(word.end).is_some_and(u8::is_ascii_digit)),
    };
    let end = word.end + tail;
    let goes_on = text.get(end).is_some_and(|byte| text::is_word(*byte));
    if owner == Owner::Person || goes_on || owner == Owner::Key && !owned {
        return;
    }
    let gap = text::gap(text, end);
    // `caller_ip[192.0.2.7]`
    let open = matches!(text.get(gap.at), Some(b'[' | b'('));
    let mut at = gap.at + usize::from(open);
    for word in [&b"is "[..], b"was ", b"ip ", b"address "] {
        let next = text.get(at..at + word.len());
        at += next.filter(|next| next.eq_ignore_ascii_case(word)).map_or(0, <[u8]>::len);
    }
    let Some(end) = address(text, at) else { return };
    match owner {
        Owner::Key if !open && at == gap.at && !gap.sign && gap.quote.is_none() => {}
        Owner::Maybe => found.doubts.add(at..end, Entity::Ip),
        _ => found.add(at..end, Entity::Ip),
    }
}

/// The end of the address that begins at `at`.
fn address(text: &[u8], at: usize) -> Option<usize> {
    let rest = &text[at.min(text.len())..text.len().min(at + 48)];
    let signs = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let length = rest.iter().take_while(|byte| signs(byte)).count();
    let value = &rest[..length];
    let value = value.strip_suffix(b".").or_else(|| value.strip_suffix(b":")).unwrap_or(value);
    let value = std::str::from_utf8(value).ok()?;
    let bare = match value.rsplit_once(':') {
        Some((host, port))
            if host.contains('.') && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            host
        }
        _ => value,
    };
    let word = rest.get(length).is_some_and(|byte| text::is_word(*byte) || *byte == b'-');
    (!word && bare.parse::<IpAddr>().is_ok()).then_some(at + bare.len())
}

/// `member_ip`, `sourceIpOfUser`, `last.login.ip`: a key `ip` that has somebody in it.
fn is_owned(text: &[u8], word: &Range<usize>) -> bool {
    const MACHINES: &[&[u8]] = &[
        b"node", b"pod", b"server", b"host", b"local", b"target", b"gateway", b"peer", b"bind",
        b"dst",
    ];
    const PEOPLE: &[&[u8]] = &[
        b"user",
        b"customer",
        b"client",
        b"member",
        b"visitor",
        b"session",
        b"login",
        b"logon",
        b"signup",
        b"registration",
        b"registered",
        b"subscriber",
        b"caller",
        b"player",
        b"viewer",
        b"account",
        b"guest",
        b"patient",
        b"employee",
        b"home",
        b"usuario",
        b"cliente",
        b"kunden",
    ];
    let part = |byte: &&u8| text::is_word(**byte) || matches!(**byte, b'_' | b'-' | b'.');
    let spaced = text[..word.start].ends_with(b" ");
    let from = word.start - usize::from(spaced);
    let left = text[from.saturating_sub(24)..from].iter().rev().take_while(part).count();
    let right = text[word.end..].iter().take(16).take_while(part).count();
    let mut small = [0u8; 48];
    let key = &text[from - left..word.end + right];
    small[..key.len()].copy_from_slice(key);
    small.make_ascii_lowercase();
    let key = &small[..key.len()];
    static PEOPLE_IN: Within = Within::new(PEOPLE);
    static MACHINES_IN: Within = Within::new(MACHINES);
    PEOPLE_IN.any(key) && !MACHINES_IN.any(key)
}

/// An address near a word that tells of somebody; where it ends if it is theirs.
pub(super) fn near(text: &[u8], at: usize, found: &mut Found<'_>) -> Option<usize> {
    let within = |byte: u8| text::is_word(byte) || matches!(byte, b'.' | b':' | b'/' | b'-');
    let key = at >= 2 && text[at - 1] == b':' && !within(text[at - 2]);
    if text::before(text, at).is_some_and(within) && !key {
        return None;
    }
    let word = found.whose.word.clone();
    if !is_owner(&text[word.clone()]) {
        return None;
    }
    let between = &text[word.end..at];
    if between.iter().any(|byte| matches!(byte, b'\n' | b'}' | b'<' | b'>')) {
        return None;
    }
    let end = address(text, at)?;
    let port = text.get(end) == Some(&b':');
    let client = text[word.clone()].eq_ignore_ascii_case(b"client");
    let mut small = [0u8; REACH];
    let small = &mut small[..between.len()];
    small.copy_from_slice(between);
    small.make_ascii_lowercase();
    let plain = small.strip_suffix(b"\"").or_else(|| small.strip_suffix(b"'")).unwrap_or(small);
    let plain = plain.strip_suffix(b"\\").unwrap_or(plain);
    match joined(plain, &text[..word.start]) {
        // `client: 192.0.2.7, server: _`
        Some(Joined::Itself) if client && (port || !text[..word.start].ends_with(b"for ")) => {
            found.doubts.add(at..end, Entity::Ip);
            return None;
        }
        Some(_) if client && port => found.doubts.add(at..end, Entity::Ip),
        Some(_) => found.add(at..end, Entity::Ip),
        None => return None,
    }
    // `moved from 192.0.2.7 to 192.0.2.9`
    if text[end..].starts_with(b" to ")
        && let Some(next) = address(text, end + 4)
    {
        found.add(end + 4..next, Entity::Ip);
        return Some(next);
    }
    Some(end)
}

/// Of the words that names stand beside, those whose addresses are of people; phrases are all of them.
fn is_owner(word: &[u8]) -> bool {
    #[rustfmt::skip]
    const OWNERS: &[&[u8]] = &[
        b"user", b"customer", b"client", b"visitor", b"guest", b"subscriber", b"employee", b"patient", b"student", b"cliente", b"usuario",
        b"usu\xc3\xa1rio", b"utilisateur", b"kunde", b"kundin", b"benutzer", b"nutzer", b"player", b"shopper", b"viewer", b"abonne", b"abonn\xc3\xa9", b"email", b"e-mail", b"account",
    ];
    word.contains(&b' ') || OWNERS.iter().any(|owner| word.eq_ignore_ascii_case(owner))
}

#[derive(PartialEq, Eq)]
enum Joined {
    /// Nothing but a sign is in between.
    Itself,
    Told,
}

/// How an address is joined to whom it is of; `None` if it is not. `between` is in small letters.
fn joined(between: &[u8], before: &[u8]) -> Option<Joined> {
    let ends = |with: &[&[u8]]| with.iter().any(|with| between.ends_with(with));
    if between.len() <= 3 && between.iter().all(|byte| matches!(byte, b' ' | b':' | b'=' | b'"')) {
        return Some(Joined::Itself);
    }
    // `for invalid user x from`: nobody that is known.
    // `failures for guest from`: the name of an account.
    let named = between == b" from " && before.ends_with(b"for ");
    const NOBODY: [&[u8]; 3] = [b"invalid ", b"unknown ", b"invalid user "];
    if named || NOBODY.iter().any(|with| before.ends_with(with)) {
        return None;
    }
    #[rustfmt::skip]
    const OTHERS: &[&[u8]] = &[
        b"server", b"host", b"upstream", b"peer", b"node", b"proxy", b"attempt", b"failed", b"->", b" via ", b"src", b"dst", b"port", b"gateway", b"listen", b"bind",
        b"@0x", b"connect to", b"session 0x", b"file", b"failure", b"connection", b"error", b"handshake",
    ];
    if OTHERS.iter().any(|other| memchr::memmem::find(between, other).is_some()) {
        return None;
    }
    #[rustfmt::skip]
    let key = ends(&[b" ip=", b",ip=", b" ip: ", b"\"ip\":", b"\"ip\": ", b"\"address\":", b"\"address\": ", b" addr=", b"ip\\\":"]);
    let said = ends(&[
        b" from ",
        b" from ip ",
        b" from address ",
        b" desde ",
        b" desde la ip ",
        b" depuis ",
        b" depuis l'ip ",
        b" von ",
        b" ip ",
        b"'s address ",
        b" address ",
        b" address = ",
        b" (from ",
        b" is ",
        b" was ",
        b" got ",
        b" @ ",
        b" at ",
    ]) || between.len() <= 48 && between.ends_with(b" (") && !between.contains(&b'=');
    (key || said).then_some(Joined::Told)
}
