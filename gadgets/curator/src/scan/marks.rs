//! What the bytes are, 64 at a time: one bit for each, so that where words and numbers begin is a few operations on 64 bits.
#![allow(unsafe_code)]

/// One bit for each of at most 64 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) letters: u64,
    /// Those with the bit that tells small letters from capitals, whatever they are.
    pub(super) small: u64,
    pub(super) digits: u64,
    /// Above 0x7f.
    pub(super) high: u64,
    pub(super) underscores: u64,
}

impl Marks {
    /// Of the bytes from `base` on.
    #[inline(always)]
    pub(super) fn of(text: &[u8], base: usize) -> Self {
        let rest = text.get(base..).unwrap_or_default();
        if let Some(bytes) = rest.first_chunk() {
            return Self::of_all(bytes);
        }
        if rest.is_empty() {
            return Self::default();
        }
        let mut bytes = [0; 64];
        bytes[..rest.len()].copy_from_slice(rest);
        Self::of_all(&bytes)
    }

    #[inline(always)]
    fn of_all(bytes: &[u8; 64]) -> Self {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every processor of this kind has SSE2.
        let marks = unsafe { Self::of_quarters(bytes) };
        #[cfg(not(target_arch = "x86_64"))]
        let marks = Self::one_by_one(bytes);
        marks
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse2")]
    #[inline]
    fn of_quarters(bytes: &[u8; 64]) -> Self {
        use std::arch::x86_64::{
            __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_movemask_epi8, _mm_or_si128,
            _mm_set_epi64x, _mm_set1_epi8, _mm_slli_epi16,
        };
        // The bytes from `last - count + 1` to `last` become the greatest of all that have a sign.
        let among = |bytes: __m128i, last: u8, count: i8| {
            let shifted = _mm_add_epi8(bytes, _mm_set1_epi8(i8::MAX - last as i8));
            _mm_cmpgt_epi8(shifted, _mm_set1_epi8(i8::MAX - count))
        };
        let bits = |bytes: __m128i| u64::from(_mm_movemask_epi8(bytes) as u16);
        let mut marks = Self::default();
        let (quarters, _) = bytes.as_chunks::<16>();
        for (nth, quarter) in quarters.iter().enumerate() {
            let both = u128::from_le_bytes(*quarter);
            let bytes = _mm_set_epi64x((both >> 64) as i64, both as i64);
            let small = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            let at = 16 * nth;
            marks.letters |= bits(among(small, b'z', 26)) << at;
            marks.small |= bits(_mm_slli_epi16(bytes, 2)) << at;
            marks.digits |= bits(among(bytes, b'9', 10)) << at;
            marks.high |= bits(bytes) << at;
            marks.underscores |= bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'_' as i8))) << at;
        }
        marks
    }

    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn one_by_one(bytes: &[u8; 64]) -> Self {
        let bits = |is: fn(u8) -> bool| {
            bytes.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(is(*byte)))
        };
        Self {
            letters: bits(|byte| byte.is_ascii_alphabetic()),
            small: bits(|byte| byte & 0x20 != 0),
            digits: bits(|byte| byte.is_ascii_digit()),
            high: bits(|byte| byte > 0x7f),
            underscores: bits(|byte| byte == b'_'),
        }
    }

    /// Where words begin: at letters after none, and at the humps of camel case; `before` are the 64 bytes before these.
    pub(super) fn words(&self, before: &Self) -> u64 {
        let letter = after(self.letters, before.letters);
        let hump = !self.small & after(self.small, before.small);
        self.letters & (!letter | hump)
    }

    /// Those after a digit or a byte above 0x7f.
    pub(super) fn inner(&self, before: &Self) -> u64 {
        after(self.digits | self.high, before.digits | before.high)
    }

    /// Where numbers begin.
    pub(super) fn numbers(&self, before: &Self) -> u64 {
        self.digits & !after(self.digits, before.digits)
    }

    /// What goes on in a word, and so is no number: all but what comes after its first two letters, an account's country, and after its
    /// first one, which may be the letter of an escape, `\\n12`.
    pub(super) fn in_names(&self, before: &Self) -> u64 {
        let letter = |marks: &Self| marks.letters | marks.high;
        let part = |marks: &Self| letter(marks) | marks.digits | marks.underscores;
        let parts = |nth: u32| part(self) << nth | part(before) >> (64 - nth);
        after(letter(self), letter(before)) & parts(2) & parts(3)
    }
}

/// The bits of the bytes before each.
fn after(bits: u64, before: u64) -> u64 {
    bits << 1 | before >> 63
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_marked_one_by_one() {
        let text: Vec<u8> = (0..=255).chain(*b"a1b22/0:9-Zz[`{@aB").collect();
        let mut before = Marks::default();
        for base in (0..text.len()).step_by(64) {
            let marks = Marks::of(&text, base);
            let (words, numbers) = (marks.words(&before), marks.numbers(&before));
            for (at, byte) in text[base..].iter().take(64).enumerate() {
                let left = (base + at).checked_sub(1).map_or(0, |left| text[left]);
                let hump = byte.is_ascii_uppercase() && left.is_ascii_lowercase();
                let begins = byte.is_ascii_alphabetic() && (!left.is_ascii_alphabetic() || hump);
                let number = byte.is_ascii_digit() && !left.is_ascii_digit();
                assert_eq!(words >> at & 1 == 1, begins, "{left} {byte}");
                assert_eq!(numbers >> at & 1 == 1, number, "{left} {byte}");
            }
            before = marks;
        }
        assert_eq!(Marks::of(&text, text.len()), Marks::default());
    }

    #[test]
    fn many_at_once_are_marked_as_one_by_one() {
        for first in 0..=255u8 {
            let bytes = std::array::from_fn(|at| first.wrapping_add(at as u8));
            assert_eq!(Marks::of_all(&bytes), Marks::one_by_one(&bytes));
        }
    }

    #[test]
    fn words_begin_after_what_is_no_letter_and_at_humps() {
        let text = b"userPassword_1x SHOUT a.B9c";
        let words = Marks::of(text, 0).words(&Marks::default());
        let found: Vec<u32> = (0..64).filter(|at| words >> at & 1 == 1).collect();
        assert_eq!(found, [0, 4, 14, 16, 22, 24, 26]);
    }
}
