//! Which bytes of a line are values: found 64 bytes at a time, as bits.

use crate::classes::classes;

/// Bytes that are looked at together. A line is cut into windows of at most this many, after a space.
pub(crate) const WINDOW: usize = 512;

const BLOCKS: usize = WINDOW / 64;

/// Keys whose values are what the line says, by their last three letters: msg, message, event, log, text, error, err, exception,
/// reason, cause, level, severity, status, state.
const TELLING: [[u8; 3]; 14] = [
    *b"msg", *b"age", *b"ent", *b"log", *b"ext", *b"ror", *b"err", *b"ion", *b"son", *b"use",
    *b"vel", *b"ity", *b"tus", *b"ate",
];

/// The masked bytes of a window, a bit for each.
pub(crate) struct Mask {
    bits: [u64; BLOCKS],
    blocks: usize,
}

/// From each seed to the end of its run, towards higher bits; `carry` is 1 if a run goes on from the block before.
#[inline]
fn flood(runs: u64, seeds: u64, carry: &mut u64) -> u64 {
    let (sum, over) = runs.overflowing_add(seeds & runs);
    let (sum, more) = sum.overflowing_add(*carry & runs);
    *carry = u64::from(over | more);
    runs & (!sum | seeds)
}

/// How much of `line` goes into the next window: cut after a space, if there is one.
pub(crate) fn window(line: &[u8]) -> usize {
    if line.len() <= WINDOW {
        return line.len();
    }
    line[..WINDOW].iter().rposition(|&byte| byte == b' ').map_or(WINDOW, |last| last + 1)
}

impl Mask {
    /// Of at most [`WINDOW`] bytes.
    #[inline]
    pub(crate) fn of(window: &[u8]) -> Self {
        let mut words = [0; BLOCKS];
        let mut seeds = [0; BLOCKS];
        let mut colons = [0; BLOCKS];
        let mut quotes = [0; BLOCKS];
        let (whole, rest) = window.as_chunks::<64>();
        let mut blocks = 0;
        let mut any = (0, 0);
        let mut add = |block: &[u8; 64]| {
            let classes = classes(block);
            words[blocks] = classes.words;
            seeds[blocks] = classes.seeds;
            colons[blocks] = classes.colons;
            quotes[blocks] = classes.quotes;
            any = (any.0 | colons[blocks], any.1 | quotes[blocks]);
            blocks += 1;
        };
        for block in whole.iter().take(BLOCKS) {
            add(block);
        }
        if !rest.is_empty() && whole.len() < BLOCKS {
            let mut last = [0; 64];
            last[..rest.len()].copy_from_slice(rest);
            add(&last);
        }
        let mut mask = Self { bits: [0; BLOCKS], blocks };
        if any.0 != 0 {
            mask.join_times(&mut words, &seeds, &colons);
        }
        if any.1 != 0 {
            mask.seed_quoted(window, &words, &mut seeds, &quotes);
        }
        // A word with a seed anywhere is a value: flood to the right, and then to the left.
        let mut carry = 0;
        for block in 0..blocks {
            seeds[block] = flood(words[block], seeds[block], &mut carry);
        }
        let mut carry = 0;
        for block in (0..blocks).rev() {
            let (runs, from) = (words[block].reverse_bits(), seeds[block].reverse_bits());
            mask.bits[block] = flood(runs, from, &mut carry).reverse_bits();
        }
        mask
    }

    /// A colon between digits is part of their word: a time.
    fn join_times(&self, words: &mut [u64], seeds: &[u64], colons: &[u64]) {
        for block in 0..self.blocks {
            let before = block.checked_sub(1).map_or(0, |b| seeds[b] >> 63);
            let after = seeds.get(block + 1).map_or(0, |next| next << 63);
            let between = (seeds[block] << 1 | before) & (seeds[block] >> 1 | after);
            words[block] |= colons[block] & between;
        }
    }

    /// One word between quotes is a value, unless it is a key or its key says that it tells something.
    fn seed_quoted(&self, window: &[u8], words: &[u64], seeds: &mut [u64], quotes: &[u64]) {
        let (mut carry, mut quote_before, mut word_before) = (0, 0, 0);
        for block in 0..self.blocks {
            let (word, quote) = (words[block], quotes[block]);
            let starts = word & !(word << 1 | word_before) & (quote << 1 | quote_before);
            let opened = flood(word, starts, &mut carry);
            (quote_before, word_before) = (quote >> 63, word >> 63);
            let after = |bits: &[u64]| bits.get(block + 1).map_or(0, |next| next << 63);
            let mut ends = opened & (quote >> 1 | after(quotes));
            while ends != 0 {
                let end = block * 64 + ends.trailing_zeros() as usize;
                if !is_key_or_told(window, end) {
                    seeds[block] |= ends & ends.wrapping_neg();
                }
                ends &= ends - 1;
            }
        }
    }

