//! All processes of a host as one provider.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadget_core::{
    Bytes, ProcessIdentity, Scope, SignalError, SignalProvider, Signals, Subject, Timestamp,
};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, RawDir, openat};
use rustix::io::Errno;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::files::{Proc, ProcessFiles};
use super::identity::Identities;
use super::members::Groups;
use super::parse::parse_smaps_rollup;
#[cfg(feature = "bpf")]
use crate::bpf::ProcessScan;
use crate::cgroup::CgroupLayout;
use crate::file::{FOLDER, failed};
use crate::text::{below, digits};

/// The most processes that are read; what comes beyond is counted in [`Processes::left_out`].
const MAX_PROCESSES: usize = 100_000;
/// No more files are kept open, whatever the process may.
const MAX_KEPT: usize = 8_192;
/// A process is calm while its resident memory has moved by less than this.
const LEAST_MOVEMENT: Bytes = Bytes::new(256 << 10);
/// What may change of an identity is looked at again so often; processes take turns.
const REVIEW_EVERY: Duration = Duration::from_secs(60);

/// Reads the processes of a host.
///
/// - Gives, of [`Subject::Process`]: [`ProcessIdentity`] when a process is first seen or has changed (`comm` and parent are
///   compared whenever `stat` is read, the rest once a minute, the user when the program changes), [`ProcessUsage`], what
///   [`ProcessFiles`] asks for, and [`Gone`] once it exited.
/// - In a sweep a calm process, whose resident memory has moved by less than 256 KiB since it was last sent, is sent
///   in one of ten sweeps only, and threads of the kernel likewise. A process asked for by name, or by the name of its
///   cgroup, is always read, with `statm`.
/// - With feature `bpf`, where the kernel takes programs from us, a sweep reads all processes by a [`ProcessScan`] and no file of
///   one that is known: its identity is looked at again when the scan shows that something of it has changed, and each
///   [`ProcessUsage`] has switches.
/// - Source: `/proc/PID/stat` and `statm`, Documentation/filesystems/proc.rst.
/// - Absent: `shared` where `statm` was not read; what may not be read by this user.
/// - Cost: one list of `/proc`, and for each calm process one read of its kept-open `statm`; beyond the bound on open
///   files one `stat` opened, read and closed.
///
/// [`Gone`]: gadget_core::Reading::Gone
/// [`ProcessUsage`]: gadget_core::ProcessUsage
pub struct Processes {
    shared: Shared,
    table: HashMap<u32, Known>,
    listing: Vec<u8>,
    pids: Vec<u32>,
    left_out: u64,
    /// Or why there is none.
    #[cfg(feature = "bpf")]
    scan: Result<ProcessScan, String>,
}

/// What the reading of all processes shares.
struct Shared {
    path: PathBuf,
    proc: Proc,
    identities: Identities,
    files: ProcessFiles,
    calm_sweeps: u32,
    kept: usize,
    keep: usize,
    /// Counts samples, so that no process is read twice in one.
    tick: u64,
    now: Timestamp,
    page_size: u64,
    clock_tick_nanos: u64,
    error: Option<SignalError>,
}

/// What is known of one process.
struct Known {
    start: u64,
    identity: ProcessIdentity,
    statm: Option<OwnedFd>,
    sent: Bytes,
    age: u32,
    tick: u64,
    reviewed: Timestamp,
    looked_at_maps: bool,
    #[cfg(feature = "bpf")]
    seen: Option<scanned::Seen>,
}

/// What became of a process that was to be read.
enum Fate {
    Read,
    Gone,
}

