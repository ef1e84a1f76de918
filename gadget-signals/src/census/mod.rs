//! Every process at one look.

mod detail;
mod files;
mod host;
mod pace;
mod source;
mod status;
#[cfg(test)]
mod tests;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Census, CensusRow, CensusSource, Percent, ProcessId, Reading, Scope, SignalError,
    SignalProvider, Signals, Subject, TelemetryCell, Timestamp, thread_cpu,
};
use rustix::time::{ClockId, clock_gettime};

use crate::cgroup::CgroupLayout;
use crate::file::Trouble;
use crate::process::ProcessFiles;
use crate::text::below;
use detail::Details;
use files::most_kept;
use pace::Pace;
use source::Source;
use users::UserNames;

pub use status::{CensusState, CensusStatus};
pub use users::parse_users;

/// The most processes that are read; what comes beyond is counted in [`CensusState::left_out`].
const MAX_PROCESSES: usize = 100_000;
/// So many censuses are kept to be filled again: one here, one on its way, and one with the gadget that compares.
const RECYCLED: usize = 3;
/// CPU time that censuses may use, of one core.
const BUDGET: f64 = 0.01;
/// Where the files of this host are.
const HOST: &str = "/proc";
const PASSWD: &str = "/etc/passwd";

/// Takes censuses: the cheap numbers of all processes, and the costly ones of those that were asked for by name.
///
/// - Gives [`Reading::Census`] of [`Subject::Host`], as often as the [`TelemetryCell`] says; a [`Reading::ProcessDetail`] of each
///   process that a gadget watches, or [`Reading::Gone`]; and [`Reading::Users`] at the beginning and within a minute after
///   they have changed. To be asked each second: between two censuses it gives nothing and costs nothing.
/// - Source, the first that this host offers: a BPF program that walks the kernel's list of processes (feature `bpf`);
///   `/proc/PID/stat` through files that are kept open; the same, opened each time. [`Census::source`] says which. While a program
///   fails files are read instead, and it is tried again after 30 censuses.
/// - By files a process is open once it was read; `/proc` is only listed when the count of forks in `/proc/stat` has moved. The user of a
///   process is looked at in its first censuses, when its name changes, and in one of 32.
/// - Pace: where two censuses in a row cost more than 1 % of a core, they come half as often, at most 8 times as seldom; and more
///   often again when five in a row were well below that. [`status`](Self::status) tells.
/// - Once warm a census allocates nothing, if those before it are let go.
/// - Bound: 100,000 processes, about 25 MB a census; half of the files that this process may open, at most 8,192, each of
///   which holds 4 KiB of the kernel's memory.
///
/// ```
/// use gadget_core::{Reading, Scope, SignalProvider, Signals, Timestamp};
/// use gadget_signals::CensusProvider;
///
/// let now = Timestamp::from_secs(1); // an agent's clock tells it
/// let mut signals = Signals::at(now);
/// let mut census = CensusProvider::host()?;
/// println!("{}", census.describe());
/// census.sample(now, Scope::Everything, &mut signals)?;
/// for signal in &signals {
///     if let Reading::Census(census) = &signal.reading {
///         println!("{} processes by {}", census.rows.len(), census.source.name());
///     }
/// }
/// # Ok::<(), gadget_core::SignalError>(())
/// ```
pub struct CensusProvider {
    proc: PathBuf,
    source: Source,
    details: Details,
    users: Option<UserNames>,
    telemetry: TelemetryCell,
    pace: Pace,
    /// The newest one last.
    held: Vec<Arc<Census>>,
    last: Option<Duration>,
    /// What single processes did not let us read in the last census.
    trouble: Option<SignalError>,
    status: CensusStatus,
}

impl CensusProvider {
    /// Of this host, in the cheapest way that it offers.
    ///
    /// # Errors
    /// Without `/proc`.
    pub fn host() -> Result<Self, SignalError> {
        let (this, layout) = Self::here(most_kept())?;
        #[cfg(feature = "bpf")]
        let this = match source::bpf::scan(layout.as_ref(), None) {
            Ok(scan) => this.with_source(|source| source.prefer(scan)),
            Err(error) => this.with_source(|source| source.without(source::said(&error))),
        };
        #[cfg(not(feature = "bpf"))]
        let this = this.with_source(|source| source.without("not built in".to_owned()));
        Ok(this.cgroups(layout))
    }

