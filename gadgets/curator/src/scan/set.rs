//! Sets of words that are looked up often: by a hash of their length and four of their bytes.

/// Words in a table of `N` places, a power of two and at least twice as many as there are words.
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
}
