//! Sweeps by a scan of the kernel's own processes.

use std::path::Path;

use gadget_core::{CgroupId, Reading, SignalError, Signals};

use super::super::files::ProcessFiles;
use super::{Fate, Known, MAX_PROCESSES, Processes, Shared};
use crate::bpf::{ProcessRecord, ProcessScan};
use crate::cgroup::CgroupLayout;
use crate::file::Trouble;

/// Where the files are of the processes that a scan gives.
const HOST: &str = "/proc";

/// A scan of the processes whose files are at `path`, or why there is none.
pub(super) fn scan_of(path: &Path, layout: Option<&CgroupLayout>) -> Result<ProcessScan, String> {
    if path != Path::new(HOST) {
        return Err(format!("{} is not {HOST}", path.display()));
    }
    ProcessScan::host(layout).map_err(|error| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

/// What a record says of an identity; while it is the same, so are the files.
#[derive(PartialEq, Eq)]
pub(super) struct Seen {
    comm: [u8; 16],
    uid: u32,
    oom_score_adj: i16,
    cgroup: CgroupId,
    execs: u64,
}

impl Seen {
    fn of(record: &ProcessRecord) -> Self {
        let mut comm = [0; 16];
        comm[..record.comm().len()].copy_from_slice(record.comm());
        let ProcessRecord { uid, oom_score_adj, cgroup, execs, .. } = *record;
        Self { comm, uid, oom_score_adj, cgroup, execs }
    }
}

impl Processes {
    /// Reads all processes; without a scan after this one failed.
    pub(super) fn sweep_records(&mut self, out: &mut Signals) -> Result<(), SignalError> {
        let Self { shared, table, left_out, scan: Ok(scan), .. } = self else { return Ok(()) };
        let records = match scan.scan() {
            Ok(records) => records,
            Err(error) => {
                self.scan = Err(error.to_string());
                return Err(error);
            }
        };
        for record in records {
            let pid = record.id.pid;
            if let Some(known) = table.get_mut(&pid)
                && known.start == record.id.start
            {
                known.tick = shared.tick;
                if let Fate::Gone = known.update(shared, record, out) {
                    known.leave(shared, pid, out);
                    table.remove(&pid);
                }
                continue;
            }
            if let Some(mut known) = table.remove(&pid) {
                known.leave(shared, pid, out);
            }
            if table.len() >= MAX_PROCESSES {
                *left_out += 1;
                continue;
            }
            let Some(mut known) = Known::identify(shared, pid, false, out) else { continue };
            // Already the next one that has the number; the next sweep says what it uses.
            if known.start == record.id.start {
                known.seen = Some(Seen::of(record));
                known.report(shared, record, out);
            }
            table.insert(pid, known);
        }
        Ok(())
    }
}

impl Known {
    /// Takes what a scan says of the process.
    fn update(&mut self, shared: &mut Shared, record: &ProcessRecord, out: &mut Signals) -> Fate {
        let seen = Seen::of(record);
        let mut changed = false;
        if self.seen.as_ref() != Some(&seen) {
            // Those of the kernel are named at greater length by their files.
            let name = String::from_utf8_lossy(record.comm());
            if !record.kernel_thread && *name != *self.identity.comm {
                self.identity.comm = name.into();
                changed = true;
            }
            let pid = record.id.pid;
            self.looked_at_maps &= self.seen.as_ref().is_some_and(|old| old.execs == seen.execs);
            match shared.identities.review(&mut shared.proc, pid, true, &mut self.identity) {
                Ok(different) => changed |= different,
                Err(Trouble::Gone) => return Fate::Gone,
                Err(Trouble::Signal(error)) => shared.note(pid, error),
            }
            self.seen = Some(seen);
        }
        let parent = std::mem::replace(&mut self.identity.parent, record.parent);
        if changed || parent != record.parent {
            let identity = Box::new(self.identity.clone());
            out.push(self.subject(record.id.pid), Reading::ProcessIdentity(identity));
        }
        let rss = (!record.kernel_thread).then(|| record.rss());
        if self.is_calm(rss, shared.calm_sweeps) {
            self.age += 1;
        } else {
            self.report(shared, record, out);
        }
        Fate::Read
    }

    fn report(&mut self, shared: &Shared, record: &ProcessRecord, out: &mut Signals) {
        let pid = record.id.pid;
        self.send(shared, pid, record.usage(), out);
        if shared.files.contains(ProcessFiles::IO) {
            out.push(self.subject(pid), Reading::ProcessIo(record.io));
        }
    }
}
