//! The pass over a text: where words and numbers begin, which of them may mean something, and a look at those.
#![allow(unsafe_code)]

use super::index::Four;
use super::marks::Marks;
use super::numbers::Numbers;
use super::{Found, Scanner, foreign, look, mail, people, starts};

impl Scanner {
    /// Looks at what is there as it is. True if bytes above 0x7f are among it.
    pub(super) fn plain(&self, text: &[u8], found: &mut Found<'_>) -> bool {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
        {
            // SAFETY: this processor has what it is built for.
            return unsafe { self.pass_of_new(text, found) };
        }
        self.pass::<false>(text, found)
    }

    /// The same for processors of the last ten years: a quarter fewer instructions.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    fn pass_of_new(&self, text: &[u8], found: &mut Found<'_>) -> bool {
        self.pass::<false>(text, found)
    }

    /// `ALL` looks at all numbers and words, as if each might mean something: what tests compare with.
    #[inline(always)]
    fn pass<const ALL: bool>(&self, text: &[u8], found: &mut Found<'_>) -> bool {
        let mut numbers = Numbers::default();
        let mut high = 0;
        let (mut before, mut here) = (Marks::default(), Marks::of(text, 0));
        for base in (0..text.len()).step_by(64) {
            let next = Marks::of(text, base + 64);
            high |= here.high;
            self.words::<ALL>(text, base, [&before, &here], found);
            let mut bits = here.numbers(&before);
            if !ALL {
                bits &= !here.in_names(&before);
            }
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let digits = here.digits >> bit | next.digits << 1 << (63 - bit);
                let at = base + bit as usize;
                if at < numbers.done {
                    continue;
                }
                if let Some(end) = starts::past_date(text, at, digits) {
                    numbers.done = end;
                } else if ALL || found.whose.is_near(at) || starts::may_be(text, at, digits as u32)
                {
                    numbers.at(text, at, digits as u32, found);
                }
            }
            (before, here) = (here, next);
        }
        if high != 0 {
            foreign::scan(text, found);
        }
        mail::plain(text, found);
        high != 0
    }

    /// Looks at the words that begin in 64 bytes.
    #[inline(always)]
    fn words<const ALL: bool>(
        &self,
        text: &[u8],
        base: usize,
        [before, here]: [&Marks; 2],
        found: &mut Found<'_>,
    ) {
        let rest = &text[base..];
        let mut tail = [0; 68];
        let bytes: &[u8; 68] = rest.first_chunk().unwrap_or_else(|| {
            tail[..rest.len()].copy_from_slice(rest);
            &tail
        });
        let four = |bit: u32| {
            let at = (bit % 64) as usize;
            Four::of([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut bits = here.words(before);
        // Few words go on after a digit.
        let mut inner = bits & here.inner(before);
        while inner != 0 {
            let bit = inner.trailing_zeros();
            if !ALL && !self.inner.may(four(bit)) {
                bits &= !(1 << bit);
            }
            inner &= inner - 1;
        }
        while bits != 0 {
            let bit = bits.trailing_zeros();
            bits &= bits - 1;
            let four = four(bit);
            let at = base + bit as usize;
            if (ALL || self.words.may(four))
                && let Some((end, sense)) = self.words.at(text, at, four)
            {
                look(self, text, at..end, sense, found);
            }
            if here.small >> bit & 1 == 0
                && (ALL || self.names.may(four))
                && let Some((end, ())) = self.names.at(text, at, four)
            {
                people::given(text, at..end, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    /// Nothing is left out that a look would have found something at: on the texts of the rules' own tests, alone and beside each other.
    #[test]
    fn what_is_not_looked_at_is_nothing() {
        let scanner = Scanner::new();
        let texts = concat!(
            include_str!("../../tests/forms/hidden.txt"),
            include_str!("../../tests/forms/untouched.txt"),
        );
        let find = |text: &[u8], all: bool| {
            let mut spans: Vec<Span> = Vec::new();
            let mut found = Found::new(text, &mut spans, u32::MAX);
            match all {
                true => scanner.pass::<true>(text, &mut found),
                false => scanner.plain(text, &mut found),
            };
            spans
        };
        let lines: Vec<&[u8]> = texts.lines().map(str::as_bytes).collect();
        let joined = lines.windows(2).map(|two| two.concat());
        let cut = lines
            .iter()
            .enumerate()
            .map(|(nth, line)| line[nth % 7.min(line.len().max(1))..].to_vec());
        for text in joined.chain(cut).chain([texts.as_bytes().to_vec()]) {
            let (some, all) = (find(&text, false), find(&text, true));
            assert_eq!(some, all, "{}", String::from_utf8_lossy(&text));
        }
        assert!(find(texts.as_bytes(), false).len() > 100);
    }
}
