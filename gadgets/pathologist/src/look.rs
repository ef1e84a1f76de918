//! The latest look at a process's threads, with what has not changed since earlier ones.

use std::time::Duration;

use gadget_core::{Thread, Threads, Timestamp, Wait};

use crate::graph::MOST_THREADS;

/// Looks that lie closer than this are taken together, up to a stretch of `FAR`.
const CLOSE: Duration = Duration::from_secs(4);
const FAR: Duration = Duration::from_secs(8);

/// One look, compared with those before it.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// When it was taken.
    pub(crate) at: Timestamp,
    /// The time since the look before, or an earlier one where that was taken a moment ago; none for the first one.
    pub(crate) over: Option<Duration>,
    /// Threads in the order of their ids, no duplicates, none that has ended.
    pub(crate) threads: Threads,
    /// Beside each thread.
    pub(crate) seen: Vec<Seen>,
}

/// What earlier looks tell of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The first look from which on it has not run at all, and waits as it did then.
    pub(crate) still: Timestamp,
    /// The first look from which on it was seen to wait for the same lock of the same owner, at each look; it may have run
    /// in between.
    pub(crate) same: Timestamp,
    /// The first look from which on it was found running, or ready to, at each look.
    pub(crate) running: Timestamp,
    /// CPU time over that time.
    pub(crate) ran: Duration,
    /// CPU time and time on a run queue over that time: what it wanted of a processor.
    pub(crate) wanted: Duration,
}

impl Look {
    /// The first look.
    pub(crate) fn first(at: Timestamp, threads: &Threads) -> Self {
        let mut look = Self { at, over: None, threads: threads.clone(), seen: Vec::new() };
        look.tidy();
        look.seen = vec![Seen::first(at); look.threads.threads.len()];
        look
    }

    /// The look after this one, with what did not change.
    pub(crate) fn next(&self, at: Timestamp, threads: &Threads) -> Self {
        // Of looks that follow one another closely each tells little: they are taken together.
        let carried = self.over.filter(|over| at.since(self.at) < CLOSE && *over < FAR);
        let over = at.since(self.at) + carried.unwrap_or_default();
        let mut next = Self { at, over: Some(over), threads: threads.clone(), seen: Vec::new() };
        next.tidy();
        next.seen.reserve(next.threads.threads.len());
        let mut before = self.threads.threads.iter().zip(&self.seen).peekable();
        for thread in &next.threads.threads {
            while before.next_if(|(other, _)| other.tid < thread.tid).is_some() {}
            let seen = match before.peek() {
                Some((other, seen)) if other.tid == thread.tid => {
                    seen.next(at, other, thread, carried.is_some())
                }
                _ => Seen::first(at),
            };
            next.seen.push(seen);
        }
        next
    }

    /// Each thread once, in order, and no more than a graph holds.
    fn tidy(&mut self) {
        let threads = &mut self.threads.threads;
        threads.retain(|thread| !matches!(thread.state, 'Z' | 'X'));
        threads.sort_by_key(|thread| thread.tid);
        threads.dedup_by_key(|thread| thread.tid);
        if threads.len() > MOST_THREADS {
            let beyond = (threads.len() - MOST_THREADS) as u32;
            self.threads.left_out = self.threads.left_out.saturating_add(beyond);
            threads.truncate(MOST_THREADS);
        }
    }

    /// Each thread with what earlier looks tell of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Thread, &Seen)> {
        self.threads.threads.iter().zip(&self.seen)
    }

    pub(crate) fn thread(&self, tid: u32) -> Option<(&Thread, &Seen)> {
        let at = self.threads.threads.binary_search_by_key(&tid, |thread| thread.tid).ok()?;
        Some((self.threads.threads.get(at)?, self.seen.get(at)?))
    }

    /// The first look from which on none of its threads has run; none if there is no thread.
    pub(crate) fn all_still(&self) -> Option<Timestamp> {
        self.seen.iter().map(|seen| seen.still).max()
    }

    /// Clients that wait to be accepted.
    pub(crate) fn queued(&self) -> u32 {
        self.threads.listeners.iter().fold(0, |sum, listener| sum.saturating_add(listener.queued))
    }

    /// Share of one processor that `threads` of it used since the look before; none at the first one.
    pub(crate) fn share(&self, of: impl Fn(&Thread) -> bool) -> Option<f64> {
        let over = self.over?.as_secs_f64();
        let used: Duration =
            self.iter().filter(|(thread, _)| of(thread)).map(|(_, seen)| seen.ran).sum();
        (over > 0.0).then(|| used.as_secs_f64() / over)
    }
}

impl Seen {
    const fn first(at: Timestamp) -> Self {
        Self { still: at, same: at, running: at, ran: Duration::ZERO, wanted: Duration::ZERO }
    }

    fn next(self, at: Timestamp, before: &Thread, now: &Thread, carried: bool) -> Self {
        let ran = now.cpu.saturating_sub(before.cpu);
        let wanted = ran + now.ready.saturating_sub(before.ready);
        let earlier = if carried { (self.ran, self.wanted) } else { Default::default() };
        // All three stand still with a thread that is not scheduled; another thread that got its id would have to match
        // them all.
        let froze = (before.slices, before.cpu, before.ready) == (now.slices, now.cpu, now.ready)
            && (before.since.is_none() || now.since.is_none() || before.since == now.since);
        Self {
            still: if froze && alike(&before.wait, &now.wait) { self.still } else { at },
            running: if runs(before) && runs(now) { self.running } else { at },
            same: if same_lock(&before.wait, &now.wait) { self.same } else { at },
            ran: ran + earlier.0,
            wanted: wanted + earlier.1,
        }
    }
}

fn runs(thread: &Thread) -> bool {
    matches!(thread.wait, Wait::Running)
}

/// They wait for the same thing, as far as a thread that has not run can tell.
fn alike(before: &Wait, now: &Wait) -> bool {
    match (before, now) {
        // Its ages pass.
        (Wait::Peer(before), Wait::Peer(now)) => before.address == now.address,
        (before, now) => before == now,
    }
}

/// They wait for the same lock, and the same thread holds it.
fn same_lock(before: &Wait, now: &Wait) -> bool {
    match (before, now) {
        (Wait::Futex(before), Wait::Futex(now)) => {
            let owner = |lock: Option<gadget_core::Lock>| lock.and_then(|lock| lock.owner);
            before.address == now.address
                && owner(now.lock).is_some()
                && owner(before.lock) == owner(now.lock)
        }
        _ => false,
    }
}
