//! The Journal Export Format of systemd.
//!
//! An entry is a list of fields and ends with an empty line. A field is `NAME=value` and a line break, or, for values that are no
//! printable text, `NAME`, a line break, the length as 64 bits with the low byte first, the value and a line break.

use gadget_core::{LogFlags, Severity, Timestamp};
use memchr::{memchr, memchr2};

use crate::logs::line::level;
use crate::text::digits;

/// The longest name of a field.
const LONGEST_NAME: usize = 64;
/// The longest value of a field that is not the message; longer ones are cut.
const LONGEST_VALUE: usize = 1024;
/// What announces to be longer is no value.
const HUGE: u64 = 1 << 30;

/// An entry of the journal: the fields that are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalEntry {
    values: [Vec<u8>; FIELDS.len()],
    has_message: bool,
    cut: bool,
}

const CURSOR: usize = 0;
const MESSAGE: usize = 1;
const REALTIME: usize = 2;
const PRIORITY: usize = 3;
const UNIT: usize = 4;
const IDENTIFIER: usize = 5;
const COMM: usize = 6;
const CONTAINER_NAME: usize = 7;
const CONTAINER_ID: usize = 8;
const TRANSPORT: usize = 9;
/// `man systemd.journal-fields`; the container's are of docker's and podman's journald drivers.
const FIELDS: [&[u8]; 10] = [
    b"__CURSOR",
    b"MESSAGE",
    b"__REALTIME_TIMESTAMP",
    b"PRIORITY",
    b"_SYSTEMD_UNIT",
    b"SYSLOG_IDENTIFIER",
    b"_COMM",
    b"CONTAINER_NAME",
    b"CONTAINER_ID_FULL",
    b"_TRANSPORT",
];

impl JournalEntry {
    fn clear(&mut self) {
        for value in &mut self.values {
            value.clear();
            value.shrink_to(4 << 10);
        }
        (self.has_message, self.cut) = (false, false);
    }

    fn value(&self, field: usize) -> Option<&[u8]> {
        Some(self.values[field].as_slice()).filter(|value| !value.is_empty())
    }

    /// Where it is in the journal.
    #[must_use]
    pub fn cursor(&self) -> Option<&[u8]> {
        self.value(CURSOR)
    }

    /// What was logged, if anything; it may have line breaks.
    #[must_use]
    pub fn message(&self) -> Option<&[u8]> {
        self.has_message.then_some(self.values[MESSAGE].as_slice())
    }

    /// When the journal got it.
    #[must_use]
    pub fn written(&self) -> Option<Timestamp> {
        let micros = digits(self.value(REALTIME)?)?;
        Some(Timestamp::from_nanos(micros.checked_mul(1000)?))
    }

    /// How grave it is, where that was said. The priority of a container's line is that of its stream, and 6 is that of whatever a
    /// service prints: there the message has to say it.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        let printed = self.values[TRANSPORT] == b"stdout" && self.values[PRIORITY] == b"6";
        if printed || self.value(CONTAINER_NAME).is_some() {
            return None;
        }
        digits(self.value(PRIORITY)?).filter(|&priority| priority < 8).map(level::of_priority)
    }

    /// Who logged it: the container, the unit if it is a service, the identifier, the program.
    #[must_use]
    pub fn service(&self) -> Option<&[u8]> {
        let unit = || {
            let unit = self.value(UNIT)?.strip_suffix(b".service")?;
            // Sessions of users run what they like.
            (!unit.starts_with(b"user@")).then_some(unit)
        };
        self.value(CONTAINER_NAME)
            .or_else(unit)
            .or_else(|| self.value(IDENTIFIER))
            .or_else(|| self.value(COMM))
    }

    /// The container's id.
    #[must_use]
    pub fn container(&self) -> Option<&[u8]> {
        self.value(CONTAINER_ID)
    }

    /// What was done to the message.
    #[must_use]
    pub const fn flags(&self) -> LogFlags {
        LogFlags::from_bits(if self.cut { LogFlags::CUT.bits() } else { 0 })
    }
}

/// Reads entries from bytes, however they come.
#[derive(Debug)]
pub struct JournalExport {
    longest: usize,
    state: State,
    name: Vec<u8>,
    entry: JournalEntry,
    given: bool,
    /// Entries that were skipped because they are not of the format.
    pub malformed: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The name of a field.
    Name,
    /// Its value, up to the line break.
    Text(Option<usize>),
    /// The length of its value, so many bytes of which are there.
    Length(Option<usize>, u64, u32),
    /// Its value, so much of which is to come.
    Binary(Option<usize>, u64),
    /// The line break behind that.
    Break,
    /// Not of the format: up to an empty line. True at the beginning of a line.
    Skip(bool),
}

