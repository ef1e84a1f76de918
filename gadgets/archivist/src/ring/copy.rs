//! A time of the archive as a file of its own: the same pages, which nobody overwrites.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use gadget_core::Timestamp;

use super::map::Map;
use super::page::{FIRST, MAGIC, PAGE, VERSION};
use super::{Archive, ArchiveSettings, Chain, Service, offset};

/// The first bytes of a copy.
const COPY: [u8; 8] = [b'g', b'a', b'd', b'g', b'c', b'p', b'y', VERSION];
/// What the first page says after them: how many pages there are, how many bytes of a note follow them, the sum of the note, and the first
/// chain of which the templates are known.
const NUMBERS: usize = 4;

/// No note is longer than this, whatever a file says.
const LONGEST_NOTE: u64 = 16 << 20;

/// Places in the file that are written by one call.
const PLACES: usize = 1024;

impl Archive {
    /// Writes all that is kept of a time to a file that is empty, with a note behind it, and gives an archive of what was written. It holds
    /// whole chains, so it may hold lines before that time and after it.
    pub(crate) fn copy(
        &self,
        from: Timestamp,
        until: Timestamp,
        note: &[u8],
        file: File,
    ) -> io::Result<Self> {
        let (from, until) = (from.as_nanos() / 1_000, until.as_nanos() / 1_000);
        let mut places: Vec<Range<usize>> = Vec::new();
        let mut next = FIRST as u32;
        let mut services = Vec::new();
        for service in &self.services {
            let mut copied = Service::new(Arc::clone(&service.name));
            for chain in service.chains.iter().filter(|chain| chain.is_within(from, until)) {
                for page in &chain.pages {
                    let at = offset(*page);
                    match places.last_mut().filter(|last| last.end == at) {
                        Some(last) => last.end += PAGE,
                        None => places.push(at..at + PAGE),
                    }
                }
                let fresh = next..next + chain.pages.len() as u32;
                next = fresh.end;
                copied.chains.push_back(chain.moved_to(fresh.collect()));
            }
            services.push(copied);
        }
        let numbers =
            [u64::from(next), note.len() as u64, crc32fast::hash(note).into(), self.first];
        let mut head = COPY.to_vec();
        numbers.iter().for_each(|number| head.extend_from_slice(&number.to_le_bytes()));
        head.resize(PAGE, 0);
        let bytes = self.map.bytes();
        write_all(&file, &[&head, &bytes[PAGE..offset(FIRST as u32)]])?;
        for some in places.chunks(PLACES) {
            let some: Vec<&[u8]> = some.iter().map(|place| &bytes[place.clone()]).collect();
            write_all(&file, &some)?;
        }
        write_all(&file, &[note])?;
        file.sync_all()?;
        let mut copy = Self::of(Map::private(file, offset(next))?, self.settings);
        (copy.services, copy.first) = (services, self.first);
        Ok(copy)
    }

    /// Opens a copy, trusting nothing of it, and gives its note.
    pub(crate) fn open_copy(file: File) -> io::Result<(Self, Vec<u8>)> {
        let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut head = [0; COPY.len() + 8 * NUMBERS];
        file.read_exact_at(&mut head, 0)?;
        let Some(numbers) = head.strip_prefix(&COPY) else {
            return Err(wrong("it is something else than a copy of an archive"));
        };
        let number = |nth: usize| {
            numbers.as_chunks::<8>().0.get(nth).map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        let (pages, note, sum, first) = (number(0), number(1), number(2), number(3));
        let end = pages.checked_mul(PAGE as u64).filter(|_| pages >= FIRST as u64);
        let whole = end.and_then(|end| end.checked_add(note)) == Some(file.metadata()?.len());
        let Some(end) = end.filter(|_| whole && note <= LONGEST_NOTE) else {
            return Err(wrong("it is not whole"));
        };
        let mut text = vec![0; note as usize];
        file.read_exact_at(&mut text, end)?;
        if u64::from(crc32fast::hash(&text)) != sum {
            return Err(wrong("its note is damaged"));
        }
        let mut copy = Self::of(Map::private(file, end as usize)?, ArchiveSettings::default());
        copy.map.write(0, &MAGIC);
        copy.recover();
        copy.first = first;
        Ok((copy, text))
    }
}

impl Chain {
    pub(super) const fn is_within(&self, from: u64, until: u64) -> bool {
        self.last >= from && self.first <= until
    }

    fn moved_to(&self, pages: Vec<u32>) -> Self {
        Self { pages, tally: None, ..*self }
    }
}

/// Writes these one after the other.
fn write_all(mut file: &File, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut left = slices.as_mut_slice();
    // What is empty counts as written.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
