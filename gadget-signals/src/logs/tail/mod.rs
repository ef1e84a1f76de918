//! Log files, followed through every kind of rotation.

#[cfg(test)]
mod bounds;
mod folder;
mod generation;
#[cfg(test)]
mod model;
mod pattern;
pub(super) mod position;
mod scan;
mod series;
mod settings;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gadget_core::{
    Clock as _, LogBatch, LogFlags, LogInput, LogMeta, LogRead, SignalError, SystemClock,
};

use self::generation::{Delivered, Out};
use self::series::{Change, Series, Turn};
pub use self::settings::{Start, TailBuilder};
use self::watch::{Event, Watch};
use super::checkpoint::{Checkpoint, Places, Resumed, Store};

/// How often files are asked for more that their paths do not lead to any more: no watch tells of them.
const RETIRED_POLL: Duration = Duration::from_millis(100);
/// No more files that cannot be read are named.
const UNREADABLE: usize = 64;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TailStats {
    /// Paths that are followed now.
    pub paths: usize,
    /// Files that are open now.
    pub open: usize,
    /// Lines that were delivered.
    pub lines: u64,
    /// Bytes that were read for good, line breaks included.
    pub bytes: u64,
    /// Lines that were longer than lines may be.
    pub cut: u64,
    /// Lines whose end never came.
    pub partial: u64,
    /// NULs at the start of truncated files whose writers went on where they were.
    pub nuls: u64,
    /// Paths that led to another file.
    pub rotated: u64,
    /// Files that held something else than before.
    pub truncated: u64,
    /// Files that came and went between two looks, and were found beside their successors.
    pub missed: u64,
    /// Files of which something was known to be unread when they were gone for good.
    pub lost: u64,
    /// Scans of everything.
    pub scans: u64,
    /// Paths that could not be read at the last scan.
    pub unreadable: usize,
    /// Whether a watch tells what changes; otherwise files are asked at intervals.
    pub watched: bool,
}

/// Follows log files.
///
/// - Shape: whole lines, without their line breaks, in the order they stand in each file, and of one path's files in the order in
///   which they were written; files take turns by blocks of 64 KiB.
/// - Rotation by renaming, by copying and truncating, truncation, inodes that are given again, links that are switched: a file is
///   told by device, inode, its first 256 bytes and the 64 before the place that was read. A renamed file is read to its end, and
///   for [`grace`](TailBuilder::grace) beyond; of a truncated one the unread rest comes from its copy beside it; files that came and
///   went unseen, as while nobody read, are found beside their successors. Rotated files are looked for in their log's folder, by
///   the usual names, unpacked; what is nowhere to be found is lost, and counted as far as it was known.
/// - Absent: a path that leads nowhere yet is waited for, one that cannot be read is told by [`unreadable`](Tail::unreadable).
/// - Source: inotify(7) on folders; without, and beside it, `stat`.
/// - Bounds: one block, or one line, of memory for all files together; descriptors by [`descriptors`](TailBuilder::descriptors).
///
/// With a [`checkpoint`](TailBuilder::checkpoint) a line comes exactly once, whenever the process is killed, if its caller writes
/// lines out, commits with the length of its output as the mark, and after a start cuts its output to [`resume`](Tail::resume).
///
/// Contents that cannot be told apart are taken for the same: a truncated file that grew at once beyond the place that was read, with
/// the same 64 bytes before that.
///
/// ```no_run
/// use std::time::Duration;
///
/// use gadget_core::{LogBatch, LogInput};
/// use gadget_signals::logs::Tail;
///
/// let mut tail = Tail::builder()
///     .files("/var/log/*.log")
///     .service("/var/log/nginx-*.log", "nginx")
///     .checkpoint("/var/lib/agent/logs.checkpoint")
///     .build()?;
/// let mut batch = LogBatch::default();
/// loop {
///     batch.clear();
///     tail.read(&mut batch, Duration::from_secs(1))?;
///     for (_, line) in batch.iter() {
///         println!("{}", String::from_utf8_lossy(line));
///     }
///     tail.commit(0)?;
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), gadget_core::SignalError>(())
/// ```
#[derive(Debug)]
pub struct Tail {
    settings: TailBuilder,
    series: Vec<Option<Series>>,
    free: Vec<usize>,
    /// By path.
    names: HashMap<PathBuf, usize>,
    /// By where the path leads, if it is a link.
    links: HashMap<PathBuf, usize>,
    ready: VecDeque<usize>,
    /// In the order they were opened, for those to be found that were idle for longest.
    opened: VecDeque<usize>,
    most_open: usize,
    open: usize,
    watch: Watch,
    watched: bool,
    /// When everything is looked through next, at the latest.
    scan_due: Instant,
    /// A scan is wanted sooner, but not before this.
    scan_wanted: bool,
    scan_not_before: Instant,
    scans: u64,
    /// When the last scan began, in nanoseconds since the Unix epoch.
    scanned_at: Option<i64>,
    retired_due: Option<Instant>,
    store: Option<Store>,
    resumed: Resumed,
    /// Paths that are forgotten, for the next commit to say.
    forgotten: Vec<PathBuf>,
    unreadable: BTreeMap<PathBuf, String>,
    buffer: Vec<u8>,
    count: Delivered,
    change: Change,
    /// Of `change.lost`, what batches have said.
    said: u64,
    clock: SystemClock,
}

