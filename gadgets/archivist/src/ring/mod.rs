//! The last minutes of every log, compressed, in a file that outlives the process.
//!
//! A line is appended raw to the chain of its service; a chain that is long or old enough is put in columns and compressed with LZ4.
//! All of it is in one mapped file of fixed size, so that a process that is killed loses nothing that was appended. When the file is
//! full, the service that holds most of it loses its oldest chain: a noisy service cannot take a quiet one's history.

mod column;
mod copy;
mod map;
mod open;
mod page;
mod read;
mod record;
mod tally;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{Bytes, LogBatch, LogFlags, LogMeta, LogSources, Severity, SourceId, Timestamp};

use lz4_flex::block::{compress_into, get_maximum_output_size};

use map::Map;
use page::{HEAD, Head, Kind, MOST_SERVICES, NAME, PAGE, ROOM};

pub use open::{ArchiveError, Left};
pub(crate) use read::{Place, Visit};
pub use record::Entry;
pub(crate) use tally::Tally;

/// A chain is compressed when it holds this much.
const CHAIN: usize = 256 << 10;
/// ...and all raw chains together about this much.
const ALL_RAW: usize = 64 << 20;
/// A chain takes lines for so long, in microseconds: what is let go is let go by chains.
const RAW_FOR: u64 = 30_000_000;
/// How often lines are looked at for their age, in microseconds.
const SWEEP: u64 = 1_000_000;
/// What is kept beyond the window: a trigger takes a moment to be acted upon.
const SLACK: Duration = Duration::from_secs(15);

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// The size of the file: a hard bound. Default 500 MB; at least 2 MiB.
    pub bytes: Bytes,
    /// How long lines are kept. Default 120 s.
    pub window: Duration,
    /// The rest of a longer line is dropped. Default 256 KiB.
    pub line: usize,
}

impl Default for ArchiveSettings {
    fn default() -> Self {
        Self { bytes: Bytes::new(500_000_000), window: Duration::from_secs(120), line: 256 << 10 }
    }
}

/// What was done since the archive was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveCounts {
    /// Lines appended...
    pub lines: u64,
    /// ...and their bytes.
    pub bytes: u64,
    /// Lines that were cut for their length.
    pub cut: u64,
    /// Lines that had to go before their time, for want of room.
    pub evicted: u64,
    /// Bytes of what is kept beside the text of lines: their times, lengths, severities, flags and templates.
    pub heads: u64,
    /// Bytes of records that were compressed...
    pub raw: u64,
    /// ...and what became of them.
    pub packed: u64,
    /// Lines of services beyond the bound, which are one.
    pub crowded: u64,
    /// Pages that were not as they had been written when the file was opened: after a loss of power, some may not have reached it.
    pub damaged: u64,
}

/// Lines of one service in a row.
#[derive(Debug)]
struct Chain {
    id: u64,
    kind: Kind,
    pages: Vec<u32>,
    first: u64,
    last: u64,
    lines: u32,
    /// The bytes in its pages.
    length: usize,
    /// Of a raw one: the sum of its last page.
    sum: u32,
    /// Of a frame: the bytes of its columns.
    columns: usize,
    /// What is in it, once it takes no more lines.
    tally: Option<Tally>,
}

#[derive(Debug)]
struct Service {
    name: Arc<str>,
    chains: VecDeque<Chain>,
    /// The last chain is raw and takes lines.
    open: bool,
    pages: usize,
    /// The time of the last line, in microseconds, for the next one's step.
    last: u64,
}

/// The archive. One thread appends and reads.
pub struct Archive {
    map: Map,
    settings: ArchiveSettings,
    services: Vec<Service>,
    ids: HashMap<Arc<str>, u32>,
    /// The service of each source that was met.
    sources: Vec<Option<(SourceId, u32)>>,
    free: Vec<u32>,
    next: u64,
    /// The first chain of this process.
    first: u64,
    counts: ArchiveCounts,
    /// Pages that stay free for compressing a chain.
    reserve: usize,
    raw: Vec<u8>,
    columns: Vec<u8>,
    packed: Vec<u8>,
    /// When lines were last looked at for their age, in microseconds.
    swept: u64,
    /// The sweep at which names were last looked through for vacant ones.
    forgot: u64,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive")
            .field("services", &self.services.len())
            .field("free_pages", &self.free.len())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// What was done since it was opened.
    #[must_use]
    pub const fn counts(&self) -> ArchiveCounts {
        self.counts
    }

