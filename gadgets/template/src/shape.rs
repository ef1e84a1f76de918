//! The shape of a line: a hash of what is left of it without its values.

use crate::mask::{Mask, window};

/// How much of a line counts for its shape and its template.
pub(crate) const LOOKED_AT: usize = 4096;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0xd6e8_feb8_6659_fd93;

#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(FACTOR);
    (product as u64) ^ (product >> 64) as u64
}

/// Up to eight bytes as a number, without a branch for each length.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    if len >= 4 {
        let low = bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
        let high = bytes.last_chunk().map_or(0, |b| u32::from_le_bytes(*b));
        u64::from(low) | u64::from(high) << 32
    } else if len > 0 {
        u64::from(bytes[0]) | u64::from(bytes[len / 2]) << 8 | u64::from(bytes[len - 1]) << 16
    } else {
        0
    }
}

/// Hashes bytes; not to be relied on against whoever chooses them.
#[inline]
pub(crate) fn hash(mut hash: u64, bytes: &[u8]) -> u64 {
    let len = bytes.len() as u64;
    let mut rest = bytes;
    while let Some((eight, later)) = rest.split_first_chunk()
        && !later.is_empty()
    {
        hash = mix(hash, u64::from_le_bytes(*eight));
        rest = later;
    }
    mix(hash, short(rest) ^ len << 56)
}

/// The shape of a line: equal for lines that differ only in their values.
///
/// Values are words with a digit in them (numbers, identifiers, addresses, times), addresses of mail, and single words between
/// quotes, unless their key says that they tell something (`msg`, `level`, `error`). Lists of such values are one value, however
/// long. The first 4 KiB count. Lines of one shape have one template; lines of one template may have several shapes.
///
/// ```
/// use gadget_template::shape_of;
///
/// assert_eq!(shape_of(b"job 17 took 3.5 s"), shape_of(b"job 18 took 0.2 s"));
/// assert_ne!(shape_of(b"job 17 took 3.5 s"), shape_of(b"job 17 failed after 3.5 s"));
/// ```
#[must_use]
#[inline]
pub fn shape_of(line: &[u8]) -> u64 {
    let mut rest = &line[..line.len().min(LOOKED_AT)];
    let mut shape = SEED;
    // What stood between the last two values, if it was short: `, ` within a list.
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(window(rest));
        Mask::of(now).kept(now.len(), |start, end| {
            let kept = &now[start..end];
            if kept.len() <= 8 {
                let word = short(kept) ^ (kept.len() as u64) << 56;
                if word != last {
                    shape = mix(shape, word);
                }
                last = word;
            } else {
                shape = hash(shape, kept);
                last = u64::MAX;
            }
        });
        rest = later;
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_may_differ() {
        let same = [
            ("a 1 b", "a 22 b"),
            ("[1, 2, 3]", "[4, 5, 6, 7, 8]"),
            ("at 10:11:12.13 x", "at 1:1 x"),
            ("k=\"v\" z", "k=\"w\" z"),
        ];
        for (one, other) in same {
            assert_eq!(shape_of(one.as_bytes()), shape_of(other.as_bytes()), "{one} {other}");
        }
        let other = ["", "a", "a ", " a", "a b", "b a", "ab", "abcdefgh", "abcdefghi", "a #", "\0"];
        for (i, one) in other.iter().enumerate() {
            for two in &other[..i] {
                assert_ne!(shape_of(one.as_bytes()), shape_of(two.as_bytes()), "{one:?} {two:?}");
            }
        }
    }

    #[test]
    fn what_is_far_behind_does_not_count() {
        let long = "word ".repeat(2000);
        assert_eq!(shape_of(long.as_bytes()), shape_of(format!("{long} more").as_bytes()));
    }
}
