//! A file whose text is told when it has become another.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gadget_core::SignalError;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::MAX_TEXT;
use crate::file::vanished;

/// Where the kernel calls, the file is looked at this often all the same.
const CALLED: Duration = Duration::from_secs(5);
/// Where it does not.
const UNCALLED: Duration = Duration::from_millis(500);
/// After a change of the folder; and while somebody is writing, or has emptied the file.
const SETTLE: Duration = Duration::from_millis(50);
const WRITING: Duration = Duration::from_millis(400);
/// Whoever goes on writing is not waited for longer.
const LONGEST: Duration = Duration::from_millis(600);

const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// A file that is watched.
pub(super) struct WatchedFile {
    path: PathBuf,
    folder: PathBuf,
    name: OsString,
    inotify: Option<OwnedFd>,
    due: Instant,
    /// When the first of the changes was that are waited out.
    changing: Option<Instant>,
    /// What was looked at last, to know another.
    seen: Option<Stamp>,
    /// Since when the file is empty.
    empty: Option<Instant>,
    text: Option<Arc<str>>,
}

/// Differs when the file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: i64,
    changed: (i64, i64),
    status: (i64, i64),
}

impl WatchedFile {
    pub(super) fn new(path: &Path) -> Self {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = Self {
            path: path.to_owned(),
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            name: path.file_name().unwrap_or_default().to_owned(),
            inotify: None,
            due: Instant::now(),
            changing: None,
            seen: None,
            empty: None,
            text: None,
        };
        file.watch();
        file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// When to look at the file.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn poll(&self) -> Option<PollFd<'_>> {
        self.inotify.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN))
    }

    /// Asks to be called; the folder may not be there yet.
    fn watch(&mut self) {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        self.inotify = inotify::init(flags)
            .and_then(|fd| inotify::add_watch(&fd, &self.folder, EVENTS).map(|_| fd))
            .ok();
    }

    /// Takes in that something has happened in the folder.
    pub(super) fn called(&mut self, now: Instant) {
        let Some(fd) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(fd.as_fd(), &mut buffer);
        let (mut ours, mut writing, mut lost) = (false, false, false);
        while let Ok(event) = reader.next() {
            let flags = event.events();
            lost |= flags.intersects(
                ReadFlags::IGNORED
                    | ReadFlags::DELETE_SELF
                    | ReadFlags::MOVE_SELF
                    | ReadFlags::UNMOUNT,
            );
            // A folder of links to another is changed by changing that: ..data of a ConfigMap.
            let name = event.file_name().map(|name| name.to_bytes());
            let concerns = name == Some(self.name.as_bytes())
                || name.is_some_and(|name| name.starts_with(b".."))
                || flags.contains(ReadFlags::QUEUE_OVERFLOW);
            if concerns {
                ours = true;
                writing = flags.contains(ReadFlags::MODIFY);
            }
        }
        if lost {
            self.watch();
        }
        if ours || lost {
            let first = *self.changing.get_or_insert(now);
            let settle = if writing { WRITING } else { SETTLE };
            self.due = (now + settle).min(first + LONGEST);
        }
    }

    /// The text, if it is another than before.
    pub(super) fn look(&mut self, now: Instant) -> Result<Option<Arc<str>>, SignalError> {
        if self.inotify.is_none() {
            self.watch();
        }
        self.changing = None;
        self.due = now + if self.inotify.is_some() { CALLED } else { UNCALLED };
        match self.read(now) {
            Ok(text) => Ok(text),
            Err(error) if Errno::from_io_error(&error).is_some_and(vanished) => {
                self.seen = None;
                Ok(None)
            }
            Err(source) => Err(SignalError::Read { path: self.path.clone(), source }),
        }
    }

    fn read(&mut self, now: Instant) -> io::Result<Option<Arc<str>>> {
        // Not to be held up by a pipe.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(&self.path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        let stamp = Stamp {
            file: (stat.st_dev, stat.st_ino),
            size: stat.st_size,
            changed: (stat.st_mtime, stat.st_mtime_nsec as i64),
            status: (stat.st_ctime, stat.st_ctime_nsec as i64),
        };
        if self.seen == Some(stamp) {
            return Ok(None);
        }
        if stat.st_size == 0 {
            let since = *self.empty.get_or_insert(now);
            if now.duration_since(since) < UNCALLED {
                self.due = since + UNCALLED;
                return Ok(None);
            }
        }
        self.empty = None;
        // What is wrong with it is said once.
        self.seen = Some(stamp);
        let wrong = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return wrong("it is no regular file");
        }
        let mut bytes = Vec::new();
        let limit = MAX_TEXT as u64 + 1;
        io::Read::read_to_end(&mut io::Read::take(std::fs::File::from(file), limit), &mut bytes)?;
        if bytes.len() > MAX_TEXT {
            return wrong("it has more than 64 KiB");
        }
        let Ok(text) = String::from_utf8(bytes) else { return wrong("it is no UTF-8") };
        if self.text.as_deref() == Some(&text) {
            return Ok(None);
        }
        let text: Arc<str> = text.into();
        self.text = Some(Arc::clone(&text));
        Ok(Some(text))
    }
}