    /// Of this host, in the way that is asked for.
    ///
    /// # Errors
    /// What that way needs and is missing here.
    pub fn by(source: CensusSource) -> Result<Self, SignalError> {
        let keep = if source == CensusSource::Files { 0 } else { most_kept() };
        let (this, layout) = Self::here(keep)?;
        let this = match source {
            CensusSource::KeptFiles | CensusSource::Files => this,
            #[cfg(feature = "bpf")]
            CensusSource::BpfWalk | CensusSource::BpfIterator => {
                use crate::bpf::ScanBy;
                let walk = source == CensusSource::BpfWalk;
                let by = if walk { ScanBy::Walk } else { ScanBy::Iterator };
                let scan = source::bpf::scan(layout.as_ref(), Some(by))?;
                this.with_source(|source| source.prefer(scan))
            }
            #[cfg(not(feature = "bpf"))]
            CensusSource::BpfWalk | CensusSource::BpfIterator => {
                let path = HOST.into();
                return Err(SignalError::Unsupported { path, needs: "the feature `bpf`" });
            }
        };
        Ok(this.cgroups(layout))
    }

    /// Of a host whose `/proc` is at `proc`, by files; without cgroups and the names of users.
    ///
    /// # Errors
    /// If there is no such folder, or no `stat` in it.
    pub fn at_root(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        Self::of_files(proc.as_ref(), most_kept())
    }

    fn here(keep: usize) -> Result<(Self, Option<CgroupLayout>), SignalError> {
        let this = Self::of_files(HOST.as_ref(), keep)?.users(PASSWD);
        Ok((this, CgroupLayout::detect().ok()))
    }

    fn of_files(proc: &Path, keep: usize) -> Result<Self, SignalError> {
        let source = Source::files(proc, keep)?;
        Ok(Self {
            proc: proc.to_owned(),
            status: CensusStatus::new(source.source()),
            source,
            details: Details::at(proc)?,
            users: None,
            telemetry: TelemetryCell::default(),
            pace: Pace::new(BUDGET),
            held: Vec::with_capacity(RECYCLED),
            last: None,
            trouble: None,
        })
    }

    fn with_source(mut self, change: impl FnOnce(Source) -> Source) -> Self {
        self.source = change(self.source);
        self.status.change(|state| state.source = self.source.source());
        self
    }

    fn cgroups(mut self, layout: Option<CgroupLayout>) -> Self {
        self.details.layout = layout;
        self
    }

    /// Takes the interval from what is in force there. Default every 2 s.
    #[must_use]
    pub fn telemetry(mut self, cell: TelemetryCell) -> Self {
        self.telemetry = cell;
        self
    }

    /// Reads these files too of the processes that are asked for: with [`ProcessFiles::SMAPS`] the proportional set size. What they
    /// read and write is read in any case.
    #[must_use]
    pub fn with(mut self, files: ProcessFiles) -> Self {
        self.details.files = files;
        self
    }

    /// CPU time that censuses may use, of one core. Default 1 %; hosts of many thousand processes without BPF want more, or
    /// fewer censuses.
    #[must_use]
    pub fn budget(mut self, share: Percent) -> Self {
        self.pace = Pace::new(share.get() / 100.0);
        self
    }

    /// The most files that are kept open, one for each process; none if 0. Default half of the soft limit on open files, at most
    /// 8,192.
    ///
    /// # Errors
    /// As [`at_root`](Self::at_root).
    pub fn keep_open(mut self, files: usize) -> Result<Self, SignalError> {
        self.source = self.source.keep_open(&self.proc, files)?;
        self.status.change(|state| state.source = self.source.source());
        Ok(self)
    }

    /// The file with the names of users. Default `/etc/passwd`, for this host.
    #[must_use]
    pub fn users(mut self, passwd: impl Into<PathBuf>) -> Self {
        self.users = Some(UserNames::at(passwd.into()));
        self
    }

