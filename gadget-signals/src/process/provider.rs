//! All processes of a host as one provider.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadget_core::{
    Bytes, ProcessId, ProcessIdentity, ProcessUsage, Reading, Runtime, Scope, SignalError,
    SignalProvider, Signals, Subject, Timestamp,
};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, RawDir, openat};
use rustix::io::Errno;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::files::{Proc, ProcessFiles};
use super::identity::{Identities, Trouble};
use super::members::Groups;
use super::parse::{parse_process_io, parse_smaps_rollup, parse_stat, parse_statm};
use crate::cgroup::CgroupLayout;
use crate::file::{FOLDER, failed, vanished};
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
/// - Gives, of [`Subject::Process`]: [`Reading::ProcessIdentity`] when a process is first seen or has changed (`comm`
///   and parent are compared whenever `stat` is read, the rest once a minute, the user when the program changes), [`Reading::ProcessUsage`], what
///   [`ProcessFiles`] asks for, and [`Reading::Gone`] once it exited.
/// - In a sweep a calm process, whose resident memory has moved by less than 256 KiB since it was last sent, is sent
///   in one of ten sweeps only, and threads of the kernel likewise. A process asked for by name, or by the name of its
///   cgroup, is always read, with `statm`.
/// - Source: `/proc/PID/stat` and `statm`, Documentation/filesystems/proc.rst.
/// - Absent: `shared` where `statm` was not read; what may not be read by this user.
/// - Cost: one list of `/proc`, and for each calm process one read of its kept-open `statm`; beyond the bound on open
///   files one `stat` opened, read and closed.
pub struct Processes {
    shared: Shared,
    table: HashMap<u32, Known>,
    listing: Vec<u8>,
    pids: Vec<u32>,
    left_out: u64,
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
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let shared = Shared {
            path,
            proc: Proc::new(folder),
            identities: Identities::new(layout.map(Groups::of).transpose()?),
            files: ProcessFiles::default(),
            calm_sweeps: 10,
            kept: 0,
            // The embedder and the cgroups need files too.
            keep: usize::try_from(limit / 4).unwrap_or(MAX_KEPT).min(MAX_KEPT),
            tick: 0,
            now: Timestamp::EPOCH,
            page_size: page_size() as u64,
            clock_tick_nanos: 1_000_000_000 / clock_ticks_per_second().max(1),
            error: None,
        };
        Ok(Self {
            shared,
            table: HashMap::new(),
            listing: Vec::with_capacity(32 << 10),
            pids: Vec::new(),
            left_out: 0,
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
    /// most 8,192.
    #[must_use]
    pub fn keep_open(mut self, files: usize) -> Self {
        self.shared.keep = files;
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
        format!("{path} {groups} cgroups; at most {} files kept open", self.shared.keep)
    }

    fn sweep(&mut self, out: &mut Signals) -> Result<(), SignalError> {
        self.left_out = 0;
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
        let Self { shared, table, .. } = self;
        table.retain(|&pid, known| {
            let found = known.tick == shared.tick;
            if !found {
                known.leave(shared, pid, out);
            }
            found
        });
        Ok(())
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

impl Known {
    /// Meets a process for the first time: says what it is and reads it.
    fn meet(shared: &mut Shared, pid: u32, named: bool, out: &mut Signals) -> Option<Self> {
        // Opened before `stat` is read: if the process is replaced meanwhile, the file says so when it is next read.
        let statm =
            if shared.kept < shared.keep { shared.proc.open(pid, "statm").ok() } else { None };
        let text = shared.proc.read(pid, "stat").ok()?;
        let stat = match parse_stat(text, Path::new("stat")) {
            Ok(stat) => stat,
            Err(error) => {
                shared.note(pid, error);
                return None;
            }
        };
        let mut identity = ProcessIdentity {
            parent: stat.parent,
            comm: String::from_utf8_lossy(stat.comm).into(),
            exe: None,
            uid: 0,
            cgroup: None,
            cgroup_path: None,
            oom_score_adj: None,
            kernel_thread: stat.kernel_thread,
            runtime: Runtime::Native,
        };
        let start = stat.start;
        match shared.identities.review(&mut shared.proc, pid, true, &mut identity) {
            Ok(_) => {}
            Err(Trouble::Gone) => return None,
            Err(Trouble::Signal(error)) => {
                shared.note(pid, error);
                return None;
            }
        }
        if named {
            shared.identities.look_at_maps(&mut shared.proc, pid, &mut identity);
        }
        let statm = statm.filter(|_| !identity.kernel_thread);
        shared.kept += usize::from(statm.is_some());
        // Spread over a minute, so that processes that are first met together are not reviewed together.
        let turn = Duration::from_secs(u64::from(pid) % REVIEW_EVERY.as_secs());
        let mut known = Self {
            start,
            identity,
            statm,
            sent: Bytes::ZERO,
            age: u32::MAX,
            tick: shared.tick,
            reviewed: shared.now - turn,
            looked_at_maps: named,
        };
        out.push(known.subject(pid), Reading::ProcessIdentity(Box::new(known.identity.clone())));
        match known.read(shared, pid, named, out) {
            Fate::Read => Some(known),
            Fate::Gone => {
                known.leave(shared, pid, out);
                None
            }
        }
    }

    fn subject(&self, pid: u32) -> Subject {
        Subject::Process(ProcessId { pid, start: self.start })
    }

    /// Says that the process is gone, and closes its file.
    fn leave(&mut self, shared: &mut Shared, pid: u32, out: &mut Signals) {
        shared.kept -= usize::from(self.statm.take().is_some());
        out.push(self.subject(pid), Reading::Gone);
    }

    /// Reads the process.
    fn read(&mut self, shared: &mut Shared, pid: u32, named: bool, out: &mut Signals) -> Fate {
        let resident = match self.resident(shared, pid, named) {
            Ok(resident) => resident,
            Err(Trouble::Gone) => return Fate::Gone,
            Err(Trouble::Signal(error)) => {
                shared.note(pid, error);
                return Fate::Read;
            }
        };
        if !named && self.is_calm(resident.map(|(rss, _)| rss), shared.calm_sweeps) {
            self.age += 1;
            return Fate::Read;
        }
        let stat = match shared.proc.read(pid, "stat") {
            Ok(text) => parse_stat(text, Path::new("stat")),
            Err(error) if vanished(error) => return Fate::Gone,
            Err(error) => Err(SignalError::Read { path: "stat".into(), source: error.into() }),
        };
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) => {
                shared.note(pid, error);
                return Fate::Read;
            }
        };
        if stat.start != self.start {
            return Fate::Gone;
        }
        let comm = String::from_utf8_lossy(stat.comm);
        let renamed = *comm != *self.identity.comm;
        if renamed {
            self.identity.comm = comm.into();
        }
        let reparented = std::mem::replace(&mut self.identity.parent, stat.parent) != stat.parent;
        let (rss, shared_memory) = match resident {
            Some((rss, shared)) => (rss, Some(shared)),
            None => (Bytes::from_pages(stat.rss_pages, shared.page_size), None),
        };
        let mut usage = ProcessUsage {
            rss,
            shared: shared_memory,
            pss: None,
            swap: None,
            cpu: Duration::from_nanos(stat.cpu_ticks.saturating_mul(shared.clock_tick_nanos)),
            minor_faults: stat.minor_faults,
            major_faults: stat.major_faults,
            threads: stat.threads,
            state: stat.state,
            voluntary_switches: None,
            involuntary_switches: None,
        };
        if matches!(self.review(shared, pid, renamed, reparented, named, out), Fate::Gone) {
            return Fate::Gone;
        }
        if named && shared.files.contains(ProcessFiles::SMAPS) {
            (usage.pss, usage.swap) = shared.smaps(pid).unzip();
        }
        self.sent = rss;
        // Processes that are first met together are spread, so that they do not stay together.
        let first = self.age == u32::MAX;
        self.age = 1 + if first { pid % shared.calm_sweeps.max(1) } else { 0 };
        out.push(self.subject(pid), Reading::ProcessUsage(usage));
        if shared.files.contains(ProcessFiles::IO)
            && let Some(io) = shared.optional(pid, "io", parse_process_io)
        {
            out.push(self.subject(pid), Reading::ProcessIo(io));
        }
        Fate::Read
    }

    /// Resident and shared memory by `statm`: through the kept file, or for a named process by opening it.
    fn resident(
        &self,
        shared: &mut Shared,
        pid: u32,
        named: bool,
    ) -> Result<Option<(Bytes, Bytes)>, Trouble> {
        let page_size = shared.page_size;
        let text = match &self.statm {
            Some(fd) => shared.proc.reread(fd),
            // If it is not there the process is gone, which `stat` is about to say.
            None if named && !self.identity.kernel_thread => match shared.proc.read(pid, "statm") {
                Err(error) if vanished(error) => return Ok(None),
                text => text,
            },
            None => return Ok(None),
        };
        match text {
            Ok(text) => {
                let (rss, shared) = parse_statm(text, Path::new("statm"))?;
                let bytes = |pages| Bytes::from_pages(pages, page_size);
                Ok(Some((bytes(rss), bytes(shared))))
            }
            Err(error) if vanished(error) => Err(Trouble::Gone),
            Err(error) => {
                let source = error.into();
                Err(Trouble::Signal(SignalError::Read { path: "statm".into(), source }))
            }
        }
    }

    fn is_calm(&self, rss: Option<Bytes>, sweeps: u32) -> bool {
        if self.age >= sweeps {
            return false;
        }
        match rss {
            Some(rss) => {
                let moved = rss.saturating_sub(self.sent).max(self.sent.saturating_sub(rss));
                moved < LEAST_MOVEMENT
            }
            None => self.identity.kernel_thread,
        }
    }

    /// Looks at what may have changed about the process if that is due, and says so if it has.
    fn review(
        &mut self,
        shared: &mut Shared,
        pid: u32,
        renamed: bool,
        reparented: bool,
        named: bool,
        out: &mut Signals,
    ) -> Fate {
        let mut changed = renamed || reparented;
        let due = shared.now.since(self.reviewed) >= REVIEW_EVERY && !self.identity.kernel_thread;
        if renamed || due {
            self.reviewed = shared.now;
            self.looked_at_maps &= !renamed;
            match shared.identities.review(&mut shared.proc, pid, renamed, &mut self.identity) {
                Ok(different) => changed |= different,
                Err(Trouble::Gone) => return Fate::Gone,
                Err(Trouble::Signal(error)) => shared.note(pid, error),
            }
        }
        if named && !std::mem::replace(&mut self.looked_at_maps, true) {
            changed |= shared.identities.look_at_maps(&mut shared.proc, pid, &mut self.identity);
        }
        if changed {
            out.push(self.subject(pid), Reading::ProcessIdentity(Box::new(self.identity.clone())));
        }
        Fate::Read
    }
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

#[cfg(test)]
mod tests;