impl JournalExport {
    /// Messages of at most `longest` bytes; what is beyond is dropped, and the entry flagged.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        let entry = JournalEntry::default();
        Self { longest, state: State::Name, name: Vec::new(), entry, given: false, malformed: 0 }
    }

    /// How much of `bytes` was used, and the entry that ended there.
    pub fn next(&mut self, bytes: &[u8]) -> (usize, Option<&JournalEntry>) {
        if std::mem::take(&mut self.given) {
            self.entry.clear();
        }
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let (taken, ended) = self.step(rest);
            used += taken;
            if ended {
                self.given = true;
                return (used, Some(&self.entry));
            }
        }
        (used, None)
    }

    /// How much was used, and whether an entry ended.
    fn step(&mut self, rest: &[u8]) -> (usize, bool) {
        match self.state {
            State::Name => {
                let end = memchr2(b'=', b'\n', rest);
                let part = &rest[..end.unwrap_or(rest.len())];
                if self.name.len() + part.len() > LONGEST_NAME || !part.iter().all(is_name) {
                    return (0, self.skip());
                }
                self.name.extend_from_slice(part);
                let Some(end) = end else { return (rest.len(), false) };
                let field = FIELDS.iter().position(|name| *name == self.name);
                let (empty, equals) = (self.name.is_empty(), rest[end] == b'=');
                self.name.clear();
                if empty && equals {
                    return (0, self.skip());
                }
                if empty {
                    return (end + 1, self.entry != JournalEntry::default());
                }
                if let Some(field) = field {
                    self.entry.values[field].clear();
                    self.entry.has_message |= field == MESSAGE;
                }
                self.state = if equals { State::Text(field) } else { State::Length(field, 0, 0) };
                (end + 1, false)
            }
            State::Text(field) => {
                let end = memchr(b'\n', rest);
                self.keep(field, &rest[..end.unwrap_or(rest.len())]);
                if end.is_some() {
                    self.state = State::Name;
                }
                (end.map_or(rest.len(), |end| end + 1), false)
            }
            State::Length(field, value, have) => {
                let value = value | u64::from(rest[0]) << (8 * have);
                self.state = match have {
                    7 if value > HUGE => return (1, self.skip()),
                    7 if value == 0 => State::Break,
                    7 => State::Binary(field, value),
                    _ => State::Length(field, value, have + 1),
                };
                (1, false)
            }
            State::Binary(field, left) => {
                let part = &rest[..rest.len().min(left as usize)];
                self.keep(field, part);
                let left = left - part.len() as u64;
                self.state = if left == 0 { State::Break } else { State::Binary(field, left) };
                (part.len(), false)
            }
            State::Break if rest[0] == b'\n' => {
                self.state = State::Name;
                (1, false)
            }
            State::Break => (0, self.skip()),
            State::Skip(begins) => match memchr(b'\n', rest) {
                Some(0) if begins => {
                    self.state = State::Name;
                    (1, false)
                }
                Some(end) => {
                    self.state = State::Skip(true);
                    (end + 1, false)
                }
                None => {
                    self.state = State::Skip(false);
                    (rest.len(), false)
                }
            },
        }
    }

    /// Gives this entry up.
    fn skip(&mut self) -> bool {
        self.malformed += 1;
        self.entry.clear();
        self.name.clear();
        self.state = State::Skip(false);
        false
    }

    fn keep(&mut self, field: Option<usize>, part: &[u8]) {
        let Some(field) = field else { return };
        let most = if field == MESSAGE { self.longest } else { LONGEST_VALUE };
        let value = &mut self.entry.values[field];
        let room = most.saturating_sub(value.len());
        value.extend_from_slice(&part[..part.len().min(room)]);
        self.entry.cut |= field == MESSAGE && part.len() > room;
    }
}

