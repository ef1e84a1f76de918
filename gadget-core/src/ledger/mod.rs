//! Everything that was seen, decided and done, in order, so that it can be trusted and put back.

mod carried;
mod crash;
mod display;
mod entry;
mod error;
pub(crate) mod float;
mod frame;
mod open;
mod read;
mod recover;
mod store;
mod sync;
mod verify;

use std::borrow::Cow;
use std::io;
use std::path::Path;

#[cfg(any(test, feature = "test-util"))]
pub use crash::crash_point;
pub use entry::{
    Carried, Diagnostic, Ending, Entry, Outcome, PastEffect, Record, RecordedPermit, Unfinished,
};
pub use error::LedgerError;
pub use read::Records;
pub use recover::recover;
pub use verify::Verified;

use crate::action::{Undo, summary};
use crate::model::Name;
use crate::plan::Plan;
use crate::policy::Permit;
use crate::subject::HostFacts;
use crate::units::{Bytes, Timestamp};
use carried::Past;
use frame::{Draft, GENESIS, Hash, Head, put_record, put_start};
use store::Store;

/// How large a ledger may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// The size at which a segment is followed by the next. Default 8 MiB; at least 4 KiB. A busy host that wants more
    /// history raises [`segments`](Self::segments) rather than this: each start reads one segment.
    pub segment_size: Bytes,
    /// How many segments are kept, the current one included. Default 8; at least 2.
    pub segments: usize,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self { segment_size: Bytes::from_mib(8), segments: 8 }
    }
}

impl LedgerSettings {
    fn check(&self) -> Result<(), LedgerError> {
        let wrong = |name, found, expected| Err(LedgerError::Setting { name, found, expected });
        if self.segment_size < Bytes::from_kib(4) {
            return wrong("segment_size", self.segment_size.get(), "at least 4096 bytes");
        }
        if self.segments < 2 {
            return wrong("segments", self.segments as u64, "at least 2");
        }
        Ok(())
    }
}

/// The record of everything: append-only, hash-chained, bounded.
///
/// Records are written when a call returns, so that they survive the death of this process; a thread brings them to
/// storage within about a second. On drop the last ones are synced too. Once warm, appending allocates nothing, except
/// when a segment is full and the next one starts.
///
/// # Files
///
/// A ledger is a directory (mode 0700) of text files (mode 0600), so that a person needs nothing but standard tools:
///
/// - `00000000000000000000.ledger`: a *segment*, named by the number of its first record. Its first line is
///   `gadget-ledger 1 FIRST HASH`: the first record's number and the hash before it. Every other line is one record:
///
///   ```text
///   LENGTH   CRC      HASH                                                             RECORD
///   000000a4 5d1c37a2 8b2f...64 digits, sha256(previous HASH's digits || RECORD)...0c3 {"seq":7,"at":...,"entry":...}
///   ```
///
///   LENGTH and CRC-32 are those of RECORD, which is JSON without line breaks. So `grep -h { *.ledger | cut -c84- | jq`
///   shows all records, and `printf %s "$PREVIOUS$RECORD" | sha256sum` prints HASH.
/// - `head`: the last record's number, its segment, where it ends there, the oldest segment kept, its hash, and a CRC;
///   rewritten in place after each record. It tells a ledger that ends from one that lost its end.
/// - `lock`: locked (flock(2)) while an agent writes; holds that agent's process id.
///
/// # Bounds
///
/// When a segment is full the next one starts with [`Entry::Carried`]: all that older segments still mean. Then those
/// beyond [`LedgerSettings::segments`] are removed. An intent never starts a segment, so that no file is made between
/// forecast and action; a segment may exceed its size by the intents that can be open.
///
/// # Numbers that JSON lacks
///
/// A float that is not finite is written as `null` and read back as NaN.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    settings: LedgerSettings,
    past: Past,
    /// The next record.
    seq: u64,
    /// The hash of the last record.
    hash: Hash,
    /// The first record of each segment, oldest first; the last is the one written to.
    segments: Vec<u64>,
    /// Where the current segment ends.
    offset: u64,
    /// A write failed, and bytes of it may stand behind the end.
    uncut: bool,
    frame: Vec<u8>,
    head: Vec<u8>,
}

impl Ledger {
    /// Opens the ledger in the directory `dir`, which is made if needed, and notes the start of this agent.
    ///
    /// What a crash left behind is repaired and noted: a half-written last record is cut. What was damaged otherwise
    /// stays for people to see, and writing goes on in a new segment.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] while another agent has it; [`LedgerError::Full`] and [`LedgerError::Io`] as they come;
    /// [`LedgerError::Unreadable`] if a newer version wrote it.
    pub fn open(
        dir: impl AsRef<Path>,
        facts: &HostFacts,
        now: Timestamp,
    ) -> Result<Self, LedgerError> {
        Self::open_with(dir, LedgerSettings::default(), facts, now)
    }

