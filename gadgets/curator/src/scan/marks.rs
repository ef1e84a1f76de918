//! Where words and numbers begin, 64 bytes at a time.

/// One bit for each of at most 64 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// Words begin here: at letters after none, and at the humps of camel case.
    pub(super) words: u64,
    pub(super) digits: u64,
    /// A byte above 0x7f is among them.
    pub(super) high: bool,
}

impl Marks {
    /// Of the bytes from `base` on.
    pub(super) fn of(text: &[u8], base: usize) -> Self {
        if base >= text.len() {
            return Self::default();
        }
        // The byte before is looked at as well: a word begins after what is no letter.
        let inside = base.checked_sub(1).and_then(|from| text[from..].first_chunk::<65>());
        if let Some(window) = inside {
            return Self::of_window(window);
        }
        let mut window = [0; 65];
        let to = text.len().min(base + 64);
        let from = base.saturating_sub(1);
        // Nothing is before the first byte of all.
        let at = usize::from(base == 0);
        window[at..at + to - from].copy_from_slice(&text[from..to]);
        Self::of_window(&window)
    }

    /// Each byte for itself and without branches, so that the compiler takes many at once.
    fn of_window(window: &[u8; 65]) -> Self {
        let (mut words, mut digits, mut high) = ([0u8; 64], [0u8; 64], 0);
        for at in 0..64 {
            let (before, byte) = (window[at], window[at + 1]);
            let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
            let after = (before | 0x20).wrapping_sub(b'a') < 26;
            let hump = (byte & 0x20 == 0) & (before & 0x20 != 0);
            words[at] = u8::from(letter & (!after | hump));
            digits[at] = u8::from(byte.wrapping_sub(b'0') < 10);
            high |= byte;
        }
        Self { words: bits(&words), digits: bits(&digits), high: high & 0x80 != 0 }
    }

    /// Where numbers begin; `before` is the byte before the first.
    pub(super) fn numbers(&self, before: Option<u8>) -> u64 {
        let digit = before.is_some_and(|byte| byte.is_ascii_digit());
        self.digits & !(self.digits << 1 | u64::from(digit))
    }
}

/// A bit for each byte, which is 0 or 1.
fn bits(bytes: &[u8; 64]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        bits << 8 | u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_marked_one_by_one() {
        let text: Vec<u8> = (0..=255).chain(*b"a1b22/0:9-Zz[`{@aB").collect();
        for base in 0..text.len() {
            let marks = Marks::of(&text, base);
            for (at, byte) in text[base..].iter().take(64).enumerate() {
                let before = (base + at).checked_sub(1).map_or(0, |before| text[before]);
                let hump = byte.is_ascii_uppercase() && before.is_ascii_lowercase();
                let begins = byte.is_ascii_alphabetic() && (!before.is_ascii_alphabetic() || hump);
                assert_eq!(marks.words >> at & 1 == 1, begins, "{before} {byte}");
                assert_eq!(marks.digits >> at & 1 == 1, byte.is_ascii_digit(), "{byte}");
            }
            assert_eq!(marks.high, text[base..].iter().take(64).any(|byte| *byte > 0x7f));
        }
        let past = Marks::of(&text, text.len());
        assert_eq!((past.words, past.digits, past.high), (0, 0, false));
    }

    #[test]
    fn words_begin_after_what_is_no_letter_and_at_humps() {
        let begins = |text: &[u8], base| {
            let bits = Marks::of(text, base).words;
            (0..64).filter(|at| bits >> at & 1 == 1).collect::<Vec<_>>()
        };
        assert_eq!(begins(b"userName user_id 5xx HTTP", 0), [0, 4, 9, 14, 18, 21]);
        assert_eq!(begins(b"cab", 1), [] as [i32; 0]);
        assert_eq!(begins(b"cAb", 1), [0]);
        assert_eq!(Marks::of(b"112a34", 1).numbers(Some(b'1')), 0b1000);
    }
}
