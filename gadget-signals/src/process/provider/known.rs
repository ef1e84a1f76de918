//! Reading one process.

use std::path::Path;
use std::time::Duration;

use gadget_core::{
    Bytes, ProcessId, ProcessIdentity, ProcessUsage, Reading, Runtime, SignalError, Signals,
    Subject,
};

use super::super::files::ProcessFiles;
use super::super::parse::{parse_process_io, parse_stat, parse_statm};
use super::{Fate, Known, LEAST_MOVEMENT, REVIEW_EVERY, Shared};
use crate::file::{Trouble, vanished};

impl Known {
    /// Meets a process for the first time: says what it is and reads it.
    pub(super) fn meet(
        shared: &mut Shared,
        pid: u32,
        named: bool,
        out: &mut Signals,
    ) -> Option<Self> {
        let mut known = Self::identify(shared, pid, named, out)?;
        match known.read(shared, pid, named, out) {
            Fate::Read => Some(known),
            Fate::Gone => {
                known.leave(shared, pid, out);
                None
            }
        }
    }

    /// Says what a process is.
    pub(super) fn identify(
        shared: &mut Shared,
        pid: u32,
        named: bool,
        out: &mut Signals,
    ) -> Option<Self> {
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
        let known = Self {
            start,
            identity,
            statm,
            sent: Bytes::ZERO,
            age: u32::MAX,
            tick: shared.tick,
            reviewed: shared.now - turn,
            looked_at_maps: named,
            #[cfg(feature = "bpf")]
            seen: None,
        };
        out.push(known.subject(pid), Reading::ProcessIdentity(Box::new(known.identity.clone())));
        Some(known)
    }

    pub(super) fn subject(&self, pid: u32) -> Subject {
        Subject::Process(ProcessId { pid, start: self.start })
    }

    /// Says that the process is gone, and closes its file.
    pub(super) fn leave(&mut self, shared: &mut Shared, pid: u32, out: &mut Signals) {
        shared.kept -= usize::from(self.statm.take().is_some());
        out.push(self.subject(pid), Reading::Gone);
    }

    /// Reads the process.
    pub(super) fn read(
        &mut self,
        shared: &mut Shared,
        pid: u32,
        named: bool,
        out: &mut Signals,
    ) -> Fate {
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
            cpu: Duration::from_nanos(stat.cpu_ticks().saturating_mul(shared.clock_tick_nanos)),
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
        self.send(shared, pid, usage, out);
        if shared.files.contains(ProcessFiles::IO)
            && let Some(io) = shared.optional(pid, "io", parse_process_io)
        {
            out.push(self.subject(pid), Reading::ProcessIo(io));
        }
        Fate::Read
    }

    pub(super) fn send(
        &mut self,
        shared: &Shared,
        pid: u32,
        usage: ProcessUsage,
        out: &mut Signals,
    ) {
        self.sent = usage.rss;
        // Processes that are first met together are spread, so that they do not stay together.
        let first = self.age == u32::MAX;
        self.age = 1 + if first { pid % shared.calm_sweeps.max(1) } else { 0 };
        out.push(self.subject(pid), Reading::ProcessUsage(usage));
    }

    /// Resident and shared memory by `statm`: through the kept file, or for a named process by opening it.
    pub(super) fn resident(
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

    pub(super) fn is_calm(&self, rss: Option<Bytes>, sweeps: u32) -> bool {
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
    pub(super) fn review(
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
