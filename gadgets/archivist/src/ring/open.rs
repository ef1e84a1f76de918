//! Opening the file, and finding what an earlier life of the agent has left in it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gadget_core::Timestamp;
use lz4_flex::block::decompress_into;
use rustix::fs::{FallocateFlags, FlockOperation, OFlags, fallocate, flock};

use super::column::{self, LONGEST};
use super::map::Map;
use super::page::{
    CLOSED, FIRST, HEAD, Head, Kind, MAGIC, MOST_SERVICES, NAME, PAGE, ROOM, VERSION,
};
use super::record::Records;
use super::{Archive, ArchiveCounts, ArchiveSettings, CHAIN, Chain, Service, gather, offset};

/// The smallest file: names, what is reserved, and a little to keep.
const LEAST: usize = 2 << 20;
/// LZ4 makes nothing smaller than by this.
const MOST_RATIO: usize = 255;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file cannot be had, or the file system has no room for all of it.
    #[error("cannot open {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{path} is in use by another process")]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// There is something that is no archive, and that is not overwritten.
    #[error("{path} is something else than an archive")]
    Another {
        /// Which file.
        path: PathBuf,
    },
    /// The settings make no sense.
    #[error("an archive needs 2 MiB to 1 TiB, and lines of at most a quarter of it")]
    Settings,
}

/// What was in the file when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing, or something that is no archive of this size.
    Nothing,
    /// An archive of another version of this library, which is beside the new one now: `.version-1` behind its name, or what its
    /// version is. Nobody but its own version reads it.
    Aside {
        /// Its version.
        version: u8,
    },
    /// Lines of a process that ended in order.
    InOrder,
    /// Lines of a process that did not: it was killed, or the host lost power.
    Behind {
        /// How many.
        lines: u64,
        /// The time of the first...
        first: Timestamp,
        /// ...and of the last.
        last: Timestamp,
    },
}

