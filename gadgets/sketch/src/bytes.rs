//! The compact form of a sketch.
//!
//! A byte of version, a byte that says which parts follow, and the parts. Numbers are little endian, or varints of seven bits a
//! byte. A store is its first key, how many bins follow that one, and a token for each bin that is not empty and each gap between:
//! 0 is a gap of 64 and as many more as the next varint says, 1 to 63 a gap of as many bins, and 63 + n a count of n. The sum is
//! a varint of its sign (lowest bit) and how many zero bytes it ends with, one of how many bytes it has, and these. There is one
//! way only to write a sketch, and no other is read.

use crate::error::DecodeError;
use crate::mapping::Mapping;
use crate::sketch::{MAX_COUNT, Sketch};
use crate::store::{MAX_BINS, Store};
use crate::sum::ExactSum;

const VERSION: u8 = 1;

/// In the lowest two bits of the second byte.
const CONTRACT: u8 = 0;
const BASE2: u8 = 1;
/// The bucket ratio follows.
const LOGARITHMIC: u8 = 2;
const ZEROS: u8 = 1 << 2;
const POSITIVE: u8 = 1 << 3;
const NEGATIVE: u8 = 1 << 4;
const REJECTED: u8 = 1 << 5;
const COLLAPSED: u8 = 1 << 6;
/// The minimum is zero, as it is wherever something idles, and does not follow.
const FROM_ZERO: u8 = 1 << 7;

/// The longest gap that is one token.
const SHORT_GAP: u64 = 63;

impl Sketch {
    /// The compact form, which [`Sketch::from_bytes`] reads back to an equal sketch.
    ///
    /// At most 20 bytes for each bin that is not empty, 340 besides; usually 1 to 3 a bin and 40.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.write_to(&mut out);
        out
    }

    /// As [`Sketch::to_bytes`], behind what is there.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let (zeros, positives) = (self.zero_count(), self.positives());
        let mapping = match self.mapping {
            Mapping::CONTRACT => CONTRACT,
            Mapping::BASE2 => BASE2,
            _ => LOGARITHMIC,
        };
        let part = |present: bool, flag: u8| if present { flag } else { 0 };
        let parts = part(zeros > 0, ZEROS)
            | part(positives > 0, POSITIVE)
            | part(self.negatives > 0, NEGATIVE)
            | part(self.rejected > 0, REJECTED)
            | part(self.collapsed() > 0, COLLAPSED)
            | part(self.min == 0.0, FROM_ZERO);
        out.extend([VERSION, mapping | parts]);
        if mapping == LOGARITHMIC {
            out.extend(self.mapping.gamma().to_le_bytes());
        }
        if self.rejected > 0 {
            put(out, self.rejected);
        }
        if self.count == 0 {
            return;
        }
        if self.min != 0.0 {
            out.extend(self.min.to_le_bytes());
        }
        out.extend(self.max.to_le_bytes());
        let sum = self.sum.to_magnitude();
        put(out, (sum.zeros() as u64) << 1 | u64::from(sum.negative));
        put(out, sum.bytes().len() as u64);
        out.extend(sum.bytes());
        if zeros > 0 {
            put(out, zeros);
        }
        for store in [&self.positive, &self.negative] {
            write_store(out, store);
        }
        if self.collapsed() > 0 {
            put(out, self.positive.collapsed());
            put(out, self.negative.collapsed());
        }
    }

    /// Reads what [`Sketch::to_bytes`] wrote, and nothing else: no bytes may follow. Memory is bounded by
    /// [`MAX_BINS`](crate::MAX_BINS), whatever the bytes are.
    ///
    /// # Errors
    /// A [`DecodeError`] that says what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = Bytes(bytes);
        let [version, parts] = rest.take()?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let mapping = match parts & 3 {
            CONTRACT => Mapping::CONTRACT,
            BASE2 => Mapping::BASE2,
            LOGARITHMIC => rest.mapping()?,
            _ => return Err(DecodeError::Malformed("no such mapping")),
        };
        let has = |flag| parts & flag != 0;
        let mut it = Self::with(mapping);
        if has(REJECTED) {
            it.rejected = rest.positive()?;
        }
        if has(ZEROS | POSITIVE | NEGATIVE) {
            it.min = if has(FROM_ZERO) { 0.0 } else { f64::from_le_bytes(rest.take()?) };
            it.max = f64::from_le_bytes(rest.take()?);
            it.sum = rest.sum()?;
            let zeros = if has(ZEROS) { rest.count()? } else { 0 };
            let keys = mapping.keys();
            let mut positives = 0;
            if has(POSITIVE) {
                (it.positive, positives) = rest.store(keys)?;
            }
            if has(NEGATIVE) {
                (it.negative, it.negatives) = rest.store(keys)?;
            }
            it.positive.add_zeros(zeros);
            it.count = zeros + positives + it.negatives;
            if it.count > MAX_COUNT {
                return Err(DecodeError::Count(it.count as f64));
            }
        } else if has(FROM_ZERO) {
            return Err(DecodeError::Malformed("a minimum of no values"));
        }
        if has(COLLAPSED) {
            for store in [&mut it.positive, &mut it.negative] {
                let collapsed = rest.varint()?;
                // They all are in the lowest bin, and that is as low as can be.
                let lowest = store.bins().map_or(0, |(_, counts)| match counts.len() {
                    MAX_BINS => counts[0],
                    _ => 0,
                });
                if collapsed > lowest {
                    return Err(DecodeError::Malformed("more collapsed than there are"));
                }
                store.set_collapsed(collapsed);
            }
            if it.collapsed() == 0 {
                return Err(DecodeError::Malformed("an empty part"));
            }
        }
        if !rest.0.is_empty() {
            return Err(DecodeError::Malformed("bytes follow"));
        }
        // Neither is a zero with a sign written, nor one that the second byte tells.
        let plain = it.min != 0.0 || has(FROM_ZERO);
        if !plain || it.max == 0.0 && it.max.is_sign_negative() || !it.sum_is_between() {
            return Err(DecodeError::Summary("minimum, maximum or sum"));
        }
        it.check()
    }
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn write_store(out: &mut Vec<u8>, store: &Store) {
    let Some((first, counts)) = store.bins() else { return };
    put(out, (i64::from(first) << 1 ^ i64::from(first) >> 63) as u64);
    put(out, counts.len() as u64 - 1);
    out.reserve(counts.len());
    let mut gap = 0;
    for count in counts {
        if *count == 0 {
            gap += 1;
            continue;
        }
        match gap {
            0 => {}
            1..=SHORT_GAP => out.push(gap as u8),
            _ => {
                out.push(0);
                put(out, gap - SHORT_GAP - 1);
            }
        }
        gap = 0;
        put(out, count + SHORT_GAP);
    }
}

