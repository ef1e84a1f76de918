//! Log lines on their way from whoever wrote them to whoever keeps them: a plane of its own beside the agent's signals.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::provider::SignalError;
use crate::units::Timestamp;

/// How grave a line says it is: the short names of OpenTelemetry's log data model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the field's own")]
pub enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 6] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// The name in outputs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// The `SeverityNumber` of OpenTelemetry: the first of its range, 1 to 21.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 * 4 + 1
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What was done to a line before it got here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogFlags(u8);

impl LogFlags {
    /// It was longer than lines may be; the rest was dropped.
    pub const CUT: Self = Self(1);
    /// Its end never came: the source ended or turned to another line.
    pub const PARTIAL: Self = Self(1 << 1);
    /// It was joined of several: a stack trace.
    pub const JOINED: Self = Self(1 << 2);
    /// It held bytes that are not of its encoding, and that were replaced.
    pub const REPLACED: Self = Self(1 << 3);
    /// Something in it was redacted.
    pub const REDACTED: Self = Self(1 << 4);

    /// True if it has every flag of `other`.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the flags of `other` as well.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As one byte.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From one byte.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// Where lines come from. What names a service decides whose history a line is part of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogSource {
    /// Who wrote them: a unit, a container's name, what the configuration says, or the file's stem without a date.
    pub service: Arc<str>,
    /// Through what they came: a file's path, `journal`, `syslog`, `stdin`, `channel`.
    pub origin: Arc<str>,
    /// The container's id, where it came from one.
    pub container: Option<Arc<str>>,
}

/// Stands for a source within one [`LogSources`]: the place it has there, and which of those that had the place one after the other.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SourceId(u32);

impl SourceId {
    /// All sources beyond those that have an id of their own.
    pub const OTHER: Self = Self(0);

    /// Its place, below [`LogSources::MOST`]: what a table of things known of sources is indexed by. A place is given again once its
    /// source is released, so the table holds the id as well, to see that.
    #[must_use]
    pub const fn place(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    /// The next one to have this place.
    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1 << 16))
    }
}

/// The sources that are known, shared by all who read and keep lines. Bounded: those beyond the bound are one, [`SourceId::OTHER`].
/// A source that was [released](Self::release) stays known until its place is needed.
#[derive(Clone, Debug)]
pub struct LogSources(Arc<RwLock<Known>>);

#[derive(Debug)]
struct Known {
    most: usize,
    ids: HashMap<Arc<LogSource>, SourceId>,
    places: Vec<Place>,
    /// How many were released so far.
    releases: u64,
}

#[derive(Debug)]
struct Place {
    id: SourceId,
    source: Arc<LogSource>,
    /// The how manieth release it was; zero while it is in use.
    released: u64,
}

impl Default for LogSources {
    fn default() -> Self {
        Self::new(4096)
    }
}

impl LogSources {
    /// More than this many have no ids.
    pub const MOST: usize = 1 << 16;

    /// None but [`SourceId::OTHER`], and at most `most`.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let source = Arc::new(LogSource { service: "other".into(), ..LogSource::default() });
        let places = vec![Place { id: SourceId::OTHER, source, released: 0 }];
        let most = most.clamp(1, Self::MOST);
        Self(Arc::new(RwLock::new(Known { most, ids: HashMap::new(), places, releases: 0 })))
    }

    /// The id of `source`, which it is given now if it has none; if it was released, it no longer is.
    #[must_use]
    pub fn id(&self, source: &LogSource) -> SourceId {
        {
            let known = self.0.read();
            if let Some(&id) = known.ids.get(source)
                && known.places[id.place()].released == 0
            {
                return id;
            }
        }
        let mut known = self.0.write();
        if let Some(&id) = known.ids.get(source) {
            known.places[id.place()].released = 0;
            return id;
        }
        let Some(id) = known.vacant() else { return SourceId::OTHER };
        let source = Arc::new(source.clone());
        known.ids.insert(Arc::clone(&source), id);
        let place = Place { id, source, released: 0 };
        match known.places.get_mut(id.place()) {
            Some(its) => *its = place,
            None => known.places.push(place),
        }
        id
    }

    /// Says that no more lines of it are to come: its file is gone, or its container. It is forgotten once its place is needed, the
    /// first released first; lines of it that are still on their way are then of [`SourceId::OTHER`].
    pub fn release(&self, id: SourceId) {
        let mut known = self.0.write();
        known.releases += 1;
        let nth = known.releases;
        if let Some(place) = known.places.get_mut(id.place())
            && place.id == id
            && id != SourceId::OTHER
            && place.released == 0
        {
            place.released = nth;
        }
    }

    /// What has this id; [`SourceId::OTHER`] for one that was never given, or is forgotten.
    #[must_use]
    pub fn get(&self, id: SourceId) -> Arc<LogSource> {
        let known = self.0.read();
        let place = known.places.get(id.place()).filter(|place| place.id == id);
        Arc::clone(&place.unwrap_or(&known.places[0]).source)
    }
}