const fn is_name(byte: &u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As `journalctl --output=export` of systemd 252 writes it, a little shortened.
    const GOLDEN: &[u8] = b"__CURSOR=s=9afb;i=1;b=0123;m=f4240;t=60a24182d8240;x=c62c\n\
        __REALTIME_TIMESTAMP=1700000001000000\n__MONOTONIC_TIMESTAMP=1000000\n_BOOT_ID=0123456789abcdef0123456789abcdef\n\
        PRIORITY=6\n_TRANSPORT=journal\n_SYSTEMD_UNIT=nginx.service\nSYSLOG_IDENTIFIER=nginx\nMESSAGE=level=info ok\n\n\
        __CURSOR=s=9afb;i=2\n__REALTIME_TIMESTAMP=1700000002000000\nPRIORITY=3\nCONTAINER_NAME=web\nCONTAINER_ID_FULL=c0ffee\n\
        _SYSTEMD_UNIT=docker.service\nMESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nCOREDUMP\n\x03\0\0\0\0\0\0\0\n\n\n\n\n\
        __CURSOR=s=9afb;i=3\nPRIORITY=3\n_TRANSPORT=stdout\n_SYSTEMD_UNIT=session-1.scope\n_COMM=bash\nMESSAGE\n\0\0\0\0\0\0\0\0\n\n\
        __CURSOR=s=9afb;i=4\nPRIORITY=6\n_TRANSPORT=stdout\nSYSLOG_IDENTIFIER=kernel\n\n";

    fn entries(
        longest: usize,
        chunks: &mut dyn Iterator<Item = &[u8]>,
    ) -> (Vec<JournalEntry>, u64) {
        let mut export = JournalExport::new(longest);
        let mut found = Vec::new();
        for mut chunk in chunks {
            while !chunk.is_empty() {
                let (used, entry) = export.next(chunk);
                found.extend(entry.cloned());
                chunk = &chunk[used..];
            }
        }
        (found, export.malformed)
    }

    #[test]
    fn entries_of_a_journal_are_read() {
        let (found, malformed) = entries(100, &mut std::iter::once(GOLDEN));
        assert_eq!((found.len(), malformed), (4, 0));
        let text =
            |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        let shown: Vec<_> = found
            .iter()
            .map(|entry| (text(entry.service()).unwrap(), text(entry.message()), entry.severity()))
            .collect();
        assert_eq!(
            shown,
            [
                ("nginx".into(), Some("level=info ok".into()), Some(Severity::Info)),
                ("web".into(), Some("two\nlines".into()), None),
                ("bash".into(), Some(String::new()), Some(Severity::Error)),
                ("kernel".into(), None, None),
            ]
        );
        assert_eq!(found[0].written(), Some(Timestamp::from_secs(1_700_000_001)));
        assert_eq!(
            found[0].cursor(),
            Some(b"s=9afb;i=1;b=0123;m=f4240;t=60a24182d8240;x=c62c".as_slice())
        );
        assert_eq!((found[1].container(), found[2].written()), (Some(b"c0ffee".as_slice()), None));
    }

    #[test]
    fn a_long_message_is_cut_and_the_next_entry_is_not() {
        let (found, _) = entries(5, &mut std::iter::once(GOLDEN));
        let cut: Vec<_> = found.iter().map(|entry| entry.flags().has(LogFlags::CUT)).collect();
        assert_eq!(cut, [true, true, false, false]);
        assert_eq!(found[1].message(), Some(b"two\nl".as_slice()));
    }

    #[test]
    fn what_is_not_of_the_format_is_skipped_up_to_an_empty_line() {
        let good = b"MESSAGE=good\n\n".as_slice();
        for bad in [
            b"-- No entries --\n\n".as_slice(),
            b"=x\nA=b\n\n",
            b"MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff\n\n",
            b"MESSAGE\n\x01\0\0\0\0\0\0\0xx\n\n",
            &[&[b'A'; 100], b"=x\n\n".as_slice()].concat(),
        ] {
            let text = [good, bad, good].concat();
            let (found, malformed) = entries(100, &mut std::iter::once(text.as_slice()));
            assert_eq!((found.len(), malformed), (2, 1), "{}", bad.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn however_bytes_are_cut_entries_are_the_same(
            sizes in prop::collection::vec(1..40_usize, 1..200),
            bad in prop::collection::vec((0..GOLDEN.len(), any::<u8>()), 0..3),
        ) {
            let mut text = GOLDEN.to_vec();
            for (at, byte) in bad {
                text[at] = byte;
            }
            let mut rest = text.as_slice();
            let mut sizes = sizes.iter().cycle();
            let mut chunks = std::iter::from_fn(|| {
                let (chunk, after) = rest.split_at((*sizes.next()?).min(rest.len()));
                rest = after;
                (!chunk.is_empty()).then_some(chunk)
            });
            prop_assert_eq!(entries(100, &mut chunks), entries(100, &mut std::iter::once(text.as_slice())));
        }
    }
}
