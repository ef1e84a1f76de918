//! Reading what is kept, all services merged by time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, vec_deque};
use std::ops::Range;
use std::sync::Arc;

use gadget_core::{LogFlags, Severity, Timestamp};
use lz4_flex::block::decompress_into;
use serde::{Deserialize, Serialize};

use super::column;
use super::open::time;
use super::page::Kind;
use super::record::{Entry, Records};
use super::{Archive, Chain, Tally, gather};

/// Where a line is kept. Holds as long as the archive is not changed, and in a copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) service: u32,
    chain: u64,
    /// Where its record begins, and the time of the one before, in microseconds.
    start: usize,
    before: u64,
}

/// Is told what is in a time.
pub(crate) trait Visit {
    /// What is in a chain of a service, all of it within the time if it is `whole`. Says whether to be told its lines, too.
    fn chain(&mut self, service: u32, name: &Arc<str>, tally: &Tally, whole: bool) -> bool;

    /// A line of a chain that has no tally, or of which the lines were asked for.
    fn line(&mut self, place: Place, entry: &Entry<'_>);
}

/// A record that was found: what is known of it, and where its text is.
struct Found {
    place: Place,
    at: u64,
    severity: Option<Severity>,
    flags: LogFlags,
    template: u32,
    text: Range<usize>,
}

/// Where a reader is in the lines of one service.
struct Cursor<'a> {
    service: u32,
    name: &'a Arc<str>,
    chains: vec_deque::Iter<'a, Chain>,
    /// The chain it is in, and whether this process has appended it.
    chain: u64,
    ours: bool,
    /// The records of the chain, how far they are read, and the time of the last one, in microseconds.
    bytes: Vec<u8>,
    done: usize,
    at: u64,
    found: Option<Found>,
}

/// Reads the time from one moment to another, in microseconds.
struct Reader<'a> {
    archive: &'a Archive,
    from: u64,
    until: u64,
    packed: Vec<u8>,
    columns: Vec<u8>,
}

impl Archive {
    /// Gives every line of the time from `from` to `until` to `each`, in order of time; lines of one moment and one service stay in the
    /// order they were appended.
    pub fn read(&self, from: Timestamp, until: Timestamp, mut each: impl FnMut(&Entry<'_>)) {
        self.merged(from, until, |_, entry| each(entry));
    }

    /// As [`read`](Self::read), and tells where each line is kept.
    pub(crate) fn merged(
        &self,
        from: Timestamp,
        until: Timestamp,
        mut each: impl FnMut(Place, &Entry<'_>),
    ) {
        let mut reader = self.reader(from, until);
        let mut cursors: Vec<Cursor<'_>> = Vec::new();
        let mut heap = BinaryHeap::new();
        for service in 0..self.services.len() {
            let mut cursor = self.cursor(service);
            if let Some(at) = reader.forward(&mut cursor) {
                heap.push(Reverse((at, cursors.len())));
                cursors.push(cursor);
            }
        }
        while let Some(Reverse((_, nth))) = heap.pop() {
            let cursor = &mut cursors[nth];
            let other = heap.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            // As long as no other service has an earlier line.
            while let Some((place, entry)) = cursor.entry() {
                each(place, &entry);
                let Some(at) = reader.forward(cursor) else { break };
                if at > other {
                    heap.push(Reverse((at, nth)));
                    break;
                }
            }
        }
    }

    /// Tells what is in a time, one service after the other; of chains of which that does not suffice, each line.
    pub(crate) fn visit(&self, from: Timestamp, until: Timestamp, visit: &mut dyn Visit) {
        for service in 0..self.services.len() as u32 {
            self.visit_one(service, from, until, visit);
        }
    }

    /// As [`visit`](Self::visit), of one service.
    pub(crate) fn visit_one(
        &self,
        service: u32,
        from: Timestamp,
        until: Timestamp,
        visit: &mut dyn Visit,
    ) {
        let mut reader = self.reader(from, until);
        let mut cursor = self.cursor(service as usize);
        while let Some(chain) = reader.within(&mut cursor) {
            if let Some(tally) = &chain.tally {
                let whole = chain.first >= reader.from && chain.last <= reader.until;
                if !visit.chain(service, cursor.name, tally, whole) {
                    continue;
                }
            }
            reader.enter(&mut cursor, chain);
            while let Some(at) = cursor.next() {
                if (reader.from..=reader.until).contains(&at)
                    && let Some((place, entry)) = cursor.entry()
                {
                    visit.line(place, &entry);
                }
            }
        }
    }

    /// The lines at some places, in their order.
    pub(crate) fn at(&self, places: &[Place], mut each: impl FnMut(&Entry<'_>)) {
        let mut reader = self.reader(Timestamp::EPOCH, Timestamp::from_nanos(u64::MAX));
        let mut cursor = self.cursor(0);
        for place in places {
            if (cursor.service, cursor.chain) != (place.service, place.chain)
                || cursor.bytes.is_empty()
            {
                cursor = self.cursor(place.service as usize);
                let chain = cursor.chains.find(|chain| chain.id == place.chain);
                chain.into_iter().for_each(|chain| reader.enter(&mut cursor, chain));
            }
            (cursor.done, cursor.at) = (place.start, place.before);
            if cursor.next().is_some()
                && let Some((_, entry)) = cursor.entry()
            {
                each(&entry);
            }
        }
    }

    fn reader(&self, from: Timestamp, until: Timestamp) -> Reader<'_> {
        let (from, until) = (from.as_nanos() / 1_000, until.as_nanos() / 1_000);
        Reader { archive: self, from, until, packed: Vec::new(), columns: Vec::new() }
    }

    fn cursor(&self, nth: usize) -> Cursor<'_> {
        let service = &self.services[nth];
        Cursor {
            service: nth as u32,
            name: &service.name,
            chains: service.chains.iter(),
            chain: 0,
            ours: true,
            bytes: Vec::new(),
            done: 0,
            at: 0,
            found: None,
        }
    }
}

impl Cursor<'_> {
    /// Finds the next record of the chain, and says its time.
    fn next(&mut self) -> Option<u64> {
        let (start, before) = (self.done, self.at);
        let mut records = Records::resume(self.bytes.get(start..)?, before);
        let found = records.next().map(|(at, severity, flags, template, text)| {
            let end = self.bytes.len() - records.left();
            let place = Place { service: self.service, chain: self.chain, start, before };
            let template = if self.ours { template } else { 0 };
            Found { place, at, severity, flags, template, text: end - text.len()..end }
        });
        if let Some(found) = &found {
            (self.done, self.at) = (found.text.end, found.at);
        }
        self.found = found;
        self.found.as_ref().map(|found| found.at)
    }

