//! What surrounds a token: its chunk, its row of numbers, the run of capitalised words that it is in, and its key.

use super::lexicon::Classes;
use super::row::Rows;
use super::token::{Kind, Token, Tokens};

/// No chunk, numbers, run or key.
pub(super) const NONE: u16 = u16::MAX;

/// Tokens `first..last` without white space, quotes or separators between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunk {
    pub first: u16,
    pub last: u16,
    pub shape: u32,
    pub bytes: u32,
    pub digits: u32,
    pub letters: u32,
    /// How many different characters it has.
    pub distinct: u32,
    /// How often upper case, lower case and digits change.
    pub changes: u32,
    pub hex: bool,
    /// Tokens of three letters or more that are all of one case, or capitalised.
    pub words: u32,
    /// The token that is its `@`, or [`NONE`].
    pub at: u16,
    /// Has `://`.
    pub url: bool,
}

/// Numbers with single separators between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    pub first: u16,
    pub last: u16,
    /// A hash of the lengths of the groups and what separates them.
    pub grouping: u32,
    pub groups: u32,
    pub digits: u32,
    pub plus: bool,
    /// 13 to 19 digits from the start have a right Luhn digit and a card's first digit.
    pub card: bool,
    /// Three, two and four digits that a social security number may have.
    pub ssn: bool,
    /// A dotted quad.
    pub quad: bool,
    /// A date.
    pub date: bool,
}

/// Capitalised words in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub first: u16,
    pub last: u16,
    pub words: u32,
    /// All that the lists say about its words.
    pub classes: Classes,
}

/// What a value is called.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Key {
    /// The hash of its last word.
    pub last: u32,
    /// The hash of its first word.
    pub first: u32,
    /// A hash of the first three letters of the last word.
    pub head: u32,
    pub classes: Classes,
    /// What the words before it say.
    pub phrase: Classes,
}

/// Where a token is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub chunk: u16,
    pub tight: u16,
    pub loose: u16,
    pub run: u16,
    pub key: u16,
    /// Tokens since the key's separator.
    pub key_age: u16,
    /// A `,`, `;`, `&`, `|` or `}` came since.
    pub key_closed: bool,
    /// A right IBAN begins at or runs through it: 2; one with a wrong check: 1.
    pub iban: u8,
    /// The value that it is part of.
    pub group: (u16, u16),
    /// The innermost cell of a row that it is in.
    pub cell: u16,
    /// How far it is in the local part of the line's mail addresses.
    pub twin: Twin,
}

/// Whether a word is in the local part of a mail address of its line: `ann.smith@` makes `Ann` and `Smith` a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Twin {
    /// The line has no mail address beside it, or the word is none.
    #[default]
    Unasked,
    /// It is in none.
    No,
    /// Its first letter begins one.
    Initial,
    /// It is part of one.
    Part,
    /// It is one of the words of one.
    Word,
}

/// The surroundings of every token of one line, with buffers that are kept.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub chunks: Vec<Chunk>,
    pub numbers: Vec<Numbers>,
    pub runs: Vec<Run>,
    pub keys: Vec<Key>,
    pub places: Vec<Place>,
    pub rows: Rows,
    pub marks: Marks,
}

/// What the line has as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// Dotted quads in it.
    pub quads: u32,
    /// Mail addresses in it.
    pub mails: u32,
}

const EMPTY: Place = Place {
    chunk: NONE,
    tight: NONE,
    loose: NONE,
    run: NONE,
    key: NONE,
    key_age: 0,
    key_closed: false,
    iban: 0,
    group: (0, 0),
    cell: NONE,
    twin: Twin::Unasked,
};

/// What may stand between the numbers of one value.
const fn joins_numbers(mark: u8) -> bool {
    matches!(mark, b'-' | b'.' | b'/' | b'(' | b')')
}

