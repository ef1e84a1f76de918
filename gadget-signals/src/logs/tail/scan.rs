//! Looking for everything: which paths there are, and what they lead to.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gadget_core::{Clock as _, SourceId};
use rustix::fd::AsFd as _;

use super::folder::{Folders, bases, looks_rotated};
use super::generation::{Generation, Stat, open};
use super::pattern::Found;
use super::position::{Content, Position, state};
use super::series::{Current, Series};
use super::{RETIRED_POLL, Start, Tail};
use crate::logs::checkpoint::Checkpoint;

/// Scans take a tenth of the time at most, and are this far apart.
const SCANS_APART: Duration = Duration::from_millis(10);
/// How much older than the clock says the time of a file may be: the kernel's ticks are coarse.
const TICK: i64 = 20_000_000;

/// Who follows an inode.
#[derive(Clone, Copy)]
struct Held {
    by: usize,
    finished: bool,
    /// Nothing keeps the inode from being given to another file.
    closed: Option<Position>,
}

impl Tail {
    /// Takes over what a checkpoint says.
    pub(super) fn adopt(&mut self, checkpoint: &Checkpoint) {
        for (path, places) in &checkpoint.paths {
            let source = self.source_of(path);
            let mut series = Series::new(path.clone(), source);
            for &at in &places.files {
                if at.has(state::FINISHED) {
                    series.known.push(at);
                } else {
                    series.live.push(Generation::resumed(at, None));
                }
            }
            series.gone_since = (places.gone_since > 0).then_some(places.gone_since);
            series.real = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            self.add(series);
        }
        let kept = self.store.as_ref().and_then(|it| Stat::of(it.path()).ok());
        self.scanned_at = kept.map(|it| it.written);
    }

    fn source_of(&self, path: &Path) -> SourceId {
        self.settings.sources.id(&self.settings.source_of(path))
    }

    fn add(&mut self, series: Series) -> usize {
        let id = self.free.pop().unwrap_or_else(|| {
            self.series.push(None);
            self.series.len() - 1
        });
        self.names.insert(series.path.clone(), id);
        if series.real != series.path {
            self.links.insert(series.real.clone(), id);
        }
        self.series[id] = Some(series);
        id
    }

