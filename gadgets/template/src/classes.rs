//! What each byte of a block is.
#![allow(unsafe_code)] // One call of a function that is compiled for SSE2.

/// What the 64 bytes of a block are, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    /// Part of a word.
    pub(crate) words: u64,
    /// Of those, what makes a word a value: digits, and the sign of an address of mail.
    pub(crate) seeds: u64,
    pub(crate) colons: u64,
    pub(crate) quotes: u64,
}

/// Each byte by itself. Where there is nothing faster.
#[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "the tests compare it"))]
pub(crate) fn classes_by_byte(block: &[u8; 64]) -> Classes {
    let mut out = Classes::default();
    for (i, &byte) in block.iter().enumerate() {
        let seed = byte.is_ascii_digit() || byte == b'@';
        let word = seed || byte.is_ascii_alphabetic() || b"_-.+".contains(&byte);
        out.words |= u64::from(word) << i;
        out.seeds |= u64::from(seed) << i;
        out.colons |= u64::from(byte == b':') << i;
        out.quotes |= u64::from(byte == b'"' || byte == b'\'') << i;
    }
    out
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use classes_by_byte as classes;

/// Sixteen bytes at a time.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn classes(block: &[u8; 64]) -> Classes {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { classes_by_sse2(block) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn classes_by_sse2(block: &[u8; 64]) -> Classes {
    use std::arch::x86_64::{
        _mm_add_epi8, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set_epi64x, _mm_set1_epi8,
    };
    let mut out = Classes::default();
    for (i, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
        let number = u128::from_le_bytes(*bytes);
        let bytes = _mm_set_epi64x((number >> 64) as i64, number as i64);
        let is = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8));
        // Comparisons are signed: the range that begins at `from` is moved to where the least numbers are.
        let moved = |bytes, from: u8| _mm_add_epi8(bytes, _mm_set1_epi8((0x80 - from) as i8));
        let less =
            |bytes, count: u8| _mm_cmplt_epi8(bytes, _mm_set1_epi8(count.wrapping_add(0x80) as i8));
        let letter = less(moved(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), b'a'), 26);
        let seed = _mm_or_si128(less(moved(bytes, b'0'), 10), is(b'@'));
        let joins =
            _mm_or_si128(_mm_or_si128(is(b'-'), is(b'.')), _mm_or_si128(is(b'_'), is(b'+')));
        let word = _mm_or_si128(_mm_or_si128(letter, seed), joins);
        let bits = |class| u64::from(_mm_movemask_epi8(class) as u16) << (16 * i);
        out.words |= bits(word);
        out.seeds |= bits(seed);
        out.colons |= bits(is(b':'));
        out.quotes |= bits(_mm_or_si128(is(b'"'), is(b'\'')));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_looking_at_a_block_agree() {
        for start in 0..=255u8 {
            let block = std::array::from_fn(|i| start.wrapping_add(i as u8));
            assert_eq!(classes(&block), classes_by_byte(&block));
        }
    }
}
