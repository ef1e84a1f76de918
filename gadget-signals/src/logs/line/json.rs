//! As much of JSON as log lines need: the members of the outermost object, and strings without their escapes.

use memchr::{memchr, memchr2};

/// A value as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// What is between the quotes, escapes and all.
    String(&'a [u8]),
    /// A number, `true`, `false` or `null`.
    Bare(&'a [u8]),
    /// An object or a list.
    Nested,
}

impl<'a> Value<'a> {
    /// The text of a string or of a bare value.
    pub(crate) const fn text(self) -> Option<&'a [u8]> {
        match self {
            Self::String(text) | Self::Bare(text) => Some(text),
            Self::Nested => None,
        }
    }
}

/// The members of the object that a text begins with, in order; ends at the first thing that is no JSON. Nested ones are skipped,
/// however deep, without recursion.
pub(crate) struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Members<'a> {
    pub(crate) fn of(text: &'a [u8]) -> Option<Self> {
        let at = space(text, 0);
        (text.get(at) == Some(&b'{')).then_some(Self { text, at: at + 1 })
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at + 1;
        self.at = string_end(self.text, start)? + 1;
        Some(&self.text[start..self.at - 1])
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.at = space(self.text, self.at);
        if self.text.get(self.at) == Some(&b',') {
            self.at = space(self.text, self.at + 1);
        }
        if self.text.get(self.at) != Some(&b'"') {
            return None;
        }
        let key = self.string()?;
        self.at = space(self.text, self.at);
        if self.text.get(self.at) != Some(&b':') {
            return None;
        }
        self.at = space(self.text, self.at + 1);
        let value = match self.text.get(self.at)? {
            b'"' => Value::String(self.string()?),
            b'{' | b'[' => {
                self.at = nested_end(self.text, self.at)?;
                Value::Nested
            }
            _ => {
                let rest = &self.text[self.at..];
                let end = rest.iter().position(|byte| b",}] \t".contains(byte))?;
                self.at += end;
                Value::Bare(&rest[..end])
            }
        };
        Some((key, value))
    }
}

fn space(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
}

/// Where the quote is that ends the string whose text begins at `at`.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Behind the bracket that closes the one at `at`.
fn nested_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'"' => at = string_end(text, at + 1)?,
            _ => {}
        }
        at += 1;
    }
}

/// Appends the text that `escaped` stands for. False if an escape stands for no character: U+FFFD is in its place.
pub(crate) fn unescape(mut escaped: &[u8], out: &mut Vec<u8>) -> bool {
    let mut valid = true;
    while let Some(at) = memchr(b'\\', escaped) {
        out.extend_from_slice(&escaped[..at]);
        escaped = &escaped[at + 1..];
        let Some((&kind, rest)) = escaped.split_first() else {
            out.extend_from_slice("\u{fffd}".as_bytes());
            return false;
        };
        escaped = rest;
        out.push(match kind {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'u' => {
                let (character, length) = unicode(rest);
                escaped = &rest[length..];
                valid &= character.is_some();
                let mut utf8 = [0; 4];
                let text = character.unwrap_or('\u{fffd}').encode_utf8(&mut utf8);
                out.extend_from_slice(text.as_bytes());
                continue;
            }
            other => other,
        });
    }
    out.extend_from_slice(escaped);
    valid
}

/// The character behind `\u`, and how many bytes it takes, a second `\u` of a pair included.
fn unicode(text: &[u8]) -> (Option<char>, usize) {
    let unit = |text: Option<&[u8]>| {
        text?
            .iter()
            .try_fold(0_u32, |value, &byte| Some(value << 4 | char::from(byte).to_digit(16)?))
    };
    let Some(high) = unit(text.get(..4)) else { return (None, 0) };
    if (0xd800..0xdc00).contains(&high)
        && text.get(4..6) == Some(br"\u")
        && let Some(low @ 0xdc00..0xe000) = unit(text.get(6..10))
    {
        return (char::from_u32(0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00))), 10);
    }
    (char::from_u32(high), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Vec<(&[u8], Value<'_>)> {
        Members::of(text.as_bytes()).into_iter().flatten().collect()
    }

    #[test]
    fn only_the_outermost_members_are_seen() {
        let text =
            r#" { "a" : {"level":"x","b":["]\"",{}]}, "level":"info" ,"n":30,"e":"\\","t":true}"#;
        let expected: Vec<(&[u8], Value<'_>)> = vec![
            (b"a", Value::Nested),
            (b"level", Value::String(b"info")),
            (b"n", Value::Bare(b"30")),
            (b"e", Value::String(br"\\")),
            (b"t", Value::Bare(b"true")),
        ];
        assert_eq!(members(text), expected);
    }

    #[test]
    fn what_breaks_off_ends_the_members() {
        for text in
            ["{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":\"\\", "{\"a\":[[", "[1]", "{a:1}"]
        {
            assert_eq!(members(text), [], "{text}");
        }
        assert!(members(&format!("{{\"a\":{}", "[".repeat(1 << 20))).is_empty());
    }

    #[test]
    fn escapes_are_undone_and_broken_ones_replaced() {
        let unescaped = |text: &str| {
            let mut out = Vec::new();
            let valid = unescape(text.as_bytes(), &mut out);
            (String::from_utf8(out).unwrap(), valid)
        };
        assert_eq!(unescaped(r#"a\"b\\n\n\t\/"#), ("a\"b\\n\n\t/".into(), true));
        assert_eq!(unescaped(r"\u00e9\ud83d\ude00\u001b[0m"), ("é😀\u{1b}[0m".into(), true));
        assert_eq!(unescaped(r"\ud83dx \uzz \"), ("\u{fffd}x \u{fffd}zz \u{fffd}".into(), false));
    }
}