    /// One line for a person: how processes are read, and why not better.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} of {}", self.source.describe(), self.proc.display())
    }

    /// How censuses are taken, to be read while an agent has this provider.
    #[must_use]
    pub fn status(&self) -> CensusStatus {
        self.status.clone()
    }

    /// Takes a census now, whatever the interval.
    ///
    /// # Errors
    /// If `/proc` cannot be read. A process that cannot be read has no row, and is told by the next [`sample`](Self::sample).
    pub fn take(&mut self) -> Result<Arc<Census>, SignalError> {
        let (spent, now) = (thread_cpu(), since_boot());
        let mut census = self.spare();
        let failed = self.source.failed().is_some();
        {
            // Ours alone, as `spare` has seen.
            let census = Arc::make_mut(&mut census);
            let (source, looked) = self.source.read(&mut census.rows)?;
            census.source = source;
            census.over = self.last.map(|last| now.saturating_sub(last));
            census.busy = looked.busy;
            census.vanished = looked.vanished;
            census.cost = thread_cpu().saturating_sub(spent);
            self.trouble = looked.trouble;
            self.status.change(|state| state.left_out = looked.left_out);
        }
        self.last = Some(now);
        self.details.forget_missing(&census);
        self.keep_up(&census, failed);
        self.held.push(census.clone());
        Ok(census)
    }

    /// A census that nobody else has any more, or a new one.
    fn spare(&mut self) -> Arc<Census> {
        if let Some(at) = self.held.iter_mut().position(|held| Arc::get_mut(held).is_some()) {
            return self.held.remove(at);
        }
        if self.held.len() == RECYCLED {
            self.held.remove(0);
        }
        Arc::new(Census {
            source: self.source.source(),
            over: None,
            cost: Duration::ZERO,
            busy: Duration::ZERO,
            vanished: 0,
            rows: Vec::new(),
        })
    }

    /// Keeps the pace and the status up with what a census was like.
    fn keep_up(&mut self, census: &Census, failed: bool) {
        let every = self.telemetry.get().every;
        let changed = self.pace.cost(census.cost, every);
        let (kept_files, _) = self.source.kept();
        let (details, details_not_kept) = self.details.kept();
        self.status.change(|state| {
            state.taken += 1;
            state.source = census.source;
            state.pace = self.pace.factor();
            state.pace_changes += u64::from(changed.is_some());
            (state.kept_files, state.details) = (kept_files, details);
            state.details_not_kept = details_not_kept;
        });
        if let Some(changed) = changed {
            self.status.note(format!(
                "a census each {:?} instead of {:?}: one took {:?} of CPU, {:.2} % of a core, where {:.2} % are allowed",
                every.saturating_mul(changed.to),
                every.saturating_mul(changed.from),
                census.cost,
                changed.share * 100.0,
                self.pace.budget() * 100.0,
            ));
        }
        match self.source.failed() {
            Some(error) if !failed => self.status.note(format!("files are read for now: {error}")),
            None if failed => self.status.note(format!("by {} again", census.source.name())),
            _ => {}
        }
    }

    /// Reads what is costly of one process.
    fn detail(&mut self, id: ProcessId, out: &mut Signals) -> Result<(), SignalError> {
        let row = self.held.last().and_then(|census| row_of(census, id));
        let subject = Subject::Process(id);
        match self.details.read(id, row, since_boot()) {
            Ok(detail) => out.push(subject, Reading::ProcessDetail(Box::new(detail))),
            Err(Trouble::Gone) => {
                self.details.forget(id);
                out.push(subject, Reading::Gone);
            }
            Err(Trouble::Signal(error)) => {
                return Err(below(&self.proc.join(id.pid.to_string()), error));
            }
        }
        Ok(())
    }

    fn sweep(&mut self, out: &mut Signals) -> Result<(), SignalError> {
        let now = since_boot();
        if let Some(users) = self.users.as_mut().and_then(|users| users.changed(now)) {
            out.push(Subject::Host, Reading::Users(Arc::new(users)));
        }
        let since = self.last.map(|last| now.saturating_sub(last));
        if self.pace.is_due(since, self.telemetry.get().every) {
            let census = self.take()?;
            out.push(Subject::Host, Reading::Census(census));
        }
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        // Said in every sample, so that it does not seem to be over.
        match self.source.failed() {
            Some(error) => Err(SignalError::Program {
                attempt: "run",
                provider: "census",
                source: std::io::Error::other(error.to_owned()),
            }),
            None => Ok(()),
        }
    }
}

impl SignalProvider for CensusProvider {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        let Scope::Only(subjects) = scope else { return self.sweep(out) };
        let mut first = Ok(());
        for &subject in subjects {
            if let Subject::Process(id) = subject {
                first = first.and(self.detail(id, out));
            }
        }
        first
    }

    fn name(&self) -> &'static str {
        "census"
    }
}

/// Time since boot by a clock that goes on while the host sleeps.
fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// What a census says of a process.
fn row_of(census: &Census, id: ProcessId) -> Option<&CensusRow> {
    let at = census.rows.binary_search_by_key(&id, |row| row.id).ok()?;
    census.rows.get(at)
}
