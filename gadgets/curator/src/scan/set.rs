//! Sets of words that are looked up often.

/// Words by a hash of their length and four of their bytes, in a table of `N` places, a power of two and at least twice as many as there are words.
pub(super) struct Set<const N: usize> {
    words: &'static [&'static [u8]],
    /// One more than the number of the word there; 0 if there is none.
    places: [u16; N],
}

impl<const N: usize> Set<N> {
    pub(super) const fn new(words: &'static [&'static [u8]]) -> Self {
        assert!(2 * words.len() <= N && N.is_power_of_two());
        let mut places = [0; N];
        let mut nth = 0;
        while nth < words.len() {
            let mut place = hash(words[nth]) % N;
            while places[place] != 0 {
                place = (place + 1) % N;
            }
            nth += 1;
            places[place] = nth as u16;
        }
        Self { words, places }
    }

    pub(super) fn contains(&self, word: &[u8]) -> bool {
        if word.is_empty() {
            return false;
        }
        let mut place = hash(word) % N;
        while self.places[place] != 0 {
            if self.words[usize::from(self.places[place]) - 1] == word {
                return true;
            }
            place = (place + 1) % N;
        }
        false
    }
}

const fn hash(word: &[u8]) -> usize {
    let length = word.len();
    let four = [word[0], word[length / 2], word[length - 1], word[length / 3]];
    let hash = (u32::from_le_bytes(four) ^ (length as u32) << 5).wrapping_mul(0x9e37_79b1);
    (hash >> 16) as usize
}

/// At most 64 words of small letters, three or more each, that are looked for anywhere in a text.
pub(super) struct Within {
    words: &'static [&'static [u8]],
    /// Which words have each letter first, second and third.
    with: [[u64; 32]; 3],
}

impl Within {
    pub(super) const fn new(words: &'static [&'static [u8]]) -> Self {
        assert!(words.len() <= 64);
        let mut with = [[0; 32]; 3];
        let mut nth = 0;
        while nth < words.len() {
            let mut at = 0;
            while at < 3 {
                with[at][(words[nth][at] % 32) as usize] |= 1 << nth;
                at += 1;
            }
            nth += 1;
        }
        Self { words, with }
    }

    pub(super) fn any(&self, text: &[u8]) -> bool {
        text.windows(3).enumerate().any(|(at, three)| {
            let with = |nth: usize| self.with[nth][usize::from(three[nth] % 32)];
            let mut words = with(0) & with(1) & with(2);
            let mut found = false;
            while words != 0 && !found {
                found = text[at..].starts_with(self.words[words.trailing_zeros() as usize]);
                words &= words - 1;
            }
            found
        })
    }
}

/// The bytes of words.
pub(super) const fn bytes<const N: usize>(words: &'static [&'static str]) -> [&'static [u8]; N] {
    let mut all: [&[u8]; N] = [b""; N];
    let mut nth = 0;
    while nth < N {
        all[nth] = words[nth].as_bytes();
        nth += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_its_words_and_no_others() {
        static WORDS: &[&[u8]] = &[b"a", b"ab", b"abc", b"Abc", b"acb"];
        static SET: Set<16> = Set::new(WORDS);
        for word in WORDS {
            assert!(SET.contains(word));
        }
        for word in [&b""[..], b"b", b"ba", b"abcd", b"ABC"] {
            assert!(!SET.contains(word));
        }
    }

    #[test]
    fn words_are_found_anywhere_in_a_text() {
        static WITHIN: Within = Within::new(&[b"user", b"use", b"guest"]);
        for text in ["user", "the_user_", "use", "xguest", "gueuse"] {
            assert!(WITHIN.any(text.as_bytes()), "{text}");
        }
        for text in ["", "us", "gues", "u-s-e", "5ser"] {
            assert!(!WITHIN.any(text.as_bytes()), "{text}");
        }
    }
}
