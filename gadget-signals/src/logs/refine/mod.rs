//! From the lines that an input has to the records that programs wrote.

mod clean;
mod encoding;
mod join;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gadget_core::{
    LogBatch, LogFlags, LogInput, LogMeta, LogRead, LogSources, SignalError, SourceId,
};

use super::container::{container_file, container_line};
use super::line::{When, head};
use clean::clean;
pub use encoding::Encoding;
use encoding::{Decoded, Decoder};
pub use join::Joining;
use join::Trace;

/// How lines become records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefineSettings {
    /// Which lines are joined. Automatic by default.
    pub joining: Joining,
    /// How bytes are read. By default UTF-8, or UTF-16 where it shows.
    pub encoding: Encoding,
    /// The longest record in bytes; what is beyond is dropped from a line, which is flagged, and begins a new record where lines are joined.
    /// Default 256 KiB.
    pub longest: usize,
    /// The most lines that are joined to one record. Default 1,000.
    pub most_lines: usize,
    /// How long a record waits for another line. Default 1 s; zero joins only what is read at once.
    pub hold: Duration,
    /// Whether escapes of terminals are taken out: colours inside a value would hide it. Default true.
    pub plain: bool,
    /// How far east of UTC times without a zone are, in seconds. Default 0.
    pub east: i32,
    /// Whether files that are a container runtime's by their path are taken out of its format. Default true.
    pub containers: bool,
}

impl Default for RefineSettings {
    fn default() -> Self {
        Self {
            joining: Joining::default(),
            encoding: Encoding::default(),
            longest: 256 << 10,
            most_lines: 1000,
            hold: Duration::from_secs(1),
            plain: true,
            east: 0,
            containers: true,
        }
    }
}

/// All that is held back of all sources; beyond it everything is given out.
const MOST_HELD: usize = 16 << 20;
/// A part of a line waits longer for the next one than a record does, by this factor.
const PART_PATIENCE: u32 = 5;

/// Makes records of the lines of another input: takes them out of a container runtime's format, out of UTF-16 and Latin-1, puts parts and
/// stack traces together, bounds them, and finds severity and time.
///
/// Lines of [`SourceId::OTHER`] come from anywhere, so nothing is joined there.
///
/// The last record of a source is held back for a moment, for more of it may come. [`commit`](LogInput::commit) is passed on only while
/// nothing is held: at other times it does nothing, and what was read since the last one that was passed on comes again after a restart,
/// as its mark says. If a commit had to be left out, the next read soon gives out everything, so that the next commit is passed on: commit
/// after every batch.
pub struct Refine<I> {
    inner: I,
    sources: LogSources,
    settings: Arc<RefineSettings>,
    special: HashMap<Arc<str>, Arc<RefineSettings>>,
    /// By their places.
    known: Vec<Option<Box<Source>>>,
    /// The sources that hold something back.
    open: Vec<SourceId>,
    raw: LogBatch,
    decoded: Vec<u8>,
    unwrapped: Vec<u8>,
    cleaned: Vec<u8>,
    /// Since when a commit is due.
    due: Option<Instant>,
}

/// What is known of one source of the inner input.
struct Source {
    /// As whose its lines came in.
    from: SourceId,
    /// As whose its lines are given out.
    id: SourceId,
    settings: Arc<RefineSettings>,
    /// Its lines are in the format of a container runtime.
    container: bool,
    decoder: Decoder,
    /// Of the last bytes that the decoder got.
    meta: LogMeta,
    fed: Instant,
    /// Standard output and standard error, or all in the first.
    streams: [Stream; 2],
    listed: bool,
}

#[derive(Default)]
struct Stream {
    part: Option<Held>,
    record: Option<Held>,
}

/// A record or a line that more may come of.
struct Held {
    meta: LogMeta,
    text: Vec<u8>,
    lines: usize,
    since: Instant,
    trace: Trace,
}

