//! The clock that deadlines are measured with: one thread that moves the engine's epoch on while a plug-in runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

/// How long an epoch lasts.
const TICK: Duration = Duration::from_millis(2);
/// Epochs without a call after which the thread parks: a batch of calls wakes it once.
const LINGER: u32 = 25;

/// Ticks while calls run, and sleeps when none does.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    calls: AtomicUsize,
    parked: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    pub(super) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("filter-ticker".to_owned())
            .spawn(move || tick(&engine, &its))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A call runs as long as the guard lives.
    pub(super) fn call(&self) -> Call<'_> {
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        // Either this sees that the thread has parked, or the thread sees the call before it parks.
        if self.shared.parked.load(Ordering::SeqCst) {
            self.unpark();
        }
        Call(&self.shared)
    }

    fn unpark(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Epochs that last at least as long as `deadline`, the first of which may be about to end.
    pub(super) fn epochs(deadline: Duration) -> u64 {
        u64::try_from(deadline.as_nanos().div_ceil(TICK.as_nanos()))
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        if idle >= LINGER {
            shared.parked.store(true, Ordering::SeqCst);
            if shared.calls.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
                thread::park();
            }
            shared.parked.store(false, Ordering::SeqCst);
            idle = 0;
            continue;
        }
        thread::sleep(TICK);
        engine.increment_epoch();
        idle = if shared.calls.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.unpark();
        if let Some(thread) = self.thread.take() {
            // It does not panic, and there would be nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// While it lives the ticker ticks.
pub(super) struct Call<'a>(&'a Shared);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(what: &str, held: impl Fn() -> bool) {
        let enough = (0..5_000).any(|_| {
            thread::sleep(Duration::from_millis(1));
            held()
        });
        assert!(enough, "{what}");
    }

    #[test]
    fn it_parks_without_calls_and_each_call_wakes_it() {
        let ticker = Ticker::start(Engine::default()).unwrap();
        for _ in 0..3 {
            until("it parks", || ticker.shared.parked.load(Ordering::SeqCst));
            let call = ticker.call();
            until("it ticks", || !ticker.shared.parked.load(Ordering::SeqCst));
            drop(call);
        }
        assert_eq!(ticker.shared.calls.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_deadline_is_never_shorter_than_asked_for() {
        assert_eq!(Ticker::epochs(Duration::from_millis(10)), 6);
        assert_eq!(Ticker::epochs(Duration::from_millis(9)), 6);
        assert_eq!(Ticker::epochs(Duration::ZERO), 1);
    }
}