impl Known {
    /// An id for one more: a place that nobody had, or that of the one that was released first.
    fn vacant(&mut self) -> Option<SourceId> {
        if self.places.len() < self.most {
            return Some(SourceId(self.places.len() as u32));
        }
        let released = self.places.iter().filter(|place| place.released > 0);
        let first = released.min_by_key(|place| place.released)?;
        self.ids.remove(&first.source);
        Some(first.id.next())
    }
}

/// What is known of a line beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMeta {
    /// Where it comes from.
    pub source: SourceId,
    /// When it was read.
    pub at: Timestamp,
    /// When it was written, as it says itself.
    pub written: Option<Timestamp>,
    /// How grave it says it is.
    pub severity: Option<Severity>,
    /// What was done to it.
    pub flags: LogFlags,
}

/// One line of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// What is known of it.
    pub meta: LogMeta,
    start: u32,
    end: u32,
}

/// Lines in the order they were read, their texts one after the other in one buffer. Reused from batch to batch, so that it stops
/// allocating. Prints without texts.
#[derive(Clone, Default)]
pub struct LogBatch {
    text: Vec<u8>,
    lines: Vec<LogLine>,
    /// Lines known to be lost since the last batch, before any of these.
    pub lost: u64,
}

impl LogBatch {
    /// A batch is full when it holds this much text; one line may be longer.
    pub const FULL_BYTES: usize = 256 << 10;
    /// ...or this many lines.
    pub const FULL_LINES: usize = 4096;

    /// Empties it, keeping its memory as far as a full batch needs it.
    pub fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(2 * Self::FULL_BYTES);
        self.lines.clear();
        self.lost = 0;
    }

    /// True if it is to be dealt with before more is added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.text.len() >= Self::FULL_BYTES || self.lines.len() >= Self::FULL_LINES
    }

    /// True if it has no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Adds a line without its line break; one that was joined of several has breaks within. A batch that holds 4 GiB takes no more:
    /// the line counts as lost.
    pub fn push(&mut self, meta: LogMeta, text: &[u8]) {
        let start = self.text.len();
        let Ok(end) = u32::try_from(start + text.len() + 1) else {
            self.lost += 1;
            return;
        };
        self.text.extend_from_slice(text);
        self.text.push(b'\n');
        self.lines.push(LogLine { meta, start: start as u32, end: end - 1 });
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[LogLine] {
        &self.lines
    }

    /// The text of one of its lines.
    #[must_use]
    pub fn text(&self, line: &LogLine) -> &[u8] {
        self.text.get(Self::range(line)).unwrap_or_default()
    }

    /// All texts, a line break after each, for whoever reads them as one block; [`range`](Self::range) tells where a line is.
    #[must_use]
    pub fn block(&self) -> &[u8] {
        &self.text
    }

    /// Where a line's text is in the block.
    #[must_use]
    pub const fn range(line: &LogLine) -> Range<usize> {
        line.start as usize..line.end as usize
    }

    /// Each line with its text.
    pub fn iter(&self) -> impl Iterator<Item = (&LogMeta, &[u8])> {
        self.lines.iter().map(|line| (&line.meta, self.text(line)))
    }
}

impl fmt::Debug for LogBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogBatch")
            .field("lines", &self.lines.len())
            .field("bytes", &self.text.len())
            .field("lost", &self.lost)
            .finish()
    }
}

/// What a look at an input brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRead {
    /// Lines were added.
    Lines,
    /// There were none before the time was over.
    Nothing,
    /// There will be no more.
    End,
}

/// Something that lines are read from.
///
/// Whoever does not read holds the source back: a pipe fills, a file waits. What a source cannot hold back it counts, in
/// [`LogBatch::lost`].
pub trait LogInput: Send {
    /// Adds lines to `batch` until it is full, waiting for the first at most `timeout`.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] lasts; for the others, try again later. Lines added before stand.
    fn read(&mut self, batch: &mut LogBatch, timeout: Duration) -> Result<LogRead, SignalError>;

