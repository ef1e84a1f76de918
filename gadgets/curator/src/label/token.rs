//! A line cut into tokens: words, numbers and single marks, read through the escapes that logs wrap values in.

use super::lexicon::{Classes, Lexicon};

/// The most bytes of a line that are looked at. What follows is not labelled.
pub const MOST_BYTES: usize = 4096;
/// The most tokens of a line that are looked at.
pub const MOST_TOKENS: usize = 512;

/// What a token is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `word`
    Lower,
    /// `Word`
    Capital,
    /// `WORD`
    Upper,
    /// `W`
    Initial,
    /// `aWord`, `WordWord`
    Camel,
    /// `123`
    Digits,
    /// Letters and digits.
    Mixed,
    /// Letters and digits that are all hexadecimal, six or more.
    Hex,
    /// Letters of a script that has no capitals.
    Foreign,
    /// One mark.
    Mark,
}

impl Kind {
    /// Whether it is of letters alone.
    #[must_use]
    pub const fn is_word(self) -> bool {
        matches!(
            self,
            Self::Lower | Self::Capital | Self::Upper | Self::Initial | Self::Camel | Self::Foreign
        )
    }

    /// Whether it begins as a proper name does.
    #[must_use]
    pub const fn is_proper(self) -> bool {
        matches!(self, Self::Capital | Self::Upper | Self::Initial | Self::Camel | Self::Foreign)
    }
}

/// A word, a number or a mark.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// The first byte in the line.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What it is made of.
    pub kind: Kind,
    /// Whether white space is before it.
    pub spaced: bool,
    /// The strongest white space before it: a new line, a tab, a space; 0 for none.
    pub gap: u8,
    /// The mark, decoded; 0 for words and numbers.
    pub mark: u8,
    /// Where its folded text begins in [`Tokens::folded`].
    pub text: u32,
    /// The characters of its folded text.
    pub len: u32,
    /// A hash of its folded text.
    pub hash: u32,
    /// What the word lists say about it.
    pub classes: Classes,
}

/// The tokens of one line, with buffers that are kept from line to line.
#[derive(Debug, Default)]
pub struct Tokens {
    tokens: Vec<Token>,
    folded: Vec<u8>,
}

/// A character as the labeller sees it, and the bytes that it took.
#[derive(Clone, Copy)]
struct Unit {
    char: char,
    len: usize,
}

impl Tokens {
    /// Cuts `line`, of which [`MOST_BYTES`] bytes and [`MOST_TOKENS`] tokens are seen.
    pub fn cut(&mut self, line: &[u8], lexicon: &Lexicon) {
        self.tokens.clear();
        self.folded.clear();
        let line = &line[..line.len().min(MOST_BYTES)];
        let (mut at, mut gap) = (0, b' ');
        while at < line.len() && self.tokens.len() < MOST_TOKENS {
            let unit = unit(line, at);
            if unit.char.is_whitespace() || unit.char.is_control() {
                gap = match (unit.char, gap) {
                    ('\n', _) | (_, b'\n') => b'\n',
                    ('\t', _) | (_, b'\t') => b'\t',
                    _ => b' ',
                };
                at += unit.len;
            } else if is_letter(unit.char) {
                at = self.word(line, at, gap, lexicon);
                gap = 0;
            } else {
                self.mark(at, unit, gap);
                gap = 0;
                at += unit.len;
            }
        }
    }

    /// The tokens, in order.
    #[must_use]
    pub fn all(&self) -> &[Token] {
        &self.tokens
    }

    /// The text of a token: lower case, one byte a character, without accents of other scripts kept apart.
    #[must_use]
    pub fn folded(&self, token: &Token) -> &[u8] {
        &self.folded[token.text as usize..(token.text + token.len) as usize]
    }

    /// The text of tokens in a row, without marks and gaps.
    #[must_use]
    pub fn span(&self, tokens: &[Token]) -> &[u8] {
        match tokens {
            [first, .., last] => &self.folded[first.text as usize..(last.text + last.len) as usize],
            [one] => self.folded(one),
            [] => &[],
        }
    }