/// What ends a chunk.
const fn parts_chunks(mark: u8) -> bool {
    matches!(
        mark,
        b'"' | b'\''
            | b'`'
            | b','
            | b';'
            | b'('
            | b')'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'<'
            | b'>'
            | b'|'
            | b'&'
            | b'?'
    )
}

/// Small words inside names.
const PARTICLES: [&[u8]; 16] = [
    b"de", b"van", b"der", b"von", b"la", b"da", b"di", b"del", b"den", b"bin", b"al", b"el",
    b"dos", b"le", b"du", b"ten",
];

pub(super) fn mix(hash: u32, value: u32) -> u32 {
    (hash.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b1)
}

impl Context {
    /// Looks at the tokens of `line`.
    pub(super) fn look(&mut self, line: &[u8], tokens: &Tokens) {
        self.chunks.clear();
        self.numbers.clear();
        self.runs.clear();
        self.keys.clear();
        self.places.clear();
        let all = tokens.all();
        self.places.resize(all.len(), EMPTY);
        self.keys.reserve(2 * all.len());
        self.find_chunks(line, all);
        self.find_numbers(tokens, true);
        self.find_numbers(tokens, false);
        self.find_runs(tokens);
        self.find_ibans(tokens);
        let Self { rows, chunks, numbers, places, .. } = self;
        rows.find(tokens, chunks, numbers, places);
        self.find_keys(tokens);
        self.find_columns(tokens);
        self.find_twins(tokens);
        self.marks = Marks {
            quads: self.numbers.iter().filter(|numbers| numbers.quad).count() as u32,
            mails: self.chunks.iter().filter(|chunk| chunk.at != NONE).count() as u32,
        };
        for i in 0..all.len() {
            let place = &self.places[i];
            self.places[i].group = if place.loose != NONE {
                let numbers = &self.numbers[place.loose as usize];
                (numbers.first, numbers.last)
            } else if place.run != NONE {
                let run = &self.runs[place.run as usize];
                (run.first, run.last)
            } else {
                let chunk = &self.chunks[place.chunk as usize];
                (chunk.first, chunk.last)
            };
        }
    }

    fn find_chunks(&mut self, line: &[u8], all: &[Token]) {
        let mut first = 0;
        let mut url = false;
        for i in 0..all.len() {
            let token = &all[i];
            if i > first
                && (token.spaced || parts_chunks(token.mark) || parts_chunks(all[i - 1].mark))
            {
                self.chunk(line, all, first, i);
                (first, url) = (i, false);
                continue;
            }
            url |= token.mark == b'/'
                && i > first + 1
                && all[i - 1].mark == b'/'
                && all[i - 2].mark == b':';
            let next_joins = all
                .get(i + 1)
                .is_some_and(|t| !t.spaced && !parts_chunks(t.mark) && t.mark != token.mark);
            let next = all.get(i + 1).map_or(0, |t| t.mark);
            let after_word =
                i > first && all[i - 1].kind != Kind::Mark && all[i - 1].kind != Kind::Digits;
            let parts = match token.mark {
                b'=' => after_word && next_joins,
                b':' => {
                    !url && after_word && all[i - 1].kind.is_word() && next_joins && next != b'/'
                }
                _ => false,
            };
            if parts {
                self.chunk(line, all, first, i);
                self.chunk(line, all, i, i + 1);
                (first, url) = (i + 1, false);
            }
        }
        if first < all.len() {
            self.chunk(line, all, first, all.len());
        }
    }

