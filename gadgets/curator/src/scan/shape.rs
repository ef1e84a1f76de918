//! What a value looks like, and nothing of the value: classes of bytes, each so many times.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A shape has no more pieces than this.
pub const MOST_PIECES: usize = 12;
/// Nor does it look at more bytes than this.
pub const MOST_BYTES: usize = 250;

/// A class of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Class {
    /// `0` to `9`.
    Digit,
    /// `A` to `Z`, and what is not ASCII.
    Upper,
    /// `a` to `z`, and what is not ASCII.
    Lower,
    /// Letters, and what is not ASCII.
    Letter,
    /// Letters and digits.
    Alnum,
    /// What keys, tokens and addresses are made of: letters, digits and `_-.+/~`.
    Token,
    /// A blank.
    Blank,
    /// This byte of punctuation.
    Sign(u8),
    /// One of `-`, `.`, `/`, and a blank: what stands between groups.
    Separator,
}

impl Class {
    const fn holds(self, byte: u8) -> bool {
        match self {
            Self::Digit => byte.is_ascii_digit(),
            Self::Upper => byte.is_ascii_uppercase() || byte >= 0x80,
            Self::Lower => byte.is_ascii_lowercase() || byte >= 0x80,
            Self::Letter => byte.is_ascii_alphabetic() || byte >= 0x80,
            Self::Alnum => byte.is_ascii_alphanumeric() || byte >= 0x80,
            Self::Token => {
                Self::Alnum.holds(byte) || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/' | b'~')
            }
            Self::Blank => byte == b' ',
            Self::Sign(sign) => byte == sign,
            Self::Separator => matches!(byte, b'-' | b'.' | b'/' | b' '),
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'0'..=b'9' => Self::Digit,
            b'A'..=b'Z' => Self::Upper,
            b'a'..=b'z' | 0x80.. => Self::Lower,
            b' ' => Self::Blank,
            byte if byte.is_ascii_punctuation() => Self::Sign(byte),
            _ => return None,
        })
    }

    /// The narrowest class that holds both.
    fn join(self, other: Self) -> Option<Self> {
        use Class::{Alnum, Blank, Digit, Letter, Lower, Separator, Sign, Upper};
        let separates = |it: Self| matches!(it, Blank | Separator | Sign(b'-' | b'.' | b'/'));
        let letters = |it: Self| matches!(it, Upper | Lower | Letter);
        let words = |it: Self| letters(it) || matches!(it, Digit | Alnum);
        Some(match (self, other) {
            (one, two) if one == two => one,
            (one, two) if letters(one) && letters(two) => Letter,
            (one, two) if words(one) && words(two) => Alnum,
            (one, two) if separates(one) && separates(two) => Separator,
            _ => return None,
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digit => f.write_str("digits"),
            Self::Upper => f.write_str("upper"),
            Self::Lower => f.write_str("lower"),
            Self::Letter => f.write_str("letters"),
            Self::Alnum => f.write_str("alnum"),
            Self::Token => f.write_str("token"),
            Self::Blank => f.write_str("blank"),
            Self::Sign(sign) => write!(f, "{:?}", char::from(*sign)),
            Self::Separator => f.write_str("separator"),
        }
    }
}

/// So many bytes of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    class: Class,
    least: u8,
    most: u8,
}

/// A bounded sequence of pieces. Prints as `digits{3} '-' digits{2}`; fits in linear time, for each byte is looked at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Piece>", into = "Vec<Piece>")]
pub struct Shape(Vec<Piece>);

/// Not a shape: too long, too many pieces, or bounds the wrong way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a shape of at most 12 pieces and 250 bytes")]
pub struct NotAShape;

impl TryFrom<Vec<Piece>> for Shape {
    type Error = NotAShape;
    fn try_from(pieces: Vec<Piece>) -> Result<Self, Self::Error> {
        let bytes: usize = pieces.iter().map(|piece| usize::from(piece.most)).sum();
        let sound = |piece: &Piece| {
            let sign = !matches!(piece.class, Class::Sign(byte) if !byte.is_ascii_punctuation());
            piece.least <= piece.most && piece.most > 0 && sign
        };
        let bounded = pieces.len() <= MOST_PIECES && bytes <= MOST_BYTES;
        if bounded && pieces.iter().all(sound) { Ok(Self(pieces)) } else { Err(NotAShape) }
    }
}

impl From<Shape> for Vec<Piece> {
    fn from(shape: Shape) -> Self {
        shape.0
    }
}