    /// What the patterns mean, sorted, and the folders that decide it.
    fn find(&mut self) -> Vec<PathBuf> {
        let (mut paths, mut folders, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for pattern in &self.settings.patterns {
            let exact = pattern.is_path();
            pattern.walk(&mut |found| match found {
                Found::Folder(path) => folders.push(path.to_path_buf()),
                Found::File(path) if exact || !looks_rotated(path) => {
                    paths.push((path.to_path_buf(), exact));
                }
                Found::File(_) => {}
                Found::Unreadable(path, error) => unreadable.push((path.to_path_buf(), error)),
            });
        }
        for (path, error) in unreadable {
            self.cannot_read(&path, &error);
        }
        let mut watched = true;
        for folder in folders {
            watched &= self.watch.folder(&folder);
        }
        self.watched = watched;
        paths.retain(|(path, _)| !self.settings.excluded.iter().any(|it| it.matches(path)));
        paths.sort();
        // One that is meant exactly comes last of its equals, and stays.
        paths.reverse();
        paths.dedup_by(|(path, _), (kept, _)| path == kept);
        paths.reverse();
        // `syslog.1` beside `syslog`.
        let rotated = |path: &Path| {
            let name = path.file_name().unwrap_or_default().as_bytes();
            bases(name).any(|base| {
                let base = path.with_file_name(OsStr::from_bytes(base));
                paths.binary_search_by(|(path, _)| path.cmp(&base)).is_ok()
                    || self.names.contains_key(&base)
            })
        };
        let kept = paths.iter().filter(|(path, exact)| *exact || !rotated(path));
        kept.map(|(path, _)| path.clone()).collect()
    }

    /// Looks at every path. What is at one is opened before the folder of its rotated files is read, so that these are older.
    pub(super) fn scan(&mut self) {
        let began = Instant::now();
        let began_at = self.clock.now().as_nanos() as i64;
        self.scans += 1;
        self.unreadable.clear();
        let (mut changed, mut holders) = (Vec::new(), None);
        let scans = self.scans;
        for path in self.find() {
            let stat = match Stat::of(&path) {
                Ok(stat) if stat.is_file => stat,
                Ok(_) => {
                    self.cannot_read(&path, &io::Error::other("not a regular file"));
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    // Not readable is not gone.
                    self.cannot_read(&path, &error);
                    if let Some(series) = self.known_at(&path) {
                        series.scan = scans;
                    }
                    continue;
                }
            };
            if let Some(series) = self.known_at(&path) {
                series.scan = scans;
                series.dirty |= series.gone_since.take().is_some();
                let suspect = series.suspect;
                if !suspect
                    && !series.is_looking()
                    && let Some(it) = series.attached()
                    && stat.is(&it.at)
                    // What it held meanwhile may be in a copy.
                    && !(it.at.has(state::EMPTY) && stat.written != it.at.written)
                {
                    let grown = stat.size != it.seen() || stat.written != it.at.written;
                    it.at.written = stat.written;
                    if grown {
                        let id = self.names[&path];
                        self.queue(id);
                    }
                    continue;
                }
            }
            let current = match Current::open(&path) {
                Ok(current) => current,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.cannot_read(&path, &error);
                    continue;
                }
            };
            // What is followed as the file of another path belongs to that until it is finished.
            let held = holders.get_or_insert_with(|| self.holders());
            let own = self.names.get(&path).copied();
            let inode = (current.stat.dev, current.stat.ino);
            let mut inherits = None;
            match held.get(&inode) {
                Some(&Held { by, .. }) if Some(by) == own => {}
                Some(&Held { by, finished: true, .. }) => inherits = Some(by),
                Some(Held { closed, .. }) => {
                    let other = |at: &Position| {
                        !matches!(at.content(current.file.as_fd()), Ok(Content::Same))
                    };
                    if !closed.as_ref().is_some_and(other) {
                        continue;
                    }
                }
                None => {}
            }
            let by = own.unwrap_or(usize::MAX);
            held.insert(inode, Held { by, finished: false, closed: None });
            changed.push((path, Some(current), inherits));
        }
        let now = began_at / 1_000_000_000;
        for series in self.series.iter_mut().flatten().filter(|it| it.scan < scans) {
            if series.gone_since.is_none() {
                series.gone_since = Some(now as u64);
                series.dirty = true;
            }
            // Also those that were on their way out before a restart.
            if series.attached().is_some() || series.is_looking() {
                changed.push((series.path.clone(), None, None));
            }
        }
        self.scan_wanted = false;
        let mut folders = Folders::default();
        for (path, current, inherits) in changed {
            self.follow(path, current, inherits, &mut folders);
        }
        self.forget(now as u64);
        self.scanned_at = Some(began_at);
        if self.series.iter().flatten().any(Series::has_retired) {
            self.retired_due.get_or_insert(began + RETIRED_POLL);
        }
        let (took, ended) = (began.elapsed(), Instant::now());
        self.scan_not_before = ended + SCANS_APART.max(9 * took);
        let every = if self.watched { self.settings.rescan } else { self.settings.poll };
        self.scan_due = ended + every.max(9 * took);
    }

    fn known_at(&mut self, path: &Path) -> Option<&mut Series> {
        self.series[*self.names.get(path)?].as_mut()
    }

    /// Whose the inodes are that are followed.
    fn holders(&self) -> HashMap<(u64, u64), Held> {
        let all = || self.series.iter().enumerate().filter_map(|(by, it)| Some((by, it.as_ref()?)));
        let known = all().flat_map(|(by, it)| {
            let held = Held { by, finished: true, closed: None };
            it.known.iter().map(move |at| ((at.dev, at.ino), held))
        });
        let live = all().flat_map(|(by, it)| {
            it.live.iter().map(move |it| {
                let closed = it.file.is_none().then_some(it.at);
                ((it.at.dev, it.at.ino), Held { by, finished: false, closed })
            })
        });
        known.chain(live).collect()
    }

    /// Takes over from series `id` where a finished file was read to.
    fn inherit(&mut self, id: usize, stat: &Stat) -> Option<Position> {
        let other = self.series[id].as_mut()?;
        let i = other.known.iter().position(|at| stat.is(at))?;
        other.dirty = true;
        Some(other.known.remove(i))
    }

