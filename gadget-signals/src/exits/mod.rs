//! Every end of a process, from one of three sources.

mod born;
mod scan;
mod taskstats;

use std::time::{Duration, Instant};

use gadget_core::{
    Breaker, BreakerState, CensusSource, Comm, End, ExitSource, Exits, ProcessId, Reading, Scope,
    SignalError, SignalProvider, Signals, Subject, Timestamp,
};

#[cfg(feature = "bpf")]
use crate::bpf::{LifecycleWatch, ProcessChange};
use crate::process::{ConnectorChange, ProcConnector};
use crate::{CensusProvider, CgroupLayout};
use born::Born;
use scan::ScanDiff;
use taskstats::Taskstats;

pub use taskstats::{Used, parse_taskstats};

const NAME: &str = "exits";

/// Ends that one reading holds; of more the rest is lost, and counted.
const MOST_ENDS: usize = 65_536;
/// So often a source is read while much happens...
const FAST: Duration = Duration::from_millis(50);
/// ...and so often while little does.
const SLOW: Duration = Duration::from_secs(1);
/// So many events in one look are much.
const MUCH: usize = 100;
/// So often it tells what has come: as often as processes are scanned by default.
const TELL: Duration = Duration::from_secs(2);

/// Notes that wait to be asked for, beside those of the change that comes.
const MOST_NOTES: usize = 32;

/// A source that loses more of its events than this...
const TOO_MUCH: f64 = 0.001;
/// ...in so many readings one after the other is left for the next one.
const READINGS: u32 = 3;
/// So long it is left at first, and at most.
const LEFT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// Tells of every process that ended: when, how, after how long, and what it used.
///
/// - Gives: a [`Reading::Exits`] of [`Subject::Host`] each time it is asked.
/// - Source: BPF programs on `sched_process_fork`, `_exec` and `_exit`, which tell everything; the proc connector
///   (Documentation/driver-api/connector.rst) with taskstats (Documentation/accounting/taskstats.rst) for CPU time and memory,
///   which may be dropped under load and where a process ends with its first thread; two looks at `/proc` compared, which do not see what lived in between, but count it.
/// - The cheapest that this host offers is taken. One that loses more than 0.1 % of its events in three readings is left for the
///   next one, and tried again after a minute, then after longer: [`take_notes`](Self::take_notes) says so.
/// - Bound: 65,536 ends in a reading; what is beyond is counted as lost.
pub struct ExitsProvider {
    source: Source,
    layout: Option<CgroupLayout>,
    /// Of each source, whether it may be used.
    breakers: [Breaker; 3],
    losing: u32,
    born: Born,
    exits: Exits,
    notes: Vec<String>,
    told: Instant,
    pace: Duration,
}

#[allow(clippy::large_enum_variant, reason = "there is one of it, in one place")]
enum Source {
    #[cfg(feature = "bpf")]
    Bpf {
        watch: Box<LifecycleWatch>,
        lost: u64,
    },
    Netlink {
        connector: ProcConnector,
        taskstats: Option<Taskstats>,
        forks: u64,
        seen: u64,
        tick: Duration,
    },
    Scan(Box<ScanDiff>),
}

impl ExitsProvider {
    /// Of this host, by the best source that it offers.
    ///
    /// # Errors
    /// Without `/proc`.
    pub fn host() -> Result<Self, SignalError> {
        let mut first = None;
        for source in SOURCES {
            match Self::by(source) {
                Ok(mut provider) => {
                    provider.notes.extend(first);
                    return Ok(provider);
                }
                Err(error) if source == ExitSource::Scan => return Err(error),
                Err(error) => {
                    first.get_or_insert(format!(
                        "ends of processes not by {}: {error}",
                        source.name()
                    ));
                }
            }
        }
        unreachable!("the last source is taken or its error returned")
    }

    /// Of this host, by this source.
    ///
    /// # Errors
    /// What the source needs and is missing here.
    pub fn by(source: ExitSource) -> Result<Self, SignalError> {
        let layout = CgroupLayout::detect().ok();
        let opened = Source::open(source, layout.as_ref())?;
        #[cfg(feature = "bpf")]
        crate::bpf::give_memory_back();
        Ok(Self {
            source: opened,
            layout,
            breakers: std::array::from_fn(|_| Breaker::new(1, LEFT.0, LEFT.1)),
            losing: 0,
            born: known(source)?,
            exits: none(source),
            notes: Vec::new(),
            told: Instant::now(),
            pace: FAST,
        })
    }

