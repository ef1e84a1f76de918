//! Which words begin at a place: a table of first letters that a line's words are seldom in, and then the words themselves.

/// Two to the power of three times five bits.
const KEYS: usize = 1 << 15;

/// The kinds of byte that [`Beginnings`] tells apart, of which there are 32: which letter, whatever its case, or what else.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            letter @ (b'a'..=b'z' | b'A'..=b'Z') => (letter | 0x20) - b'a' + 1,
            b'0'..=b'9' => 27,
            b'-' | b'_' => 28,
            b' ' | b'+' => 29,
            b'$' | b'/' => 30,
            0x80.. => 31,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

/// The kinds of four bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Four {
    three: usize,
    fourth: u32,
}

impl Four {
    #[inline(always)]
    pub(super) fn of([one, two, three, four]: [u8; 4]) -> Self {
        let kind = |byte: u8| usize::from(KINDS[usize::from(byte)]);
        let three = kind(one) | kind(two) << 5 | kind(three) << 10;
        Self { three, fourth: u32::from(KINDS[usize::from(four)]) }
    }
}

/// How words begin, and what may come after those that are shorter than four bytes.
#[derive(Clone, Debug)]
pub(super) struct Beginnings(Box<[u32; KEYS]>);

impl Beginnings {
    pub(super) fn new() -> Self {
        Self(zeros())
    }

    /// Lets `word` pass where a byte that `then` is true for comes after it, or nothing.
    pub(super) fn add(&mut self, word: &[u8], then: impl Fn(u8) -> bool) {
        let next = (0..=u8::MAX).filter(|byte| then(*byte));
        let next = next.fold(1, |kinds, byte| kinds | 1u32 << KINDS[usize::from(byte)]);
        let fourth = match word.get(3) {
            Some(byte) => 1 << KINDS[usize::from(*byte)],
            None if word.len() == 3 => next,
            None => u32::MAX,
        };
        for key in keys(word) {
            self.0[key] |= fourth;
        }
    }

    #[inline(always)]
    pub(super) fn may(&self, four: Four) -> bool {
        self.0[four.three % KEYS] >> four.fourth & 1 == 1
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// Words, by what they begin with.
#[derive(Clone, Debug)]
pub(super) struct Index<T> {
    begin: Beginnings,
    /// Where in `words` those of each three kinds begin; one more at the end.
    first: Box<[u16]>,
    /// Of three kinds the longest first.
    words: Box<[Word<T>]>,
}

#[derive(Clone, Copy, Debug)]
struct Word<T> {
    /// Its first eight bytes as [`small`] has them, and which of them it has.
    head: u64,
    mask: u64,
    text: &'static [u8],
    of: T,
}

impl<T: Copy> Index<T> {
    /// Of these words, in lower case and of two bytes or more, and what may come after each; of equal ones the first counts.
    pub(super) fn new(
        words: impl Iterator<Item = (&'static str, T)>,
        then: impl Fn(T, u8) -> bool,
    ) -> Self {
        let mut begin = Beginnings::new();
        let mut keyed = Vec::new();
        for (text, of) in words {
            let text = text.as_bytes();
            begin.add(text, |next| then(of, next));
            let mask = u64::MAX >> (64 - 8 * text.len().min(8));
            let word = Word { head: small(text) & mask, mask, text, of };
            keyed.extend(keys(text).map(|key| (key, word)));
        }
        keyed.sort_by_key(|(key, word)| (*key, std::cmp::Reverse(word.text.len()), word.text));
        keyed.dedup_by_key(|(key, word)| (*key, word.text));
        let mut first = vec![0; KEYS + 1];
        for (key, _) in &keyed {
            first[key + 1] += 1;
        }
        let mut sum = 0;
        for first in &mut first {
            sum += *first;
            *first = sum;
        }
        let words = keyed.into_iter().map(|(_, word)| word).collect();
        Self { begin, first: first.into(), words }
    }

    /// False if no word begins so.
    #[inline(always)]
    pub(super) fn may(&self, four: Four) -> bool {
        self.begin.may(four)
    }

    /// The longest word that begins at `at` with `four`, with its end.
    pub(super) fn at(&self, text: &[u8], at: usize, four: Four) -> Option<(usize, T)> {
        let rest = &text[at..];
        let head = small(rest);
        let these = usize::from(self.first[four.three])..usize::from(self.first[four.three + 1]);
        self.words[these].iter().find_map(|word| {
            let same = head & word.mask == word.head
                && rest.get(..word.text.len())?.eq_ignore_ascii_case(word.text);
            same.then_some((at + word.text.len(), word.of))
        })
    }

    pub(super) fn memory(&self) -> usize {
        let words: usize = self.words.iter().map(|word| word.text.len()).sum();
        self.begin.memory() + size_of_val(&*self.first) + size_of_val(&*self.words) + words
    }
}

/// The three kinds that a word begins with; a word of two bytes is none of those that a letter follows.
fn keys(word: &[u8]) -> impl Iterator<Item = usize> {
    let kind = |byte: u8| usize::from(KINDS[usize::from(byte)]);
    let two = kind(word[0]) | kind(word[1]) << 5;
    let third = word.get(2).map(|byte| kind(*byte));
    let kinds =
        (0..32).filter(move |kind| third.map_or(!(1..=26).contains(kind), |it| it == *kind));
    kinds.map(move |kind| two | kind << 10)
}

fn zeros() -> Box<[u32; KEYS]> {
    vec![0; KEYS].try_into().unwrap_or_else(|_| unreachable!("as many as there are"))
}

/// The first eight bytes with capitals as small letters; other bytes that become equal are told apart afterwards.
#[inline]
fn small(text: &[u8]) -> u64 {
    let bytes = text.first_chunk::<8>().copied().unwrap_or_else(|| {
        let mut bytes = [0; 8];
        bytes[..text.len()].copy_from_slice(text);
        bytes
    });
    u64::from_le_bytes(bytes) | 0x2020_2020_2020_2020
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_word_is_found_whatever_its_case() {
        let words = ["pass", "password", "past", "mr", "x-auth", "né le", "zz"];
        let index = Index::new(words.into_iter().zip(0..), |_, _| true);
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
            let mut bytes = [0; 4];
            let length = text.len().min(4);
            bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
            let four = Four::of(bytes);
            let found = index.may(four).then(|| index.at(text.as_bytes(), 0, four)).flatten();
            assert_eq!(found, want, "{text}");
        }
    }
}
