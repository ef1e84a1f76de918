//! Which of the numbers of a line are worth a look: by a few bytes beside each, for most are times, addresses and parts of names.

use super::text::is_word;

/// A number of seven digits or more, as people write it, has seven of them in so many bytes.
const WINDOW: u32 = (1 << 20) - 1;

/// Bytes between the groups of a number.
static JOINS: [bool; 256] = {
    let mut joins = [false; 256];
    let bytes = b" -.()/\"'+*_";
    let mut nth = 0;
    while nth < bytes.len() {
        joins[bytes[nth] as usize] = true;
        nth += 1;
    }
    joins
};

/// False if what begins at `at` is no number that [`Numbers::at`](super::numbers::Numbers::at) finds anything in; `digits` has a bit for each
/// digit from there on.
#[inline(always)]
pub(super) fn may_be(text: &[u8], at: usize, digits: u32) -> bool {
    let left = at.checked_sub(1).map_or(b'\n', |left| text[left]);
    if is_word(left) || left == b'_' {
        // In a word: an account number after the two letters of a country, or `\\n12`.
        let Some(from) = at.checked_sub(2) else { return false };
        let country = text[from].is_ascii_alphabetic() && left.is_ascii_alphabetic();
        return country && digits & 2 != 0 || text[from] == b'\\';
    }
    let length = digits.trailing_ones();
    // After a word it may be the number of a house, after a dollar the method of a hash.
    let house = || {
        let word = |from: usize| {
            text[from].is_ascii_alphabetic() || text[from] >= 0x80 || text[from] == b'.'
        };
        length <= 3 && at.checked_sub(2).is_some_and(word)
    };
    if left == b'$' || left == b' ' && house() {
        return true;
    }
    if (digits & WINDOW).count_ones() < 7 {
        return false;
    }
    let Some(&next) = text.get(at + length as usize) else { return length >= 8 };
    if next.is_ascii_alphabetic() || next >= 0x80 {
        return false;
    }
    if JOINS[usize::from(next)] {
        // `12:36:30.957607`: a part of a time.
        let time = length != 4
            && matches!(left, b':' | b'.')
            && at.checked_sub(2).is_some_and(|from| text[from].is_ascii_digit());
        !time && (next != b'_' || length == 4)
    } else {
        length >= 8
    }
}