    /// Appends all lines of a batch, with the numbers of their templates as far as there are any: zero for none.
    pub fn append_batch(&mut self, batch: &LogBatch, sources: &LogSources, templates: &[u32]) {
        let templates = templates.iter().copied().chain(std::iter::repeat(0));
        for ((meta, text), template) in batch.iter().zip(templates) {
            let service = self.service_of(meta.source, sources);
            self.push(service, meta, template, text);
        }
    }

    /// Appends one line, with what is known of it.
    pub fn append_line(&mut self, service: &str, meta: &LogMeta, template: u32, text: &[u8]) {
        let service = self.service(service);
        self.push(service, meta, template, text);
    }

    /// Appends one line.
    pub fn append(
        &mut self,
        service: &str,
        at: Timestamp,
        severity: Option<Severity>,
        text: &[u8],
    ) {
        let service = self.service(service);
        let (source, flags) = (SourceId::OTHER, LogFlags::default());
        self.push(service, &LogMeta { source, at, written: None, severity, flags }, 0, text);
    }

    fn service_of(&mut self, source: SourceId, sources: &LogSources) -> u32 {
        let place = source.place();
        if let Some(&Some((known, service))) = self.sources.get(place)
            && known == source
        {
            return service;
        }
        let service = self.service(&sources.get(source).service);
        self.sources.resize(self.sources.len().max(place + 1), None);
        self.sources[place] = Some((source, service));
        service
    }

    /// The number of a service, which it is given now if it has none.
    fn service(&mut self, name: &str) -> u32 {
        let mut end = name.len().min(NAME - 2);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let name = &name[..end];
        if name.is_empty() {
            return 0;
        }
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        if self.services.len() == MOST_SERVICES && self.forgot != self.swept {
            self.forgot = self.swept;
            self.forget();
        }
        let Some(id) = self.vacancy() else { return 0 };
        let at = PAGE + NAME * id as usize;
        self.map.write(at + 2, name.as_bytes());
        self.map.write(at, &(name.len() as u16 + 1).to_le_bytes());
        let name: Arc<str> = name.into();
        self.ids.insert(Arc::clone(&name), id);
        let service = Service::new(name);
        match self.services.get_mut(id as usize) {
            Some(vacant) => *vacant = service,
            None => self.services.push(service),
        }
        id
    }

    fn vacancy(&self) -> Option<u32> {
        if self.services.len() < MOST_SERVICES {
            return u32::try_from(self.services.len()).ok();
        }
        let vacant = self.services.iter().skip(1).position(|service| service.name.is_empty())?;
        u32::try_from(vacant + 1).ok()
    }

    /// Makes room for names: the services of which nothing is kept any more. Costs a look at all, so it is done once a sweep.
    fn forget(&mut self) {
        for service in self.services.iter_mut().skip(1).filter(|service| service.chains.is_empty())
        {
            self.ids.remove(&service.name);
            service.name = "".into();
        }
        self.sources.clear();
    }

    fn push(&mut self, service: u32, meta: &LogMeta, template: u32, text: &[u8]) {
        let cut = text.len() > self.settings.line;
        let text = &text[..text.len().min(self.settings.line)];
        let flags = if cut { meta.flags.with(LogFlags::CUT) } else { meta.flags };
        let at = meta.at.as_nanos() / 1_000;
        self.counts.lines += 1;
        self.counts.bytes += text.len() as u64;
        self.counts.cut += u64::from(cut);
        self.counts.crowded += u64::from(service == 0);
        if at.abs_diff(self.swept) >= SWEEP {
            self.swept = at;
            self.expire(meta.at);
        }
        let (nth, limit) = (service as usize, self.chain_limit());
        self.make_room(text.len() / ROOM + 2);
        let open = self.open_chain(nth);
        if open.is_some_and(|chain| {
            chain.length + text.len() > limit || at.saturating_sub(chain.first) > RAW_FOR
        }) {
            self.pack(nth);
        }
        let id = self.next;
        let held = &mut self.services[nth];
        if !held.open {
            held.chains.push_back(Chain::new(id, at));
            (held.open, held.last) = (true, 0);
            self.next += 1;
        }
        let (head, length) =
            record::head(held.last, at, meta.severity, flags, template, text.len());
        held.last = at;
        self.counts.heads += length as u64;
        self.raw.clear();
        self.raw.extend_from_slice(&head[..length]);
        self.raw.extend_from_slice(text);
        self.write(nth);
        if let Some(chain) = self.services[nth].chains.back_mut() {
            chain.lines += 1;
            // Clocks step back at times.
            (chain.first, chain.last) = (chain.first.min(at), chain.last.max(at));
        }
    }

