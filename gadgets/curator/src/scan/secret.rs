//! What values look like: random, like a word, masked.

/// How many of lower case, upper case, digits and others there are.
pub(super) fn mixed(value: &[u8]) -> usize {
    let value = &value[..value.len().min(128)];
    let has = |is: fn(&u8) -> bool| usize::from(value.iter().any(is));
    has(u8::is_ascii_lowercase)
        + has(u8::is_ascii_uppercase)
        + has(u8::is_ascii_digit)
        + has(u8::is_ascii_punctuation)
}

pub(super) fn is_word_like(value: &[u8]) -> bool {
    let body = value.strip_suffix(b".").or_else(|| value.strip_suffix(b":")).unwrap_or(value);
    body.iter().skip(1).all(u8::is_ascii_lowercase)
        || body.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
        || !body.iter().any(u8::is_ascii_digit)
            && body.iter().all(|byte| {
                byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b'/' | b'\'')
            })
}

/// `1.2.3`, `v18.20`, `24.3.1785-SNAPSHOT`, `2.22-1ubuntu2`.
pub(super) fn is_version(value: &[u8]) -> bool {
    let rest = value.strip_prefix(b"v").unwrap_or(value);
    let number = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let dots = rest[..number].iter().filter(|byte| **byte == b'.').count();
    number == rest.len()
        || dots > 0 && matches!(rest[number], b'-' | b'+') && rest.len() < number + 16
        || dots > 1 && rest[number..].starts_with(b"el")
}

/// `/etc/keys/prod`, `9614/index/column`, `C:\\keys`: where something is, and no secret itself.
pub(super) fn is_path(value: &[u8]) -> bool {
    let slashes = memchr::memchr_iter(b'/', value).take(64).count();
    let port = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    value.first() == Some(&b'/') && slashes > 1 && value.len() < 16 * slashes
        || (2..=5).contains(&port) && value.get(port) == Some(&b'/')
        || value.get(1..3) == Some(b":\\")
}

/// Words and short numbers with single signs in between: `checksum-04`, `pool-12-thread-3`.
pub(super) fn is_of_words(value: &[u8]) -> bool {
    let value = &value[..value.len().min(128)];
    value.split(|byte| matches!(byte, b'-' | b'_' | b'.' | b'/')).all(|part| {
        part.iter().all(u8::is_ascii_lowercase)
            || part.len() < 5 && part.iter().all(u8::is_ascii_digit)
    })
}

/// What somebody chose: of three kinds of signs at least, or words joined by dashes.
pub(super) fn is_chosen(value: &[u8]) -> bool {
    if !(4..=64).contains(&value.len()) {
        return false;
    }
    let printed = value.iter().all(u8::is_ascii_graphic);
    let ends = !value.iter().any(|byte| matches!(byte, b'{' | b'(' | b'<'));
    printed
        && ends
        && (mixed(value) >= 3 || value.iter().any(u8::is_ascii_digit) || is_of_words(value))
        && !value.iter().all(u8::is_ascii_digit)
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
        b"unchanged",
        b"protected",
        b"encrypted",
        b"secret",
        b"omitted",
        b"removed",
        b"sensitive",
        b"unavailable",
        b"default",
        b"string",
        b"boolean",
        b"integer",
        b"varchar",
        b"text",
        b"optional",
        b"self",
        b"permission",
        b"denied",
        b"known",
    ];
    let value = value.trim_ascii();
    // `<password>`, `[PROTECTED]`, and so escaped.
    let framed = |open: &[u8], close: &[u8]| {
        let inner = value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        inner.is_some_and(|it| it.iter().all(|byte| !byte.is_ascii_digit()))
    };
    let frames = [(&b"<"[..], &b">"[..]), (b"[", b"]"), (b"%3C", b"%3E"), (b"%5B", b"%5D")];
    let starred = [&b"***"[..], b"%2A%2A%2A", b"\xe2\x80\xa2\xe2\x80\xa2"];
    let start = &value[..value.len().min(64)];
    if frames.iter().any(|(open, close)| framed(open, close))
        || starred.iter().any(|stars| memchr::memmem::find(start, stars).is_some())
    {
        return true;
    }
    let fill = |byte: &u8| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'-' | b'_' | b'#');
    // `XXXX-XXXX-XXXX-9911`: all but the last four.
    let masked = value.len() >= 12 && value[..value.len() - 4].iter().all(fill);
    masked
        || value.iter().take(64).all(fill)
        || value.starts_with(b"${")
        || value.starts_with(b"$(")
        || value.starts_with(b"{{")
        || value.starts_with(b"%(")
        || is_variable(value)
        || PLACEHOLDERS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// `$DB_PASS`, `%PASS%`, `$password`, `:password`, `var.db_password`: the name of what has the value.
fn is_variable(value: &[u8]) -> bool {
    let named = |name: &[u8]| {
        let name = &name[..name.len().min(64)];
        let within = |what: &[u8]| name.windows(what.len()).any(|it| it.eq_ignore_ascii_case(what));
        [&b"pass"[..], b"pwd", b"secret", b"token", b"key"].iter().any(|what| within(what))
    };
    let capitals = |name: &[u8]| {
        name.first().is_some_and(u8::is_ascii_uppercase)
            && name.iter().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || *it == b'_')
    };
    let letters =
        |name: &[u8]| name.iter().all(|it| it.is_ascii_alphabetic() || matches!(it, b'_' | b'.'));
    match value {
        [b'$', name @ ..] if name.starts_with(b"env:") => true,
        [b'$', name @ ..] => capitals(name) || letters(name) && named(name),
        [b'%', name @ .., b'%'] => capitals(name),
        [b':' | b'@', name @ ..] => letters(name) && named(name),
        [b'#', b'{', ..] | [b'<', b'%', ..] => true,
        _ => {
            let last = memchr::memrchr(b'.', value).map_or(0, |dot| dot + 1);
            last > 2 && value[0].is_ascii_lowercase() && letters(value) && named(&value[last..])
        }
    }
}

/// `generate_password(length=`: what a program calls, as far as a value goes.
pub(super) fn is_call(value: &[u8]) -> bool {
    let name = value
        .iter()
        .take(48)
        .take_while(|it| it.is_ascii_alphabetic() || matches!(it, b'_' | b'.'));
    let name = name.count();
    name > 3 && value.get(name) == Some(&b'(')
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
    // `CZQeVUGYvxALk8rMkqwDLB`: capitals and small letters change too often for words.
    let turns = value
        .windows(2)
        .filter(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase())
        .count();
    let jagged = value.len() >= 16 && turns > 3 && turns * 5 >= value.len();
    jagged
        || letters >= 3 && (digits >= 2 || long || all)
        || value.len() >= 16 && value.iter().all(u8::is_ascii_uppercase)
}
