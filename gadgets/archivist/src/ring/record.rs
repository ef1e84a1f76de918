//! Lines as bytes: the time since the line before, what is known of it, its length, its text.

use gadget_core::{LogFlags, Severity, Timestamp};

/// One line as it is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Who wrote it.
    pub service: &'a str,
    /// When it was read.
    pub at: Timestamp,
    /// How grave it says it is.
    pub severity: Option<Severity>,
    /// What was done to it.
    pub flags: LogFlags,
    /// Its template, by the number that was given with it; none where it was appended by an earlier process, whose numbers were others.
    pub template: Option<u32>,
    /// The line, without its line break.
    pub text: &'a [u8],
}

/// Prints without the text.
impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("service", &self.service)
            .field("at", &self.at)
            .field("severity", &self.severity)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// The most bytes before a text.
pub(super) const MOST_HEAD: usize = 10 + 1 + 5 + 5;

/// Writes the head of a record; the text follows it. `before` is the time of the line before, in microseconds.
pub(super) fn head(
    before: u64,
    at: u64,
    severity: Option<Severity>,
    flags: LogFlags,
    template: u32,
    length: usize,
) -> ([u8; MOST_HEAD], usize) {
    let mut bytes = [0; MOST_HEAD];
    // Clocks may step back by little; never by what 63 bits do not hold.
    let step = at.wrapping_sub(before) as i64;
    let mut end = varint(&mut bytes, 0, ((step << 1) ^ (step >> 63)) as u64);
    bytes[end] = severity.map_or(0, |severity| severity as u8 + 1) | flags.bits() << 3;
    end = varint(&mut bytes, end + 1, template.into());
    end = varint(&mut bytes, end, length as u64);
    (bytes, end)
}

fn varint(to: &mut [u8], mut at: usize, mut value: u64) -> usize {
    while value >= 0x80 {
        to[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    to[at] = value as u8;
    at + 1
}

/// Adds a number, seven bits a byte.
pub(super) fn put(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

pub(super) fn number(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Reads the records of a chain, of any content; ends at what is none.
#[derive(Clone, Copy)]
pub(super) struct Records<'a> {
    rest: &'a [u8],
    at: u64,
}

impl<'a> Records<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self::resume(bytes, 0)
    }

    /// Goes on after a record of this time.
    pub(super) const fn resume(bytes: &'a [u8], at: u64) -> Self {
        Self { rest: bytes, at }
    }

    /// The bytes that were not read.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Records<'a> {
    /// Microseconds, severity, flags, template, text.
    type Item = (u64, Option<Severity>, LogFlags, u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.rest;
        let step = number(&mut rest)?;
        let at = self.at.wrapping_add((step >> 1) as i64 as u64 ^ (step & 1).wrapping_neg());
        let (&known, more) = rest.split_first()?;
        rest = more;
        let template = u32::try_from(number(&mut rest)?).ok()?;
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let (text, rest) = rest.split_at_checked(length)?;
        let severity =
            (known & 7).checked_sub(1).and_then(|nth| Severity::ALL.get(usize::from(nth)));
        (self.rest, self.at) = (rest, at);
        Some((at, severity.copied(), LogFlags::from_bits(known >> 3), template, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        let lines = [
            (1_700_000_000_000_000, None, LogFlags::default(), "first"),
            (1_700_000_000_000_999, Some(Severity::Fatal), LogFlags::REDACTED, ""),
            (
                1_699_999_999_999_000,
                Some(Severity::Trace),
                LogFlags::CUT.with(LogFlags::JOINED),
                "back in time",
            ),
        ];
        let (mut bytes, mut before) = (Vec::new(), 0);
        for (at, severity, flags, text) in lines {
            let (head, length) = head(before, at, severity, flags, 300, text.len());
            bytes.extend(&head[..length]);
            bytes.extend(text.as_bytes());
            before = at;
        }
        let read: Vec<_> = Records::new(&bytes).collect();
        assert_eq!(
            read,
            lines.map(|(at, severity, flags, text)| (at, severity, flags, 300, text.as_bytes()))
        );
        for cut in 0..bytes.len() {
            assert!(Records::new(&bytes[..cut]).count() < 3);
        }
        assert_eq!(Records::new(&[0xff; 64]).count(), 0);
    }
}