impl<I> Refine<I> {
    /// Over `inner`, which has its sources in `sources`.
    pub fn new(inner: I, sources: LogSources, settings: RefineSettings) -> Self {
        Self {
            inner,
            sources,
            settings: Arc::new(settings),
            special: HashMap::new(),
            known: Vec::new(),
            open: Vec::new(),
            raw: LogBatch::default(),
            decoded: Vec::new(),
            unwrapped: Vec::new(),
            cleaned: Vec::new(),
            due: None,
        }
    }

    /// Other settings for the lines of one service.
    #[must_use]
    pub fn service(mut self, service: &str, settings: RefineSettings) -> Self {
        self.special.insert(service.into(), Arc::new(settings));
        self
    }

    /// The input that it was made over.
    pub const fn inner(&self) -> &I {
        &self.inner
    }

    fn learn(&self, source: SourceId, meta: LogMeta, now: Instant) -> Source {
        let known = self.sources.get(source);
        let settings = |service: &str| self.special.get(service).unwrap_or(&self.settings).clone();
        let (mut id, mut of, mut container) = (source, settings(&known.service), false);
        if of.containers
            && source != SourceId::OTHER
            && let Some(refined) = container_file(&known.origin)
        {
            of = settings(&refined.service);
            (id, container) = (self.sources.id(&refined), true);
        }
        let decoder = Decoder::new(of.encoding);
        let streams = Default::default();
        let listed = false;
        Source {
            from: source,
            id,
            settings: of,
            container,
            decoder,
            meta,
            fed: now,
            streams,
            listed,
        }
    }

    /// Gives out what is held of a source that was forgotten, whose place another one has now.
    fn retire(&mut self, place: usize, now: Instant, out: &mut LogBatch) {
        let Some(mut source) = self.known[place].take() else { return };
        source.give(true, now, &mut self.decoded, &mut self.cleaned, out);
        self.open.retain(|id| *id != source.from);
        let shared = self.known.iter().flatten().any(|other| other.id == source.id);
        if source.id != source.from && !shared {
            self.sources.release(source.id);
        }
    }

    /// One line of the inner input.
    fn take(&mut self, meta: LogMeta, text: &[u8], now: Instant, out: &mut LogBatch) {
        let (from, at) = (meta.source, meta.source.place());
        if self.known.len() <= at {
            self.known.resize_with(at + 1, || None);
        }
        if self.known[at].as_ref().is_none_or(|known| known.from != from) {
            self.retire(at, now, out);
            self.known[at] = Some(Box::new(self.learn(from, meta, now)));
        }
        let Some(source) = &mut self.known[at] else { return };
        let meta = LogMeta { source: source.id, ..meta };
        if source.container {
            self.unwrapped.clear();
            if let Some(line) = container_line(text, &mut self.unwrapped) {
                let mut meta = LogMeta { written: line.written.or(meta.written), ..meta };
                if line.replaced {
                    meta.flags = meta.flags.with(LogFlags::REPLACED);
                }
                let stream = usize::from(line.stderr);
                source.part(stream, meta, &self.unwrapped, line.ends, now, &mut self.cleaned, out);
            } else {
                source.line(0, meta, text, now, &mut self.cleaned, out);
            }
        } else if from == SourceId::OTHER {
            source.line(0, meta, text, now, &mut self.cleaned, out);
        } else {
            let whole = !meta.flags.has(LogFlags::PARTIAL) && !meta.flags.has(LogFlags::CUT);
            let most = source.settings.longest.saturating_mul(2);
            (source.meta, source.fed) = (meta, now);
            match source.decoder.piece(text, whole, most, &mut self.decoded) {
                Decoded::Same => source.line(0, meta, text, now, &mut self.cleaned, out),
                decoded => source.decoded(decoded, &self.decoded, now, &mut self.cleaned, out),
            }
        }
        if !source.listed && source.held() > 0 {
            source.listed = true;
            self.open.push(from);
        }
    }

    /// Gives out what has waited long enough, or everything.
    fn give(&mut self, everything: bool, now: Instant, out: &mut LogBatch) {
        let mut held = 0;
        let (known, decoded, cleaned) = (&mut self.known, &mut self.decoded, &mut self.cleaned);
        self.open.retain(|id| {
            let Some(Some(source)) = known.get_mut(id.place()) else { return false };
            source.give(everything, now, decoded, cleaned, out);
            let left = source.held();
            source.listed = left > 0;
            held += left;
            source.listed
        });
        if held > MOST_HELD {
            self.give(true, now, out);
        }
    }

