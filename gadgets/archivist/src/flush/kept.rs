//! An incident that is safe before it is sent.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use gadget_core::{FlushRequest, sync_folder, thread_cpu};
use rustix::fs::{FlockOperation, OFlags, flock};

use super::file::{name, part};
use super::order::Order;
use super::{Sink, Summary};
use crate::ring::{Archive, Entry};
use crate::trigger::LogWatch;

const ENDING: &str = "kept";

/// So many lines are given before it is seen what that has cost.
const LINES: u32 = 4096;

/// An incident, copied out of the archive as compressed as it was there: a file of its own, `incident-TIME-PLAN.kept`, on storage from
/// [`keep`](Self::keep) on. A process that is killed after that loses nothing of it; the next one finds it with
/// [`left`](Self::left) and sends it.
///
/// It may be sent from another thread than the one that appends to the archive, and as slowly as it has to be.
#[derive(Debug)]
pub struct Kept {
    archive: Archive,
    order: Order,
    path: PathBuf,
}

impl Kept {
    /// Copies what was logged in the time of `request` to `folder`, which is there. It takes reading next to nothing: as long as
    /// writing so many compressed bytes takes.
    ///
    /// # Errors
    /// What keeps it from being written. There is no such file then.
    pub fn keep(
        archive: &Archive,
        request: &FlushRequest,
        watch: &LogWatch,
        folder: impl AsRef<Path>,
    ) -> io::Result<Self> {
        let order = Order::of(archive, request, watch);
        let path = folder.as_ref().join(name(request, ENDING));
        let part = part(&path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags(OFlags::NOFOLLOW.bits() as i32);
        let file = options.open(&part)?;
        lock(&file)?;
        let keep = || {
            // What one that was killed has left.
            file.set_len(0)?;
            let note = serde_json::to_vec(&order)?;
            let (from, until) = (request.from, request.until);
            let archive = archive.copy(from, until, &note, file)?;
            fs::rename(&part, &path)?;
            sync_folder(&path)?;
            Ok(archive)
        };
        let archive = keep().inspect_err(|_: &io::Error| drop(fs::remove_file(&part)))?;
        Ok(Self { archive, order, path })
    }

    /// Opens one that an earlier process kept.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another process is at it, [`io::ErrorKind::InvalidData`] if it is damaged or something else.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlags::NOFOLLOW.bits() as i32);
        let file = options.open(&path)?;
        lock(&file)?;
        let (archive, note) = Archive::open_copy(file)?;
        Ok(Self { archive, order: serde_json::from_slice(&note)?, path })
    }

    /// Those in `folder` that an earlier process kept and did not send, the oldest first. What is only half there is removed: it was
    /// never said to be kept.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn left(folder: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
        let mut left = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Some(name) = name.strip_prefix("incident-") else { continue };
            if name.ends_with(".kept") {
                left.push(path);
            } else if name.ends_with(".kept.part") {
                // Another process may be writing it.
                let ours = File::open(&path).and_then(|file| lock(&file).map(|()| file));
                if let Ok(_locked) = ours {
                    fs::remove_file(&path)?;
                }
            }
        }
        left.sort_unstable();
        Ok(left)
    }

    /// What it holds.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.order.summary
    }

    /// The file it is in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives all of it to a sink, at no more than a `share` of one core: 1.0 is as fast as it goes.
    ///
    /// # Errors
    /// Those of the sink. It stays kept.
    pub fn send(&self, sink: &mut dyn Sink, share: f64) -> io::Result<()> {
        let mut paced = Paced { sink, share: share.clamp(0.01, 1.0), since: None, lines: 0 };
        self.order.give(&self.archive, &mut paced)
    }

    /// Removes it: it was sent to all who are to have it.
    ///
    /// # Errors
    /// When it cannot be removed, and would be sent again.
    pub fn done(self) -> io::Result<()> {
        fs::remove_file(&self.path)?;
        sync_folder(&self.path)
    }
}

fn lock(file: &File) -> io::Result<()> {
    Ok(flock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// A sink whose thread sleeps when it has used more than its share.
struct Paced<'a> {
    sink: &'a mut dyn Sink,
    share: f64,
    since: Option<(Instant, Duration)>,
    lines: u32,
}

impl Paced<'_> {
    fn rest(&mut self) {
        let (since, cpu) = *self.since.get_or_insert_with(|| (Instant::now(), thread_cpu()));
        let due = (thread_cpu() - cpu).div_f64(self.share);
        let early = due.saturating_sub(since.elapsed());
        if self.share < 1.0 && !early.is_zero() {
            thread::sleep(early);
        }
    }
}

impl Sink for Paced<'_> {
    fn begin(&mut self, summary: &Summary) -> io::Result<()> {
        self.rest();
        self.sink.begin(summary)
    }

    fn line(&mut self, entry: &Entry<'_>, novelty: Option<f64>) -> io::Result<()> {
        self.lines += 1;
        if self.lines.is_multiple_of(LINES) {
            self.rest();
        }
        self.sink.line(entry, novelty)
    }

    fn end(&mut self) -> io::Result<()> {
        self.sink.end()
    }
}