    /// One line for a person: what is read, and what that does not tell.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.source {
            #[cfg(feature = "bpf")]
            Source::Bpf { watch, .. } => watch.describe(),
            Source::Netlink { taskstats: Some(_), .. } => {
                "the proc connector and taskstats; what they drop under load is counted".to_owned()
            }
            Source::Netlink { .. } => {
                "the proc connector; without taskstats no CPU time and memory".to_owned()
            }
            Source::Scan(_) => {
                "two looks at /proc; what lived in between is only counted".to_owned()
            }
        }
    }

    /// What has changed since the last call, in lines for a person.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// By what ends are learnt of now.
    #[must_use]
    pub const fn source(&self) -> ExitSource {
        self.exits.source
    }

    /// Takes in what has come; how many events that were.
    fn collect(&mut self) -> Result<usize, SignalError> {
        let Self { source, born, exits, .. } = self;
        match source {
            #[cfg(feature = "bpf")]
            Source::Bpf { watch, lost } => {
                let taken = watch.drain(|event| {
                    exits.produced += 1;
                    match event.change {
                        ProcessChange::Forked => {
                            exits.forks += 1;
                            born.forked(event.process, event.parent, Comm::new(event.comm()));
                        }
                        ProcessChange::Executed => {
                            exits.execs += 1;
                            born.executed(event.process.pid, Some(Comm::new(event.comm())));
                        }
                        ProcessChange::Exited(exit) => {
                            // Another one had this id, if its end and this one's beginning were lost.
                            let known = born.ended(event.process.pid);
                            let known = known.filter(|it| it.id == event.process);
                            push(
                                exits,
                                End {
                                    id: event.process,
                                    parent: known.map_or(event.parent, |it| it.parent),
                                    parent_comm: known
                                        .and_then(|it| it.parent_comm)
                                        .or_else(|| born.name(event.parent)),
                                    comm: Comm::new(event.comm()),
                                    cgroup: Some(event.cgroup),
                                    exit,
                                    user: Some(event.user),
                                    system: Some(event.system),
                                    execs: known.map_or(0, |it| it.execs),
                                    oom: event.oom,
                                },
                            );
                        }
                    }
                })?;
                let now = watch.lost();
                exits.lost += now - std::mem::replace(lost, now);
                Ok(taken)
            }
            Source::Netlink { connector, taskstats, seen, tick, .. } => {
                let (mut count, mut ended) = (0, Vec::new());
                connector.drain(|event| {
                    count += 1;
                    match event.change {
                        ConnectorChange::Forked => {
                            exits.forks += 1;
                            *seen += 1;
                            let start = (event.at.as_nanos() / tick.as_nanos().max(1)) as u64;
                            let parent = event.parent.unwrap_or(0);
                            let comm = born.name(parent).unwrap_or_default();
                            born.forked(ProcessId { pid: event.pid, start }, parent, comm);
                        }
                        ConnectorChange::Executed => {
                            exits.execs += 1;
                            let name = std::fs::read(format!("/proc/{}/comm", event.pid)).ok();
                            let name =
                                name.map(|it| Comm::new(it.strip_suffix(b"\n").unwrap_or(&it)));
                            born.executed(event.pid, name);
                        }
                        ConnectorChange::Exited { status } => {
                            ended.push((event.pid, event.at, status));
                        }
                    }
                })?;
                // Of a task that the connector says has ended, taskstats said so before.
                if let Some(taskstats) = taskstats {
                    taskstats.collect();
                }
                for (pid, at, status) in ended {
                    let used = taskstats.as_mut().and_then(|it| it.of(pid));
                    match born.end(pid, at, status, *tick, used) {
                        Some(end) => push(exits, end),
                        None => exits.lost += 1,
                    }
                }
                if let Some(taskstats) = taskstats {
                    taskstats.forget(|pid| born.name(pid).is_some());
                }
                exits.produced += count as u64;
                Ok(count)
            }
            Source::Scan(_) => Ok(0),
        }
    }

    /// What only the moment of a reading tells.
    fn complete(&mut self) -> Result<(), SignalError> {
        match &mut self.source {
            #[cfg(feature = "bpf")]
            Source::Bpf { .. } => {}
            Source::Netlink { connector, taskstats, forks, seen, .. } => {
                let dropped = taskstats.as_mut().map_or(0, Taskstats::take_overflows)
                    + connector.take_overflows();
                // How much it was the kernel does not say, but how many tasks were begun: a bound, as threads are in it.
                let now = scan::forks()?;
                let begun = now.saturating_sub(std::mem::replace(forks, now));
                let seen = std::mem::take(seen);
                if dropped > 0 {
                    self.exits.lost += begun.saturating_sub(seen).max(dropped);
                }
            }
            Source::Scan(scan) => scan.look(&mut self.exits, MOST_ENDS)?,
        }
        Ok(())
    }

    /// Leaves a source that loses too much, and comes back to a better one when it is due.
    fn choose(&mut self, now: Timestamp) {
        let current = index(self.exits.source);
        let all = self.exits.produced + self.exits.lost;
        let loses = all > 0 && self.exits.lost as f64 / all as f64 > TOO_MUCH;
        // What a scan does not see is no fault that another one would not have.
        self.losing = if loses && current + 1 < SOURCES.len() { self.losing + 1 } else { 0 };
        if self.losing >= READINGS {
            self.losing = 0;
            self.breakers[current].failed(now);
            let lost = format!("{} of {all} events lost", self.exits.lost);
            self.change(current + 1..SOURCES.len(), &lost);
        } else if let Some(better) = self.breakers[..current]
            .iter_mut()
            .position(|it| it.state() != BreakerState::Closed && it.admit(now))
        {
            if !self.change(better..better + 1, "tried again") {
                self.breakers[better].failed(now);
            }
        } else if !loses && self.breakers[current].state() != BreakerState::Closed {
            self.breakers[current].succeeded(now);
        }
    }

    /// To the first of these that can be opened; false if there is none.
    fn change(&mut self, to: std::ops::Range<usize>, why: &str) -> bool {
        // Whoever does not ask for them keeps the newest.
        self.notes.drain(..self.notes.len().saturating_sub(MOST_NOTES));
        for source in &SOURCES[to] {
            match Source::open(*source, self.layout.as_ref()) {
                Ok(opened) => {
                    let from = self.exits.source.name();
                    self.notes
                        .push(format!("ends of processes: {from} -> {}: {why}", source.name()));
                    self.source = opened;
                    self.born = known(*source).unwrap_or_default();
                    self.exits.source = *source;
                    return true;
                }
                Err(error) => {
                    self.notes.push(format!("ends of processes not by {}: {error}", source.name()))
                }
            }
        }
        false
    }
}

