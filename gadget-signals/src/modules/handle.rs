//! How a part of the agent says who it is, and that it is alive.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gadget_core::{Bytes, ModuleUse, Name, Scope, SignalError, SignalProvider, Signals, Timestamp};
use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use rustix::time::{ClockId, clock_gettime};

use super::track::Track;
use crate::file::{Buffer, READ};
use crate::threads::parse_schedstat;

/// The most parts, and the most threads of each.
const MAX_PARTS: usize = 64;
const MAX_THREADS: usize = 64;

/// Nothing was said.
const UNSAID: u64 = u64::MAX;

/// All parts.
#[derive(Debug)]
pub(super) struct Parts {
    /// CPU time is told over this long.
    over: Duration,
    list: Mutex<Vec<Arc<Part>>>,
    pub(super) unwatched: AtomicU64,
}

/// One part.
#[derive(Debug)]
pub(super) struct Part {
    name: Name,
    /// When it last said that it is alive, in ns of the monotonic clock.
    beat: AtomicU64,
    memory: AtomicU64,
    fds: AtomicU64,
    threads: Mutex<Threads>,
}

#[derive(Debug)]
struct Threads {
    list: Vec<Thread>,
    next: u64,
    /// CPU time of threads that have left.
    left: Duration,
    track: Track,
}

#[derive(Debug)]
struct Thread {
    id: u64,
    /// Its `schedstat`, which is that of this thread also when its id is used again.
    file: OwnedFd,
    /// CPU time of the thread when it entered, and as it was last read.
    entered: Duration,
    cpu: Duration,
    /// When it was last seen to be alive.
    alive: Duration,
    dead: bool,
}

/// A part of the agent. Clones are the same part.
#[derive(Clone, Debug)]
pub struct ModuleHandle {
    part: Arc<Part>,
    parts: Arc<Parts>,
}

/// As long as it lives, the CPU time of the thread that made it is that of its part.
///
/// Dropped by a panic it says that the thread has died, and not that it has left.
#[derive(Debug)]
pub struct Here {
    part: Arc<Part>,
    id: u64,
}

impl Parts {
    pub(super) const fn new(over: Duration) -> Self {
        Self { over, list: Mutex::new(Vec::new()), unwatched: AtomicU64::new(0) }
    }

    pub(super) fn handle(self: &Arc<Self>, name: Name) -> ModuleHandle {
        let mut list = lock(&self.list);
        let known = list.iter().find(|part| part.name == name).map(Arc::clone);
        let part = known.unwrap_or_else(|| {
            let part = Arc::new(Part::new(name, self.over));
            if list.len() < MAX_PARTS {
                list.push(Arc::clone(&part));
            } else {
                self.unwatched.fetch_add(1, Ordering::Relaxed);
            }
            part
        });
        drop(list);
        ModuleHandle { part, parts: Arc::clone(self) }
    }

    pub(super) fn all(&self) -> Vec<Arc<Part>> {
        lock(&self.list).clone()
    }
}

