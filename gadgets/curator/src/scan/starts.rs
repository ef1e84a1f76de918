//! Which of the numbers of a line are worth a look: by a few bytes beside each, for most are times, addresses and parts of names.

use super::numbers;
use super::places;
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
        let Some(from) = at.checked_sub(2) else {
            return false;
        };
        let country = text[from].is_ascii_alphabetic() && left.is_ascii_alphabetic();
        return country && digits & 2 != 0 || text[from] == b'\\';
    }
    let length = digits.trailing_ones();
    // The method of a hash, the number of a house.
    if left == b'$' || left == b' ' && length <= 3 && places::may_be_house(text, at) {
        return true;
    }
    if (digits & WINDOW).count_ones() < 7 {
        return false;
    }
    let Some(&next) = text.get(at + length as usize) else {
        return length >= 8;
    };
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

/// The end of a date, `2015-07-29`: the number that lines have most of.
#[inline(always)]
pub(super) fn past_date(text: &[u8], at: usize, digits: u64) -> Option<usize> {
    if digits & 0x7ff != 0b011_0110_1111 {
        return None;
    }
    let [one, two, _, _, sign, _, _, same, _, _] = text[at..].first_chunk()?;
    let year = matches!([one, two], [b'1', b'9'] | [b'2', b'0']);
    let alone = at.checked_sub(1).is_none_or(|left| !is_word(text[left]) && text[left] != b'_')
        || numbers::escaped(text, at);
    (year && alone && sign == same && matches!(sign, b'-' | b'/' | b'.')).then_some(at + 10)
}
