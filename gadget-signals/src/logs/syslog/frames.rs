//! Messages in a stream of bytes.

use gadget_core::LogFlags;
use memchr::memchr2;

/// Parts the bytes of a stream into messages: each has its length before it or ends with a line break or a NUL, as RFC 6587 has it; which
/// of the two, every message says anew.
#[derive(Debug)]
pub struct SyslogFrames {
    longest: usize,
    carry: Vec<u8>,
    state: State,
    cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing of the next message was seen.
    Between,
    /// Digits that may be its length; they are in the carry.
    Length,
    /// So many bytes of it are to come.
    Counted(usize),
    /// It ends with a line break.
    Line,
}

/// No message announces more digits than these.
const DIGITS: usize = 8;

impl SyslogFrames {
    /// Messages of at most `longest` bytes, at least 16; what is beyond is dropped, and the message flagged.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        let longest = longest.max(16);
        Self { longest, carry: Vec::new(), state: State::Between, cut: false }
    }

    /// Takes bytes and gives out each message that ends in them.
    pub fn feed(&mut self, mut bytes: &[u8], mut message: impl FnMut(&[u8], LogFlags)) {
        while let Some(&first) = bytes.first() {
            match self.state {
                State::Between => {
                    self.carry.clear();
                    self.cut = false;
                    match first {
                        b'\n' | 0 => bytes = &bytes[1..],
                        b'1'..=b'9' => self.state = State::Length,
                        _ => self.state = State::Line,
                    }
                }
                State::Length => {
                    if first.is_ascii_digit() && self.carry.len() < DIGITS {
                        self.carry.push(first);
                        bytes = &bytes[1..];
                    } else if first == b' ' {
                        let length = crate::text::digits(&self.carry).unwrap_or(0) as usize;
                        self.carry.clear();
                        self.state = State::Counted(length);
                        bytes = &bytes[1..];
                    } else {
                        self.state = State::Line;
                    }
                }
                State::Counted(left) => {
                    let (part, rest) = bytes.split_at(left.min(bytes.len()));
                    self.keep(part);
                    bytes = rest;
                    self.state = State::Counted(left - part.len());
                    if left == part.len() {
                        self.give(&mut message, LogFlags::default());
                    }
                }
                State::Line => {
                    let end = memchr2(b'\n', 0, bytes);
                    self.keep(&bytes[..end.unwrap_or(bytes.len())]);
                    bytes = end.map_or(&[], |end| &bytes[end + 1..]);
                    if end.is_some() {
                        self.give(&mut message, LogFlags::default());
                    }
                }
            }
        }
    }

    /// The stream has ended: gives out what there is of a message that did not.
    pub fn end(&mut self, mut message: impl FnMut(&[u8], LogFlags)) {
        if self.state != State::Between && !self.carry.is_empty() {
            self.give(&mut message, LogFlags::PARTIAL);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = self.longest - self.carry.len();
        self.carry.extend_from_slice(&part[..part.len().min(room)]);
        self.cut |= part.len() > room;
    }

    fn give(&mut self, message: &mut impl FnMut(&[u8], LogFlags), flags: LogFlags) {
        let cut = if self.cut { LogFlags::CUT } else { LogFlags::default() };
        message(&self.carry, flags.with(cut));
        self.state = State::Between;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(longest: usize, chunks: &mut dyn Iterator<Item = &[u8]>) -> Vec<(String, LogFlags)> {
        let mut frames = SyslogFrames::new(longest);
        let mut found = Vec::new();
        let mut take =
            |text: &[u8], flags| found.push((String::from_utf8(text.to_vec()).unwrap(), flags));
        for chunk in chunks {
            frames.feed(chunk, &mut take);
        }
        frames.end(&mut take);
        found
    }

    #[test]
    fn counted_and_ended_messages_may_be_in_one_stream() {
        let text = b"<13>one\n7 <13>a\nb\0\n\n12 <13>two\nmore<13>th\x003 <1" as &[u8];
        let found = frames(100, &mut std::iter::once(text));
        let texts: Vec<_> = found.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["<13>one", "<13>a\nb", "<13>two\nmore", "<13>th", "<1"]);
        assert_eq!(found[4].1, LogFlags::PARTIAL);
        let found = frames(16, &mut [b"99999999 ".as_slice(), &[b'x'; 50]].into_iter());
        assert_eq!(found, [("x".repeat(16), LogFlags::PARTIAL.with(LogFlags::CUT))]);
        let found = frames(16, &mut std::iter::once(b"123456789 is no length\n5\n".as_slice()));
        assert_eq!(found[0], ("123456789 is no ".into(), LogFlags::CUT));
        assert_eq!(found[1].0, "5");
    }

    proptest! {
        #[test]
        fn however_bytes_are_cut_messages_are_the_same(text in "([1-9]?[0-9] ?[ab<>\n]{0,9}|[a-z]{0,30}\n|[0-9]{0,12})*", cut in 1..9_usize) {
            let whole = frames(16, &mut std::iter::once(text.as_bytes()));
            prop_assert_eq!(whole, frames(16, &mut text.as_bytes().chunks(cut)));
        }
    }
}