impl Archive {
    /// Opens or makes the file at `path`, of mode 0600, and locks it. Lines that an earlier process appended are kept, all of them: those
    /// after which it was killed too.
    ///
    /// # Errors
    /// When the file cannot be had as a whole.
    pub fn open(
        path: impl AsRef<Path>,
        settings: ArchiveSettings,
    ) -> Result<(Self, Left), ArchiveError> {
        let path = path.as_ref();
        let failed = |source: io::Error| ArchiveError::File { path: path.into(), source };
        let length = usize::try_from(settings.bytes.get()).unwrap_or(usize::MAX) / PAGE * PAGE;
        if !(LEAST..=1 << 40).contains(&length)
            || settings.line > length / 4
            || settings.line > LONGEST / 2
        {
            return Err(ArchiveError::Settings);
        }
        let mut file = lock(path)?;
        let aside = another_version(&file, path)?;
        if let Some(version) = aside {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".version-{version}"));
            fs::rename(path, name).map_err(failed)?;
            file = lock(path)?;
            if another_version(&file, path)?.is_some() {
                return Err(ArchiveError::InUse { path: path.into() });
            }
        }
        allocate(&file, length).map_err(failed)?;
        let map = Map::new(file).map_err(failed)?;
        let mut archive = Self::of(map, settings);
        let left = archive.recover();
        archive.first = archive.next;
        archive.map.write(0, &MAGIC);
        archive.map.commit(CLOSED, 0);
        Ok((archive, aside.map_or(left, |version| Left::Aside { version })))
    }

    /// One that knows nothing of what is in its file.
    pub(super) fn of(map: Map, settings: ArchiveSettings) -> Self {
        Self {
            map,
            settings,
            services: Vec::new(),
            ids: HashMap::new(),
            sources: Vec::new(),
            free: Vec::new(),
            next: 0,
            first: 0,
            counts: ArchiveCounts::default(),
            reserve: settings.line.max(CHAIN) / ROOM + 8,
            raw: Vec::new(),
            columns: Vec::new(),
            packed: Vec::new(),
            swept: 0,
            forgot: 0,
        }
    }

    /// Takes up what is in the file, trusting nothing of it.
    pub(super) fn recover(&mut self) -> Left {
        let bytes = self.map.bytes();
        let ours = bytes.starts_with(&MAGIC);
        let closed = bytes[CLOSED] == 1;
        let pages = (bytes.len() / PAGE) as u32;
        self.services.push(Service::new("other".into()));
        let mut found: BTreeMap<u64, Vec<(Head, u32)>> = BTreeMap::new();
        if ours {
            self.names();
            for page in FIRST as u32..pages {
                let head = Head::read(&self.map.bytes()[offset(page)..][..HEAD]);
                if head.kind != Kind::Free && head.chain < 1 << 62 {
                    found.entry(head.chain).or_default().push((head, page));
                }
            }
        }
        let mut used = vec![false; pages as usize];
        let (mut lines, mut first, mut last) = (0, u64::MAX, 0);
        for (id, mut parts) in found {
            parts.sort_by_key(|(head, _)| (head.kind == Kind::Raw, head.nth));
            let Some((service, chain)) = self.chain(id, &parts) else { continue };
            self.next = self.next.max(id + 1);
            chain.pages.iter().for_each(|page| used[*page as usize] = true);
            lines += u64::from(chain.lines);
            (first, last) = (first.min(chain.first), last.max(chain.last));
            let held = &mut self.services[service];
            held.pages += chain.pages.len();
            held.chains.push_back(chain);
        }
        for page in (FIRST as u32..pages).rev().filter(|page| !used[*page as usize]) {
            if self.map.bytes()[offset(page)..][..8] != [0; 8] {
                self.map.commit(offset(page), 0);
            }
            self.free.push(page);
        }
        match (lines, closed) {
            (0, _) => Left::Nothing,
            (_, true) => Left::InOrder,
            _ => Left::Behind { lines, first: time(first), last: time(last) },
        }
    }

    /// The names of services. A slot that holds none is vacant.
    fn names(&mut self) {
        for id in 1..MOST_SERVICES {
            let slot = &self.map.bytes()[PAGE + NAME * id..][..NAME];
            let length = usize::from(u16::from_le_bytes([slot[0], slot[1]]));
            let name = length.checked_sub(1).and_then(|length| slot.get(2..2 + length));
            let name = name.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
            let name: Arc<str> = name.into();
            if !name.is_empty() {
                self.ids.insert(Arc::clone(&name), id as u32);
            }
            self.services.push(Service::new(name));
        }
        while self.services.len() > 1 && self.services.last().is_some_and(|it| it.name.is_empty()) {
            self.services.pop();
        }
    }

    /// The chain that pages make, the frame before the raw one, each in order.
    fn chain(&mut self, id: u64, parts: &[(Head, u32)]) -> Option<(usize, Chain)> {
        let raw = parts.partition_point(|(head, _)| head.kind == Kind::Frame);
        let kept = self.frame(&parts[..raw]).or_else(|| self.raw_chain(&parts[raw..]))?;
        let (kind, pages, length, service) = kept;
        let mut chain = Chain {
            id,
            kind,
            pages,
            first: u64::MAX,
            last: 0,
            lines: 0,
            length,
            sum: 0,
            columns: parts.first().map_or(0, |(head, _)| head.raw as usize),
            tally: None,
        };
        for (at, ..) in Records::new(&self.raw) {
            chain.lines += 1;
            (chain.first, chain.last) = (chain.first.min(at), chain.last.max(at));
        }
        let service = service as usize;
        let known = self.services.get(service).is_some_and(|service| !service.name.is_empty());
        (chain.lines > 0).then_some((if known { service } else { 0 }, chain))
    }

    /// A whole frame, its records in `raw`.
    fn frame(&mut self, parts: &[(Head, u32)]) -> Option<(Kind, Vec<u32>, usize, u32)> {
        let (head, _) = parts.first()?;
        let length = head.packed as usize;
        let pages = length.div_ceil(ROOM);
        let parts = parts.get(..pages).filter(|_| pages > 0 && head.raw as usize <= LONGEST)?;
        let whole = parts.iter().zip(0..).all(|((part, _), nth)| {
            let filled = ROOM.min(length - ROOM * nth as usize);
            part.nth == nth
                && part.filled as usize == filled
                && (part.packed, part.raw, part.sum) == (head.packed, head.raw, head.sum)
        });
        let pages: Vec<u32> = parts.iter().map(|(_, page)| *page).collect();
        if !whole {
            return None;
        }
        gather(&self.map, &pages, length, &mut self.packed);
        if !is_sum(crc32fast::hash(&self.packed), head.sum) {
            self.counts.damaged += pages.len() as u64;
            return None;
        }
        if head.raw as usize / MOST_RATIO > length {
            return None;
        }
        self.columns.resize(head.raw as usize, 0);
        let unpacked = decompress_into(&self.packed, &mut self.columns);
        let sound = unpacked.is_ok_and(|unpacked| unpacked == self.columns.len());
        let sound = sound && column::ungroup(&self.columns, &mut self.raw).is_some();
        sound.then_some((Kind::Frame, pages, length, head.service))
    }

    /// A raw chain as far as it was committed and is sound, its records in `raw`.
    fn raw_chain(&mut self, parts: &[(Head, u32)]) -> Option<(Kind, Vec<u32>, usize, u32)> {
        let (head, _) = parts.first()?;
        let (mut pages, mut length) = (Vec::new(), 0);
        for ((part, page), nth) in parts.iter().zip(0..) {
            let held = &self.map.bytes()[offset(*page)..][8..HEAD + part.filled as usize];
            if !is_sum(crc32fast::hash(held), part.sum) {
                self.counts.damaged += 1;
                break;
            }
            if part.nth != nth
                || part.service != head.service
                || length != ROOM * nth as usize
                || length > LONGEST
            {
                break;
            }
            pages.push(*page);
            length += part.filled as usize;
        }
        gather(&self.map, &pages, length, &mut self.raw);
        (!pages.is_empty()).then_some((Kind::Raw, pages, length, head.service))
    }
}

