//! Lines as text: valid UTF-8 without NUL bytes and without the escapes of terminals.

use gadget_core::LogFlags;
use memchr::memchr2;

const ESCAPE: u8 = 0x1b;

/// `raw` without the carriage return at its end, what is no UTF-8 replaced by U+FFFD and each NUL by its picture U+2400, so that it
/// neither vanishes nor glues words together; with `plain` also without the escapes of terminals, which would part what belongs
/// together. What had to be changed is put together in `scratch`.
pub(super) fn clean<'a>(
    raw: &'a [u8],
    plain: bool,
    scratch: &'a mut Vec<u8>,
    flags: &mut LogFlags,
) -> &'a [u8] {
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    let valid = std::str::from_utf8(raw).is_ok();
    let special = memchr2(ESCAPE, 0, raw);
    if valid && special.is_none() {
        return raw;
    }
    scratch.clear();
    for chunk in raw.utf8_chunks() {
        characters(chunk.valid().as_bytes(), plain, scratch, flags);
        if !chunk.invalid().is_empty() {
            *flags = flags.with(LogFlags::REPLACED);
            scratch.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    scratch
}

fn characters(mut text: &[u8], plain: bool, out: &mut Vec<u8>, flags: &mut LogFlags) {
    while let Some(at) = memchr2(ESCAPE, 0, text) {
        out.extend_from_slice(&text[..at]);
        text = &text[at..];
        let length = if text[0] == 0 {
            *flags = flags.with(LogFlags::REPLACED);
            out.extend_from_slice("\u{2400}".as_bytes());
            1
        } else {
            let length = escape(text);
            if !plain {
                out.extend_from_slice(&text[..length]);
            }
            length
        };
        text = &text[length..];
    }
    out.extend_from_slice(text);
}

/// How long the escape is that `text` begins with (ECMA-48): one that is not finished is the escape character alone.
fn escape(text: &[u8]) -> usize {
    match text.get(1) {
        // CSI: parameters, then what is between, then one final byte.
        Some(b'[') => {
            let parameters =
                text.iter().skip(2).take_while(|&&byte| (b' '..=b'?').contains(&byte)).count();
            match text.get(2 + parameters) {
                Some(b'@'..=b'~') => parameters + 3,
                _ => 1,
            }
        }
        // OSC: a title, a link; up to BEL or ST.
        Some(b']') => match memchr2(7, ESCAPE, &text[2..]) {
            Some(end) if text[2 + end] == 7 => end + 3,
            Some(end) if text.get(3 + end) == Some(&b'\\') => end + 4,
            _ => 1,
        },
        Some(b'(' | b')') if text.get(2).is_some_and(u8::is_ascii) => 3,
        Some(b'0'..=b'~') => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(raw: &[u8], plain: bool) -> (String, bool) {
        let (mut scratch, mut flags) = (Vec::new(), LogFlags::default());
        let text = clean(raw, plain, &mut scratch, &mut flags).to_vec();
        (String::from_utf8(text).unwrap(), flags.has(LogFlags::REPLACED))
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(cleaned(b"a\xffb\xc3", true), ("a\u{fffd}b\u{fffd}".into(), true));
        assert_eq!(cleaned(b"pass\0word", true), ("pass\u{2400}word".into(), true));
        assert_eq!(cleaned("é ok\r".as_bytes(), true), ("é ok".into(), false));
    }

    #[test]
    fn escapes_of_terminals_are_taken_out_where_that_is_wanted() {
        for (raw, text) in [
            ("\x1b[1;31mERROR\x1b[0m: x", "ERROR: x"),
            ("4111\x1b[K 1111", "4111 1111"),
            ("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link", "xlink"),
            ("\x1b(Bx\x1b7y", "xy"),
            ("a\x1b", "a"),
            ("a\x1b[12", "a[12"),
            ("a\x1b]never ended", "a]never ended"),
            ("\x1béx", "éx"),
            ("\x1b(é", "(é"),
            ("\x1b[é", "[é"),
        ] {
            assert_eq!(cleaned(raw.as_bytes(), true), (text.into(), false), "{raw:?}");
            assert_eq!(cleaned(raw.as_bytes(), false).0, raw);
        }
    }
}
