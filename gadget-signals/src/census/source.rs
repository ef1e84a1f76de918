//! Where the rows of a census come from.

use std::path::Path;
use std::time::Duration;

use gadget_core::{CensusRow, CensusSource, SignalError};

use super::MAX_PROCESSES;
use super::files::Files;
use super::host::Host;

/// After a failure the cheaper source is tried again after so many censuses by files.
const PAUSE: u32 = 30;

/// A source that gives all processes at once.
pub(super) trait Rows: Send {
    fn source(&self) -> CensusSource;

    /// One line for a person.
    fn describe(&self) -> &'static str;

    /// Adds a row for each process to `rows`, in any order.
    fn read(&mut self, rows: &mut Vec<CensusRow>) -> Result<(), SignalError>;
}

/// What a look at all processes tells besides their rows.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) busy: Duration,
    pub(super) vanished: u32,
    /// Processes that are not read, for there are too many.
    pub(super) left_out: u64,
    /// The first process that could not be read, and why.
    pub(super) trouble: Option<SignalError>,
}

/// The source that is chosen, and the files that stand in for it.
pub(super) struct Source {
    host: Host,
    files: Files,
    rows: Option<Preferred>,
    /// Why there is none.
    without: Option<String>,
}

struct Preferred {
    rows: Box<dyn Rows>,
    failed: Option<String>,
    /// Censuses until it is tried again.
    pause: u32,
}

impl Source {
    /// By the files below `proc` alone.
    pub(super) fn files(proc: &Path, keep: usize) -> Result<Self, SignalError> {
        let (host, files) = (Host::at(proc)?, Files::at(proc, keep)?);
        Ok(Self { host, files, rows: None, without: None })
    }

    /// By `rows`, and by files while those fail.
    #[cfg(any(feature = "bpf", test))]
    pub(super) fn prefer(mut self, rows: Box<dyn Rows>) -> Self {
        self.rows = Some(Preferred { rows, failed: None, pause: 0 });
        self
    }

    /// Says why nothing better than files is here.
    pub(super) fn without(mut self, reason: String) -> Self {
        self.without = Some(reason);
        self
    }

    pub(super) fn keep_open(mut self, proc: &Path, keep: usize) -> Result<Self, SignalError> {
        self.files = Files::at(proc, keep)?;
        Ok(self)
    }

    /// What the next census is taken by.
    pub(super) fn source(&self) -> CensusSource {
        match &self.rows {
            Some(preferred) if preferred.failed.is_none() => preferred.rows.source(),
            _ => self.files.source(),
        }
    }

    /// How many files are open, and how many may be.
    pub(super) const fn kept(&self) -> (usize, usize) {
        self.files.kept()
    }

    /// Why files stand in for the source that is preferred.
    pub(super) fn failed(&self) -> Option<&str> {
        self.rows.as_ref()?.failed.as_deref()
    }

    pub(super) fn describe(&self) -> String {
        if let Some(preferred) = &self.rows
            && preferred.failed.is_none()
        {
            return preferred.rows.describe().to_owned();
        }
        let (_, keep) = self.files.kept();
        let reason = self.failed().or(self.without.as_deref());
        let reason = reason.map_or_else(String::new, |reason| format!("; no BPF: {reason}"));
        match keep {
            0 => format!("stat of each process, opened each time{reason}"),
            keep => format!("stat of each process, at most {keep} files kept open{reason}"),
        }
    }

    /// Fills `rows`: sorted by id, each id once. Says what they were read by.
    pub(super) fn read(
        &mut self,
        rows: &mut Vec<CensusRow>,
    ) -> Result<(CensusSource, Looked), SignalError> {
        if let Some(preferred) = &mut self.rows
            && preferred.is_due()
        {
            rows.clear();
            let read = preferred.rows.read(rows);
            if preferred.succeeded(read) {
                self.files.forget();
                rows.sort_unstable_by_key(|row| row.id);
                rows.dedup_by_key(|row| row.id);
                let left_out = rows.len().saturating_sub(MAX_PROCESSES) as u64;
                rows.truncate(MAX_PROCESSES);
                let busy = self.host.read()?.busy;
                let looked = Looked { busy, left_out, ..Looked::default() };
                return Ok((preferred.rows.source(), looked));
            }
        }
        rows.clear();
        let looked = self.files.read(&mut self.host, rows)?;
        Ok((self.files.source(), looked))
    }
}

impl Preferred {
    /// True unless it failed lately.
    fn is_due(&mut self) -> bool {
        self.pause = self.pause.saturating_sub(1);
        self.pause == 0
    }

    fn succeeded(&mut self, read: Result<(), SignalError>) -> bool {
        self.failed = read.err().map(|error| said(&error));
        self.pause = if self.failed.is_some() { PAUSE } else { 0 };
        self.failed.is_none()
    }
}

/// An error and its cause.
pub(super) fn said(error: &SignalError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(feature = "bpf")]
pub(super) mod bpf {
    //! The kernel's own list.

    use gadget_core::{CensusRow, CensusSource, Comm, SignalError};

    use super::Rows;
    use crate::bpf::{ProcessRecord, ProcessScan, ScanBy};
    use crate::cgroup::CgroupLayout;

    /// A scan; `io` if this kernel counts what reached storage.
    struct Scan {
        scan: ProcessScan,
        io: bool,
    }

    /// A scan of this host, in the cheapest way that there is or in that which is asked for.
    pub(crate) fn scan(
        layout: Option<&CgroupLayout>,
        by: Option<ScanBy>,
    ) -> Result<Box<dyn Rows>, SignalError> {
        let scan = match by {
            Some(by) => ProcessScan::by(layout, by),
            None => ProcessScan::host(layout),
        };
        let io = rustix::fs::access("/proc/self/io", rustix::fs::Access::EXISTS).is_ok();
        Ok(Box::new(Scan { scan: scan?, io }))
    }

    impl Rows for Scan {
        fn source(&self) -> CensusSource {
            match self.scan.way() {
                ScanBy::Walk => CensusSource::BpfWalk,
                ScanBy::Iterator => CensusSource::BpfIterator,
            }
        }

        fn describe(&self) -> &'static str {
            self.scan.describe()
        }

        fn read(&mut self, rows: &mut Vec<CensusRow>) -> Result<(), SignalError> {
            let io = self.io;
            rows.extend(self.scan.scan()?.iter().map(|record| row(record, io)));
            Ok(())
        }
    }

    fn row(record: &ProcessRecord, io: bool) -> CensusRow {
        CensusRow {
            id: record.id,
            parent: record.parent,
            uid: record.uid,
            comm: Comm::new(record.comm()),
            state: record.state,
            kernel_thread: record.kernel_thread,
            threads: record.threads,
            execs: Some(record.execs),
            cgroup: Some(record.cgroup).filter(|cgroup| cgroup.0 != 0),
            user: record.user,
            system: record.system,
            minor_faults: record.minor_faults,
            major_faults: record.major_faults,
            voluntary_switches: Some(record.voluntary_switches),
            involuntary_switches: Some(record.involuntary_switches),
            rss: record.rss(),
            virtual_size: record.virtual_size,
            swap: Some(record.swap),
            io: io.then_some(record.io),
        }
    }
}