impl ModuleHandle {
    /// Counts the calling thread to this part until the answer is dropped. Opens one file.
    #[must_use = "the thread leaves when this is dropped"]
    pub fn enter(&self) -> Here {
        let file = rustix::fs::open("/proc/thread-self/schedstat", READ, Mode::empty());
        let mut threads = lock(&self.part.threads);
        // Whoever enters takes the place of those that died.
        threads.bury();
        if self.part.beat.load(Ordering::Relaxed) != UNSAID {
            self.beat();
        }
        let id = threads.next;
        threads.next += 1;
        match file {
            Ok(file) if threads.list.len() < MAX_THREADS => {
                let (now, zero) = (monotonic(), Duration::ZERO);
                let mut thread =
                    Thread { id, file, entered: zero, cpu: zero, alive: now, dead: false };
                thread.look(now, &mut Buffer::default());
                thread.entered = thread.cpu;
                threads.list.push(thread);
                threads.count(now);
            }
            _ => {
                self.parts.unwatched.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(threads);
        Here { part: Arc::clone(&self.part), id }
    }

    /// Says that this part is alive. Once it has, it is missed when it does not any more. Some nanoseconds: for every turn of a
    /// loop.
    pub fn beat(&self) {
        let now = clock(ClockId::MonotonicCoarse);
        self.part.beat.store(nanos(now), Ordering::Relaxed);
    }

    /// Says what this part keeps for its work: memory, where it knows, and open files.
    pub fn keeps(&self, memory: Option<Bytes>, fds: u32) {
        self.part.memory.store(memory.map_or(UNSAID, Bytes::get), Ordering::Relaxed);
        self.part.fds.store(fds.into(), Ordering::Relaxed);
    }
}

impl Part {
    fn new(name: Name, over: Duration) -> Self {
        let unsaid = || AtomicU64::new(UNSAID);
        let track = Track::new(over);
        let threads = Threads { list: Vec::new(), next: 0, left: Duration::ZERO, track };
        let (beat, memory, fds) = (unsaid(), unsaid(), unsaid());
        Self { name, beat, memory, fds, threads: Mutex::new(threads) }
    }

    /// What it used; none if it has no thread.
    pub(super) fn used(&self, now: Duration, buffer: &mut Buffer) -> Option<ModuleUse> {
        let mut threads = lock(&self.threads);
        if threads.list.is_empty() {
            return None;
        }
        for thread in &mut threads.list {
            thread.look(now, buffer);
        }
        threads.count(now);
        let said =
            |value: &AtomicU64| Some(value.load(Ordering::Relaxed)).filter(|&it| it != UNSAID);
        let beat = said(&self.beat).map(Duration::from_nanos);
        let dead = threads.list.iter().filter(|thread| thread.dead);
        // Others that go on do not speak for one that died.
        let died = dead.map(|thread| thread.alive).min();
        let last = [beat, died].into_iter().flatten().min();
        let (cpu, over) = threads.track.used();
        Some(ModuleUse {
            module: self.name.clone(),
            cpu,
            over,
            memory: said(&self.memory).map(Bytes::new),
            fds: said(&self.fds).and_then(|fds| u32::try_from(fds).ok()),
            silent: last.map(|last| now.saturating_sub(last)),
        })
    }
}

impl Threads {
    /// Takes note of the CPU time of all.
    fn count(&mut self, now: Duration) {
        let used = |thread: &Thread| thread.cpu.saturating_sub(thread.entered);
        let all = self.left + self.list.iter().map(used).sum::<Duration>();
        self.track.push(now, all);
    }

    /// Forgets those that died, and not what they used.
    fn bury(&mut self) {
        let left = &mut self.left;
        self.list.retain(|thread| {
            if thread.dead {
                *left += thread.cpu.saturating_sub(thread.entered);
            }
            !thread.dead
        });
    }
}

impl Thread {
    /// Reads what it used, if it is alive: of a thread that is not, the kernel has nothing to say.
    fn look(&mut self, now: Duration, buffer: &mut Buffer) {
        if self.dead {
            return;
        }
        let read = buffer.read_once(&self.file).ok();
        let path = Path::new("schedstat");
        match read.and_then(|text| parse_schedstat(text, path).ok()) {
            Some(stat) => (self.cpu, self.alive) = (stat.cpu, now),
            None => self.dead = true,
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut threads = lock(&self.part.threads);
        let Some(thread) = threads.list.iter_mut().find(|thread| thread.id == self.id) else {
            return;
        };
        thread.look(monotonic(), &mut Buffer::default());
        thread.dead = true;
        if !std::thread::panicking() {
            threads.bury();
        }
    }
}

/// A provider that is a part of the agent; of [`Modules::watch`](crate::Modules::watch).
#[derive(Debug)]
pub struct Watched<P> {
    provider: P,
    handle: ModuleHandle,
    /// From the first time that it is asked, on the thread that asks.
    here: Option<Here>,
}

impl<P> Watched<P> {
    pub(super) const fn new(provider: P, handle: ModuleHandle) -> Self {
        Self { provider, handle, here: None }
    }

    fn alive<T>(&mut self, work: impl FnOnce(&mut P) -> T) -> T {
        self.here.get_or_insert_with(|| self.handle.enter());
        self.handle.beat();
        let done = work(&mut self.provider);
        self.handle.beat();
        done
    }
}

impl<P: SignalProvider> SignalProvider for Watched<P> {
    fn sample(
        &mut self,
        now: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        self.alive(|provider| provider.sample(now, scope, out))
    }

    fn wait(&mut self, timeout: Duration) -> Option<Result<bool, SignalError>> {
        self.alive(|provider| provider.wait(timeout))
    }

    fn name(&self) -> &'static str {
        self.provider.name()
    }
}

/// Time that only goes forward, and stands still while the host sleeps.
pub(super) fn monotonic() -> Duration {
    clock(ClockId::Monotonic)
}

pub(super) fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(UNSAID - 1)
}

/// A thread that panicked while it held this has left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