    fn open_chain(&self, service: usize) -> Option<&Chain> {
        self.services[service].chains.back().filter(|_| self.services[service].open)
    }

    /// How long raw chains may get: all of them together hold no more than a bound, however many services there are.
    fn chain_limit(&self) -> usize {
        (ALL_RAW / self.services.len().max(1)).clamp(ROOM * 4, CHAIN)
    }

    /// Adds what is in `raw` to the open chain of a service. What goes into the page that is there already, or into the first one, is
    /// committed last: a page counts only if the one before it is full, so that a record is there as a whole or not at all.
    fn write(&mut self, service: usize) {
        let Self { map, services, free, raw, .. } = self;
        let held = &mut services[service];
        let Some(chain) = held.chains.back_mut() else { return };
        let mut bytes = raw.as_slice();
        let mut first = None;
        let mut nth = chain.length / ROOM;
        let mut filled = chain.length % ROOM;
        while !bytes.is_empty() {
            if nth == chain.pages.len() {
                let Some(page) = free.pop() else { return };
                chain.pages.push(page);
                held.pages += 1;
                let head = Head {
                    kind: Kind::Raw,
                    filled: 0,
                    chain: chain.id,
                    service: service as u32,
                    nth: nth as u32,
                    packed: 0,
                    raw: 0,
                    sum: 0,
                };
                map.write(offset(page) + 8, &head.rest());
                chain.sum = crc32fast::hash(&head.rest());
            }
            let at = offset(chain.pages[nth]);
            let (now, later) = bytes.split_at(bytes.len().min(ROOM - filled));
            map.write(at + HEAD + filled, now);
            chain.sum = add_to_sum(chain.sum, now);
            let word = Head::word(Kind::Raw, (filled + now.len()) as u32, chain.sum);
            match first {
                None => first = Some((at, word)),
                Some(_) => map.commit(at, word),
            }
            (bytes, nth, filled) = (later, nth + 1, 0);
        }
        if let Some((at, word)) = first {
            map.commit(at, word);
        }
        chain.length += raw.len();
    }

    /// Compresses the open chain of a service. Where it does not get smaller it stays as it is.
    fn pack(&mut self, service: usize) {
        self.services[service].open = false;
        let Some(chain) = self.services[service].chains.back_mut() else { return };
        gather(&self.map, &chain.pages, chain.length, &mut self.raw);
        chain.tally = Tally::of(&self.raw);
        let Some(()) = column::group(&self.raw, &mut self.columns) else { return };
        self.packed.resize(get_maximum_output_size(self.columns.len()), 0);
        let Ok(length) = compress_into(&self.columns, &mut self.packed) else { return };
        let pages = length.div_ceil(ROOM);
        if pages >= chain.pages.len() || pages > self.free.len() {
            return;
        }
        let packed = &self.packed[..length];
        let fresh = self.free.split_off(self.free.len() - pages);
        let head = Head {
            kind: Kind::Frame,
            filled: 0,
            chain: chain.id,
            service: service as u32,
            nth: 0,
            packed: length as u32,
            raw: self.columns.len() as u32,
            sum: crc32fast::hash(packed),
        };
        for (nth, (page, part)) in fresh.iter().zip(packed.chunks(ROOM)).enumerate().rev() {
            let at = offset(*page);
            self.map.write(at + 8, &Head { nth: nth as u32, ..head }.rest());
            self.map.write(at + HEAD, part);
            self.map.commit(at, Head::word(Kind::Frame, part.len() as u32, head.sum));
        }
        self.counts.raw += self.raw.len() as u64;
        self.counts.packed += length as u64;
        let held = &mut self.services[service];
        let Some(chain) = held.chains.back_mut() else { return };
        let old = std::mem::replace(&mut chain.pages, fresh);
        (chain.kind, chain.length, chain.columns) = (Kind::Frame, length, self.columns.len());
        held.pages = held.pages + pages - old.len();
        self.release(&old);
    }

