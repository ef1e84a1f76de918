//! Bringing written records to storage without keeping the writer waiting.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Time in which written records gather before they are synced together: at most one wake-up in it.
const GATHER: Duration = Duration::from_secs(1);

/// Syncs a ledger's files in a thread of its own, and for whoever cannot wait.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// Held while files are synced, so that one who waits also waits for what the thread has begun.
    busy: Mutex<()>,
}

#[derive(Debug)]
struct State {
    directory: Arc<File>,
    head: Arc<File>,
    segment: Arc<File>,
    /// Segments that were rotated away and not yet synced.
    closed: Vec<Arc<File>>,
    /// Files were made or removed since the directory was synced.
    renamed: bool,
    /// Something was written since the last sync.
    dirty: bool,
    stop: bool,
    failing: bool,
    failure: Option<io::Error>,
}

impl Syncer {
    pub(super) fn start(directory: File, head: Arc<File>, segment: Arc<File>) -> io::Result<Self> {
        let state = State {
            directory: Arc::new(directory),
            head,
            segment,
            closed: Vec::new(),
            renamed: true,
            dirty: true,
            stop: false,
            failing: false,
            failure: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
            busy: Mutex::new(()),
        });
        let run = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("ledger-sync".to_owned()).spawn(move || run.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Something was written. Gives the error of a sync that failed since, once.
    pub(super) fn written(&self) -> Option<io::Error> {
        let mut state = self.shared.state.lock();
        if !state.dirty {
            state.dirty = true;
            self.shared.wake.notify_one();
        }
        state.failure.take()
    }

    /// A new segment takes the place of the one before, which is synced at most `keep` segments later.
    pub(super) fn rotated(&self, segment: Arc<File>, keep: usize) {
        let mut state = self.shared.state.lock();
        let before = std::mem::replace(&mut state.segment, segment);
        if state.closed.len() >= keep {
            state.closed.remove(0);
        }
        state.closed.push(before);
        state.renamed = true;
    }

    /// Waits until the records are on storage, and with `head` also where they end.
    pub(super) fn wait(&self, head: bool) -> io::Result<()> {
        let failure = {
            let _busy = self.shared.busy.lock();
            self.shared.state.lock().failure.take()
        };
        failure.map_or(Ok(()), Err)?;
        self.shared.flush(head)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = self.shared.flush(true);
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let mut state = self.state.lock();
            self.wake.wait_while(&mut state, |state| !state.dirty && !state.stop);
            self.wake.wait_while_for(&mut state, |state| !state.stop, GATHER);
            if state.stop {
                return;
            }
            // Somebody waited for a sync meanwhile.
            if !state.dirty {
                continue;
            }
            drop(state);
            let result = self.flush(true);
            let mut state = self.state.lock();
            let failed = result.is_err();
            if failed && !state.failing {
                state.failure = result.err();
            }
            state.failing = failed;
        }
    }

    fn flush(&self, with_head: bool) -> io::Result<()> {
        let _busy = self.busy.lock();
        let mut state = self.state.lock();
        let closed = std::mem::take(&mut state.closed);
        let renamed = std::mem::take(&mut state.renamed);
        let (directory, segment) = (Arc::clone(&state.directory), Arc::clone(&state.segment));
        let head = with_head.then(|| Arc::clone(&state.head));
        state.dirty &= !with_head;
        drop(state);
        // All are tried; the first error is what counts.
        let mut result = Ok(());
        for file in closed.iter().chain([&segment]).chain(&head) {
            result = result.and(file.sync_data());
        }
        if renamed {
            result = result.and(directory.sync_all());
        }
        if result.is_err() {
            let mut state = self.state.lock();
            state.closed.splice(0..0, closed);
            state.renamed |= renamed;
            state.dirty = true;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that takes writes and cannot be synced.
    fn unsyncable() -> File {
        File::options().write(true).open("/dev/null").unwrap()
    }

    #[test]
    fn a_background_sync_that_fails_is_told_once_and_tried_again() {
        let home = tempfile::tempdir().unwrap();
        let file = || Arc::new(tempfile::tempfile().unwrap());
        let directory = File::open(home.path()).unwrap();
        let syncer = Syncer::start(directory, file(), Arc::new(unsyncable())).unwrap();
        let mut told = 0;
        let told_at = (0..400).find(|_| {
            std::thread::sleep(Duration::from_millis(50));
            told += usize::from(syncer.written().is_some());
            told > 0
        });
        assert!(told_at.is_some(), "the thread said nothing in 20 s");
        // It fails again every second, which is no news.
        std::thread::sleep(GATHER * 2);
        assert!(syncer.written().is_none());
        assert!(syncer.wait(false).is_err());
        syncer.rotated(file(), 8);
        assert!(syncer.wait(true).is_err(), "the closed segment is still not on storage");
    }

    #[test]
    fn the_last_records_are_synced_on_drop_and_the_thread_ends() {
        let home = tempfile::tempdir().unwrap();
        let file = || Arc::new(tempfile::tempfile().unwrap());
        let syncer = Syncer::start(File::open(home.path()).unwrap(), file(), file()).unwrap();
        let shared = Arc::clone(&syncer.shared);
        syncer.wait(true).unwrap();
        assert!(!shared.state.lock().dirty);
        assert!(syncer.written().is_none());
        assert!(shared.state.lock().dirty);
        drop(syncer);
        assert!(!shared.state.lock().dirty);
        assert_eq!(Arc::strong_count(&shared), 1, "the thread let go of it");
    }
}
