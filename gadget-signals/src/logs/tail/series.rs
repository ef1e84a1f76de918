//! One path through time: the files that it led to, one after the other.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gadget_core::SourceId;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::folder::{Folders, READINGS, Suffix};
use super::generation::{Generation, Look, Out, Stat, open};
use super::position::{Content, HEAD, Position, pread, state};

/// No more finished files of one path are remembered.
const KNOWN: usize = 256;
/// Finished files are forgotten that are gone when some were gone this often.
const MISSING: u8 = 8;
/// Files written this much before the last one that was followed, in nanoseconds, are not taken for younger ones: the clock may
/// have been set back since, no further.
const SLACK: i64 = 60_000_000_000;

/// A path with the generations of files that it led to, of which the older ones are read first.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) path: PathBuf,
    /// Where it led to, links resolved: there its rotated files are.
    pub(super) real: PathBuf,
    pub(super) source: SourceId,
    /// Those that are not finished, the oldest first. The path leads to the last one, if it leads anywhere.
    pub(super) live: Vec<Generation>,
    /// Those that are finished, and still there.
    pub(super) known: Vec<Position>,
    /// How often some of those were not there since they were last looked through.
    missing: u8,
    /// Waiting for its turn.
    pub(super) queued: bool,
    /// Changed since it was remembered.
    pub(super) dirty: bool,
    /// The file at its path holds something else than before.
    pub(super) suspect: bool,
    /// Read since descriptors were last looked through.
    pub(super) touched: bool,
    /// Among those whose files may be closed to spare descriptors.
    pub(super) listed: bool,
    /// The scan that found it last.
    pub(super) scan: u64,
    /// Since when its path leads nowhere, in seconds since the Unix epoch.
    pub(super) gone_since: Option<u64>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Idle,
    More,
    /// The file holds something else than before.
    Suspect,
}

/// What came of a path that led elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Another file was there.
    pub(super) rotated: u64,
    /// The same file was there, with other content.
    pub(super) truncated: u64,
    /// Files that came and went unseen, and were found.
    pub(super) missed: u64,
    /// Of a file that is gone something was not read, and nowhere to be found.
    pub(super) lost: u64,
}

/// What is at a path now.
pub(super) struct Current {
    pub(super) file: OwnedFd,
    pub(super) stat: Stat,
    pub(super) real: PathBuf,
}

impl Current {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (file, stat) = open(path)?;
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        Ok(Self { file, stat, real })
    }
}

impl Series {
    pub(super) fn new(path: PathBuf, source: SourceId) -> Self {
        Self {
            real: path.clone(),
            path,
            source,
            live: Vec::new(),
            known: Vec::new(),
            missing: 0,
            queued: false,
            dirty: true,
            suspect: false,
            touched: false,
            listed: false,
            scan: 0,
            gone_since: None,
        }
    }

    /// The file to which the path leads.
    pub(super) fn attached(&mut self) -> Option<&mut Generation> {
        self.live.last_mut().filter(|it| !it.at.has(state::RETIRED))
    }

    /// True if it has files that its path does not lead to any more.
    pub(super) fn has_retired(&self) -> bool {
        self.live.iter().any(|it| it.at.has(state::RETIRED))
    }

    /// True if one of those must be looked for.
    pub(super) fn is_looking(&self) -> bool {
        self.live.iter().any(|it| it.at.has(state::RETIRED) && it.file.is_none())
    }

    /// How many files it has open.
    pub(super) fn open(&self) -> usize {
        self.live.iter().filter(|it| it.file.is_some()).count()
    }

