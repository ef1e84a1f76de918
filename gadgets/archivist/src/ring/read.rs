//! Reading what is kept, all services merged by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gadget_core::Timestamp;
use lz4_flex::block::decompress_into;

use super::page::Kind;
use super::record::{Entry, Records};
use super::{Archive, Chain, gather};

/// Where a reader is in the lines of one service.
struct Cursor<'a> {
    service: &'a str,
    chains: std::collections::vec_deque::Iter<'a, Chain>,
    /// The records of the chain it is in.
    bytes: Vec<u8>,
    ours: bool,
    done: usize,
    /// The time of the last record and of the next one, in microseconds.
    at: u64,
    next: u64,
}

impl Archive {
    /// Gives every line of the time from `from` to `until` to `each`, in order of time; lines of one moment and one service stay in the
    /// order they were appended.
    pub fn read(&self, from: Timestamp, until: Timestamp, mut each: impl FnMut(&Entry<'_>)) {
        let (from, until) = (from.as_nanos() / 1_000, until.as_nanos() / 1_000);
        let mut cursors: Vec<Cursor<'_>> = Vec::new();
        let mut heap = BinaryHeap::new();
        for service in &self.services {
            let mut cursor = Cursor {
                service: &service.name,
                chains: service.chains.iter(),
                bytes: Vec::new(),
                ours: true,
                done: 0,
                at: 0,
                next: 0,
            };
            if self.forward(&mut cursor, from, until) {
                heap.push(Reverse((cursor.next, cursors.len())));
                cursors.push(cursor);
            }
        }
        while let Some(Reverse((_, nth))) = heap.pop() {
            let cursor = &mut cursors[nth];
            let other = heap.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            // As long as no other service has an earlier line.
            loop {
                let mut records = Records::resume(&cursor.bytes[cursor.done..], cursor.at);
                if let Some((at, severity, flags, template, text)) = records.next() {
                    let at = super::open::time(at);
                    let template = Some(template).filter(|template| *template != 0 && cursor.ours);
                    let service = cursor.service;
                    each(&Entry { service, at, severity, flags, template, text });
                    (cursor.done, cursor.at) = (cursor.bytes.len() - records.left(), records.at());
                }
                if !self.forward(cursor, from, until) {
                    break;
                }
                if cursor.next > other {
                    heap.push(Reverse((cursor.next, nth)));
                    break;
                }
            }
        }
    }

    /// Moves to the next record within the time; false if there is none.
    fn forward(&self, cursor: &mut Cursor<'_>, from: u64, until: u64) -> bool {
        loop {
            let mut records = Records::resume(&cursor.bytes[cursor.done..], cursor.at);
            if let Some((at, ..)) = records.next() {
                if (from..=until).contains(&at) {
                    cursor.next = at;
                    return true;
                }
                (cursor.done, cursor.at) = (cursor.bytes.len() - records.left(), records.at());
                continue;
            }
            let within = |chain: &&Chain| chain.last >= from && chain.first <= until;
            let Some(chain) = cursor.chains.by_ref().find(within) else {
                cursor.bytes = Vec::new();
                return false;
            };
            (cursor.done, cursor.at, cursor.ours) = (0, 0, chain.id >= self.first);
            self.unpack(chain, &mut cursor.bytes);
        }
    }

    /// The records of a chain.
    fn unpack(&self, chain: &Chain, to: &mut Vec<u8>) {
        if chain.kind != Kind::Frame {
            return gather(&self.map, &chain.pages, chain.length, to);
        }
        let mut packed = Vec::new();
        gather(&self.map, &chain.pages, chain.length, &mut packed);
        to.clear();
        to.resize(chain.records, 0);
        // What was compressed here, or checked when the file was opened, is sound.
        if decompress_into(&packed, to).is_err() {
            to.clear();
        }
    }
}
