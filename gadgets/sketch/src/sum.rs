//! A sum of floating-point numbers that no order of adding changes.

use std::cmp::Ordering;
use std::fmt;
use std::hint::select_unpredictable;
use std::ops::Range;

/// 2,099 bits for any finite number, 64 for how many there are, and the sign.
const WORDS: usize = 34;

/// How far above [`ExactSum::near_at`] the lowest bit of a mantissa may be to go to [`ExactSum::near`]: 42 octaves are wider than
/// most data, and leave room for 2^32 of the greatest.
const NEAR: usize = 42;
const MANTISSA: u64 = (1 << 52) - 1;

/// The powers of two up to [`NEAR`], by which it is cheaper to multiply than to shift over two words.
const POWERS: &[u64; NEAR + 1] = &{
    let mut powers = [1; NEAR + 1];
    let mut i = 1;
    while i <= NEAR {
        powers[i] = powers[i - 1] * 2;
        i += 1;
    }
    powers
};

/// A whole number of 2^-1075: shifted by its exponent, a mantissa is in these units.
#[derive(Clone)]
pub(crate) struct ExactSum {
    /// In two's complement, lowest word first.
    words: [u64; WORDS],
    /// What is to be added to it, shifted by `near_at`: values that are alike need not look for their words.
    near: u128,
    near_at: usize,
}

impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        self.settled().words == other.settled().words
    }
}

impl fmt::Debug for ExactSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value())
    }
}

/// A sum's sign and bytes.
pub(crate) struct Magnitude {
    pub(crate) negative: bool,
    words: [u64; WORDS],
    /// From the first byte that is not zero to behind the last.
    span: Range<usize>,
}

impl Magnitude {
    /// How many zero bytes are below the others.
    pub(crate) fn zeros(&self) -> usize {
        self.span.start
    }

    /// From the first that is not zero to the last.
    pub(crate) fn bytes(&self) -> impl ExactSizeIterator<Item = u8> {
        self.span.clone().map(|i| (self.words[i / 8] >> (i % 8 * 8)) as u8)
    }
}

/// A finite number as a whole number of 2^-1075: where its lowest bit is, and its mantissa. Subnormal ones are zero.
fn split(value: f64) -> (usize, u64) {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as usize % 2048;
    (exponent, if exponent == 0 { 0 } else { bits & MANTISSA | 1 << 52 })
}

impl ExactSum {
    pub(crate) const ZERO: Self = Self { words: [0; WORDS], near: 0, near_at: 0 };

    /// Adds a number above zero, not subnormal and finite, whose bits these are; or zero for it.
    #[inline]
    pub(crate) fn add_bits(&mut self, bits: u64, is_zero: bool) {
        let exponent = (bits >> 52) as usize;
        let shift = select_unpredictable(is_zero, 0, exponent.wrapping_sub(self.near_at));
        let mantissa = select_unpredictable(is_zero, 0, bits & MANTISSA | 1 << 52);
        let Some(power) = POWERS.get(shift) else { return self.add_far(exponent, mantissa) };
        let part = u128::from(mantissa) * u128::from(*power);
        let (sum, over) = self.near.overflowing_add(part);
        self.near = sum;
        if over {
            self.carry_near();
        }
    }

    /// Begins to be near to this one.
    #[cold]
    #[inline(never)]
    fn add_far(&mut self, exponent: usize, mantissa: u64) {
        self.settle();
        self.near_at = exponent.saturating_sub(NEAR / 2);
        self.add_at(exponent, u128::from(mantissa));
    }

    #[cold]
    #[inline(never)]
    fn carry_near(&mut self) {
        self.add_at(self.near_at + 128, 1);
    }

    fn settle(&mut self) {
        let near = std::mem::take(&mut self.near);
        self.add_wide(self.near_at, near);
    }

    fn add_wide(&mut self, at: usize, part: u128) {
        self.add_at(at, u128::from(part as u64));
        self.add_at(at + 64, part >> 64);
    }

    fn settled(&self) -> Self {
        let mut it = self.clone();
        it.settle();
        it
    }

    /// Adds any finite number so many times.
    pub(crate) fn add(&mut self, value: f64, times: u64) {
        let (at, mantissa) = split(value);
        let product = u128::from(mantissa) * u128::from(times);
        if value < 0.0 {
            self.subtract_at(at, product as u64);
            self.subtract_at(at + 64, (product >> 64) as u64);
        } else {
            self.add_wide(at, product);
        }
    }