    fn mark(&mut self, at: usize, unit: Unit, gap: u8) {
        let mark = match unit.char {
            '\u{2010}'..='\u{2015}' => b'-',
            '\u{2018}' | '\u{2019}' => b'\'',
            '\u{201c}'..='\u{201e}' | '\u{ab}' | '\u{bb}' => b'"',
            '\u{ff01}'..='\u{ff5e}' => (unit.char as u32 - 0xff01 + 0x21) as u8,
            '\0'..='\x7f' => unit.char as u8,
            _ => b'~',
        };
        self.tokens.push(Token {
            start: at as u32,
            end: (at + unit.len) as u32,
            kind: Kind::Mark,
            spaced: gap != 0,
            gap,
            mark,
            text: self.folded.len() as u32,
            len: 0,
            hash: u32::from(mark),
            classes: Classes::NONE,
        });
    }

    fn word(&mut self, line: &[u8], start: usize, gap: u8, lexicon: &Lexicon) -> usize {
        let text = self.folded.len();
        let (mut at, mut hash) = (start, HASH_SEED);
        let (mut upper, mut lower, mut digits, mut hex) = (0_usize, 0_usize, 0_usize, true);
        let (mut first_upper, mut after_lower, mut part) = (false, false, HASH_SEED);
        let mut foreign = 0_usize;
        let mut classes = Classes::NONE;
        while at < line.len() {
            let unit = unit(line, at);
            if !is_letter(unit.char) {
                break;
            }
            let char = unit.char;
            let is_upper = char.is_uppercase();
            if digit(char).is_some() {
                digits += 1;
            } else if is_upper {
                first_upper |= at == start;
                upper += 1;
                if after_lower {
                    classes = classes.with(lexicon.classes(part));
                    part = HASH_SEED;
                }
            } else {
                lower += 1;
                foreign += usize::from(char > '\u{2af}' && !char.is_lowercase());
            }
            after_lower = !is_upper;
            hex &= digit(char).is_some() || char.is_ascii_hexdigit();
            let byte = fold(char);
            hash = hash_step(hash, byte);
            part = hash_step(part, byte);
            self.folded.push(byte);
            at += unit.len;
        }
        let len = self.folded.len() - text;
        let kind = match (digits, upper, lower) {
            (_, 0, 0) => Kind::Digits,
            (1.., _, _) if hex && len >= 6 => Kind::Hex,
            _ if foreign > 0 => Kind::Foreign,
            (1.., _, _) => Kind::Mixed,
            (0, 0, _) => Kind::Lower,
            (0, 1, 0) => Kind::Initial,
            (0, _, 0) => Kind::Upper,
            (0, 1, _) if first_upper => Kind::Capital,
            (0, _, _) => Kind::Camel,
        };
        // `customerEmail` is what both its words are; names are not looked for inside words.
        let classes = match kind {
            Kind::Camel => {
                let parts = classes
                    .with(lexicon.classes(part))
                    .without(Classes::GIVEN.with(Classes::SURNAME));
                parts.with(lexicon.classes(hash))
            }
            _ if kind.is_word() => match lexicon.classes(hash) {
                Classes::NONE => lexicon.parts(&self.folded[text..]),
                classes => classes,
            },
            _ => Classes::NONE,
        };
        self.tokens.push(Token {
            start: start as u32,
            end: at as u32,
            kind,
            spaced: gap != 0,
            gap,
            mark: 0,
            text: text as u32,
            len: len as u32,
            hash,
            classes,
        });
        at
    }
}

/// Whether it is part of a word: a letter, a digit, or the vowel signs that scripts of India and Arabia put on letters.
fn is_letter(char: char) -> bool {
    char.is_alphanumeric()
        || matches!(char, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}' | '\u{900}'..='\u{963}' | '\u{981}'..='\u{9e3}' | '\u{e31}'..='\u{e4e}')
}

/// The hash of a word before its first character.
pub(super) const HASH_SEED: u32 = 0x811c_9dc5;

