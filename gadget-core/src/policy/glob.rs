//! Patterns with `*`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A pattern in which `*` stands for any run of characters, none and `/` included; everything else stands for itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(Box<str>);

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 256;

impl Glob {
    /// From its text.
    ///
    /// # Errors
    /// Says why an empty pattern, or one of more than 256 bytes, is refused.
    pub fn new(pattern: impl Into<String>) -> Result<Self, String> {
        let pattern = pattern.into();
        match pattern.len() {
            1..=MAX_LENGTH => Ok(Self(pattern.into())),
            length => Err(format!("expected a pattern of 1 to {MAX_LENGTH} bytes, found {length}")),
        }
    }

    /// True if all of `text` is described. Takes at most the product of both lengths, and no memory.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // The last star seen, and how much of the text it has taken so far.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(&byte) if byte == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => {
                    let Some((at, taken)) = star else { return false };
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
            }
        }
        pattern[p..].iter().all(|&byte| byte == b'*')
    }
}

impl TryFrom<String> for Glob {
    type Error = String;
    fn try_from(pattern: String) -> Result<Self, String> {
        Self::new(pattern)
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.0.into()
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).unwrap().matches(text)
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "a/b"),
            ("a*", "a"),
            ("a*c", "abcbc"),
            ("*/x.service", "/s/x.service"),
            ("**a**", "a"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "ab"), ("a", ""), ("a*c", "ab"), ("*.service", "x.services"), ("a?", "ab")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_that_backtracks_does_not_explode() {
        assert!(!matches(&"a*".repeat(100), &"b".repeat(4096)));
        assert!(!matches(&format!("{}b", "*a".repeat(100)), &"a".repeat(4096)));
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition(pattern in "[ab*]{1,8}", text in "[ab]{0,10}") {
            fn defined(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|taken| defined(rest, &text[taken..])),
                    Some((byte, rest)) => text.first() == Some(byte) && defined(rest, &text[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &text), defined(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