    /// Gives pages back.
    fn release(&mut self, pages: &[u32]) {
        for page in pages {
            self.map.commit(offset(*page), Head::word(Kind::Free, 0, 0));
        }
        self.free.extend_from_slice(pages);
    }

    /// Lets the oldest chains of those who hold most go until there are `pages`, and what compressing a chain takes for a moment.
    fn make_room(&mut self, pages: usize) {
        while self.free.len() < pages + self.reserve {
            let most = self.services.iter().enumerate().max_by_key(|(_, service)| service.pages);
            let Some((fattest, service)) = most.filter(|(_, service)| service.pages > 0) else {
                return;
            };
            if service.chains.len() == 1 && service.open && service.pages > 4 {
                self.pack(fattest);
                continue;
            }
            self.counts.evicted += self.drop_oldest(fattest);
        }
    }

    /// Lets the oldest chain of a service go, and says how many lines it had.
    fn drop_oldest(&mut self, service: usize) -> u64 {
        let held = &mut self.services[service];
        let Some(chain) = held.chains.pop_front() else { return 0 };
        held.open &= !held.chains.is_empty();
        held.pages -= chain.pages.len();
        self.release(&chain.pages);
        chain.lines.into()
    }

    /// Lets go what is older than the window and a little more. Done with each second of lines; an embedder whose services may all fall
    /// silent calls it as well.
    pub fn expire(&mut self, now: Timestamp) {
        let until = (now - self.settings.window - SLACK).as_nanos() / 1_000;
        for service in 0..self.services.len() {
            while self.services[service].chains.front().is_some_and(|chain| chain.last < until) {
                self.drop_oldest(service);
            }
        }
    }

    /// Which time before `now` is really held of a service: less than the window where it logs more than its share of the file.
    #[must_use]
    pub fn held(&self, service: &str, now: Timestamp) -> Option<Duration> {
        let service = self.services.get(*self.ids.get(service)? as usize)?;
        let first = service.chains.front()?.first;
        Some(Duration::from_micros((now.as_nanos() / 1_000).saturating_sub(first)))
    }

    /// The services of which something is held.
    pub fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        self.services
            .iter()
            .filter(|service| !service.chains.is_empty())
            .map(|service| &service.name)
    }

    /// Bytes of the file that hold lines.
    #[must_use]
    pub fn used(&self) -> Bytes {
        Bytes::new(self.services.iter().map(|service| (service.pages * PAGE) as u64).sum())
    }

    /// Says that it ends in order: the next one to open the file is told that nothing was left behind.
    pub fn close(mut self) {
        self.map.commit(page::CLOSED, 1);
    }
}

impl Service {
    const fn new(name: Arc<str>) -> Self {
        Self { name, chains: VecDeque::new(), open: false, pages: 0, last: 0 }
    }
}

impl Chain {
    const fn new(id: u64, at: u64) -> Self {
        Self {
            id,
            kind: Kind::Raw,
            pages: Vec::new(),
            first: at,
            last: at,
            lines: 0,
            length: 0,
            sum: 0,
            columns: 0,
            tally: None,
        }
    }
}

/// Where a page begins.
const fn offset(page: u32) -> usize {
    page as usize * PAGE
}

/// The sum of a page that is filled further.
fn add_to_sum(sum: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(sum);
    hasher.update(bytes);
    hasher.finalize()
}

/// The contents of pages, one after the other.
fn gather(map: &Map, pages: &[u32], length: usize, to: &mut Vec<u8>) {
    to.clear();
    for page in pages {
        let at = offset(*page) + HEAD;
        to.extend_from_slice(&map.bytes()[at..at + ROOM.min(length - to.len())]);
    }
}