pub(super) const fn hash_step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}

/// The hash of a folded word, as tokens carry it.
#[must_use]
pub fn hash_word(word: &str) -> u32 {
    word.chars().map(fold).fold(HASH_SEED, hash_step)
}

/// The value of a decimal digit, of full width too.
#[must_use]
const fn digit(char: char) -> Option<u8> {
    match char {
        '0'..='9' => Some(char as u8 - b'0'),
        '\u{ff10}'..='\u{ff19}' => Some((char as u32 - 0xff10) as u8),
        _ => None,
    }
}

/// One byte for a character: lower case, Latin letters without their accents, other scripts above 127.
fn fold(char: char) -> u8 {
    if char.is_ascii() {
        return char.to_ascii_lowercase() as u8;
    }
    if let Some(digit) = digit(char) {
        return b'0' + digit;
    }
    match char {
        'à'..='å' | 'À'..='Å' | 'ā' | 'ă' | 'ą' => b'a',
        'ç' | 'Ç' | 'ć' | 'č' | 'Č' | 'Ć' => b'c',
        'è'..='ë' | 'È'..='Ë' | 'ę' | 'ě' | 'ė' => b'e',
        'ì'..='ï' | 'Ì'..='Ï' | 'ı' | 'İ' => b'i',
        'ñ' | 'Ñ' | 'ń' | 'ň' => b'n',
        'ò'..='ö' | 'Ò'..='Ö' | 'ø' | 'Ø' | 'ő' => b'o',
        'ù'..='ü' | 'Ù'..='Ü' | 'ű' | 'ů' => b'u',
        'š' | 'Š' | 'ś' | 'Ś' | 'ş' | 'Ş' => b's',
        'ž' | 'Ž' | 'ź' | 'ż' | 'Ż' => b'z',
        'ł' | 'Ł' => b'l',
        'ý' | 'ÿ' => b'y',
        'ğ' => b'g',
        'ř' | 'Ř' => b'r',
        '\u{ff21}'..='\u{ff3a}' => (char as u32 - 0xff21) as u8 + b'a',
        '\u{ff41}'..='\u{ff5a}' => (char as u32 - 0xff41) as u8 + b'a',
        _ => 0x80 | (char as u32 & 0x7f) as u8,
    }
}

/// The character at `at`, read through `%40`, `\"`, `\n`, `\u0040` and `&quot;`.
fn unit(line: &[u8], at: usize) -> Unit {
    let byte = line[at];
    let rest = &line[at..];
    match byte {
        b'%' => percent(rest),
        b'\\' => backslash(rest),
        b'&' => entity(rest),
        0..=0x7f => Unit { char: byte as char, len: 1 },
        _ => utf8(rest),
    }
}