    /// When the first of what is held back is to be given out.
    fn next_due(&self) -> Option<Instant> {
        self.open.iter().filter_map(|id| self.known.get(id.place())?.as_ref()?.next_due()).min()
    }
}

impl Source {
    /// How many bytes are held back, and one for each place that holds some.
    fn held(&self) -> usize {
        let of = |held: &Option<Held>| held.as_ref().map_or(0, |held| held.text.len() + 1);
        let streams = self.streams.iter().map(|stream| of(&stream.part) + of(&stream.record));
        streams.sum::<usize>() + self.decoder.held()
    }

    fn patience(&self) -> Duration {
        self.settings.hold.saturating_mul(PART_PATIENCE)
    }

    fn next_due(&self) -> Option<Instant> {
        let hold = self.settings.hold;
        let streams = self.streams.iter().flat_map(|stream| {
            let part = stream.part.as_ref().map(|part| part.since + self.patience());
            part.into_iter().chain(stream.record.as_ref().map(|record| record.since + hold))
        });
        let decoder = (self.decoder.held() > 0).then(|| self.fed + hold);
        streams.chain(decoder).min()
    }

    fn give(
        &mut self,
        everything: bool,
        now: Instant,
        decoded: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
        out: &mut LogBatch,
    ) {
        let (hold, patience) = (self.settings.hold, self.patience());
        if self.decoder.held() > 0 && (everything || self.fed + hold <= now) {
            let line = self.decoder.flush(decoded);
            self.decoded(line, decoded, now, scratch, out);
        }
        for stream in 0..self.streams.len() {
            let late = |held: &Held, patience| everything || held.since + patience <= now;
            if let Some(mut part) = self.streams[stream].part.take_if(|part| late(part, patience)) {
                part.meta.flags = part.meta.flags.with(LogFlags::PARTIAL);
                self.line(stream, part.meta, &part.text, now, scratch, out);
            }
            if let Some(record) = self.streams[stream].record.take_if(|held| late(held, hold)) {
                emit(record.meta, &record.text, &self.settings, out);
            }
        }
    }

    /// What a decoder made.
    fn decoded(
        &mut self,
        decoded: Decoded,
        text: &[u8],
        now: Instant,
        scratch: &mut Vec<u8>,
        out: &mut LogBatch,
    ) {
        let Decoded::Line(replaced) = decoded else { return };
        let mut meta = self.meta;
        if replaced {
            meta.flags = meta.flags.with(LogFlags::REPLACED);
        }
        self.line(0, meta, text, now, scratch, out);
    }

    /// A line of a container, or a part of one.
    #[allow(clippy::too_many_arguments, reason = "the buffers are kept by the caller")]
    fn part(
        &mut self,
        stream: usize,
        meta: LogMeta,
        text: &[u8],
        ends: bool,
        now: Instant,
        scratch: &mut Vec<u8>,
        out: &mut LogBatch,
    ) {
        let most = self.settings.longest;
        let part = &mut self.streams[stream].part;
        if part.is_none() && ends {
            return self.line(stream, meta, text, now, scratch, out);
        }
        let part = part.get_or_insert_with(|| Held::new(meta, now));
        let room = most.saturating_sub(part.text.len());
        part.text.extend_from_slice(&text[..text.len().min(room)]);
        part.meta.flags = part.meta.flags.with(meta.flags);
        if text.len() > room {
            part.meta.flags = part.meta.flags.with(LogFlags::CUT);
        }
        part.since = now;
        if ends && let Some(part) = self.streams[stream].part.take() {
            self.line(stream, part.meta, &part.text, now, scratch, out);
        }
    }

