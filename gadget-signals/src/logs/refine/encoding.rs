//! Text that is not UTF-8.

/// How the bytes of a source are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, unless a byte order mark at the beginning, or a line of which every second byte is zero, says that it is UTF-16. Without a
    /// mark, text beyond Latin-1 is taken to have the low byte first.
    #[default]
    Detect,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
    /// ISO 8859-1.
    Latin1,
}

/// The bytes of one source become lines of UTF-8. What it is given was parted at every byte 0x0A, which in UTF-16 is half of a line
/// break, or of another character.
#[derive(Debug)]
pub(super) struct Decoder {
    encoding: Encoding,
    /// Nothing was read yet.
    fresh: bool,
    /// UTF-16 of the line that is being put together.
    units: Vec<u8>,
    /// The other half of a line break is due.
    half: bool,
}

/// What became of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// They are UTF-8 as they are, or what is wrong with them is for others to find.
    Same,
    /// A line is in the buffer; true if something in it was replaced.
    Line(bool),
    /// More is needed.
    Nothing,
}

impl Decoder {
    pub(super) const fn new(encoding: Encoding) -> Self {
        Self { encoding, fresh: true, units: Vec::new(), half: false }
    }

    /// How many bytes it holds.
    pub(super) fn held(&self) -> usize {
        self.units.len()
    }

    /// A piece of the source, `ended` by a byte 0x0A or not.
    pub(super) fn piece(
        &mut self,
        mut raw: &[u8],
        ended: bool,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Decoded {
        let fresh = std::mem::replace(&mut self.fresh, false);
        let mut first = fresh;
        if self.encoding == Encoding::Detect {
            self.encoding = detect(raw, fresh);
            first = true;
        }
        match self.encoding {
            Encoding::Detect => return Decoded::Same,
            Encoding::Latin1 => {
                out.clear();
                out.extend(raw.iter().flat_map(|&byte| {
                    let mut utf8 = [0; 2];
                    let length = char::from(byte).encode_utf8(&mut utf8).len();
                    utf8.into_iter().take(length)
                }));
                return Decoded::Line(false);
            }
            Encoding::Utf16Le | Encoding::Utf16Be => {}
        }
        let little = self.encoding == Encoding::Utf16Le;
        let mut decoded = Decoded::Nothing;
        if std::mem::take(&mut self.half) {
            if let Some(rest) = raw.strip_prefix(&[0]) {
                raw = rest;
                // The line may have been given out already, when its other half did not come.
                if let Some(line) = self.units.len().checked_sub(1) {
                    self.units.truncate(line);
                    decoded = self.line(out);
                }
            }
        } else if first && little {
            // Where reading begins behind a line break its second half comes first.
            raw = raw.strip_prefix(&[0]).unwrap_or(raw);
        }
        self.units.extend_from_slice(raw);
        if !ended || self.units.len() > most {
            let more = decoded == Decoded::Nothing && !self.units.is_empty();
            return if more { self.line(out) } else { decoded };
        }
        self.units.push(b'\n');
        if little {
            self.half = self.units.len() % 2 == 1;
        } else if self.units.len().is_multiple_of(2) && self.units.ends_with(&[0, b'\n']) {
            self.units.truncate(self.units.len() - 2);
            return self.line(out);
        }
        decoded
    }

    /// What there is, without waiting for more.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> Decoded {
        if self.units.is_empty() {
            return Decoded::Nothing;
        }
        if self.half {
            self.units.pop();
        }
        self.line(out)
    }

    fn line(&mut self, out: &mut Vec<u8>) -> Decoded {
        let little = self.encoding == Encoding::Utf16Le;
        let units = self.units.chunks_exact(2).map(|unit| match *unit {
            [a, b] if little => u16::from_le_bytes([a, b]),
            [a, b] => u16::from_be_bytes([a, b]),
            _ => 0,
        });
        out.clear();
        let mut replaced = self.units.len() % 2 == 1;
        for character in char::decode_utf16(units).skip_while(|unit| *unit == Ok('\u{feff}')) {
            let character = character.unwrap_or_else(|_| {
                replaced = true;
                '\u{fffd}'
            });
            let mut utf8 = [0; 4];
            out.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        }
        self.units.clear();
        Decoded::Line(replaced)
    }
}