    fn chunk(&mut self, line: &[u8], all: &[Token], first: usize, last: usize) {
        if first >= last {
            return;
        }
        let id = self.chunks.len() as u16;
        let mut chunk = Chunk {
            first: first as u16,
            last: last as u16,
            hex: true,
            at: NONE,
            ..Chunk::default()
        };
        let mut shape = 0_u32;
        for (i, token) in all[first..last].iter().enumerate() {
            self.places[first + i].chunk = id;
            let piece = match token.kind {
                Kind::Mark => u32::from(token.mark),
                Kind::Digits => 256 + token.len.min(5),
                kind => {
                    512 + kind as u32 * 4 + u32::from(token.len > 3) + u32::from(token.len > 12)
                }
            };
            shape = if i < 12 { mix(shape, piece) } else { shape };
            if token.mark == b'@' && chunk.at == NONE {
                chunk.at = (first + i) as u16;
            }
            if token.mark == b'/'
                && i > 1
                && all[first + i - 1].mark == b'/'
                && all[first + i - 2].mark == b':'
            {
                chunk.url = true;
            }
            chunk.hex &= matches!(token.kind, Kind::Digits | Kind::Hex);
            chunk.words += u32::from(
                matches!(token.kind, Kind::Lower | Kind::Capital | Kind::Upper | Kind::Camel)
                    && token.len > 2,
            );
        }
        chunk.shape = shape;
        let bytes = &line[all[first].start as usize..all[last - 1].end as usize];
        chunk.bytes = bytes.len() as u32;
        let (mut seen, mut before) = (0_u128, 0_u8);
        for byte in bytes {
            seen |= 1 << (byte & 127);
            let class = match byte {
                b'0'..=b'9' => {
                    chunk.digits += 1;
                    1
                }
                b'a'..=b'z' => {
                    chunk.letters += 1;
                    2
                }
                b'A'..=b'Z' => {
                    chunk.letters += 1;
                    3
                }
                _ => 0,
            };
            chunk.changes += u32::from(class != before && class != 0 && before != 0);
            before = class;
        }
        chunk.distinct = seen.count_ones();
        self.chunks.push(chunk);
    }

    fn find_numbers(&mut self, tokens: &Tokens, tight: bool) {
        let all = tokens.all();
        let mut i = 0;
        while i < all.len() {
            if all[i].kind != Kind::Digits {
                i += 1;
                continue;
            }
            let mut last = i + 1;
            let mut at = i + 1;
            let mut marks = 0;
            while at < all.len() && at - i < 24 {
                let token = &all[at];
                if tight && token.spaced {
                    break;
                }
                if token.kind == Kind::Digits {
                    last = at + 1;
                    marks = 0;
                } else if joins_numbers(token.mark) && marks < 2 {
                    marks += 1;
                } else {
                    break;
                }
                at += 1;
            }
            let mut first = i;
            while first > 0 && matches!(all[first - 1].mark, b'+' | b'(') && !all[first].spaced {
                first -= 1;
            }
            let id = self.numbers.len() as u16;
            let numbers = measure(tokens, first, last);
            self.numbers.push(numbers);
            for place in &mut self.places[first..last] {
                *(if tight { &mut place.tight } else { &mut place.loose }) = id;
            }
            i = last;
        }
    }

    fn find_runs(&mut self, tokens: &Tokens) {
        let all = tokens.all();
        let mut i = 0;
        while i < all.len() {
            if !all[i].kind.is_proper() {
                i += 1;
                continue;
            }
            let mut run =
                Run { first: i as u16, last: i as u16 + 1, words: 1, classes: all[i].classes };
            let mut at = i + 1;
            while at < all.len() && at - i < 10 {
                let token = &all[at];
                let last = run.last as usize == at;
                if token.kind.is_proper() {
                    run.words += 1;
                    run.classes = run.classes.with(token.classes);
                    run.last = at as u16 + 1;
                } else if !(last && matches!(token.mark, b'.' | b'-' | b'\'') && !token.spaced
                    || token.kind == Kind::Lower
                        && token.spaced
                        && PARTICLES.contains(&tokens.folded(token)))
                {
                    break;
                }
                at += 1;
            }
            let id = self.runs.len() as u16;
            self.places[i..run.last as usize].iter_mut().for_each(|place| place.run = id);
            i = run.last as usize;
            self.runs.push(run);
        }
    }

