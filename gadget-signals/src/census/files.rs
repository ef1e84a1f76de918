//! Every process by its files.

use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadget_core::{Bytes, CensusRow, CensusSource, Comm, ProcessId, SignalError};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, RawDir, openat};
use rustix::io::Errno;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::MAX_PROCESSES;
use super::host::{Host, HostTime};
use super::source::Looked;
use crate::file::{FOLDER, Trouble, failed};
use crate::parse::{self, ProcessStat};
use crate::process::Proc;
use crate::text::{below, digits};

/// The user of a process is looked at in one of so many censuses, besides the first few and when its name has changed.
const REVIEW: u32 = 32;
/// `/proc` is listed at least once in so many censuses, whatever the count of forks says.
const LIST_AGAIN: u32 = 32;
/// No more files are kept open, whatever the process may: each holds more than a page of the kernel's memory.
const MAX_KEPT: usize = 8_192;

/// Reads `/proc/PID/stat` of every process, through files that are kept open as far as they may be.
pub(super) struct Files {
    path: PathBuf,
    proc: Proc,
    /// Sorted by process id.
    known: Vec<Known>,
    /// Process ids that are listed and not known.
    fresh: Vec<u32>,
    listing: Vec<u8>,
    keep: usize,
    kept: usize,
    /// The count of forks when `/proc` was last listed: as long as it stands still, nobody has come.
    forks: Option<u64>,
    /// Censuses since then.
    unlisted: u32,
    page_size: u64,
    tick_nanos: u64,
}

/// A process that was read before.
#[derive(Default)]
struct Known {
    pid: u32,
    start: u64,
    comm: Comm,
    uid: u32,
    /// Censuses that it was in.
    age: u32,
    stat: Option<OwnedFd>,
}

impl Known {
    fn is_to_be_reviewed(&self, comm: Comm) -> bool {
        self.comm != comm
            || self.age == 0
            || self.age < REVIEW && self.age.is_power_of_two()
            || self.age % REVIEW == self.pid % REVIEW
    }
}

impl Files {
    /// Of the host whose `/proc` is at `path`; at most `keep` files stay open.
    pub(super) fn at(path: &Path, keep: usize) -> Result<Self, SignalError> {
        let folder = openat(CWD, path, FOLDER, Mode::empty());
        let folder = folder.map_err(|error| failed(path, error, "procfs"))?;
        Ok(Self {
            path: path.to_owned(),
            proc: Proc::new(folder),
            known: Vec::new(),
            fresh: Vec::new(),
            listing: Vec::with_capacity(32 << 10),
            keep,
            kept: 0,
            forks: None,
            unlisted: 0,
            page_size: page_size() as u64,
            tick_nanos: 1_000_000_000 / clock_ticks_per_second().max(1),
        })
    }

    pub(super) const fn source(&self) -> CensusSource {
        if self.keep == 0 { CensusSource::Files } else { CensusSource::KeptFiles }
    }

    /// How many files are open, and how many may be.
    pub(super) const fn kept(&self) -> (usize, usize) {
        (self.kept, self.keep)
    }