    /// Reads a block of the oldest generation that has something. A younger one is only delivered if, after it was read, the older
    /// ones had nothing more: so lines keep the order in which one writer wrote them, though it wrote on into a renamed file.
    pub(super) fn turn(
        &mut self,
        buffer: &mut Vec<u8>,
        out: &mut Out<'_>,
        grace: Duration,
        now: Instant,
    ) -> io::Result<Turn> {
        self.touched = true;
        let mut i = 0;
        while i < self.live.len() {
            let (older, rest) = self.live.split_at_mut(i);
            let it = &mut rest[0];
            let retired = it.at.has(state::RETIRED);
            let look = match it.look(buffer, out.longest, out.count) {
                Ok(look) => look,
                Err(error) => {
                    // One that cannot be read must not hold up those after it.
                    if retired {
                        self.finish(i);
                    }
                    return Err(error);
                }
            };
            match look {
                // Its siblings first: it may have held something else meanwhile, that is in a copy now.
                Look::Data(_) if !retired && it.at.has(state::EMPTY) => return Ok(Turn::Suspect),
                Look::Data(n) => {
                    if let Some(older) = older.iter().position(Generation::has_more) {
                        i = older;
                        continue;
                    }
                    let more = it.deliver(&buffer[..n], out);
                    self.dirty = true;
                    it.retired = retired.then_some(now);
                    let last = i + 1 == self.live.len();
                    return Ok(if more || !last { Turn::More } else { Turn::Idle });
                }
                Look::Passed => return Ok(Turn::More),
                Look::Replaced if !retired => return Ok(Turn::Suspect),
                // Truncated after it was renamed.
                Look::Replaced => {
                    let file =
                        it.file.take().and_then(|file| Some((Stat::of_open(&file).ok()?, file)));
                    match file {
                        Some((stat, file)) if !it.at.has(state::COPY) => {
                            *it = Generation::new(file, stat);
                            it.retire(now);
                        }
                        _ => self.finish(i),
                    }
                }
                Look::End => {
                    let copy = it.at.has(state::COPY);
                    let over = it.retired.is_none_or(|at| copy || now.duration_since(at) >= grace);
                    if retired && over {
                        it.deliver_rest(buffer, out)?;
                        self.finish(i);
                    } else {
                        i += 1;
                    }
                }
            }
        }
        Ok(Turn::Idle)
    }

    /// Has done with a generation.
    fn finish(&mut self, i: usize) {
        let mut at = self.live.remove(i).at;
        at.set(state::FINISHED, true);
        // An empty one cannot be told from others.
        self.known.extend(Some(at).filter(|at| at.head.len > 0));
        if self.known.len() > KNOWN {
            self.known.remove(0);
        }
        self.dirty = true;
    }

    /// Takes the files that are beside a path seen for the first time as read; those written after `since` are not.
    pub(super) fn begin(&mut self, current: &Current, folders: &mut Folders, since: Option<i64>) {
        self.real.clone_from(&current.real);
        self.known = siblings(&self.real, folders)
            .into_iter()
            .filter(|it| since.is_none_or(|since| it.stat.written < since))
            .filter_map(|it| Position::end_of(it.file.as_fd(), &it.stat).ok())
            .map(|at| Position { state: state::FINISHED, ..at })
            .collect();
    }