    /// The stretches between values, in order, some of them empty.
    #[inline]
    pub(crate) fn kept(&self, len: usize, mut stretch: impl FnMut(usize, usize)) {
        let (mut start, mut masked, mut before) = (0, false, 0);
        for (block, &bits) in self.bits[..self.blocks].iter().enumerate() {
            let mut edges = bits ^ (bits << 1 | before);
            before = bits >> 63;
            while edges != 0 {
                let edge = block * 64 + edges.trailing_zeros() as usize;
                edges &= edges - 1;
                if masked {
                    start = edge;
                } else {
                    stretch(start, edge);
                }
                masked = !masked;
            }
        }
        if !masked && start < len {
            stretch(start, len);
        }
    }
}

/// Whether the quoted word that ends at `end` is a key, or belongs to a key whose values tell something.
fn is_key_or_told(window: &[u8], end: usize) -> bool {
    if window.get(end + 2) == Some(&b':') {
        return true;
    }
    let at = |i: usize| window[i];
    let mut start = end;
    while start > 0 && !matches!(at(start), b'"' | b'\'') {
        start -= 1;
    }
    // Over the opening quote, and what stands between it and the key.
    let mut key = start;
    while key > 0 && matches!(at(key - 1), b':' | b'=' | b' ' | b'"' | b'\'') {
        key -= 1;
    }
    if key < 3 || key == start {
        return false;
    }
    let last = [at(key - 3) | 0x20, at(key - 2) | 0x20, at(key - 1) | 0x20];
    TELLING.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(line: &str) -> String {
        let (mut out, mut rest) = (Vec::new(), line.as_bytes());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(window(rest));
            let mut values = vec![true; now.len()];
            Mask::of(now).kept(now.len(), |start, end| values[start..end].fill(false));
            for (&value, &byte) in values.iter().zip(now) {
                match (value, out.last()) {
                    (false, _) => out.push(byte),
                    (true, Some(b'#')) => {}
                    (true, _) => out.push(b'#'),
                }
            }
            rest = later;
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn words_with_a_digit_are_values() {
        for (line, expected) in [
            ("job 17 took 3.5s of 10m", "job # took # of #"),
            ("id 30e76ebbc2321b92163103c86ffe90aa.", "id #"),
            ("user 8a533bf9-bd12-4608-a8eb-606890982448 left", "user # left"),
            ("from 10.0.0.7:8080 to [fe80::1]", "from # to [fe80::1]"),
            ("2026-11-27T15:20:03.123Z INFO ready", "# INFO ready"),
            ("17:11:09.209 WARN t.c.Service#115 slow", "# WARN t.c.Service#115 slow"),
            ("mail to bob.smith@example.com bounced", "mail to # bounced"),
            ("GET /api/users/42/items", "GET /api/users/#/items"),
            ("state:404 a:b", "state:# a:b"),
            ("no value at all", "no value at all"),
        ] {
            let expected = expected.replace("fe80::1", "#::#").replace("Service#115", "Service##");
            let got = masked(line).replace("Service#", "Service##");
            assert_eq!(got.replace("###", "##"), expected, "{line}");
        }
    }

    #[test]
    fn quoted_words_are_values_unless_their_key_tells_something() {
        for (line, expected) in [
            (r#"user "alice" left"#, r##"user "#" left"##),
            (r#"{"user":"alice","msg":"stopped"}"#, r##"{"user":"#","msg":"stopped"}"##),
            (r#"level="error" host="web""#, r##"level="error" host="#""##),
            ("don't open 'door'", "don't open '#'"),
            (r#""disk is full""#, r#""disk is full""#),
        ] {
            assert_eq!(masked(line), expected, "{line}");
        }
    }

    #[test]
    fn a_word_across_blocks_and_windows_is_one() {
        for before in [50, 60, 63, 64, 120, 490, 500, 509, 510] {
            let line = format!("{} a0123456789abcdef {}", "x".repeat(before), "end");
            assert_eq!(masked(&line), format!("{} # end", "x".repeat(before)), "{before}");
            let line = format!("{} abcdefabcdef12:30:59x \"word\" z", "x ".repeat(before / 2));
            assert_eq!(masked(&line), format!("{} # \"#\" z", "x ".repeat(before / 2)), "{before}");
        }
    }
}
