//! What counts as hidden and what as a false alarm.

use std::ops::{AddAssign, Range};

/// Whether every letter and digit of `gold` is inside `found`, which is sorted by its beginnings.
#[must_use]
pub fn is_hidden(text: &[u8], gold: &Range<usize>, found: &[Range<usize>]) -> bool {
    let counts = |byte: u8| byte > 127 || byte.is_ascii_alphanumeric();
    gold.clone()
        .filter(|at| counts(text[*at]))
        .all(|at| found.iter().any(|range| range.contains(&at)))
}

fn touch(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// What was found in some lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines.
    pub lines: usize,
    /// Values in them.
    pub values: usize,
    /// Values of which every letter and digit was hidden.
    pub hidden: usize,
    /// Lines without a value.
    pub clean: usize,
    /// Lines without a value in which something was found.
    pub alarms: usize,
    /// Bytes.
    pub bytes: usize,
    /// Bytes that were hidden and belong to no value.
    pub over: usize,
}

impl Tally {
    /// One line: its values, the places where finding something neither counts nor does not, and what was found.
    #[must_use]
    pub fn of(
        text: &[u8],
        gold: &[Range<usize>],
        ignore: &[Range<usize>],
        found: &[Range<usize>],
    ) -> Self {
        let counted = |range: &&Range<usize>| {
            gold.iter().any(|gold| touch(gold, range))
                || !ignore.iter().any(|ignore| touch(ignore, range))
        };
        let counted: Vec<&Range<usize>> = found.iter().filter(counted).collect();
        let clean = usize::from(gold.is_empty());
        let allowed = |at: usize| gold.iter().chain(ignore).any(|range| range.contains(&at));
        let over = (0..text.len())
            .filter(|at| counted.iter().any(|range| range.contains(at)) && !allowed(*at))
            .count();
        Self {
            lines: 1,
            values: gold.len(),
            hidden: gold.iter().filter(|gold| is_hidden(text, gold, found)).count(),
            clean,
            alarms: clean * usize::from(!counted.is_empty()),
            bytes: text.len(),
            over,
        }
    }

    /// The share of values that are hidden; `None` without values.
    #[must_use]
    pub fn hidden_share(&self) -> Option<f64> {
        (self.values > 0).then(|| self.hidden as f64 / self.values as f64)
    }

    /// The share of clean lines with a false alarm; `None` without clean lines.
    #[must_use]
    pub fn alarm_share(&self) -> Option<f64> {
        (self.clean > 0).then(|| self.alarms as f64 / self.clean as f64)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.values += other.values;
        self.hidden += other.hidden;
        self.clean += other.clean;
        self.alarms += other.alarms;
        self.bytes += other.bytes;
        self.over += other.over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        text: &str,
        gold: Option<Range<usize>>,
        ignore: Range<usize>,
        found: Range<usize>,
    ) -> Tally {
        Tally::of(
            text.as_bytes(),
            gold.as_slice(),
            std::slice::from_ref(&ignore),
            std::slice::from_ref(&found),
        )
    }

    #[test]
    fn a_value_is_hidden_when_all_its_letters_and_digits_are() {
        let text = b"ssn 123-45-6789";
        assert!(is_hidden(text, &(4..15), &[4..7, 8..10, 11..15]));
        assert!(!is_hidden(text, &(4..15), &[4..7, 8..10, 11..14]));
        assert!(!is_hidden(text, &(4..15), &[]));
    }

    #[test]
    fn what_lies_in_an_ignored_place_is_not_counted() {
        let tally = of("from 1.2.3.4 x", None, 5..12, 5..12);
        assert_eq!((tally.clean, tally.alarms, tally.over), (1, 0, 0));
        let tally = of("from 1.2.3.4 x", None, 5..12, 13..14);
        assert_eq!((tally.clean, tally.alarms, tally.over), (1, 1, 1));
        let tally = of("a@b.co 1.2.3.4", Some(0..6), 7..14, 0..14);
        assert_eq!((tally.values, tally.hidden, tally.clean, tally.over), (1, 1, 0, 1));
    }
}