    fn entry(&self) -> Option<(Place, Entry<'_>)> {
        let found = self.found.as_ref()?;
        let entry = Entry {
            service: self.name,
            at: time(found.at),
            severity: found.severity,
            flags: found.flags,
            template: Some(found.template).filter(|template| *template != 0),
            text: &self.bytes[found.text.clone()],
        };
        Some((found.place, entry))
    }
}

impl Reader<'_> {
    /// Moves to the next record within the time, and says its time.
    fn forward<'a>(&mut self, cursor: &mut Cursor<'a>) -> Option<u64>
    where
        Self: 'a,
    {
        loop {
            match cursor.next() {
                Some(at) if (self.from..=self.until).contains(&at) => return Some(at),
                Some(_) => {}
                None => {
                    let Some(chain) = self.within(cursor) else {
                        cursor.bytes = Vec::new();
                        return None;
                    };
                    self.enter(cursor, chain);
                }
            }
        }
    }

    /// The next chain that has lines of the time.
    fn within<'a>(&self, cursor: &mut Cursor<'a>) -> Option<&'a Chain> {
        cursor.chains.by_ref().find(|chain| chain.is_within(self.from, self.until))
    }

    /// Takes a cursor to the beginning of a chain.
    fn enter(&mut self, cursor: &mut Cursor<'_>, chain: &Chain) {
        (cursor.chain, cursor.ours) = (chain.id, chain.id >= self.archive.first);
        (cursor.done, cursor.at) = (0, 0);
        let map = &self.archive.map;
        if chain.kind != Kind::Frame {
            return gather(map, &chain.pages, chain.length, &mut cursor.bytes);
        }
        gather(map, &chain.pages, chain.length, &mut self.packed);
        self.columns.resize(chain.columns, 0);
        // What was compressed here, or checked when the file was opened, is sound.
        let sound = decompress_into(&self.packed, &mut self.columns).is_ok();
        if !sound || column::ungroup(&self.columns, &mut cursor.bytes).is_none() {
            cursor.bytes.clear();
        }
    }
}
