//! Which files changed, as the kernel tells it for the folders they are in.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB);
const EVENTS: WatchFlags =
    NAMES.union(WatchFlags::MODIFY).union(WatchFlags::MOVE_SELF).union(WatchFlags::ONLYDIR);

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A file was written to or truncated.
    Written(&'a Path),
    /// A name leads elsewhere, or nowhere, or to what may be opened by now.
    Name(&'a Path),
    /// Anything may have happened.
    Anything,
}

/// Watches folders. Without inotify, or beyond its bounds, it says so, and everything is asked for at intervals.
#[derive(Debug, Default)]
pub(super) struct Watch {
    inotify: Option<OwnedFd>,
    folders: HashMap<i32, Vec<PathBuf>>,
    watched: HashMap<PathBuf, i32>,
}

impl Watch {
    pub(super) fn new() -> Self {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        Self { inotify, ..Self::default() }
    }

    /// Watches a folder, if it is not watched yet. False if its files must be asked for at intervals.
    pub(super) fn folder(&mut self, path: &Path) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        if self.watched.contains_key(path) {
            return true;
        }
        let Ok(id) = inotify::add_watch(inotify, path, EVENTS) else { return false };
        self.watched.insert(path.to_path_buf(), id);
        self.folders.entry(id).or_default().push(path.to_path_buf());
        true
    }

    /// Tells what happened since it was asked last.
    pub(super) fn events(&mut self, mut tell: impl FnMut(Event<'_>)) {
        let Some(inotify) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        let mut path = PathBuf::new();
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            let flags = event.events();
            let left = flags.intersects(ReadFlags::IGNORED | ReadFlags::MOVE_SELF);
            if left || flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                tell(Event::Anything);
            }
            if left {
                let paths = self.folders.remove(&event.wd()).unwrap_or_default();
                self.watched.retain(|path, _| !paths.contains(path));
                if flags.contains(ReadFlags::MOVE_SELF) {
                    let _ = inotify::remove_watch(inotify, event.wd());
                }
                continue;
            }
            let Some(name) = event.file_name() else { continue };
            for folder in self.folders.get(&event.wd()).into_iter().flatten() {
                path.clear();
                // As patterns give them: without a folder before them, names stand alone.
                if folder != Path::new(".") {
                    path.push(folder);
                }
                path.push(OsStr::from_bytes(name.to_bytes()));
                if flags.contains(ReadFlags::MODIFY) {
                    tell(Event::Written(&path));
                } else {
                    tell(Event::Name(&path));
                }
            }
        }
    }

    /// Waits until there is something to tell, at most for `timeout`.
    pub(super) fn wait(&self, timeout: Duration) {
        let Ok(timeout) = Timespec::try_from(timeout) else { return };
        match &self.inotify {
            Some(inotify) => {
                let _ = poll(&mut [PollFd::new(&inotify.as_fd(), PollFlags::IN)], Some(&timeout));
            }
            None => drop(poll(&mut [], Some(&timeout))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_happens_in_a_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::new();
        if !watch.folder(folder.path()) {
            println!("SKIPPED no inotify watch can be had");
            return;
        }
        let path = folder.path().join("a");
        fs::write(&path, "x").unwrap();
        watch.wait(Duration::from_secs(5));
        let mut told = Vec::new();
        watch.events(|event| told.push(format!("{event:?}")));
        assert!(told.contains(&format!("{:?}", Event::Name(&path))), "{told:?}");
        assert!(told.contains(&format!("{:?}", Event::Written(&path))), "{told:?}");
        fs::remove_file(&path).unwrap();
        folder.close().unwrap();
        let mut anything = false;
        watch.events(|event| anything |= event == Event::Anything);
        assert!(anything && watch.watched.is_empty());
    }
}