    fn find_ibans(&mut self, tokens: &Tokens) {
        let all = tokens.all();
        for i in 0..all.len() {
            let text = tokens.folded(&all[i]);
            let begins = matches!(text, [a, b, c, d, ..]
                if a.is_ascii_lowercase() && b.is_ascii_lowercase() && c.is_ascii_digit() && d.is_ascii_digit());
            if !begins || self.places[i].iban != 0 {
                continue;
            }
            let (mut rest, mut len, mut last, mut right) = (0_u32, 0, i, false);
            // The country and the check digits count after all the others.
            let head = &text[..4];
            for (at, token) in all.iter().enumerate().skip(i).take(20) {
                if token.mark == b'-' && !token.spaced {
                    continue;
                }
                let text = tokens.folded(token);
                let text = if at == i { &text[4..] } else { text };
                if token.kind == Kind::Mark || at > i && text.len() > 4 || len + text.len() > 30 {
                    break;
                }
                len += text.len();
                rest = text.iter().fold(rest, |rest, byte| mod97(rest, *byte));
                if (11..=30).contains(&len)
                    && head.iter().fold(rest, |rest, byte| mod97(rest, *byte)) == 1
                {
                    (last, right) = (at, true);
                }
            }
            if right {
                self.places[i..=last].iter_mut().for_each(|place| place.iban = 2);
            } else if (11..=30).contains(&len) {
                self.places[i].iban = 1;
            }
        }
    }
}

fn mod97(rest: u32, byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        b'a'..=b'z' => (rest * 100 + u32::from(byte - b'a') + 10) % 97,
        _ => rest,
    }
}

fn measure(tokens: &Tokens, first: usize, last: usize) -> Numbers {
    let all = &tokens.all()[first..last];
    let mut numbers = Numbers { first: first as u16, last: last as u16, ..Numbers::default() };
    let (mut grouping, mut lens, mut values, mut dots) = (0, [0_u32; 4], [0_u32; 4], 0);
    let mut digits = [0_u8; 20];
    for token in all {
        if token.spaced && numbers.groups > 0 {
            grouping = mix(grouping, 32);
        }
        if token.kind == Kind::Mark {
            grouping = mix(grouping, u32::from(token.mark));
            numbers.plus |= token.mark == b'+';
            dots += u32::from(token.mark == b'.');
            continue;
        }
        grouping = mix(grouping, 256 + token.len.min(24));
        let text = tokens.folded(token);
        if let Some(group) = lens.get_mut(numbers.groups as usize) {
            *group = token.len;
            values[numbers.groups as usize] =
                text.iter().take(9).fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        }
        for digit in text {
            if let Some(slot) = digits.get_mut(numbers.digits as usize) {
                *slot = digit - b'0';
            }
            numbers.digits += 1;
        }
        numbers.groups += 1;
        let seen = numbers.digits as usize;
        numbers.card |=
            (13..=19).contains(&seen) && matches!(digits[0], 2..=6) && luhn(&digits[..seen]);
    }
    numbers.grouping = grouping;
    numbers.ssn = numbers.groups >= 3
        && lens[..3] == [3, 2, 4]
        && !matches!(values[0], 0 | 666 | 900..)
        && values[1] != 0
        && values[2] != 0;
    numbers.quad = numbers.groups == 4 && dots == 3 && values.iter().all(|value| *value < 256);
    let year = |value: u32| (1900..2100).contains(&value);
    let (a, b, c) = (values[0], values[1], values[2]);
    numbers.date = numbers.groups >= 3
        && (lens[0] == 4 && year(a) && (1..13).contains(&b) && (1..32).contains(&c)
            || lens[2] == 4 && year(c) && (1..32).contains(&a) && (1..32).contains(&b));
    numbers
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().fold(0, |sum, (i, digit)| {
        let digit = u32::from(*digit);
        sum + if i % 2 == 0 {
            digit
        } else if digit > 4 {
            digit * 2 - 9
        } else {
            digit * 2
        }
    });
    sum.is_multiple_of(10)
}
