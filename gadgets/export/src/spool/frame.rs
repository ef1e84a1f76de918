//! The bytes of a record in a segment.

/// What every record begins with, so that the next one can be found behind damage.
const MAGIC: [u8; 4] = *b"\xf5gsr";
/// Magic, CRC of all that follows, length of the payload, the record's number; the numbers in little endian.
pub(super) const HEAD: usize = 4 + 4 + 4 + 8;
/// No payload is longer, in bytes.
pub(super) const MOST: usize = 128 << 20;

/// No number is higher, so that there is always a next one.
pub(super) const LAST: u64 = u64::MAX >> 1;

/// Appends a record.
pub(super) fn put(out: &mut Vec<u8>, number: u64, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 4]);
    // Longer ones are refused before.
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(&out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// The first part of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    crc: u32,
    pub(super) length: usize,
    pub(super) number: u64,
}

impl Head {
    /// What it says; none if no record begins so.
    pub(super) fn of(bytes: &[u8; HEAD]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (crc, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let number = u64::from_le_bytes(*rest.first_chunk()?);
        let length = u32::from_le_bytes(*length) as usize;
        let begins = *magic == MAGIC && length <= MOST && number <= LAST;
        begins.then_some(Self { crc: u32::from_le_bytes(*crc), length, number })
    }

    /// Whether `payload` is the one that was written with it.
    pub(super) fn holds(self, payload: &[u8]) -> bool {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&(self.length as u32).to_le_bytes());
        crc.update(&self.number.to_le_bytes());
        crc.update(payload);
        self.length == payload.len() && crc.finalize() == self.crc
    }
}

/// One record in the bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its number: one more than that of the record before.
    pub number: u64,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What it holds.
    pub payload: &'a [u8],
}

/// The records in the bytes of a segment, whatever is between them. Numbers rise; what does not continue the one before is damage.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
    least: u64,
}

impl<'a> Frames<'a> {
    /// Of these bytes.
    #[must_use]
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, least: 0 }
    }

    fn at(&self, start: usize) -> Option<Frame<'a>> {
        let rest = self.bytes.get(start..)?;
        let head = Head::of(rest.first_chunk()?)?;
        let payload = rest.get(HEAD..HEAD + head.length)?;
        let end = start + HEAD + head.length;
        let found = Frame { number: head.number, start, end, payload };
        (head.number >= self.least && head.holds(payload)).then_some(found)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let found = loop {
            if let Some(found) = self.at(self.at) {
                break found;
            }
            let rest = self.bytes.get(self.at + 1..)?;
            let skipped = rest.windows(MAGIC.len()).position(|window| window == MAGIC)?;
            self.at += 1 + skipped;
        };
        self.at = found.end;
        self.least = found.number + 1;
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, 7, b"seven");
        put(&mut bytes, 8, b"");
        put(&mut bytes, 9, b"nine");
        bytes
    }

    fn numbers(bytes: &[u8]) -> Vec<u64> {
        Frames::of(bytes).map(|it| it.number).collect()
    }

    #[test]
    fn records_come_back_as_they_were_written() {
        let bytes = three();
        let all: Vec<_> = Frames::of(&bytes).map(|it| (it.number, it.payload)).collect();
        assert_eq!(all, [(7, &b"seven"[..]), (8, b""), (9, b"nine")]);
        assert_eq!(Frames::of(&bytes).last().map(|it| it.end), Some(bytes.len()));
    }

    #[test]
    fn any_one_byte_that_changes_costs_one_record_and_no_other() {
        let bytes = three();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let lost = Frames::of(&bytes).find(|it| (it.start..it.end).contains(&at)).unwrap();
                let expected: Vec<_> =
                    [7, 8, 9].into_iter().filter(|&it| it != lost.number).collect();
                assert_eq!(numbers(&damaged), expected, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_torn_record_is_none() {
        let bytes = three();
        let starts: Vec<_> = Frames::of(&bytes).map(|it| it.end).collect();
        for end in 0..bytes.len() {
            let whole = starts.iter().filter(|&&it| it <= end).count();
            assert_eq!(numbers(&bytes[..end]).len(), whole, "{end}");
        }
    }

    #[test]
    fn numbers_do_not_fall() {
        let mut bytes = three();
        put(&mut bytes, 8, b"again");
        put(&mut bytes, 10, b"ten");
        assert_eq!(numbers(&bytes), [7, 8, 9, 10]);
    }
}