    /// As [`open`](Self::open), with other bounds.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`LedgerError::Setting`].
    pub fn open_with(
        dir: impl AsRef<Path>,
        settings: LedgerSettings,
        facts: &HostFacts,
        now: Timestamp,
    ) -> Result<Self, LedgerError> {
        settings.check()?;
        open::open(dir.as_ref(), settings, facts, now)
    }

    /// A ledger without a disk, for tests, replays and embedders: the same records in the same bytes.
    #[must_use]
    pub fn in_memory(facts: &HostFacts, now: Timestamp) -> Self {
        let store = Store::Memory { segments: std::collections::VecDeque::new() };
        let mut ledger = Self::empty(store, LedgerSettings::default());
        // Memory takes whatever it is given.
        let _ = ledger.start(now, &opened(facts));
        ledger
    }

    fn empty(store: Store, settings: LedgerSettings) -> Self {
        Self {
            store,
            settings,
            past: Past::new(),
            seq: 0,
            hash: GENESIS,
            segments: Vec::new(),
            offset: 0,
            uncut: false,
            frame: Vec::with_capacity(16 << 10),
            head: Vec::with_capacity(256),
        }
    }

    /// What the past means for the present, current with each record.
    #[must_use]
    pub const fn carried(&self) -> &Carried {
        &self.past.carried
    }

    /// Writes `entry` and returns the record's number. Written, not yet synced.
    ///
    /// # Errors
    /// [`LedgerError::Full`] and [`LedgerError::Io`]: nothing is recorded, and the next call may succeed.
    /// [`LedgerError::Crowded`] for an intent beyond [`Carried::MAX_UNFINISHED`].
    pub fn append(&mut self, at: Timestamp, entry: &Entry<'_>) -> Result<u64, LedgerError> {
        let intent = matches!(entry, Entry::Intended { .. });
        if intent && self.carried().unfinished.len() >= Carried::MAX_UNFINISHED {
            return Err(LedgerError::Crowded { open: self.carried().unfinished.len() });
        }
        if intent {
            self.settle(at)?;
        }
        let mut hash = self.encode(at, entry)?;
        let full = self.offset + self.frame.len() as u64 > self.settings.segment_size.get();
        // A segment holds at least one record besides the one that it starts with.
        if full && !intent && self.seq > self.segments.last().map_or(0, |first| first + 1) {
            self.rotate(at)?;
            hash = self.encode(at, entry)?;
        }
        let seq = self.write(at, entry, hash)?;
        if let Some(error) = self.store.written() {
            self.note_failed_sync(at, &error);
        }
        Ok(seq)
    }