    /// Says that all that was read is kept. An input that can go on where it was after a restart remembers that place durably, and
    /// with it `mark`, which is its caller's: how far the output was written, so that nothing is written twice.
    ///
    /// # Errors
    /// When the place cannot be remembered: what was read may then come again after a restart.
    fn commit(&mut self, mark: u64) -> Result<(), SignalError> {
        let _ = mark;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(source: SourceId) -> LogMeta {
        let flags = LogFlags::CUT.with(LogFlags::JOINED);
        LogMeta { source, at: Timestamp::EPOCH, written: None, severity: None, flags }
    }

    #[test]
    fn a_batch_gives_back_its_lines() {
        let mut batch = LogBatch::default();
        for text in ["one", "", "two\nhalves", "\u{fffd}"] {
            batch.push(meta(SourceId(3)), text.as_bytes());
        }
        let texts: Vec<_> = batch.iter().map(|(_, text)| text).collect();
        assert_eq!(texts, [b"one".as_slice(), b"", b"two\nhalves", "\u{fffd}".as_bytes()]);
        assert_eq!(&batch.block()[LogBatch::range(&batch.lines()[0])], b"one");
        assert_eq!(batch.len(), 4);
        assert!(!format!("{batch:?}").contains("halves"), "a batch prints no text");
        batch.clear();
        assert!(batch.is_empty() && batch.block().is_empty());
    }

    #[test]
    fn a_batch_is_full_by_lines_or_by_bytes() {
        let mut batch = LogBatch::default();
        batch.push(meta(SourceId::OTHER), &vec![b'x'; LogBatch::FULL_BYTES]);
        assert!(batch.is_full());
        batch.clear();
        for _ in 0..LogBatch::FULL_LINES {
            assert!(!batch.is_full());
            batch.push(meta(SourceId::OTHER), b"");
        }
        assert!(batch.is_full());
    }

    #[test]
    fn sources_keep_their_ids_and_those_beyond_the_bound_are_one() {
        let sources = LogSources::new(3);
        let source = |service: &str| LogSource { service: service.into(), ..LogSource::default() };
        let (api, db) = (sources.id(&source("api")), sources.id(&source("db")));
        assert_ne!(api, db);
        assert_eq!(sources.clone().id(&source("api")), api);
        assert_eq!(sources.id(&source("cache")), SourceId::OTHER);
        assert_eq!(*sources.get(db).service, *"db");
        assert_eq!(*sources.get(SourceId(99)).service, *"other");
    }

    #[test]
    fn the_place_of_a_source_that_was_released_is_given_again_once_it_is_needed() {
        let sources = LogSources::new(3);
        let source = |service: &str| LogSource { service: service.into(), ..LogSource::default() };
        let (api, db) = (sources.id(&source("api")), sources.id(&source("db")));
        sources.release(db);
        sources.release(api);
        sources.release(db);
        sources.release(SourceId::OTHER);
        assert_eq!(*sources.get(db).service, *"db", "known as long as its place is not needed");
        let cache = sources.id(&source("cache"));
        assert_eq!(cache.place(), db.place(), "the first to be released goes first");
        assert_eq!(*sources.get(cache).service, *"cache");
        assert_eq!(*sources.get(db).service, *"other", "an old id never means a new source");
        assert_eq!(sources.id(&source("api")), api, "in use again");
        assert_eq!(sources.id(&source("db")), SourceId::OTHER, "so there is no place");
        sources.release(db);
        assert_eq!(*sources.get(cache).service, *"cache", "the old id releases nothing");
        assert_eq!(sources.id(&source("db")), SourceId::OTHER);
    }

    #[test]
    fn severities_have_the_numbers_of_opentelemetry() {
        let numbers = Severity::ALL.map(Severity::number);
        assert_eq!(numbers, [1, 5, 9, 13, 17, 21]);
    }

    #[test]
    fn flags_add_up() {
        let both = LogFlags::CUT.with(LogFlags::REDACTED);
        assert!(both.has(LogFlags::CUT) && both.has(LogFlags::REDACTED));
        assert!(!both.has(LogFlags::PARTIAL) && LogFlags::from_bits(both.bits()) == both);
    }
}