    fn follow(
        &mut self,
        path: PathBuf,
        current: Option<Current>,
        inherits: Option<usize>,
        folders: &mut Folders,
    ) {
        let known = self.names.get(&path).copied();
        let id = match (known, &current) {
            (Some(id), _) => id,
            (None, None) => return,
            (None, Some(current)) => {
                let source = self.source_of(&path);
                let mut series = Series::new(path.clone(), source);
                series.begin(current, folders, self.scanned_at.map(|at| at - TICK));
                series.scan = self.scans;
                self.add(series)
            }
        };
        let first = known.is_none();
        let inherited =
            inherits.zip(current.as_ref()).and_then(|(other, it)| self.inherit(other, &it.stat));
        let Some(mut series) = self.series[id].take() else { return };
        self.open -= series.open();
        let real = series.real.clone();
        let (names, links) = (&self.names, &self.links);
        let is_other = |path: &Path| {
            names.get(path).or_else(|| links.get(path)).is_some_and(|&other| other != id)
        };
        let followed = series.follow(current, folders, &is_other, Instant::now(), &mut self.change);
        let told = match followed {
            Ok(true) => None,
            Ok(false) => {
                self.scan_wanted = true;
                None
            }
            Err(error) => Some(error),
        };
        if let Some(at) = inherited
            && let Some(it) = series.attached()
            && let Some(Ok(Content::Same)) = it.as_fd().map(|file| at.content(file))
        {
            let state = at.state & !(state::FINISHED | state::RETIRED | state::COPY);
            *it = Generation::resumed(Position { state, ..at }, it.file.take());
        } else if first
            && self.scanned_at.is_none()
            && self.settings.start == Start::End
            && let Some(it) = series.attached()
            && let Err(error) = it.skip_to_end()
        {
            self.cannot_read(&path, &error);
        }
        if series.real != real && self.links.get(&real) == Some(&id) {
            self.links.remove(&real);
        }
        if series.real != path {
            self.links.insert(series.real.clone(), id);
            let folder = series.real.parent().map(Path::to_path_buf);
            self.watched &= folder.is_none_or(|folder| self.watch.folder(&folder));
        }
        self.open += series.open();
        self.series[id] = Some(series);
        match told {
            // It is looked at again with the next scan, and not at once.
            Some(error) => self.cannot_read(&path, &error),
            None => self.queue(id),
        }
        self.list_open(id);
    }

    /// Forgets paths that lead nowhere for long.
    fn forget(&mut self, now: u64) {
        let after = self.settings.forget.as_secs();
        for id in 0..self.series.len() {
            let forget = self.series[id].as_ref().is_some_and(|it| {
                it.live.is_empty()
                    && it.gone_since.is_some_and(|since| now.saturating_sub(since) > after)
            });
            if forget && let Some(series) = self.series[id].take() {
                self.names.remove(&series.path);
                self.links.retain(|_, own| *own != id);
                self.free.push(id);
                self.opened.retain(|own| *own != id);
                self.ready.retain(|own| *own != id);
                if !self.series.iter().flatten().any(|other| other.source == series.source) {
                    self.settings.sources.release(series.source);
                }
                self.forgotten.push(series.path);
            }
        }
    }

    /// Opens the file of a path again that was closed to spare descriptors.
    pub(super) fn ensure_open(&mut self, id: usize) {
        let Some(series) = self.series.get_mut(id).and_then(Option::as_mut) else { return };
        let path = series.path.clone();
        let Some(it) = series.attached().filter(|it| it.file.is_none()) else { return };
        match open(&path) {
            Ok((file, stat)) if stat.is(&it.at) => {
                it.file = Some(file);
                self.open += 1;
                self.list_open(id);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.cannot_read(&path, &error)
            }
            _ => self.scan_wanted = true,
        }
    }

    /// Puts a path to those whose files may be closed.
    fn list_open(&mut self, id: usize) {
        if let Some(series) = self.series[id].as_mut()
            && !std::mem::replace(&mut series.listed, true)
        {
            self.opened.push_back(id);
        }
        self.spare(id);
    }

    /// Closes files until no more are open than may be, those first that were not read lately, and never the one of `id`.
    fn spare(&mut self, id: usize) {
        let mut tries = 2 * self.opened.len();
        while self.open > self.most_open && tries > 0 {
            tries -= 1;
            let Some(next) = self.opened.pop_front() else { return };
            let Some(series) = self.series[next].as_mut() else { continue };
            if next == id || std::mem::take(&mut series.touched) {
                self.opened.push_back(next);
            } else {
                series.listed = false;
                self.close(next);
            }
        }
    }

    /// Closes the file to which a path leads.
    pub(super) fn close(&mut self, id: usize) {
        let series = self.series.get_mut(id).and_then(Option::as_mut);
        if let Some(it) = series.and_then(Series::attached)
            && it.file.take().is_some()
        {
            self.open -= 1;
        }
    }
}