    /// Turns a permit into what an action takes, by writing the plan and its undo.
    ///
    /// What a reboot undoes anyway is written and returned at once; an effect that outlives a reboot waits until its
    /// record is on storage.
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`LedgerError::Expired`]. The permit is lost, so nothing happens without its
    /// record.
    pub fn intend(
        &mut self,
        permit: Permit,
        undo: Undo,
        now: Timestamp,
    ) -> Result<RecordedPermit, LedgerError> {
        if now >= permit.expires() {
            let (plan, expired) = (permit.plan().id, permit.expires());
            return Err(LedgerError::Expired { plan, expired });
        }
        self.record_intent(permit.into_plan(), undo, now)
    }

    fn record_intent(
        &mut self,
        plan: Plan,
        undo: Undo,
        now: Timestamp,
    ) -> Result<RecordedPermit, LedgerError> {
        let intended = Entry::Intended { plan: Cow::Borrowed(&plan), undo: Cow::Borrowed(&undo) };
        self.append(now, &intended)?;
        if plan.step.kind().outlives_reboot()
            && let Err(error) = self.store.sync(false)
        {
            // Nothing was done. If this cannot be written either, the next start says so.
            let why = summary(format_args!("not done: {error}"));
            let ended = Outcome::of(&plan, Ending::Failed, why);
            let _ = self.append(now, &Entry::Ended(Cow::Borrowed(&ended)));
            return Err(error);
        }
        Ok(RecordedPermit::new(plan, undo))
    }

    /// Waits until all records are on storage.
    ///
    /// # Errors
    /// [`LedgerError::Full`] and [`LedgerError::Io`], also of a background sync that failed since the last call.
    pub fn sync(&mut self) -> Result<(), LedgerError> {
        self.store.sync(true)
    }

    /// The segments' bytes, oldest first; empty for a ledger on disk, whose files hold them.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match &self.store {
            Store::Memory { segments } => segments.iter().flatten().copied().collect(),
            Store::Disk(_) => Vec::new(),
        }
    }

    /// Reads the ledger in the directory `dir`, oldest record first, also while an agent writes to it.
    pub fn read(dir: impl AsRef<Path>) -> Records {
        read::read(dir.as_ref())
    }

    /// The records of this ledger, oldest first.
    #[must_use]
    pub fn records(&self) -> Records {
        match &self.store {
            Store::Memory { .. } => Records::of(&self.bytes()),
            Store::Disk(disk) => read::read(disk.path()),
        }
    }

    /// Checks every byte of the ledger in the directory `dir`: that each record is as it was written, and that none is
    /// missing, except the oldest ones, which were removed for space.
    ///
    /// While an agent writes to it, what is checked ends where the head did when this began.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Missing`] for the first thing that does not hold;
    /// [`LedgerError::Io`] if it cannot be read.
    pub fn verify(dir: impl AsRef<Path>) -> Result<Verified, LedgerError> {
        verify::verify(dir.as_ref())
    }

    /// Puts the record's line into the frame.
    fn encode(&mut self, at: Timestamp, entry: &Entry<'_>) -> Result<Hash, LedgerError> {
        self.frame.clear();
        let draft = Draft { seq: self.seq, at, entry };
        put_record(&mut self.frame, &self.hash, &draft)
            .map_err(|source| LedgerError::Encode { seq: self.seq, source })
    }

    /// Writes the frame, which holds the record's line.
    fn write(&mut self, at: Timestamp, entry: &Entry<'_>, hash: Hash) -> Result<u64, LedgerError> {
        if self.uncut {
            self.store.cut(self.offset)?;
            self.uncut = false;
        }
        let end = self.offset + self.frame.len() as u64;
        let written = self.store.append(self.offset, &self.frame);
        if let Err(error) = written.and_then(|()| self.put_head(end, hash)) {
            self.uncut = self.store.cut(self.offset).is_err();
            return Err(error);
        }
        Ok(self.wrote(at, entry, end, hash))
    }

    fn put_head(&mut self, offset: u64, hash: Hash) -> Result<(), LedgerError> {
        let (oldest, segment) = match self.segments.as_slice() {
            [oldest, .., segment] => (*oldest, *segment),
            [only] => (*only, *only),
            [] => (0, 0),
        };
        Head { seq: self.seq, segment, offset, oldest, hash }.put(&mut self.head);
        self.store.head(&self.head)
    }

    fn wrote(&mut self, at: Timestamp, entry: &Entry<'_>, end: u64, hash: Hash) -> u64 {
        let seq = self.seq;
        (self.seq, self.offset, self.hash) = (seq + 1, end, hash);
        self.past.note(at, entry);
        seq
    }

    /// Starts the next segment with what is carried over, and removes the oldest beyond the bound.
    fn rotate(&mut self, at: Timestamp) -> Result<(), LedgerError> {
        self.settle(at)?;
        self.past.prune(at);
        let carried = self.past.carried.clone();
        self.start(at, &Entry::Carried(Cow::Owned(carried)))?;
        Ok(())
    }

    /// Starts a segment with `entry`.
    fn start(&mut self, at: Timestamp, entry: &Entry<'_>) -> Result<(), LedgerError> {
        self.frame.clear();
        put_start(&mut self.frame, self.seq, &self.hash);
        let draft = Draft { seq: self.seq, at, entry };
        let hash = put_record(&mut self.frame, &self.hash, &draft)
            .map_err(|source| LedgerError::Encode { seq: self.seq, source })?;
        self.store.start(self.seq, &self.frame, self.settings.segments)?;
        self.uncut = false;
        self.segments.push(self.seq);
        let extra = self.segments.len().saturating_sub(self.settings.segments);
        let removed: Vec<u64> = self.segments.drain(..extra).collect();
        let end = self.frame.len() as u64;
        // The head comes before the removal: a crash between the two leaves more than it says, never less.
        let headed = self.put_head(end, hash);
        self.wrote(at, entry, end, hash);
        headed?;
        removed.into_iter().try_for_each(|first| self.store.remove(first))
    }

    /// Ends the effects that a reboot took.
    fn settle(&mut self, at: Timestamp) -> Result<(), LedgerError> {
        while self.past.rebooted() {
            let plan = &self.past.carried.unfinished[0].plan;
            let outcome = Outcome::of(plan, Ending::Gone, carried::lost_by_reboot());
            let ended = Entry::Ended(Cow::Owned(outcome));
            let hash = self.encode(at, &ended)?;
            self.write(at, &ended, hash)?;
        }
        Ok(())
    }

    fn note_failed_sync(&mut self, at: Timestamp, error: &io::Error) {
        let note = note(format!("cannot sync: {error}"));
        let noted = Entry::Noted(Cow::Borrowed(&note));
        // If even this cannot be written, the next append says why.
        if let Ok(hash) = self.encode(at, &noted) {
            let _ = self.write(at, &noted, hash);
        }
    }
}

fn opened(facts: &HostFacts) -> Entry<'_> {
    Entry::Opened { host: Cow::Borrowed(facts), version: Name::Borrowed(env!("CARGO_PKG_VERSION")) }
}

fn note(text: String) -> Diagnostic {
    Diagnostic { part: Name::Borrowed("ledger"), text: Cow::Owned(text) }
}

#[cfg(test)]
mod tests;
