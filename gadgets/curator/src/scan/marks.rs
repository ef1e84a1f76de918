//! Where words and numbers begin, 64 bytes at a time.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = 0x80 * ONES;

/// One bit for each of at most 64 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    pub(super) digits: u64,
    pub(super) letters: u64,
    pub(super) capitals: u64,
    /// A byte above 0x7f is among them.
    pub(super) high: bool,
}

impl Marks {
    /// Of the first 64 bytes.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut marks = Self::default();
        let mut last = [0; 64];
        let chunk = match text.first_chunk::<64>() {
            Some(chunk) => chunk,
            None => {
                last[..text.len()].copy_from_slice(text);
                &last
            }
        };
        let (words, _) = chunk.as_chunks::<8>();
        let mut high = 0;
        for (nth, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            high |= word;
            // Sums stay below 256 for bytes below 128, so no byte carries into the next; the others are masked out.
            let low = word & !HIGH;
            let digit = (low + 0x50 * ONES) & !(low + 0x46 * ONES) & !word & HIGH;
            let small = low | (0x20 * ONES);
            let letter = (small + 0x1f * ONES) & !(small + 0x05 * ONES) & !word & HIGH;
            let capital = letter & !(word << 2);
            marks.digits |= gather(digit) << (8 * nth);
            marks.letters |= gather(letter) << (8 * nth);
            marks.capitals |= gather(capital) << (8 * nth);
        }
        marks.high = high & HIGH != 0;
        marks
    }

    /// Where words begin: at letters after none, and at the humps of camel case. `before` is the byte before the first.
    pub(super) fn words(&self, before: Option<u8>) -> u64 {
        let letter = before.is_some_and(|byte| byte.is_ascii_alphabetic());
        let small = before.is_some_and(|byte| byte.is_ascii_lowercase());
        let after_letter = self.letters << 1 | u64::from(letter);
        let after_small = (self.letters & !self.capitals) << 1 | u64::from(small);
        self.letters & !after_letter | self.capitals & after_small
    }

    /// Where numbers begin.
    pub(super) fn numbers(&self, before: Option<u8>) -> u64 {
        let digit = before.is_some_and(|byte| byte.is_ascii_digit());
        self.digits & !(self.digits << 1 | u64::from(digit))
    }
}

/// The highest bits of the eight bytes, in one byte.
const fn gather(bits: u64) -> u64 {
    (bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_marked_one_by_one() {
        let text: Vec<u8> = (0..=255).chain(*b"a1b22/0:9-Zz[`{@").collect();
        for from in 0..text.len() {
            let rest = &text[from..];
            let marks = Marks::of(rest);
            for (at, byte) in rest.iter().take(64).enumerate() {
                let bit = |of: u64| of >> at & 1 == 1;
                assert_eq!(bit(marks.digits), byte.is_ascii_digit(), "{byte}");
                assert_eq!(bit(marks.letters), byte.is_ascii_alphabetic(), "{byte}");
                assert_eq!(bit(marks.capitals), byte.is_ascii_uppercase(), "{byte}");
            }
            assert_eq!(marks.high, rest.iter().take(64).any(|byte| *byte > 0x7f));
        }
    }

    #[test]
    fn words_begin_after_what_is_no_letter_and_at_humps() {
        let begins = |text: &[u8], before| {
            let bits = Marks::of(text).words(before);
            (0..64).filter(|at| bits >> at & 1 == 1).collect::<Vec<_>>()
        };
        assert_eq!(begins(b"userName user_id 5xx HTTP", None), [0, 4, 9, 14, 18, 21]);
        assert_eq!(begins(b"ab", Some(b'c')), [] as [i32; 0]);
        assert_eq!(begins(b"Ab", Some(b'c')), [0]);
        assert_eq!(begins(b"Ab", Some(b'C')), [] as [i32; 0]);
        assert_eq!(Marks::of(b"12a34").numbers(Some(b'1')), 0b1000);
    }
}