    /// A whole line: goes on with the record before it, or begins one.
    fn line(
        &mut self,
        stream: usize,
        mut meta: LogMeta,
        text: &[u8],
        now: Instant,
        scratch: &mut Vec<u8>,
        out: &mut LogBatch,
    ) {
        let settings = &*self.settings;
        let text = clean(text, settings.plain, scratch, &mut meta.flags);
        if settings.joining == Joining::Off || meta.source == SourceId::OTHER {
            identify(&mut meta, text, settings);
            return emit(meta, text, settings, out);
        }
        let held = &mut self.streams[stream].record;
        let mut trace = None;
        if let Some(record) = held {
            if settings.joining.continues(&mut record.trace, text, when(&meta, settings)) {
                if record.lines < settings.most_lines
                    && record.text.len() + text.len() < settings.longest
                {
                    record.text.push(b'\n');
                    record.text.extend_from_slice(text);
                    record.meta.flags = record.meta.flags.with(meta.flags).with(LogFlags::JOINED);
                    (record.lines, record.since) = (record.lines + 1, now);
                    return;
                }
                // Full: what follows begins another record and goes on from there.
                trace = Some(record.trace);
            }
            emit(record.meta, &record.text, settings, out);
        }
        let record = held.get_or_insert_with(|| Held::new(meta, now));
        identify(&mut meta, text, settings);
        record.text.clear();
        record.text.shrink_to(16 << 10);
        record.text.extend_from_slice(&text[..text.len().min(settings.longest + 1)]);
        record.trace = trace.unwrap_or_else(|| Trace::of(text, meta.severity));
        (record.meta, record.lines, record.since) = (meta, 1, now);
    }
}

impl Held {
    fn new(meta: LogMeta, since: Instant) -> Self {
        Self { meta, text: Vec::new(), lines: 0, since, trace: Trace::default() }
    }
}

/// What a date in a line leaves open.
fn when(meta: &LogMeta, settings: &RefineSettings) -> When {
    When { read: meta.at, east: settings.east }
}

/// Finds severity and time where the input did not say.
fn identify(meta: &mut LogMeta, text: &[u8], settings: &RefineSettings) {
    if meta.severity.is_none() || meta.written.is_none() {
        let head = head(text, when(meta, settings));
        meta.severity = meta.severity.or(head.severity);
        meta.written = meta.written.or(head.written);
    }
}

/// Gives out a record, cut at a character if it is too long.
fn emit(mut meta: LogMeta, mut text: &[u8], settings: &RefineSettings, out: &mut LogBatch) {
    if text.len() > settings.longest {
        let inside = |byte: u8| byte & 0xc0 == 0x80;
        let end = (0..=settings.longest).rev().find(|&at| !inside(text[at])).unwrap_or(0);
        text = &text[..end];
        meta.flags = meta.flags.with(LogFlags::CUT);
    }
    out.push(meta, text);
}

impl<I: LogInput> LogInput for Refine<I> {
    fn read(&mut self, batch: &mut LogBatch, timeout: Duration) -> Result<LogRead, SignalError> {
        let until = Instant::now() + timeout;
        let before = (batch.len(), batch.lost);
        loop {
            let wait = self.next_due().map_or(until, |due| due.min(until));
            let mut raw = mem::take(&mut self.raw);
            raw.clear();
            let wait = wait.saturating_duration_since(Instant::now());
            let read = self.inner.read(&mut raw, wait);
            let now = Instant::now();
            batch.lost += raw.lost;
            for (meta, text) in raw.iter() {
                self.take(*meta, text, now, batch);
            }
            let behind = raw.is_full();
            self.raw = raw;
            let late = self.due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
            // Better where the input had no more, for there a trace is seldom cut in two.
            let due = late >= self.settings.hold.max(Duration::from_millis(1))
                && (!behind || late >= self.settings.hold.saturating_mul(5));
            self.give(due || matches!(read, Ok(LogRead::End)), now, batch);
            let read = read?;
            return Ok(if (batch.len(), batch.lost) != before {
                LogRead::Lines
            } else if read == LogRead::End {
                LogRead::End
            } else if now >= until {
                LogRead::Nothing
            } else {
                continue;
            });
        }
    }

    fn commit(&mut self, mark: u64) -> Result<(), SignalError> {
        if self.open.is_empty() {
            self.due = None;
            return self.inner.commit(mark);
        }
        self.due.get_or_insert_with(Instant::now);
        Ok(())
    }
}