impl Tail {
    /// To say what is followed.
    #[must_use]
    pub fn builder() -> TailBuilder {
        TailBuilder::default()
    }

    fn start(settings: TailBuilder) -> Result<Self, SignalError> {
        let mut store = None;
        let mut checkpoint = Checkpoint::default();
        let mut resumed = Resumed::Unkept;
        if let Some(path) = settings.checkpoint.clone() {
            let opened = Store::open(path.clone(), settings.sync);
            let opened = opened.map_err(|source| SignalError::Read { path, source })?;
            store = Some(opened.0);
            (checkpoint, resumed) = (opened.1, opened.2);
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let half = (limit.unwrap_or(u64::MAX) / 2).clamp(16, 8192) as usize;
        let now = Instant::now();
        let mut tail = Self {
            most_open: settings.descriptors.unwrap_or(half),
            watch: if settings.watch { Watch::new() } else { Watch::default() },
            settings,
            series: Vec::new(),
            free: Vec::new(),
            names: HashMap::new(),
            links: HashMap::new(),
            ready: VecDeque::new(),
            opened: VecDeque::new(),
            open: 0,
            watched: false,
            scan_due: now,
            scan_wanted: true,
            scan_not_before: now,
            scans: 0,
            scanned_at: None,
            retired_due: None,
            store,
            resumed,
            forgotten: Vec::new(),
            unreadable: BTreeMap::new(),
            buffer: Vec::new(),
            count: Delivered::default(),
            change: Change::default(),
            said: 0,
            clock: SystemClock::default(),
        };
        tail.adopt(&checkpoint);
        tail.scan();
        tail.remember(checkpoint.mark)?;
        Ok(tail)
    }

    /// What was found where the checkpoint is kept.
    #[must_use]
    pub const fn resumed(&self) -> &Resumed {
        &self.resumed
    }

    /// The mark of the last commit before this start: lines beyond it will come again.
    #[must_use]
    pub const fn resume(&self) -> Option<u64> {
        match self.resumed {
            Resumed::From { mark, .. } => mark,
            _ => None,
        }
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> TailStats {
        let Delivered { lines, bytes, cut, partial, nuls } = self.count;
        let Change { rotated, truncated, missed, lost } = self.change;
        TailStats {
            paths: self.series.iter().flatten().count(),
            open: self.open,
            lines,
            bytes,
            cut,
            partial,
            nuls,
            rotated,
            truncated,
            missed,
            lost,
            scans: self.scans,
            unreadable: self.unreadable.len(),
            watched: self.watched,
        }
    }

    /// Paths that could not be read, and why, as of the last look; 64 at most.
    pub fn unreadable(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.unreadable.iter().map(|(path, why)| (path.as_path(), why.as_str()))
    }

    fn cannot_read(&mut self, path: &Path, why: &std::io::Error) {
        if self.unreadable.len() < UNREADABLE {
            self.unreadable.insert(path.to_path_buf(), why.to_string());
        }
    }

    fn queue(&mut self, id: usize) {
        if let Some(series) = self.series.get_mut(id).and_then(Option::as_mut)
            && !series.queued
        {
            series.queued = true;
            self.ready.push_back(id);
        }
    }

    fn hear(&mut self) {
        let mut watch = std::mem::take(&mut self.watch);
        watch.events(|event| match event {
            Event::Written(path) => {
                let ids = [self.names.get(path).copied(), self.links.get(path).copied()];
                ids.into_iter().flatten().for_each(|id| self.queue(id));
            }
            Event::Name(path) => {
                if !self.scan_wanted && self.concerns(path) {
                    self.scan_wanted = true;
                }
            }
            Event::Anything => self.scan_wanted = true,
        });
        self.watch = watch;
    }

    /// True if what this name leads to may be, or lead to, what is followed.
    fn concerns(&self, path: &Path) -> bool {
        self.names.contains_key(path)
            || self.links.contains_key(path)
            || self.settings.patterns.iter().any(|it| it.matches(path) || it.leads_through(path))
    }

    /// Looks through everything if it is time, and has those looked at that no watch tells of.
    fn keep_up(&mut self, now: Instant) {
        self.hear();
        if now >= self.scan_due || self.scan_wanted && now >= self.scan_not_before {
            self.scan();
        }
        if self.retired_due.is_some_and(|due| now >= due) {
            self.retired_due = None;
            for id in 0..self.series.len() {
                if self.series[id].as_ref().is_some_and(Series::has_retired) {
                    self.retired_due = Some(now + RETIRED_POLL);
                    self.queue(id);
                }
            }
        }
    }

    /// When something is to be done though nothing is told.
    fn due(&self) -> Instant {
        let scan = if self.scan_wanted { self.scan_not_before } else { self.scan_due };
        self.retired_due.map_or(scan, |retired| retired.min(scan))
    }

    /// Gives one series its turn.
    fn turn(&mut self, id: usize, batch: &mut LogBatch, now: Instant) {
        self.ensure_open(id);
        let Some(series) = self.series.get_mut(id).and_then(Option::as_mut) else { return };
        series.queued = false;
        let meta = LogMeta {
            source: series.source,
            at: self.clock.now(),
            written: None,
            severity: None,
            flags: LogFlags::default(),
        };
        let longest = self.settings.longest;
        let mut out = Out { batch, meta, longest, count: &mut self.count };
        let before = series.open();
        let turn = series.turn(&mut self.buffer, &mut out, self.settings.grace, now);
        let finished = before - series.open();
        self.open -= finished;
        match turn {
            Ok(Turn::Idle) => {}
            Ok(Turn::More) => self.queue(id),
            Ok(Turn::Suspect) => {
                series.suspect = true;
                self.scan_wanted = true;
            }
            Err(error) => {
                // Whatever is the matter with it, opening it again will tell.
                let path = series.path.clone();
                self.close(id);
                self.cannot_read(&path, &error);
                if finished > 0 {
                    self.queue(id);
                }
            }
        }
    }

    fn remember(&mut self, mark: Option<u64>) -> Result<(), SignalError> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let places = |series: &Series| Places {
            gone_since: series.gone_since.unwrap_or(0),
            files: series.known.iter().copied().chain(series.live.iter().map(|it| it.at)).collect(),
        };
        let kept = if store.wants_all() {
            let series = self.series.iter().flatten();
            let paths = series.map(|it| (it.path.clone(), places(it))).collect();
            store.replace(&Checkpoint { mark, paths })
        } else {
            let series = self.series.iter().flatten().filter(|it| it.dirty);
            let changed: Vec<_> = series.map(|it| (it.path.as_path(), places(it))).collect();
            let none = Places::FORGOTTEN;
            let gone = self.forgotten.iter().map(|path| (path.as_path(), &none));
            store.add(mark, gone.chain(changed.iter().map(|(path, it)| (*path, it))))
        };
        kept.map_err(|source| SignalError::Write { path: store.path().into(), source })?;
        self.series.iter_mut().flatten().for_each(|it| it.dirty = false);
        self.forgotten.clear();
        Ok(())
    }
}

impl LogInput for Tail {
    fn read(&mut self, batch: &mut LogBatch, timeout: Duration) -> Result<LogRead, SignalError> {
        let (before, until) = (batch.len(), Instant::now() + timeout);
        loop {
            let now = Instant::now();
            self.keep_up(now);
            while !batch.is_full()
                && let Some(id) = self.ready.pop_front()
            {
                self.turn(id, batch, now);
            }
            batch.lost += self.change.lost - self.said;
            self.said = self.change.lost;
            if batch.len() > before {
                return Ok(LogRead::Lines);
            }
            let now = Instant::now();
            if now >= until || batch.is_full() {
                return Ok(LogRead::Nothing);
            }
            self.watch.wait(self.due().min(until).saturating_duration_since(now));
        }
    }

    /// [`SignalError::Write`] if the place cannot be kept.
    fn commit(&mut self, mark: u64) -> Result<(), SignalError> {
        self.remember(Some(mark))
    }
}