impl Processes {
    /// Of this host, with the cgroups that [`CgroupLayout::detect`] finds.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn detect() -> Result<Self, SignalError> {
        Self::at("/proc", CgroupLayout::detect().ok())
    }

    /// Of the host whose `/proc` is at `proc`. Without a layout the processes' cgroups are absent.
    ///
    /// # Errors
    /// If `proc` or the layout's root cannot be opened.
    pub fn at(proc: impl AsRef<Path>, layout: Option<CgroupLayout>) -> Result<Self, SignalError> {
        let path = proc.as_ref().to_owned();
        let folder = openat(CWD, &path, FOLDER, Mode::empty())
            .map_err(|error| failed(path.as_path(), error, "procfs"))?;
        #[cfg(feature = "bpf")]
        let scan = scanned::scan_of(&path, layout.as_ref());
        #[cfg_attr(not(feature = "bpf"), allow(unused_mut))]
        let mut shared = Shared {
            path,
            proc: Proc::new(folder),
            identities: Identities::new(layout.map(Groups::of).transpose()?),
            files: ProcessFiles::default(),
            calm_sweeps: 10,
            kept: 0,
            keep: most_kept(),
            tick: 0,
            now: Timestamp::EPOCH,
            page_size: page_size() as u64,
            clock_tick_nanos: 1_000_000_000 / clock_ticks_per_second().max(1),
            error: None,
        };
        #[cfg(feature = "bpf")]
        if scan.is_ok() {
            shared.keep = 0;
        }
        Ok(Self {
            shared,
            table: HashMap::new(),
            listing: Vec::with_capacity(32 << 10),
            pids: Vec::new(),
            left_out: 0,
            #[cfg(feature = "bpf")]
            scan,
        })
    }

    /// Reads these files too.
    #[must_use]
    pub fn with(mut self, files: ProcessFiles) -> Self {
        self.shared.files = files;
        self
    }

    /// A calm process is sent in one of so many sweeps. Default 10; one sends all of them in every sweep.
    #[must_use]
    pub fn calm_sweeps(mut self, sweeps: u32) -> Self {
        self.shared.calm_sweeps = sweeps;
        self
    }

    /// The most files that are kept open, one for each process. Default a quarter of the soft limit on open files, at
    /// most 8,192; none where a scan reads them all.
    #[must_use]
    pub fn keep_open(mut self, files: usize) -> Self {
        self.shared.keep = files;
        self
    }

    /// Reads files alone, also where a scan would do.
    #[cfg(feature = "bpf")]
    #[must_use]
    pub fn by_files(mut self) -> Self {
        if self.scan.is_ok() {
            self.scan = Err("files are asked for".to_owned());
            self.shared.keep = most_kept();
        }
        self
    }

    /// How many processes are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.table.len()
    }

    /// Processes that the last sweep found and that are not read, because 100,000 are.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// One line for a person: how processes are read.
    #[must_use]
    pub fn describe(&self) -> String {
        let path = self.shared.path.display();
        let groups = if self.shared.identities.groups.is_some() { "with" } else { "without" };
        #[cfg(feature = "bpf")]
        let files = match &self.scan {
            Ok(scan) => {
                return format!("{}, identities from {path} {groups} cgroups", scan.describe());
            }
            Err(reason) => format!("; no scan: {reason}"),
        };
        #[cfg(not(feature = "bpf"))]
        let files = "";
        format!("{path} {groups} cgroups; at most {} files kept open{files}", self.shared.keep)
    }

    fn sweep(&mut self, out: &mut Signals) -> Result<(), SignalError> {
        self.left_out = 0;
        #[cfg(feature = "bpf")]
        if self.scan.is_ok() {
            self.sweep_records(out)?;
            self.leave_missing(out);
            return Ok(());
        }
        let folder = openat(&self.shared.proc.folder, c".", FOLDER, Mode::empty());
        let folder = folder.map_err(|error| self.shared.unlistable(error))?;
        let mut entries = RawDir::new(folder, self.listing.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|error| self.shared.unlistable(error))?;
            let pid = digits(entry.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok());
            if let Some(pid) = pid {
                let met = visit(&mut self.shared, &mut self.table, pid, false, out);
                self.left_out += u64::from(!met);
            }
        }
        self.leave_missing(out);
        Ok(())
    }

    /// Says that those are gone that this sweep did not meet.
    fn leave_missing(&mut self, out: &mut Signals) {
        let Self { shared, table, .. } = self;
        table.retain(|&pid, known| {
            let found = known.tick == shared.tick;
            if !found {
                known.leave(shared, pid, out);
            }
            found
        });
    }

    fn visit_members(&mut self, subject: Subject, out: &mut Signals) {
        self.pids.clear();
        match subject {
            Subject::Process(id) => {
                let another = self.table.get(&id.pid).is_some_and(|known| known.start != id.start);
                self.pids.extend((!another).then_some(id.pid));
            }
            Subject::Cgroup(id) => {
                if let Some(groups) = &mut self.shared.identities.groups
                    && let Err(error) = groups.members(id, &mut self.pids)
                {
                    self.shared.error.get_or_insert(error);
                }
            }
            _ => {}
        }
        for &pid in &self.pids {
            visit(&mut self.shared, &mut self.table, pid, true, out);
        }
    }
}

impl SignalProvider for Processes {
    fn sample(
        &mut self,
        now: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        self.shared.now = now;
        self.shared.tick += 1;
        self.shared.error = None;
        match scope {
            Scope::Everything => self.sweep(out)?,
            Scope::Only(subjects) => {
                for &subject in subjects {
                    self.visit_members(subject, out);
                }
            }
        }
        self.shared.error.take().map_or(Ok(()), Err)
    }

    fn name(&self) -> &'static str {
        "processes"
    }
}

/// The most files that we keep open by ourselves: the embedder and the cgroups need some too.
fn most_kept() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 4).unwrap_or(MAX_KEPT).min(MAX_KEPT)
}

/// Reads the process that has `pid` now, in detail if it was `named`. False if there was no room for it.
fn visit(
    shared: &mut Shared,
    table: &mut HashMap<u32, Known>,
    pid: u32,
    named: bool,
    out: &mut Signals,
) -> bool {
    if let Some(known) = table.get_mut(&pid) {
        if known.tick == shared.tick {
            return true;
        }
        known.tick = shared.tick;
        match known.read(shared, pid, named, out) {
            Fate::Read => return true,
            Fate::Gone => {
                known.leave(shared, pid, out);
                table.remove(&pid);
                // Another process may have been given its number.
            }
        }
    }
    if table.len() >= MAX_PROCESSES {
        return false;
    }
    if let Some(known) = Known::meet(shared, pid, named, out) {
        table.insert(pid, known);
    }
    true
}

impl Shared {
    fn unlistable(&self, error: Errno) -> SignalError {
        failed(self.path.as_path(), error, "procfs")
    }

    /// A file that may be absent, or that this user may not read.
    fn optional<T>(
        &mut self,
        pid: u32,
        name: &str,
        parse: impl FnOnce(&[u8], &Path) -> Result<T, SignalError>,
    ) -> Option<T> {
        let parsed = parse(self.proc.read(pid, name).ok()?, Path::new(name));
        parsed.map_err(|error| self.note(pid, error)).ok()
    }

    fn smaps(&mut self, pid: u32) -> Option<(Bytes, Bytes)> {
        self.optional(pid, "smaps_rollup", parse_smaps_rollup).flatten()
    }

    /// Remembers the first error of this sample.
    fn note(&mut self, pid: u32, error: SignalError) {
        if self.error.is_none() {
            self.error = Some(below(&self.path.join(pid.to_string()), error));
        }
    }
}

mod known;
#[cfg(feature = "bpf")]
mod scanned;
#[cfg(test)]
mod tests;
