//! Columns of words: of numbers as differences, of others as places in the list of all words of the chain.

use super::record::{number, put};

/// The first byte of a column: of words, of numbers of 1 to 18 digits, of numbers without leading zeros.
const WORDS: u8 = 0;
const MOST_DIGITS: usize = 18;
const NUMBERS: u8 = MOST_DIGITS as u8 + 1;

/// The first byte of a word: its length; or this and the length, of decimal digits as a number, of hexadecimal ones two a byte; or that
/// its length follows.
const DECIMAL: usize = 64;
const HEXADECIMAL: usize = DECIMAL + 20;
const LONG: usize = 255;

/// In a column of words: as in the line before, new in this column, or this and the place among the words of this column.
const SAME: u8 = 0;
const NEW: u8 = 1;
const KNOWN: u64 = 2;

/// A word of more lines than this costs two bytes a line.
const NEAR: usize = 126;

const TENS: [u64; 20] = {
    let mut tens = [1; 20];
    let mut nth = 1;
    while nth < 20 {
        tens[nth] = tens[nth - 1] * 10;
        nth += 1;
    }
    tens
};

pub(super) const fn mix(hash: u64, value: u64) -> u64 {
    (hash.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Where things were seen last, by their hash. A thing takes the slot of another one, which is forgotten, and told again where it comes
/// again: whatever lines there are, a look takes one step.
pub(super) struct Seen(Box<[u32]>);

impl Seen {
    /// For as many things as there may be in so many bytes.
    pub(super) fn for_bytes(bytes: usize) -> Self {
        Self(vec![u32::MAX; (bytes / 16).next_power_of_two().clamp(64, 1 << 14)].into())
    }

    /// The same, empty.
    pub(super) fn forget(mut self) -> Self {
        self.0.fill(u32::MAX);
        self
    }

    /// Nothing has the place `u32::MAX`.
    pub(super) fn slot(&mut self, hash: u64) -> &mut u32 {
        let slots = self.0.len();
        &mut self.0[(hash >> 40) as usize & (slots - 1)]
    }
}

/// A word, and its place in the last column that has it.
struct Word<'a> {
    text: &'a [u8],
    column: u32,
    nth: u32,
}

/// Writes columns.
pub(super) struct Writer<'a> {
    words: Vec<Word<'a>>,
    seen: Seen,
    column: u32,
    numbers: Vec<u64>,
    /// The columns; the words that are new in one, by their place in the list; the list.
    pub(super) columns: Vec<u8>,
    pub(super) places: Vec<u8>,
    pub(super) texts: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(seen: Seen) -> Self {
        Self {
            words: Vec::new(),
            seen,
            column: 0,
            numbers: Vec::new(),
            columns: Vec::new(),
            places: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Adds a column. None of its words is empty.
    pub(super) fn add(&mut self, column: impl Iterator<Item = &'a [u8]> + Clone) {
        self.column += 1;
        match self.read_numbers(column.clone()) {
            Some(digits) => self.add_numbers(digits),
            None => self.add_words(column),
        }
    }

    fn add_words(&mut self, column: impl Iterator<Item = &'a [u8]>) {
        self.columns.push(WORDS);
        let (mut last, mut count): (&[u8], _) = (&[], 0);
        for text in column {
            if last == text {
                self.columns.push(SAME);
                continue;
            }
            last = text;
            let slot = self.seen.slot(hash(text));
            match self.words.get_mut(*slot as usize).filter(|word| word.text == text) {
                Some(word) if word.column == self.column => {
                    put(&mut self.columns, u64::from(word.nth) + KNOWN);
                    continue;
                }
                Some(word) => {
                    (word.column, word.nth) = (self.column, count);
                    put(&mut self.places, u64::from(*slot) + 1);
                }
                None => {
                    *slot = self.words.len() as u32;
                    self.words.push(Word { text, column: self.column, nth: count });
                    put(&mut self.places, 0);
                    put_word(&mut self.texts, text);
                }
            }
            self.columns.push(NEW);
            count += 1;
        }
    }

    fn add_numbers(&mut self, digits: u8) {
        self.columns.push(digits);
        let all = TENS[usize::from(digits)] as i64;
        let mut last = 0;
        for number in &self.numbers {
            let mut step = number.wrapping_sub(last) as i64;
            if digits < NUMBERS {
                // The shorter way round.
                step = step.rem_euclid(all);
                step -= if step > all / 2 { all } else { 0 };
            }
            put(&mut self.columns, (step << 1 ^ step >> 63) as u64);
            last = *number;
        }
    }

    /// Reads a column as numbers. `None` where it is none, or smaller as words.
    fn read_numbers(&mut self, column: impl Iterator<Item = &'a [u8]>) -> Option<u8> {
        self.numbers.clear();
        let (mut digits, mut wide, mut plain) = (0, true, true);
        let (mut as_steps, mut as_words, mut words) = (0, 0, 0);
        let mut known = [u64::MAX; 256];
        let mut last = 0;
        for text in column {
            digits = if self.numbers.is_empty() { text.len() } else { digits };
            wide &= text.len() == digits;
            plain &= text.first() != Some(&b'0') || text.len() == 1;
            if !(wide || plain) || text.len() > MOST_DIGITS {
                return None;
            }
            let number = decimal(text)?;
            if number != last {
                as_steps += 1 + number.abs_diff(last).ilog2() as usize / 6;
                let slot = &mut known[(mix(0, number) >> 56) as usize];
                let is_new = *slot != number;
                *slot = number;
                words += usize::from(is_new);
                as_words += 1 + usize::from(words > NEAR || is_new);
                as_words += if is_new { text.len() / 2 } else { 0 };
            }
            last = number;
            self.numbers.push(number);
        }
        let is_short = wide && digits <= 2;
        let digits = if wide { digits as u8 } else { NUMBERS };
        (is_short || as_steps <= as_words).then_some(digits)
    }
}

/// Reads columns of any content.
pub(super) struct Reader<'a> {
    columns: &'a [u8],
    places: &'a [u8],
    texts: &'a [u8],
    words: Vec<(u32, u32)>,
    /// The words of the column that is read, by their place in the list.
    known: Vec<u32>,
    /// What values are: words, and numbers as digits; and how much of it there may be.
    pub(super) bytes: Vec<u8>,
    most: usize,
}

impl<'a> Reader<'a> {
    /// Of lines that are no longer than `most` all together.
    pub(super) const fn new(
        columns: &'a [u8],
        places: &'a [u8],
        texts: &'a [u8],
        most: usize,
    ) -> Self {
        Self {
            columns,
            places,
            texts,
            words: Vec::new(),
            known: Vec::new(),
            bytes: Vec::new(),
            most,
        }
    }

    /// Reads the next column, of so many lines: where each value is in `bytes`.
    pub(super) fn next(&mut self, lines: usize, to: &mut Vec<(u32, u32)>) -> Option<()> {
        let (&kind, rest) = self.columns.split_first()?;
        self.columns = rest;
        match kind {
            WORDS => self.next_words(lines, to),
            1..=NUMBERS => self.next_numbers(usize::from(kind), lines, to),
            _ => None,
        }
    }

    fn next_words(&mut self, lines: usize, to: &mut Vec<(u32, u32)>) -> Option<()> {
        self.known.clear();
        let mut last = None;
        for _ in 0..lines {
            let place = match number(&mut self.columns)? {
                0 => last?,
                1 => {
                    let place = match number(&mut self.places)? {
                        0 => {
                            let word = self.next_word()?;
                            self.words.push(word);
                            self.words.len() as u32 - 1
                        }
                        place => u32::try_from(place - 1).ok()?,
                    };
                    self.known.push(place);
                    place
                }
                nth => *self.known.get(usize::try_from(nth - KNOWN).ok()?)?,
            };
            last = Some(place);
            to.push(*self.words.get(place as usize)?);
        }
        Some(())
    }

    fn next_numbers(&mut self, kind: usize, lines: usize, to: &mut Vec<(u32, u32)>) -> Option<()> {
        let all = TENS[kind];
        let wide = kind < usize::from(NUMBERS);
        let (mut last, mut value) = (0u64, None);
        for _ in 0..lines {
            let step = number(&mut self.columns)?;
            if step != 0 || value.is_none() {
                let step = (step >> 1) as i64 ^ -((step & 1) as i64);
                last = last.wrapping_add_signed(step);
                last = if wide { (last as i64).rem_euclid(all as i64) as u64 } else { last };
                value = Some(self.digits(last, if wide { kind } else { 1 })?);
            }
            to.push(value?);
        }
        Some(())
    }

    /// Writes a number of at least so many digits.
    fn digits(&mut self, mut number: u64, least: usize) -> Option<(u32, u32)> {
        let mut digits = [b'0'; 20];
        let mut from = digits.len();
        while number > 0 || digits.len() - from < least {
            from -= 1;
            digits[from] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.keep(&digits[from..])
    }

    fn keep(&mut self, bytes: &[u8]) -> Option<(u32, u32)> {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        (self.bytes.len() <= self.most).then_some((start, self.bytes.len() as u32))
    }

    fn next_word(&mut self) -> Option<(u32, u32)> {
        let (&head, rest) = self.texts.split_first()?;
        self.texts = rest;
        match usize::from(head) {
            LONG => {
                let length = usize::try_from(number(&mut self.texts)?).ok()?;
                let text = self.take(length)?;
                self.keep(text)
            }
            length if length < DECIMAL => {
                let text = self.take(length)?;
                self.keep(text)
            }
            head if head < HEXADECIMAL => {
                let mut number = [0; 8];
                let bytes = self.take(width(head - DECIMAL))?;
                number[..bytes.len()].copy_from_slice(bytes);
                self.digits(u64::from_le_bytes(number), head - DECIMAL)
            }
            head => {
                let length = head - HEXADECIMAL;
                let start = self.bytes.len();
                for two in self.take(length.div_ceil(2))? {
                    let digits = [two >> 4, two & 15];
                    self.bytes.extend(digits.map(|it| b"0123456789abcdef"[usize::from(it)]));
                }
                self.bytes.truncate(start + length);
                Some((start as u32, self.bytes.len() as u32))
            }
        }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.texts.split_at_checked(length)?;
        self.texts = rest;
        Some(taken)
    }
}

fn put_word(to: &mut Vec<u8>, text: &[u8]) {
    let length = text.len();
    let number = decimal(text).filter(|_| (3..20).contains(&length));
    if let Some(number) = number {
        to.push((DECIMAL + length) as u8);
        to.extend_from_slice(&number.to_le_bytes()[..width(length)]);
    } else if (6..LONG - HEXADECIMAL).contains(&length)
        && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        to.push((HEXADECIMAL + length) as u8);
        // '0' to '9' end in 0 to 9, 'a' to 'f' in 1 to 6.
        let value = |byte: &u8| (byte & 15) + if *byte >= b'a' { 9 } else { 0 };
        to.extend(text.chunks(2).map(|two| value(&two[0]) << 4 | two.get(1).map_or(0, value)));
    } else {
        match length {
            0..DECIMAL => to.push(length as u8),
            _ => {
                to.push(LONG as u8);
                put(to, length as u64);
            }
        }
        to.extend_from_slice(text);
    }
}

/// A number of up to 19 digits, and nothing else.
fn decimal(text: &[u8]) -> Option<u64> {
    let all_digits = text.len() < 20 && text.iter().all(u8::is_ascii_digit);
    all_digits.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// The bytes of a number of up to 19 digits.
const fn width(digits: usize) -> usize {
    TENS[digits].ilog2() as usize / 8 + 1
}

fn hash(text: &[u8]) -> u64 {
    let (eights, rest) = text.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let hash = eights.iter().fold(text.len() as u64, |hash, it| mix(hash, u64::from_le_bytes(*it)));
    mix(hash, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(column: &[&str]) -> (Vec<String>, u8) {
        let mut writer = Writer::new(Seen::for_bytes(0));
        writer.add(column.iter().map(|text| text.as_bytes()));
        let mut reader = Reader::new(&writer.columns, &writer.places, &writer.texts, 4096);
        let mut values = Vec::new();
        reader.next(column.len(), &mut values).unwrap();
        let read = values.iter().map(|(from, until)| {
            String::from_utf8(reader.bytes[*from as usize..*until as usize].to_vec()).unwrap()
        });
        (read.collect(), writer.columns[0])
    }

    #[test]
    fn numbers_and_words_are_read_as_they_were_written() {
        let long = "f".repeat(300);
        for (column, kind) in [
            (&["07", "08", "59", "00"][..], 2),
            (&["7", "18", "446", "0", "9", "999999999999999999"], NUMBERS),
            (&["999999999999999999", "000000000000000000", "000000000000000001"], 18),
            (&["9999999999999999999", "0000000000000000001"], WORDS),
            (&["007", "07"], WORDS),
            (&["1", "", "2"][..1], 1),
            (&["deadbeef", "DEADBEEF", "deadbee", "0123456789abcdef", "x", "x", "deadbeef"], WORDS),
            (&["00123", "99999999999999999999", "a", &long, "123", "a\u{e9}"], WORDS),
            (&["1000000", "9000000", "1000000", "9000000", "1000000", "9000000"], WORDS),
        ] {
            assert_eq!(again(column), (column.iter().map(ToString::to_string).collect(), kind));
        }
    }

    #[test]
    fn numbers_of_small_steps_take_a_byte_a_line() {
        let numbers: Vec<String> = (0..500).map(|nth| (1_000_000 + nth * 7).to_string()).collect();
        let mut writer = Writer::new(Seen::for_bytes(0));
        writer.add(numbers.iter().map(|text| text.as_bytes()));
        assert!(writer.columns.len() < 510 && writer.texts.is_empty());
    }
}
