//! Which words begin at a place: a table of first letters that a line's words are seldom in, and then the words themselves.

/// Two to the power of three times five bits.
const KEYS: usize = 1 << 15;

/// Words, by their first three letters.
#[derive(Clone, Debug)]
pub(super) struct Index<T> {
    /// One bit for each three letters that a word begins with.
    seen: Box<[u64]>,
    /// How many bits are set before each 64 of them.
    rank: Box<[u16]>,
    /// Where in `words` those of each set bit begin; one more at the end.
    first: Box<[u16]>,
    /// By key; of one key the longest first.
    words: Box<[Word<T>]>,
}

#[derive(Clone, Debug)]
struct Word<T> {
    /// Its first eight bytes as [`small`] has them, and which of them it has.
    head: u64,
    mask: u64,
    text: &'static [u8],
    of: T,
}

impl<T: Copy> Index<T> {
    /// Of these words, in lower case; of equal ones the first counts.
    pub(super) fn new(words: impl Iterator<Item = (&'static str, T)>) -> Self {
        let mut words: Vec<(&'static [u8], T)> =
            words.map(|(word, of)| (word.as_bytes(), of)).collect();
        words.sort_by_key(|(word, _)| (key(word), std::cmp::Reverse(word.len()), *word));
        words.dedup_by_key(|(word, _)| *word);
        let (mut seen, mut first) = (vec![0u64; KEYS / 64], Vec::new());
        for (nth, (word, _)) in words.iter().enumerate() {
            let key = key(word);
            if seen[key / 64] >> (key % 64) & 1 == 0 {
                seen[key / 64] |= 1 << (key % 64);
                first.push(nth as u16);
            }
        }
        first.push(words.len() as u16);
        let mut sum = 0;
        let rank = seen.iter().map(|bits| {
            let before = sum;
            sum += bits.count_ones() as u16;
            before
        });
        let rank = rank.collect();
        let word = |(text, of): (&'static [u8], T)| {
            let unused = 64 - 8 * text.len().min(8) as u32;
            Word { head: small(text), mask: u64::MAX >> unused, text, of }
        };
        let words = words.into_iter().map(word).collect();
        Self { seen: seen.into(), rank, first: first.into(), words }
    }

    /// The longest word that begins at `at`, with its end.
    #[inline]
    pub(super) fn at(&self, text: &[u8], at: usize) -> Option<(usize, T)> {
        let rest = &text[at..];
        let key = key(rest);
        let bits = self.seen[key / 64];
        if bits >> (key % 64) & 1 == 0 {
            return None;
        }
        let nth = self.rank[key / 64] + (bits & ((1 << (key % 64)) - 1)).count_ones() as u16;
        let (from, to) = (self.first[usize::from(nth)], self.first[usize::from(nth) + 1]);
        let head = small(rest);
        for word in &self.words[usize::from(from)..usize::from(to)] {
            if head & word.mask == word.head {
                let end = at + word.text.len();
                if text.len() >= end && text[at..end].eq_ignore_ascii_case(word.text) {
                    return Some((end, word.of));
                }
            }
        }
        None
    }

    pub(super) fn memory(&self) -> usize {
        let words: usize = self.words.iter().map(|word| word.text.len()).sum();
        size_of_val(&*self.seen)
            + size_of_val(&*self.rank)
            + size_of_val(&*self.first)
            + size_of_val(&*self.words)
            + words
    }
}

/// The first eight bytes with capitals as small letters; other bytes that become equal are told apart afterwards.
#[inline]
fn small(text: &[u8]) -> u64 {
    let bytes = text.first_chunk::<8>().copied().unwrap_or_else(|| {
        let mut bytes = [0; 8];
        bytes[..text.len()].copy_from_slice(text);
        bytes
    });
    let unused = 64 - 8 * text.len().min(8) as u32;
    (u64::from_le_bytes(bytes) | 0x2020_2020_2020_2020) & u64::MAX.checked_shr(unused).unwrap_or(0)
}

/// Five bits for each of the first three bytes: which letter, or none.
#[inline]
fn key(text: &[u8]) -> usize {
    let letter = |byte: u8| {
        let small = (byte | 0x20).wrapping_sub(b'a');
        if small < 26 { usize::from(small) + 1 } else { 0 }
    };
    match text {
        [one, two, three, ..] => letter(*one) | letter(*two) << 5 | letter(*three) << 10,
        [one, two] => letter(*one) | letter(*two) << 5,
        [one] => letter(*one),
        [] => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_word_is_found_whatever_its_case() {
        let words = ["pass", "password", "past", "mr", "x-auth", "né le", "zz"];
        let index = Index::new(words.into_iter().zip(0..));
        for (text, want) in [
            ("PassWord=1", Some((8, 1))),
            ("passport", Some((4, 0))),
            ("pas", None),
            ("Mr. X", Some((2, 3))),
            ("X-Auth-Token", Some((6, 4))),
            ("né le 1", Some(("né le".len(), 5))),
            ("zz", Some((2, 6))),
            ("z", None),
            ("", None),
            ("other", None),
        ] {
            assert_eq!(index.at(text.as_bytes(), 0), want, "{text}");
        }
        assert!(index.memory() < 16 << 10);
    }
}