    /// Finds out what became of the files that it followed, now that `current` is at its path, or nothing is. `folders` must have
    /// been read after `current` was opened. False if that changed meanwhile, and nothing was done: look again.
    pub(super) fn follow(
        &mut self,
        current: Option<Current>,
        folders: &mut Folders,
        is_other: &dyn Fn(&Path) -> bool,
        now: Instant,
        change: &mut Change,
    ) -> io::Result<bool> {
        let mut fresh = None;
        if let Some(Current { file, stat, real }) = current {
            let mut it = Generation::new(file, stat);
            it.learn_head()?;
            fresh = Some((it, stat, real));
        }
        let real = self.real.clone();
        let mut found: Vec<_> =
            siblings(&real, folders).into_iter().filter(|it| !is_other(&it.path)).collect();
        let there: Vec<_> = found.iter().map(|it| it.stat.ino).collect();
        let is_fresh = |it: &Position| fresh.as_ref().is_some_and(|(_, stat, _)| stat.is(it));
        let (mut same_inode, mut same_content) = (false, false);
        if let Some(last) = self.live.last().filter(|it| !it.at.has(state::RETIRED)) {
            same_inode = is_fresh(&last.at);
            same_content = match fresh.as_ref().and_then(|(it, ..)| it.as_fd()) {
                Some(file) => same(last, file)?,
                None => false,
            };
        }
        // Where a path leads to a file that was rotated since, those younger than that are found another time.
        let own = found.iter().find(|it| is_fresh(&it.inode())).map(Sibling::age);
        found.retain(|it| !is_fresh(&it.inode()));
        // A copy of the file at the path is the start of the next rotation.
        let mut copies: Vec<_> = match &fresh {
            Some((fresh, ..)) => found.iter().map(|it| it.is_copy_of(fresh)).collect(),
            None => vec![false; found.len()],
        };
        if let Some((it, ..)) = &mut fresh
            && !it.learn_head()?
        {
            return Ok(false);
        }

        // Those that were on their way out before a restart.
        let mut take = |at: &Position| {
            let i = found.iter().position(|it| it.holds(at))?;
            copies.remove(i);
            Some(found.remove(i).file)
        };
        for it in self.live.iter_mut().filter(|it| it.at.has(state::RETIRED) && it.file.is_none()) {
            it.file = by_inode(folders, &real, &it.at).or_else(|| take(&it.at));
            it.retired = Some(now);
        }
        self.live.retain(|it| !it.at.has(state::RETIRED) || it.file.is_some());

        let mut after = self.known.iter().map(|it| it.written).max().unwrap_or(i64::MIN);
        let (mut replaced, mut unseen) = (None, None);
        if let Some(mut last) = self.live.pop_if(|it| !it.at.has(state::RETIRED)) {
            after = last.at.written;
            if !same_inode && last.file.is_none() {
                last.file = by_inode(folders, &real, &last.at);
            }
            let unlinked = |it: &Generation| {
                it.as_fd().is_none_or(|file| Stat::of_open(file).is_ok_and(|stat| stat.links == 0))
            };
            let empty = last.at.has(state::EMPTY);
            // Of another inode, it was moved by a copy: to another file system, or by an editor.
            if same_content
                && !(same_inode && empty)
                && (same_inode || last.at.head.len > 0 && unlinked(&last))
            {
                if let Some((it, stat, real)) = fresh {
                    (last.at.dev, last.at.ino, last.file) = (stat.dev, stat.ino, it.file);
                    self.real = real;
                }
                self.live.push(last);
                (self.suspect, self.dirty) = (false, true);
                return Ok(true);
            }
            change.rotated += u64::from(!same_inode);
            if empty {
                // Nothing was read of it. Renamed, it is one of those that were missed.
                let found = found.iter().any(|it| it.stat.is(&last.at));
                unseen = Some(last).filter(|it| !same_inode && !found && it.file.is_some());
            } else {
                change.truncated += u64::from(same_inode);
                let unread = last.seen() > last.at.offset;
                // It may have been truncated before it was renamed.
                let anew = match last.as_fd() {
                    _ if same_inode => true,
                    Some(file) => last.at.head.len > 0 && !same(&last, file).unwrap_or(true),
                    None => true,
                };
                let file = last.file.take();
                let (rest, again) = if anew { (take(&last.at), file) } else { (file, None) };
                last.at.set(state::COPY, anew);
                match rest.as_ref().map(Stat::of_open) {
                    Some(Ok(stat)) => {
                        (last.at.dev, last.at.ino) = (stat.dev, stat.ino);
                        let mut rest = Generation::resumed(last.at, rest);
                        rest.retire(now);
                        self.live.push(rest);
                    }
                    _ => {
                        change.lost += u64::from(unread);
                        replaced = Some(last.at);
                    }
                }
                if !same_inode
                    && let Some(file) = again
                    && let Ok(stat) = Stat::of_open(&file)
                    && !found.iter().any(|it| it.stat.is_same(&stat))
                {
                    unseen = Some(Generation::new(file, stat));
                }
            }
        }

        let known = |it: &Sibling| {
            let read = self.known.iter().chain(&replaced);
            let mut read = read.chain(self.live.iter().map(|it| &it.at));
            self.live.iter().any(|live| it.stat.is(&live.at)) || read.any(|at| it.is_of(at))
        };
        let mut missed: Vec<_> = found
            .into_iter()
            .zip(copies)
            .filter(|(it, copy)| {
                !copy
                    && it.stat.size > 0
                    && it.stat.written.saturating_add(SLACK) >= after
                    && own.is_none_or(|own| it.age() < own)
                    && !known(it)
            })
            .map(|(it, _)| it)
            .collect();
        missed.sort_by_key(Sibling::age);
        change.missed += missed.len() as u64;
        let missed = missed.into_iter().map(|it| Generation::new(it.file, it.stat));
        self.live.extend(missed.chain(unseen).map(|mut it| {
            it.retire(now);
            it
        }));
        let folder = folders.at(folder_of(&real));
        let missing = |at: &Position| !there.contains(&at.ino) && folder.name_of(at.ino).is_none();
        if self.known.iter().any(missing) {
            self.missing += 1;
        }
        // Now and then, for a file may be missed while it is renamed.
        if self.missing >= MISSING {
            self.known.retain(|at| !missing(at));
            self.missing = 0;
        }
        if let Some((mut it, _, real)) = fresh {
            it.at.set(state::EMPTY, it.at.head.len == 0);
            self.live.push(it);
            self.real = real;
        }
        (self.suspect, self.dirty) = (false, true);
        Ok(true)
    }
}