/// The best first.
const SOURCES: [ExitSource; 3] = [ExitSource::Bpf, ExitSource::Netlink, ExitSource::Scan];

fn index(source: ExitSource) -> usize {
    SOURCES.iter().position(|it| *it == source).unwrap_or(0)
}

/// Who lives already, where the source does not say it at the end.
fn known(source: ExitSource) -> Result<Born, SignalError> {
    match source {
        ExitSource::Bpf | ExitSource::Netlink => {
            Ok(Born::of(&*CensusProvider::by(CensusSource::Files)?.take()?))
        }
        ExitSource::Scan => Ok(Born::default()),
    }
}

const fn none(source: ExitSource) -> Exits {
    Exits { source, forks: 0, execs: 0, produced: 0, lost: 0, ends: Vec::new() }
}

fn push(exits: &mut Exits, end: End) {
    if exits.ends.len() < MOST_ENDS {
        exits.ends.push(end);
    } else {
        exits.lost += 1;
    }
}

impl Source {
    fn open(source: ExitSource, layout: Option<&CgroupLayout>) -> Result<Self, SignalError> {
        match source {
            #[cfg(feature = "bpf")]
            ExitSource::Bpf => {
                let watch = Box::new(LifecycleWatch::host(layout)?);
                let lost = watch.lost();
                Ok(Self::Bpf { watch, lost })
            }
            #[cfg(not(feature = "bpf"))]
            ExitSource::Bpf => {
                let _ = layout;
                let path = "/sys/kernel/btf/vmlinux".into();
                Err(SignalError::Unsupported { path, needs: "the feature `bpf`" })
            }
            ExitSource::Netlink => Ok(Self::Netlink {
                connector: ProcConnector::host()?,
                taskstats: Taskstats::host().ok(),
                forks: scan::forks()?,
                seen: 0,
                tick: scan::tick(),
            }),
            ExitSource::Scan => Ok(Self::Scan(Box::new(ScanDiff::host()?))),
        }
    }
}

impl SignalProvider for ExitsProvider {
    fn sample(
        &mut self,
        now: Timestamp,
        _: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        let taken = self.collect().and_then(|_| self.complete());
        self.told = Instant::now();
        let source = self.exits.source;
        self.choose(now);
        let next = none(self.exits.source);
        let exits = Exits { source, ..std::mem::replace(&mut self.exits, next) };
        out.push(Subject::Host, Reading::Exits(exits.into()));
        taken
    }

    /// Takes in what comes while it waits, so that nothing is lost; true when it is time to tell.
    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        let until = Instant::now() + timeout;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let due = TELL.saturating_sub(self.told.elapsed());
            std::thread::sleep(left.min(due).min(self.pace));
            match self.collect() {
                Ok(count) if count >= MUCH => self.pace = FAST,
                Ok(_) => self.pace = (self.pace * 2).min(SLOW),
                Err(error) => return Some(Err(error)),
            }
            if self.told.elapsed() >= TELL {
                return Some(Ok(true));
            }
            if left.is_zero() {
                return Some(Ok(false));
            }
        }
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

#[cfg(test)]
mod tests;