/// Opens or makes the file, and locks it.
fn lock(path: &Path) -> Result<File, ArchiveError> {
    let failed = |source: io::Error| ArchiveError::File { path: path.into(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(OFlags::NOFOLLOW.bits() as i32);
    let file = options.open(path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ArchiveError::InUse { path: path.into() }),
        other => other.map(|()| file).map_err(|error| failed(error.into())),
    }
}

/// The version of an archive that is of another one. `None` of one of this version and any size, and of a file that was never written
/// to. What is no archive is not ours to overwrite.
fn another_version(file: &File, path: &Path) -> Result<Option<u8>, ArchiveError> {
    let mut start = [0; MAGIC.len()];
    let read = file.metadata().and_then(|metadata| {
        let length = start.len().min(metadata.len() as usize);
        file.read_exact_at(&mut start[..length], 0)
    });
    read.map_err(|source| ArchiveError::File { path: path.into(), source })?;
    match start.strip_prefix(&MAGIC[..MAGIC.len() - 1]) {
        Some(&[version]) => Ok(Some(version).filter(|version| *version != VERSION)),
        _ if start == [0; MAGIC.len()] => Ok(None),
        _ => Err(ArchiveError::Another { path: path.into() }),
    }
}

/// True if two sums are the same. A fuzzer finds no sums, and is to get beyond them.
#[expect(unexpected_cfgs, reason = "cargo-fuzz sets it")]
const fn is_sum(found: u32, said: u32) -> bool {
    found == said || cfg!(fuzzing)
}

/// Gives a file its length and its blocks: what a full disk has to say it says now. A file of another length is made anew.
fn allocate(file: &File, length: usize) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))?;
    if file.metadata()?.len() != length as u64 {
        file.set_len(0)?;
    }
    fallocate(file, FallocateFlags::empty(), 0, length as u64)?;
    Ok(())
}

pub(super) const fn time(micros: u64) -> Timestamp {
    Timestamp::from_nanos(micros.saturating_mul(1_000))
}