    /// Closes all files; the next reading begins anew.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        (self.kept, self.forks) = (0, None);
    }

    /// Adds a row for each process to `rows`, sorted by id. Once warm it allocates nothing.
    pub(super) fn read(
        &mut self,
        host: &mut Host,
        rows: &mut Vec<CensusRow>,
    ) -> Result<Looked, SignalError> {
        let mut looked = Looked::default();
        let mut to = 0;
        for from in 0..self.known.len() {
            let mut known = mem::take(&mut self.known[from]);
            match self.visit(&mut known) {
                Ok(row) => rows.push(row),
                Err(Trouble::Gone) => continue,
                Err(Trouble::Signal(error)) => self.note(known.pid, error, &mut looked),
            }
            self.known[to] = known;
            to += 1;
        }
        self.known.truncate(to);
        let HostTime { busy, forks } = host.read()?;
        looked.busy = busy;
        self.unlisted += 1;
        if forks.is_some() && forks == self.forks && self.unlisted < LIST_AGAIN {
            return Ok(looked);
        }
        self.list()?;
        (self.forks, self.unlisted) = (forks, 0);
        let fresh = mem::take(&mut self.fresh);
        for &pid in &fresh {
            if self.known.len() >= MAX_PROCESSES {
                looked.left_out += 1;
                continue;
            }
            let mut known = Known { pid, ..Known::default() };
            match self.visit(&mut known) {
                Ok(row) => {
                    rows.push(row);
                    self.known.push(known);
                }
                Err(Trouble::Gone) => looked.vanished += 1,
                Err(Trouble::Signal(error)) => self.note(pid, error, &mut looked),
            }
        }
        self.fresh = fresh;
        self.known.sort_unstable_by_key(|known| known.pid);
        rows.sort_unstable_by_key(|row| row.id);
        // What was read since takes its time too.
        looked.busy = host.read()?.busy;
        Ok(looked)
    }

    /// Lists `/proc` for processes that are not known.
    fn list(&mut self) -> Result<(), SignalError> {
        let unlistable = |error| failed(self.path.as_path(), error, "procfs");
        self.fresh.clear();
        let folder = openat(&self.proc.folder, c".", FOLDER, Mode::empty()).map_err(unlistable)?;
        let mut entries = RawDir::new(folder, self.listing.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let name = entry.map_err(unlistable)?;
            let pid = digits(name.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok());
            if let Some(pid) = pid
                && self.known.binary_search_by_key(&pid, |known| known.pid).is_err()
            {
                self.fresh.push(pid);
            }
        }
        // The kernel lists them in order; other trees may not.
        self.fresh.sort_unstable();
        Ok(())
    }

    /// Reads the process that `known` is, or the one that has its number by now.
    fn visit(&mut self, known: &mut Known) -> Result<CensusRow, Trouble> {
        let file = known.stat.take();
        self.kept -= usize::from(file.is_some());
        let file = match file {
            Some(file) => file,
            None => self.open(known.pid)?,
        };
        let stat = parse::process_stat(self.proc.reread(&file)?, Path::new("stat"))?;
        let mut row = row(&stat, known.pid, self.page_size, self.tick_nanos);
        if row.id.start != known.start {
            *known = Known { pid: known.pid, start: row.id.start, ..Known::default() };
        }
        if known.is_to_be_reviewed(row.comm) {
            known.uid = self.proc.owner(known.pid)?;
        }
        known.comm = row.comm;
        known.age = known.age.wrapping_add(1);
        row.uid = known.uid;
        if self.kept < self.keep {
            known.stat = Some(file);
            self.kept += 1;
        }
        Ok(row)
    }

    /// Opens `stat`; where this process may open no more files, half of those that are kept are given up for good.
    fn open(&mut self, pid: u32) -> Result<OwnedFd, Errno> {
        match self.proc.open(pid, "stat") {
            Err(Errno::MFILE | Errno::NFILE) if self.kept > 0 => {
                let files = self.known.iter_mut().filter_map(|known| known.stat.take());
                self.kept -= files.take(self.kept.div_ceil(2)).count();
                self.keep = self.kept;
                self.proc.open(pid, "stat")
            }
            opened => opened,
        }
    }

    /// Remembers the first error about a process.
    fn note(&self, pid: u32, error: SignalError, looked: &mut Looked) {
        looked.trouble.get_or_insert_with(|| below(&self.path.join(pid.to_string()), error));
    }
}

/// The most files that are kept open by ourselves, of those that this process may: half of them, for the others need some too.
pub(super) fn most_kept() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 2).unwrap_or(MAX_KEPT).min(MAX_KEPT)
}

/// What `stat` says of a process; the user is not in it.
fn row(stat: &ProcessStat<'_>, pid: u32, page_size: u64, tick_nanos: u64) -> CensusRow {
    let time = |ticks: u64| Duration::from_nanos(ticks.saturating_mul(tick_nanos));
    CensusRow {
        id: ProcessId { pid, start: stat.start },
        parent: stat.parent,
        uid: 0,
        comm: Comm::new(stat.comm),
        state: stat.state,
        kernel_thread: stat.kernel_thread,
        threads: stat.threads,
        execs: None,
        cgroup: None,
        user: time(stat.user_ticks),
        system: time(stat.system_ticks),
        minor_faults: stat.minor_faults,
        major_faults: stat.major_faults,
        voluntary_switches: None,
        involuntary_switches: None,
        rss: Bytes::from_pages(stat.rss_pages, page_size),
        virtual_size: Bytes::new(stat.virtual_size),
        swap: None,
        io: None,
    }
}
