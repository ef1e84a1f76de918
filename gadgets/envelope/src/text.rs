//! Names of processes may be any bytes; texts of protobuf are UTF-8.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `bytes` as a text: what is not part of UTF-8 becomes `\xHH`, and a backslash two of them. [`unescape`] gives the bytes back.
///
/// ```
/// # use gadget_envelope::{escape, unescape};
/// assert_eq!(escape(b"nginx"), "nginx");
/// assert_eq!(escape(b"a\xffb\\"), r"a\xffb\\");
/// assert_eq!(unescape(r"a\xffb\\").as_deref(), Some(&b"a\xffb\\"[..]));
/// ```
#[must_use]
pub fn escape(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes)
        && !text.contains('\\')
    {
        return text.into();
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for (at, part) in chunk.valid().split('\\').enumerate() {
            if at > 0 {
                text.push_str("\\\\");
            }
            text.push_str(part);
        }
        for byte in chunk.invalid() {
            // A string takes whatever it is given.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.into()
}

/// The bytes that [`escape`] was given; none if it cannot have made `text`.
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&next, tail) = rest.split_first()?;
        rest = tail;
        match next {
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                // A sign would parse.
                let digits = str::from_utf8(digits).ok().filter(|it| !it.starts_with('+'))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = tail;
            }
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_is_not_copied() {
        assert!(matches!(escape("größe 1".as_bytes()), Cow::Borrowed("größe 1")));
    }

    #[test]
    fn what_escape_cannot_make_is_not_bytes() {
        for text in [r"\", r"\x", r"\xf", r"\xgg", r"\x+f", r"\n", "\\xé"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\\'), Just(b'x')], 0..40)) {
            prop_assert_eq!(unescape(&escape(&bytes)), Some(bytes));
        }
    }
}
