//! Mail addresses: plain, in URLs, and in words.

use std::ops::Range;

use super::Found;
use super::{people, text, tokens};
use crate::entity::Entity;

const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'%' | b'\'' | b'!' | b'~')
        || byte >= 0x80
}

const fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || byte >= 0x80
}

/// Around each `@`.
pub(super) fn plain(text: &[u8], found: &mut Found<'_>) {
    for at in memchr::memchr_iter(b'@', text) {
        let neighbours = (text::before(text, at), text.get(at + 1));
        if let (Some(b' '), Some(b' ')) = neighbours {
            around(text, at - 1..at + 2, found);
        } else if matches!(neighbours.0, None | Some(b' ' | b'"' | b'<' | b'>' | b'@')) {
            // Neither an address nor a password ends there.
        } else if !tokens::url(text, at, found) {
            around(text, at..at + 1, found);
        }
    }
}

fn around(text: &[u8], sign: Range<usize>, found: &mut Found<'_>) {
    let start = left(text, sign.start);
    let end = right(text, sign.end);
    // `git@host:path`.
    let local = &text[start..sign.start];
    let repository = text.get(end) == Some(&b':') && (local == b"git" || local == b"ngit");
    // `ssh admin@host`: an account on a machine.
    let shell = [&b"ssh "[..], b"scp ", b"sftp ", b"rsync ", b"ssh://", b"sftp://"]
        .iter()
        .any(|it| text[..start].ends_with(it));
    if start < sign.start
        && ends_in_a_domain(&text[sign.end..end])
        && !repository
        && !shell
        && !is_of_a_message(text, start, sign.start)
        && !is_of_a_machine(&text[start..end])
    {
        found.add(start..end, Entity::Email);
        const OPENS: [&[u8]; 3] = [b"<", b"<sip:", b"<mailto:"];
        let scheme = OPENS.iter().find(|it| text[..start].ends_with(it));
        if let Some(scheme) = scheme {
            people::before_mail(text, start - scheme.len(), found);
        }
    }
}

/// `Message-ID: <x@host>`, `References: <x@host> <y@host>`: the name of a message.
fn is_of_a_message(text: &[u8], start: usize, sign: usize) -> bool {
    const KEYS: &[&[u8]] = &[
        b"message-id",
        b"messageid",
        b"message_id",
        b"msgid",
        b"in-reply-to",
        b"references",
        b"content-id",
    ];
    if !text[start..sign].iter().any(u8::is_ascii_digit) {
        return false;
    }
    let mut left = &text[start.saturating_sub(160)..start];
    // Those of the same list before it.
    for _ in 0..4 {
        left = left.strip_suffix(b"<").unwrap_or(left);
        left = left.trim_ascii_end();
        let Some(before) = left.strip_suffix(b">") else { break };
        left = &before[..memchr::memrchr(b'<', before).unwrap_or(0)];
    }
    let signs = |it: &u8| matches!(it, b'=' | b':' | b' ' | b'"' | b'\\' | b'<');
    let key = left.iter().rposition(|it| !signs(it)).map_or(0, |last| last + 1);
    let (left, between) = left.split_at(key);
    let ends = |key: &&&[u8]| {
        left.len() >= key.len() && left[left.len() - key.len()..].eq_ignore_ascii_case(key)
    };
    between.iter().any(|it| matches!(it, b'=' | b':')) && KEYS.iter().any(|key| ends(&key))
}

/// `20260313171118.edf1330f44@lb2.localdomain`: of a host without a name in the world, and what a program made.
fn is_of_a_machine(address: &[u8]) -> bool {
    const INNER: &[&[u8]] = &[b".localdomain", b".local", b".internal", b".lan"];
    let digits = address.iter().take_while(|it| **it != b'@').filter(|it| it.is_ascii_digit());
    digits.count() >= 8 && INNER.iter().any(|inner| address.ends_with(inner))
}

fn left(text: &[u8], to: usize) -> usize {
    let bound = to.saturating_sub(64);
    let count = text[bound..to].iter().rev().take_while(|byte| is_local(**byte)).count();
    let mut start = to - count;
    // A quote or a percent escape before it is not a part of it.
    while start < to && matches!(text[start], b'\'' | b'.' | b'-' | b'!' | b'~') {
        start += 1;
    }
    while start + 3 <= to && text[start] == b'%' {
        start += 3;
    }
    start.min(to)
}

fn right(text: &[u8], from: usize) -> usize {
    let bound = text.len().min(from + 128);
    let count = text[from..bound].iter().take_while(|byte| is_domain(**byte)).count();
    let mut end = from + count;
    while end > from && matches!(text[end - 1], b'.' | b'-') {
        end -= 1;
    }
    end
}

fn ends_in_a_domain(domain: &[u8]) -> bool {
    // What `@` stands before in the names of files and of units.
    const FILES: &[&[u8]] = &[
        b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"js", b"css", b"jar", b"so", b"py",
        b"html", b"service", b"slice", b"scope", b"socket", b"target", b"mount", b"timer", b"java",
        b"ts", b"json", b"yaml", b"yml", b"tgz", b"zip", b"log",
    ];
    let Some(dot) = memchr::memrchr(b'.', domain) else { return false };
    let top = &domain[dot + 1..];
    let letters = top.iter().all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
    let file = FILES.iter().any(|file| top.eq_ignore_ascii_case(file));
    dot > 0 && top.len() >= 2 && (letters && !file || top.starts_with(b"xn--"))
}

/// `jane at example dot com`, `jane (at) example (dot) com`, `jane [at] example.com`.
pub(super) fn in_words(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    let Some(open) = text::before(text, word.start) else { return };
    let bracket = matches!(open, b'(' | b'[' | b'{' | b'<');
    let mut to = word.start - 1;
    let mut end = word.end;
    if bracket {
        end += 1;
        if text::before(text, to) == Some(b' ') {
            to -= 1;
        }
    } else if open != b' ' && open != b'_' {
        return;
    }
    // `parsed (at com.example`: a place in a program.
    if bracket && !matches!(text.get(end - 1), Some(b')' | b']' | b'}' | b'>')) {
        return;
    }
    if bracket && text.get(end) == Some(&b' ') || text.get(end) == Some(&open) {
        end += 1;
    } else if !bracket {
        return;
    }
    let mut start = left(text, to);
    if start == to {
        return;
    }
    for _ in 0..2 {
        match text[..start].strip_suffix(b" dot ") {
            Some(rest) if left(text, rest.len()) < rest.len() => start = left(text, rest.len()),
            _ => break,
        }
    }
    let mut dots = 0;
    loop {
        let rest = text[end.min(text.len())..].iter().take(64);
        let part = rest.take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
        if part == 0 {
            return;
        }
        end += part;
        let rest = &text[end..];
        let step = DOTS
            .iter()
            .find(|dot| rest.len() > dot.len() && rest[..dot.len()].eq_ignore_ascii_case(dot));
        let plain = (bracket || dots > 0)
            && rest.first() == Some(&b'.')
            && rest.get(1).is_some_and(u8::is_ascii_alphabetic);
        match step {
            Some(step) if dots < 4 => end += step.len(),
            _ if plain && dots < 4 => end += 1,
            _ => break,
        }
        dots += 1;
    }
    if dots > 0 {
        found.add(start..end, Entity::Email);
    }
}

const DOTS: &[&[u8]] = &[
    b" dot ", b"(dot)", b"[dot]", b" (dot) ", b" [dot] ", b"{dot}", b" punto ", b" punkt ",
    b" point ", b" ponto ", b"_dot_",
];