/// True if a file holds what was read of it, as far as something was.
fn same(last: &Generation, file: BorrowedFd<'_>) -> io::Result<bool> {
    if last.at.head.len == 0 {
        return Ok(last.at.offset == 0);
    }
    let size = Stat::of_open(file)?.size;
    Ok(size >= last.seen() && last.at.content(file)? == Content::Same)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that looks like a rotated generation.
struct Sibling {
    path: PathBuf,
    suffix: Suffix,
    file: OwnedFd,
    stat: Stat,
}

/// Opens those beside a log. They may be renamed between the reading of their names and this: then names are read again.
fn siblings(real: &Path, folders: &mut Folders) -> Vec<Sibling> {
    let folder = folder_of(real);
    let name = real.file_name().unwrap_or_default().as_bytes();
    let mut found = Vec::new();
    for _ in 0..READINGS {
        let mut moved = false;
        found.clear();
        for (name, suffix, ino) in folders.at(folder).rotated(name) {
            let path = folder.join(name);
            match open(&path) {
                Ok((file, stat)) => {
                    moved |= stat.ino != ino;
                    found.push(Sibling { path, suffix, file, stat });
                }
                Err(error) => moved |= error.kind() == io::ErrorKind::NotFound,
            }
        }
        if !moved {
            break;
        }
        folders.renew(folder);
    }
    found
}

impl Sibling {
    /// The order of generations, the oldest first: by when they were last written.
    fn age(&self) -> (i64, Suffix) {
        (self.stat.written, self.suffix)
    }

    fn inode(&self) -> Position {
        Position { dev: self.stat.dev, ino: self.stat.ino, ..Position::default() }
    }

    /// True if it has the content that was read to `at`.
    fn holds(&self, at: &Position) -> bool {
        at.content(self.file.as_fd()).is_ok_and(|content| content == Content::Same)
    }

    /// True if it is the file that was read to `at`, or a copy of that.
    fn is_of(&self, at: &Position) -> bool {
        let inode = self.stat.is(at);
        // Files that begin with the same few bytes need not be copies.
        let long = usize::from(at.head.len) == HEAD && !at.has(state::FINISHED);
        match at.content(self.file.as_fd()) {
            Ok(Content::Same) => inode || long || self.stat.size == at.offset,
            Ok(Content::Shorter) => true,
            _ => false,
        }
    }

    /// True if it holds what a file at its path begins with: the copy of a file that is about to be truncated.
    fn is_copy_of(&self, fresh: &Generation) -> bool {
        let compare = |from: u64, len: usize| -> io::Result<bool> {
            let Some(fresh) = fresh.as_fd() else { return Ok(false) };
            let (mut own, mut other) = (vec![0; len], vec![0; len]);
            let n = pread(&self.file, &mut own, from)?;
            Ok(n == pread(fresh, &mut other, from)? && own[..n] == other[..n])
        };
        let size = self.stat.size;
        compare(0, size.min(4096) as usize).unwrap_or(false)
            && compare(size.saturating_sub(64), size.min(64) as usize).unwrap_or(false)
    }
}

/// The file of an inode that was renamed, to whatever in its folder.
fn by_inode(folders: &mut Folders, real: &Path, at: &Position) -> Option<OwnedFd> {
    let folder = folder_of(real);
    for _ in 0..READINGS {
        let name = folders.at(folder).name_of(at.ino)?;
        if Some(name) == real.file_name() {
            return None;
        }
        if let Ok((file, stat)) = open(&folder.join(name))
            && stat.ino == at.ino
        {
            let is_it = match at.head.len {
                0 => at.offset == 0,
                _ => at.content(file.as_fd()).ok()? == Content::Same,
            };
            return is_it.then_some(file);
        }
        folders.renew(folder);
    }
    None
}