impl Shape {
    /// The shape of one value. A value of more than twelve pieces is told as runs of letters and digits; one that is longer than a
    /// shape may be, or holds control characters, has the empty shape, which fits nothing.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let exact = Self::cut(value, Class::of);
        let words = |byte| match Class::of(byte)? {
            Class::Digit | Class::Upper | Class::Lower => Some(Class::Alnum),
            other => Some(other),
        };
        exact.or_else(|| Self::cut(value, words)).unwrap_or(Self(Vec::new()))
    }

    /// The shape of a key, a token or an address, of which nothing but the length is alike: runs of letters, digits and `_-.+/~`.
    #[must_use]
    pub fn of_token(value: &[u8]) -> Self {
        let of =
            |byte| Some(Class::Token).filter(|token| token.holds(byte)).or_else(|| Class::of(byte));
        Self::cut(value, of).unwrap_or(Self(Vec::new()))
    }

    fn cut(value: &[u8], of: impl Fn(u8) -> Option<Class>) -> Option<Self> {
        if value.len() > MOST_BYTES {
            return None;
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for &byte in value {
            let class = of(byte)?;
            match pieces.last_mut() {
                Some(last) if last.class == class => last.most += 1,
                _ => pieces.push(Piece { class, least: 1, most: 1 }),
            }
            if pieces.len() > MOST_PIECES {
                return None;
            }
        }
        pieces.iter_mut().for_each(|piece| piece.least = piece.most);
        Some(Self(pieces))
    }

    /// A shape that fits what either fits; none where they differ in more than classes and counts.
    #[must_use]
    pub fn join(&self, other: &Self) -> Option<Self> {
        if self.0.is_empty() || self.0.len() != other.0.len() {
            return None;
        }
        let join = |(one, two): (&Piece, &Piece)| {
            let class = one.class.join(two.class)?;
            Some(Piece { class, least: one.least.min(two.least), most: one.most.max(two.most) })
        };
        let pieces: Option<Vec<Piece>> = self.0.iter().zip(&other.0).map(join).collect();
        Self::try_from(pieces?).ok()
    }

    /// How many bytes at the beginning of `text` fit; none if they do not, or if the value goes on as a word beyond them.
    #[must_use]
    pub fn fits(&self, text: &[u8]) -> Option<usize> {
        self.look(text).0
    }

    /// As [`fits`](Self::fits), with how many bytes were looked at.
    pub(crate) fn look(&self, text: &[u8]) -> (Option<usize>, usize) {
        let mut at = 0;
        for piece in &self.0 {
            let rest = text[at..].iter().take(piece.most.into());
            let count = rest.take_while(|byte| piece.class.holds(**byte)).count();
            at += count;
            if count < usize::from(piece.least) {
                return (None, at + 1);
            }
        }
        let goes_on = text.get(at).is_some_and(|byte| Class::Alnum.holds(*byte) || *byte == b'_');
        ((at > 0 && !goes_on).then_some(at), at + 1)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, Piece { class, least, most }) in self.0.iter().enumerate() {
            f.write_str(if nth == 0 { "" } else { " " })?;
            match (least, most) {
                (1, 1) => write!(f, "{class}")?,
                (least, most) if least == most => write!(f, "{class}{{{least}}}")?,
                (least, most) => write!(f, "{class}{{{least},{most}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_fits_the_value_it_was_made_of_and_others_like_it() {
        let shape = Shape::of(b"123-45-6789");
        assert_eq!(shape.to_string(), "digits{3} '-' digits{2} '-' digits{4}");
        assert_eq!(shape.fits(b"987-65-4321 and more"), Some(11));
        assert_eq!(shape.fits(b"987-65-43210"), None, "the value goes on");
        assert_eq!(shape.fits(b"987 65 4321"), None);
        assert_eq!(shape.fits(b""), None);
    }

    #[test]
    fn tokens_are_alike_whatever_they_are_made_of() {
        let joined = Shape::of_token(b"ab-12_c@example.com").join(&Shape::of_token(b"x@y.org"));
        assert_eq!(joined.unwrap().to_string(), "token{1,7} '@' token{5,11}");
        assert_eq!(Shape::of_token(b"two words").to_string(), "token{3} blank token{5}");
    }

    #[test]
    fn two_shapes_join_where_only_classes_and_counts_differ() {
        let joined = Shape::of(b"12-abc").join(&Shape::of(b"1 DEFG")).unwrap();
        assert_eq!(joined.to_string(), "digits{1,2} separator letters{3,4}");
        assert_eq!(joined.fits(b"7.xyz"), Some(5));
        assert_eq!(Shape::of(b"1-2").join(&Shape::of(b"12")), None);
        assert_eq!(Shape::of(b"1@2").join(&Shape::of(b"1-2")), None);
    }

    #[test]
    fn what_is_too_long_or_too_various_fits_nothing() {
        for value in [
            vec![b'7'; MOST_BYTES + 1],
            b"a\x01b".to_vec(),
            b"-.-.-.-.-.-.-.-.".to_vec(),
            Vec::new(),
        ] {
            let shape = Shape::of(&value);
            assert_eq!(shape.fits(&value), None, "{value:?}");
        }
        assert_eq!(Shape::of(b"a1B2c3D4e5F6g7H8").to_string(), "alnum{16}");
    }

    #[test]
    fn one_from_a_file_is_checked() {
        let read = |json: &str| serde_json::from_str::<Shape>(json);
        let shape = Shape::of(b"AB-12");
        assert_eq!(read(&serde_json::to_string(&shape).unwrap()).unwrap(), shape);
        assert!(read(r#"[{"class":"digit","least":2,"most":1}]"#).is_err());
        assert!(read(r#"[{"class":"digit","least":1,"most":251}]"#).is_err());
        assert!(
            read(r#"[{"class":{"sign":65},"least":1,"most":1}]"#).is_err(),
            "a letter is no sign"
        );
        let many = format!("[{}]", vec![r#"{"class":"digit","least":1,"most":1}"#; 13].join(","));
        assert!(read(&many).is_err());
    }
}
