//! Lines from standard input, and from whatever else can be read.

use std::io::{self, Read};
use std::time::Duration;

use gadget_core::{
    Clock as _, LogBatch, LogFlags, LogInput, LogMeta, LogRead, LogSource, LogSources, SignalError,
    SourceId, SystemClock,
};
use memchr::memchr;

use super::chunks::{Chunk, Chunks};

/// Reads lines from a pipe, a file or a socket until it ends. Whoever writes to the other end of a pipe is held back while nobody asks.
///
/// ```
/// use std::time::Duration;
/// use gadget_core::{LogBatch, LogInput, LogRead, LogSources};
/// use gadget_signals::logs::LineReader;
///
/// let text: &[u8] = b"one\ntwo\n";
/// let mut lines = LineReader::new(text, "app", &LogSources::default())?;
/// let mut batch = LogBatch::default();
/// while lines.read(&mut batch, Duration::from_secs(1))? != LogRead::End {}
/// assert_eq!(batch.block(), b"one\ntwo\n");
/// # Ok::<(), gadget_core::SignalError>(())
/// ```
pub struct LineReader {
    origin: &'static str,
    source: SourceId,
    chunks: Chunks,
    splitter: Splitter,
    clock: SystemClock,
    ended: bool,
}

impl LineReader {
    /// The longest line in bytes; what is beyond is dropped, and the line flagged.
    pub const LONGEST: usize = 256 << 10;

    /// Standard input, as the lines of `service`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn stdin(service: &str, sources: &LogSources) -> Result<Self, SignalError> {
        Self::named(io::stdin(), service, "stdin", sources)
    }

    /// Anything that can be read, as the lines of `service`. It is read on a thread of its own, which ends with it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(
        reader: impl Read + Send + 'static,
        service: &str,
        sources: &LogSources,
    ) -> Result<Self, SignalError> {
        Self::named(reader, service, "reader", sources)
    }

    fn named(
        reader: impl Read + Send + 'static,
        service: &str,
        origin: &'static str,
        sources: &LogSources,
    ) -> Result<Self, SignalError> {
        let source = LogSource { service: service.into(), origin: origin.into(), container: None };
        let chunks = Chunks::of(reader, "log-reader").map_err(|error| failed(origin, error))?;
        Ok(Self {
            origin,
            source: sources.id(&source),
            chunks,
            splitter: Splitter::new(Self::LONGEST),
            clock: SystemClock::new(),
            ended: false,
        })
    }
}

fn failed(origin: &str, source: io::Error) -> SignalError {
    SignalError::Read { path: origin.into(), source }
}

impl LogInput for LineReader {
    fn read(&mut self, batch: &mut LogBatch, timeout: Duration) -> Result<LogRead, SignalError> {
        let before = batch.len();
        let (source, mut timeout) = (self.source, timeout);
        let meta = |at, flags| LogMeta { source, at, written: None, severity: None, flags };
        while !self.ended && !batch.is_full() {
            match self.chunks.fill(timeout) {
                Chunk::Bytes => {}
                Chunk::Nothing => break,
                Chunk::End => {
                    self.ended = true;
                    if let Some((line, flags)) = self.splitter.rest() {
                        batch.push(meta(self.clock.now(), flags), line);
                    }
                    break;
                }
                Chunk::Failed(error) => return Err(failed(self.origin, error)),
            }
            let (at, mut used) = (self.clock.now(), 0);
            let bytes = self.chunks.bytes();
            while used < bytes.len() && !batch.is_full() {
                let (taken, line) = self.splitter.next(&bytes[used..]);
                used += taken;
                if let Some((line, flags)) = line {
                    batch.push(meta(at, flags), line);
                }
            }
            self.chunks.used(used);
            if batch.len() > before {
                timeout = Duration::ZERO;
            }
        }
        Ok(if batch.len() > before {
            LogRead::Lines
        } else if self.ended {
            LogRead::End
        } else {
            LogRead::Nothing
        })
    }
}

/// Parts bytes into lines, however they come, and bounds the lines.
struct Splitter {
    longest: usize,
    carry: Vec<u8>,
    cut: bool,
    given: bool,
}

type Line<'a> = (&'a [u8], LogFlags);

impl Splitter {
    const fn new(longest: usize) -> Self {
        Self { longest, carry: Vec::new(), cut: false, given: false }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = self.longest - self.carry.len();
        self.carry.extend_from_slice(&part[..part.len().min(room)]);
        self.cut |= part.len() > room;
    }

    fn flags(&self) -> LogFlags {
        if self.cut { LogFlags::CUT } else { LogFlags::default() }
    }