/// What has not been read yet.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // Neither a last byte that says nothing, nor bits beyond the 64th.
                let plain = shift == 0 || byte != 0 && (shift < 63 || byte == 1);
                return if plain { Ok(value) } else { Err(DecodeError::Malformed("a varint")) };
            }
        }
        Err(DecodeError::Malformed("a varint"))
    }

    fn positive(&mut self) -> Result<u64, DecodeError> {
        match self.varint()? {
            0 => Err(DecodeError::Malformed("an empty part")),
            some => Ok(some),
        }
    }

    fn count(&mut self) -> Result<u64, DecodeError> {
        let count = self.positive()?;
        if count > MAX_COUNT { Err(DecodeError::Count(count as f64)) } else { Ok(count) }
    }

    fn mapping(&mut self) -> Result<Mapping, DecodeError> {
        let gamma = f64::from_le_bytes(self.take()?);
        let mapping = Mapping::of_gamma(gamma).ok_or(DecodeError::Gamma(gamma))?;
        if mapping == Mapping::CONTRACT || mapping == Mapping::BASE2 {
            return Err(DecodeError::Malformed("a mapping that has a shorter name"));
        }
        Ok(mapping)
    }

    fn sum(&mut self) -> Result<ExactSum, DecodeError> {
        const MALFORMED: DecodeError = DecodeError::Malformed("a sum");
        let (zeros, len) = (self.varint()?, self.varint()?);
        let len = usize::try_from(len).map_err(|_| DecodeError::Truncated)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        let negative = zeros & 1 == 1;
        let zeros = usize::try_from(zeros >> 1).map_err(|_| MALFORMED)?;
        ExactSum::from_magnitude(negative, zeros, bytes).ok_or(MALFORMED)
    }

    /// A store whose keys are within these, and how many values it has.
    fn store(&mut self, (lowest, highest): (i32, i32)) -> Result<(Store, u64), DecodeError> {
        const GAP: DecodeError = DecodeError::Malformed("a gap that is not between two bins");
        let zigzag = self.varint()?;
        let first = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        let more = self.varint()?;
        let last = first.checked_add_unsigned(more).ok_or(DecodeError::Index(first))?;
        if more >= MAX_BINS as u64 {
            return Err(DecodeError::Malformed("too many bins"));
        }
        for key in [first, last] {
            if key < i64::from(lowest) || key > i64::from(highest) {
                return Err(DecodeError::Index(key));
            }
        }
        let (mut store, mut total) = (Store::default(), 0_u64);
        let _ = store.make_room(first as i32, last as i32);
        let mut key = first;
        while key <= last {
            let mut token = self.varint()?;
            if token <= SHORT_GAP {
                let gap = match token {
                    0 => self.varint()?.saturating_add(SHORT_GAP + 1),
                    short => short,
                };
                if key == first || gap > (last - key) as u64 {
                    return Err(GAP);
                }
                key += gap as i64;
                token = self.varint()?;
            }
            let count = token.checked_sub(SHORT_GAP).filter(|count| *count != 0).ok_or(GAP)?;
            total = total.saturating_add(count);
            if total > MAX_COUNT {
                return Err(DecodeError::Count(total as f64));
            }
            store.add(key as i32, count);
            key += 1;
        }
        Ok((store, total))
    }
}