    /// `part` is less than 2^64.
    fn add_at(&mut self, at: usize, part: u128) {
        let (word, part) = (at / 64, part << (at % 64));
        let mut carry = false;
        for (i, word) in self.words.iter_mut().skip(word).enumerate() {
            let part = match i {
                0 => part as u64,
                1 => (part >> 64) as u64,
                _ if !carry => break,
                _ => 0,
            };
            (*word, carry) = word.carrying_add(part, carry);
        }
    }

    fn subtract_at(&mut self, at: usize, part: u64) {
        let (word, part) = (at / 64, u128::from(part) << (at % 64));
        let mut borrow = false;
        for (i, word) in self.words.iter_mut().skip(word).enumerate() {
            let part = match i {
                0 => part as u64,
                1 => (part >> 64) as u64,
                _ if !borrow => break,
                _ => 0,
            };
            (*word, borrow) = word.borrowing_sub(part, borrow);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let mut carry = false;
        for (word, part) in self.words.iter_mut().zip(other.words) {
            (*word, carry) = word.carrying_add(part, carry);
        }
        let near = other.near;
        match self.near.checked_add(near) {
            Some(sum) if self.near_at == other.near_at => self.near = sum,
            _ => self.add_wide(other.near_at, near),
        }
    }

    /// Only of one that is settled.
    fn is_negative(&self) -> bool {
        self.words[WORDS - 1] >> 63 == 1
    }

    /// So, too.
    fn negated(&self) -> Self {
        let mut it = Self::ZERO;
        for (negated, word) in it.words.iter_mut().zip(self.words) {
            *negated = !word;
        }
        it.add_at(0, 1);
        it
    }

    /// The nearest number, to even if two are as near; beyond them all, the last one.
    pub(crate) fn value(&self) -> f64 {
        let it = self.settled();
        if it.is_negative() { -it.negated().magnitude() } else { it.magnitude() }
    }

    fn magnitude(&self) -> f64 {
        let Some(top) = self.words.iter().rposition(|word| *word != 0) else { return 0.0 };
        let bit = top * 64 + 63 - self.words[top].leading_zeros() as usize;
        if bit < 54 {
            return f64::from_bits(self.words[0] >> 1);
        }
        // The 53 bits below and with the top one are the mantissa; its first one is 1 in the exponent.
        let shift = bit - 52;
        let wide = |word: usize| u128::from(self.words.get(word).copied().unwrap_or_default());
        let pair = wide(shift / 64) | wide(shift / 64 + 1) << 64;
        let mantissa = (pair >> (shift % 64)) as u64 & ((1 << 53) - 1);
        let half = self.words[(shift - 1) / 64] >> ((shift - 1) % 64) & 1 == 1;
        let rest = self.words[..(shift - 1) / 64].iter().any(|word| *word != 0)
            || self.words[(shift - 1) / 64] & ((1 << ((shift - 1) % 64)) - 1) != 0;
        let up = half && (rest || mantissa % 2 == 1);
        let bits = ((shift as u64 - 1) << 52) + mantissa + u64::from(up);
        f64::from_bits(bits.min(f64::MAX.to_bits()))
    }

    pub(crate) fn to_magnitude(&self) -> Magnitude {
        let it = self.settled();
        let negative = it.is_negative();
        let words = if negative { it.negated().words } else { it.words };
        let first = words.iter().position(|word| *word != 0);
        let span = first.map_or(0..0, |first| {
            let last = words.iter().rposition(|word| *word != 0).unwrap_or(first);
            let zeros = words[first].trailing_zeros() as usize / 8;
            first * 8 + zeros..last * 8 + 8 - words[last].leading_zeros() as usize / 8
        });
        Magnitude { negative, words, span }
    }

    /// `None` of what [`ExactSum::to_magnitude`] does not give.
    pub(crate) fn from_magnitude(negative: bool, zeros: usize, bytes: &[u8]) -> Option<Self> {
        let trimmed = match bytes {
            [] => zeros == 0 && !negative,
            [first, .., last] => *first != 0 && *last != 0,
            [only] => *only != 0,
        };
        let mut all = [0; WORDS * 8];
        let room = all.get_mut(zeros..zeros.checked_add(bytes.len())?)?;
        room.copy_from_slice(bytes);
        let mut it = Self::ZERO;
        for (word, bytes) in it.words.iter_mut().zip(all.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        if !trimmed || it.is_negative() {
            return None;
        }
        Some(if negative { it.negated() } else { it })
    }

    /// Against `value * times`, exactly.
    pub(crate) fn cmp_product(&self, value: f64, times: u64) -> Ordering {
        let mut difference = self.settled();
        difference.add(-value, times);
        if difference.is_negative() {
            Ordering::Less
        } else if difference == Self::ZERO {
            Ordering::Equal
        } else {
            Ordering::Greater
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum_of(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::ZERO;
        for value in values {
            sum.add(*value, 1);
        }
        sum
    }

    #[test]
    fn what_cancels_leaves_nothing() {
        let least = f64::MIN_POSITIVE;
        let sum = sum_of(&[1e300, 1.0, -1e300, least, f64::MAX, 5e-324, -f64::MAX, -1.0]);
        assert_eq!(sum.value(), least);
        assert_eq!(sum_of(&[0.1; 10]).value(), 1.0, "ten tenths, rounded once");
    }

    #[test]
    fn ties_round_to_even_and_a_trace_decides_them() {
        let one_more = 2_f64.powi(53);
        assert_eq!(sum_of(&[one_more, 1.0]).value(), one_more);
        assert_eq!(sum_of(&[one_more, 1.0, 1e-300]).value(), one_more + 2.0);
        assert_eq!(sum_of(&[one_more, 3.0]).value(), one_more + 4.0);
        assert_eq!(sum_of(&[one_more * 2.0 - 1.0, 0.5]).value(), one_more * 2.0, "all ones carry");
    }

    #[test]
    fn beyond_all_numbers_it_is_the_last_one() {
        let mut sum = ExactSum::ZERO;
        sum.add(f64::MAX, u64::MAX);
        assert_eq!(sum.value(), f64::MAX);
        sum.add(-f64::MAX, u64::MAX - 1);
        assert_eq!(sum.value(), f64::MAX);
        sum.add(-f64::MAX, 3);
        assert_eq!(sum.value(), -f64::MAX);
        assert_eq!(sum.cmp_product(-f64::MAX, 2), Ordering::Equal);
    }

    #[test]
    fn what_is_near_adds_up_with_what_is_not() {
        let mut sum = ExactSum::ZERO;
        let mut slow = ExactSum::ZERO;
        // Near to each other, far, nothing, near again, and so great that what is near overflows.
        let values = [1.0, 3e9, 0.0, 1e-300, 7.0, 1e300, 2e300, 1e-8, 0.1, 0.0, 1e4];
        for value in values.into_iter().chain(std::iter::repeat_n(1.6e12, 100_000)).chain([0.1; 10])
        {
            sum.add_bits(f64::to_bits(value), value == 0.0);
            slow.add(value, 1);
        }
        assert_eq!(sum, slow);
        assert!(sum.words.iter().any(|word| *word != 0), "both ways were used");
        sum.near = u128::MAX;
        let before = sum.settled();
        sum.add_bits(0.1_f64.to_bits(), false);
        assert_eq!(sum.cmp_product(0.1, 1), before.cmp_product(0.0, 1));
        sum.add(-0.1, 1);
        assert_eq!(sum, before, "a carry out of what is near is not lost");
    }

    proptest! {
        #[test]
        fn any_single_number_is_itself(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_normal());
            prop_assert_eq!(sum_of(&[value]).value(), value);
            let magnitude = sum_of(&[value]).to_magnitude();
            let bytes: Vec<u8> = magnitude.bytes().collect();
            let back = ExactSum::from_magnitude(magnitude.negative, magnitude.zeros(), &bytes);
            prop_assert_eq!(back, Some(sum_of(&[value])));
        }

        #[test]
        fn integers_add_up_as_integers_do(values: Vec<i32>, times in 0..1_000_000_u64) {
            let mut sum = ExactSum::ZERO;
            for value in &values {
                sum.add(f64::from(*value), times);
            }
            let expected: i64 = values.iter().map(|it| i64::from(*it) * times as i64).sum();
            prop_assert_eq!(sum.value(), expected as f64);
        }

        #[test]
        fn a_magnitude_of_any_bytes_is_refused_or_comes_back(
            negative: bool, zeros in 0..300_usize, bytes: Vec<u8>,
        ) {
            if let Some(sum) = ExactSum::from_magnitude(negative, zeros, &bytes) {
                let back = sum.to_magnitude();
                let read = (back.negative, back.zeros(), back.bytes().collect::<Vec<_>>());
                prop_assert_eq!(read, (negative, zeros, bytes));
            }
        }
    }
}