    /// How much of `bytes` was used, and the line that ended there.
    fn next<'a>(&'a mut self, bytes: &'a [u8]) -> (usize, Option<Line<'a>>) {
        if std::mem::take(&mut self.given) {
            self.carry.clear();
            self.cut = false;
        }
        let Some(end) = memchr(b'\n', bytes) else {
            self.keep(bytes);
            return (bytes.len(), None);
        };
        if self.carry.is_empty() && !self.cut && end <= self.longest {
            return (end + 1, Some((&bytes[..end], LogFlags::default())));
        }
        self.keep(&bytes[..end]);
        self.given = true;
        (end + 1, Some((&self.carry, self.flags())))
    }

    /// The line that did not end.
    fn rest(&mut self) -> Option<Line<'_>> {
        let there = !self.given && !self.carry.is_empty();
        self.given = true;
        there.then(|| (self.carry.as_slice(), self.flags().with(LogFlags::PARTIAL)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    type Found = Vec<(Vec<u8>, LogFlags)>;

    fn read(reader: impl Read + Send + 'static) -> Found {
        let mut lines = LineReader::new(reader, "app", &LogSources::default()).unwrap();
        let mut batch = LogBatch::default();
        let mut found = Vec::new();
        while lines.read(&mut batch, Duration::from_secs(10)).unwrap() != LogRead::End {
            assert!(batch.len() <= LogBatch::FULL_LINES);
            found.extend(batch.iter().map(|(meta, text)| (text.to_vec(), meta.flags)));
            batch.clear();
        }
        found
    }

    #[test]
    fn lines_come_whole_and_the_last_one_says_if_it_did_not_end() {
        let none = LogFlags::default();
        let found = read(b"one\n\ntwo\r\nthree".as_slice());
        let expected: [(&[u8], _); 4] =
            [(b"one", none), (b"", none), (b"two\r", none), (b"three", LogFlags::PARTIAL)];
        assert_eq!(found, expected.map(|(text, flags)| (text.to_vec(), flags)));
        assert_eq!(read(vec![b'\n'; 100_000].leak() as &[u8]).len(), 100_000);
    }

    #[test]
    fn a_line_of_10_mb_is_cut_and_the_next_one_is_not() {
        let mut text = vec![b'x'; 10 << 20];
        text.extend_from_slice(b"\nnext\n");
        let found = read(io::Cursor::new(text));
        assert_eq!((found[0].0.len(), found[0].1), (LineReader::LONGEST, LogFlags::CUT));
        assert_eq!(found[1], (b"next".to_vec(), LogFlags::default()));
    }

    #[test]
    fn who_writes_is_held_back_while_nobody_reads() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        let mut lines = LineReader::new(reader, "app", &LogSources::default()).unwrap();
        let mut sent = 0_u64;
        let mut refused = 0;
        // Nobody reads: what is taken is what the socket and the chunks hold.
        while refused < 20 {
            match writer.write(b"0123456789abcde\n") {
                Ok(written) => {
                    assert_eq!(written, 16);
                    sent += 1;
                    refused = 0;
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    refused += 1;
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            assert!(sent < 1 << 20, "the writer was never held back");
        }
        drop(writer);
        let mut batch = LogBatch::default();
        let mut read = 0;
        while lines.read(&mut batch, Duration::from_secs(10)).unwrap() != LogRead::End {
            read += batch.len() as u64;
            batch.clear();
        }
        assert_eq!(read, sent);
    }

    proptest::proptest! {
        #[test]
        fn however_bytes_are_cut_lines_are_the_same(text in "[ab\n]{0,60}", longest in 1..9_usize, cut in 1..7_usize) {
            let split = |chunks: &mut dyn Iterator<Item = &[u8]>| {
                let mut splitter = Splitter::new(longest);
                let mut found: Found = Vec::new();
                for mut chunk in chunks {
                    while !chunk.is_empty() {
                        let (used, line) = splitter.next(chunk);
                        found.extend(line.map(|(line, flags)| (line.to_vec(), flags)));
                        chunk = &chunk[used..];
                    }
                }
                found.extend(splitter.rest().map(|(line, flags)| (line.to_vec(), flags)));
                found
            };
            let whole = split(&mut std::iter::once(text.as_bytes()));
            proptest::prop_assert_eq!(&whole, &split(&mut text.as_bytes().chunks(cut)));
            for ((line, flags), expected) in whole.iter().zip(text.split('\n')) {
                proptest::prop_assert_eq!(line, &expected.as_bytes()[..expected.len().min(longest)]);
                proptest::prop_assert_eq!(flags.has(LogFlags::CUT), expected.len() > longest);
            }
        }
    }
}