fn utf8(rest: &[u8]) -> Unit {
    let len = match rest[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let char =
        rest.get(..len).and_then(|b| std::str::from_utf8(b).ok()).and_then(|s| s.chars().next());
    char.map_or(Unit { char: '\u{fffd}', len: 1 }, |char| Unit { char, len })
}

fn percent(rest: &[u8]) -> Unit {
    let byte = |i: usize| -> Option<u8> {
        match rest.get(i..i + 3)? {
            [b'%', high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
            _ => None,
        }
    };
    match byte(0) {
        Some(b @ 0x20..=0x7e) => Unit { char: b as char, len: 3 },
        Some(first @ 0xc3..=0xc5) => match byte(3) {
            Some(second) => {
                let unit = utf8(&[first, second]);
                if unit.len == 2 {
                    Unit { char: unit.char, len: 6 }
                } else {
                    Unit { char: '%', len: 1 }
                }
            }
            None => Unit { char: '%', len: 1 },
        },
        _ => Unit { char: '%', len: 1 },
    }
}

fn backslash(rest: &[u8]) -> Unit {
    // A value inside JSON inside JSON has a run of backslashes before one mark.
    let run = rest.iter().take(8).take_while(|b| **b == b'\\').count();
    match rest.get(run) {
        Some(mark @ (b'"' | b'\'' | b'/')) => Unit { char: *mark as char, len: run + 1 },
        // `\\name` is a path, `\nname` a new line.
        Some(b'n' | b't' | b'r')
            if run % 2 == 1 || !rest.get(run + 1).is_some_and(u8::is_ascii_lowercase) =>
        {
            let char = if rest[run] == b't' { '\t' } else { '\n' };
            Unit { char, len: run + 1 }
        }
        Some(b'u') => {
            let code = rest.get(run + 1..run + 5).and_then(|digits| {
                digits.iter().try_fold(0_u32, |code, d| Some(code << 4 | u32::from(nibble(*d)?)))
            });
            code.and_then(char::from_u32)
                .map_or(Unit { char: '\\', len: 1 }, |char| Unit { char, len: run + 5 })
        }
        _ => Unit { char: '\\', len: run },
    }
}

fn entity(rest: &[u8]) -> Unit {
    const NAMED: [(&[u8], char); 8] = [
        (b"&quot;", '"'),
        (b"&amp;", '&'),
        (b"&lt;", '<'),
        (b"&gt;", '>'),
        (b"&apos;", '\''),
        (b"&#39;", '\''),
        (b"&#64;", '@'),
        (b"&nbsp;", ' '),
    ];
    let named = NAMED.iter().find(|(name, _)| rest.starts_with(name));
    named.map_or(Unit { char: '&', len: 1 }, |(name, char)| Unit { char: *char, len: name.len() })
}

const fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let mut tokens = Tokens::default();
        tokens.cut(line.as_bytes(), &Lexicon::default());
        let text = |t: &Token| match t.kind {
            Kind::Mark => (t.mark as char).to_string(),
            _ => String::from_utf8_lossy(tokens.folded(t)).into_owned(),
        };
        tokens.all().iter().map(text).collect()
    }

    #[test]
    fn escapes_are_the_marks_that_they_stand_for() {
        assert_eq!(texts("q=ann%40b.org"), ["q", "=", "ann", "@", "b", ".", "org"]);
        assert_eq!(texts(r#"{\"a\":\"b\"}"#), ["{", "\"", "a", "\"", ":", "\"", "b", "\"", "}"]);
        assert_eq!(texts(r#"\\\"x\\\""#), ["\"", "x", "\""]);
        assert_eq!(texts(r"ann\u0040b"), ["ann", "@", "b"]);
        assert_eq!(texts("a&quot;b &#64;"), ["a", "\"", "b", "@"]);
        assert_eq!(texts("J%C3%BCrgen"), ["jurgen"]);
    }

    #[test]
    fn digits_of_full_width_are_digits() {
        assert_eq!(texts("１２３－４５"), ["123", "-", "45"]);
    }

    #[test]
    fn broken_escapes_and_broken_utf8_are_marks() {
        assert_eq!(texts("100% %4"), ["100", "%", "%", "4"]);
        let mut tokens = Tokens::default();
        tokens.cut(b"\xff\xc3 \\u12 %", &Lexicon::default());
        assert!(tokens.all().iter().all(|t| t.end > t.start));
    }

    #[test]
    fn a_long_line_is_cut_off() {
        let mut tokens = Tokens::default();
        tokens.cut("a.".repeat(10_000).as_bytes(), &Lexicon::default());
        assert_eq!(tokens.all().len(), MOST_TOKENS);
        tokens.cut("a".repeat(10_000).as_bytes(), &Lexicon::default());
        assert_eq!(tokens.all()[0].end as usize, MOST_BYTES);
    }

    #[test]
    fn kinds_tell_words_from_codes() {
        let mut tokens = Tokens::default();
        tokens.cut(b"ab Ab AB A aB 12 a1 deadbeef1 Jos\xc3\xa9", &Lexicon::default());
        let kinds: Vec<Kind> = tokens.all().iter().map(|t| t.kind).collect();
        use Kind::*;
        assert_eq!(kinds, [Lower, Capital, Upper, Initial, Camel, Digits, Mixed, Hex, Capital]);
    }
}