/// The encoding that a piece shows, at the beginning of a source if it is `fresh`.
fn detect(raw: &[u8], fresh: bool) -> Encoding {
    match raw {
        [0xff, 0xfe, ..] if fresh => return Encoding::Utf16Le,
        [0xfe, 0xff, ..] if fresh => return Encoding::Utf16Be,
        _ => {}
    }
    let whole = raw.len();
    let raw = &raw[..whole.min(64)];
    if memchr::memchr(0, raw).is_none() || raw.len() < 8 {
        return Encoding::Detect;
    }
    // An odd number of bytes that begins with a zero: the second half of the line break before. With the high bytes first it would be
    // the first half of the break after, and the text the same unless it has letters beyond Latin-1.
    let behind = raw[0] == 0 && whole % 2 == 1;
    let zeros = |from: usize| raw.iter().skip(from).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd, enough) = (zeros(0), zeros(1), raw.len() * 3 / 8);
    match (even >= enough, odd >= enough) {
        (false, true) if even == 0 => Encoding::Utf16Le,
        (true, false) if odd == 0 && behind => Encoding::Utf16Le,
        (true, false) if odd == 0 => Encoding::Utf16Be,
        _ => Encoding::Detect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "one line\nĊ and \u{a0a} and Њ\n\nlast é 😀\n";

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    }

    fn lines(decoder: &mut Decoder, bytes: &[u8]) -> Vec<String> {
        let (mut out, mut lines) = (Vec::new(), Vec::new());
        let mut take = |decoded, out: &[u8]| {
            assert_ne!(decoded, Decoded::Same);
            if decoded == Decoded::Line(false) {
                lines.push(String::from_utf8(out.to_vec()).unwrap());
            }
        };
        let mut pieces: Vec<_> = bytes.split(|&byte| byte == b'\n').collect();
        let rest = pieces.pop().unwrap();
        for piece in pieces {
            let decoded = decoder.piece(piece, true, 1 << 20, &mut out);
            take(decoded, &out);
        }
        assert!(rest.is_empty() || rest == [0]);
        let decoded = decoder.flush(&mut out);
        take(decoded, &out);
        lines
    }

    #[test]
    fn lines_of_utf16_are_whole_although_they_were_cut_at_bytes() {
        let expected: Vec<_> = TEXT.lines().collect();
        for little in [true, false] {
            let bytes = utf16(&format!("\u{feff}{TEXT}"), little);
            assert_eq!(
                lines(&mut Decoder::new(Encoding::Detect), &bytes),
                expected,
                "little: {little}"
            );
            let encoding = if little { Encoding::Utf16Le } else { Encoding::Utf16Be };
            assert_eq!(lines(&mut Decoder::new(encoding), &utf16(TEXT, little)), expected);
        }
    }

    #[test]
    fn utf16_is_seen_where_reading_goes_on_in_the_middle() {
        for little in [true, false] {
            let bytes = utf16("x\nsecond line\nthird\n", little);
            let mut decoder = Decoder::new(Encoding::Detect);
            assert_eq!(
                lines(&mut decoder, &bytes[4 - usize::from(little)..]),
                ["second line", "third"]
            );
        }
    }

    #[test]
    fn a_half_that_comes_late_begins_no_line() {
        let mut decoder = Decoder::new(Encoding::Utf16Le);
        let mut out = Vec::new();
        assert_eq!(decoder.piece(b"a\0", true, 100, &mut out), Decoded::Nothing);
        assert_eq!(
            (decoder.flush(&mut out), out.as_slice()),
            (Decoded::Line(false), b"a".as_slice())
        );
        assert_eq!(decoder.piece(b"\0b\0", true, 100, &mut out), Decoded::Nothing);
        assert_eq!(
            (decoder.flush(&mut out), out.as_slice()),
            (Decoded::Line(false), b"b".as_slice())
        );
    }

    #[test]
    fn a_half_that_comes_alone_is_no_line() {
        let mut decoder = Decoder::new(Encoding::Utf16Le);
        let mut out = Vec::new();
        assert_eq!(decoder.piece(b"a\0", true, 100, &mut out), Decoded::Nothing);
        assert_eq!(decoder.flush(&mut out), Decoded::Line(false));
        assert_eq!(decoder.piece(b"\0", false, 100, &mut out), Decoded::Nothing);
        assert_eq!(decoder.piece(b"b\0", true, 100, &mut out), Decoded::Nothing);
        assert_eq!(decoder.flush(&mut out), Decoded::Line(false));
        assert_eq!(out, b"b");
    }

    #[test]
    fn latin_1_becomes_utf_8_and_utf_8_stays() {
        let mut out = Vec::new();
        assert_eq!(
            Decoder::new(Encoding::Latin1).piece(b"caf\xe9", true, 100, &mut out),
            Decoded::Line(false)
        );
        assert_eq!(out, "café".as_bytes());
        for line in ["", "\0", "a\0b plain text", "\0\0\0\0\0\0\0\0\0\0"] {
            let mut decoder = Decoder::new(Encoding::Detect);
            assert_eq!(
                decoder.piece(line.as_bytes(), true, 100, &mut out),
                Decoded::Same,
                "{line:?}"
            );
        }
    }

    #[test]
    fn half_a_pair_and_half_a_unit_are_replaced() {
        let mut out = Vec::new();
        let mut decoder = Decoder::new(Encoding::Utf16Be);
        assert_eq!(
            decoder.piece(&[0xd8, 0, 0, b'x', 0], false, 100, &mut out),
            Decoded::Line(true)
        );
        assert_eq!(out, "\u{fffd}x".as_bytes());
    }
}
