//! One provider on a thread of its own.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::Mutex;

use super::chain;
use super::slot::{FIRST_WAIT, LONGEST_WAIT, panic_text};
use crate::clock::Clock;
use crate::governor::{Breaker, BreakerState};
use crate::ledger::Diagnostic;
use crate::provider::{Scope, SignalError, SignalProvider, Signals};
use crate::subject::Subject;
use crate::units::Timestamp;

/// A provider that streams is asked to wait no longer than this, so that it notices the end of the run.
const STREAM_WAIT: Duration = Duration::from_secs(2);

/// What a provider's thread tells the agent.
pub(super) enum Message {
    /// One sample.
    Batch(Signals),
    /// The provider failed, or works again.
    Trouble(Diagnostic),
}

/// The subjects that gadgets watch, shared with the providers' threads.
#[derive(Default)]
pub(super) struct Focus {
    list: Mutex<(u64, Vec<(Subject, Duration)>)>,
}

impl Focus {
    pub(super) fn set(&self, watched: impl Iterator<Item = (Subject, Duration)>) {
        let mut list = self.list.lock();
        list.0 += 1;
        list.1.clear();
        list.1.extend(watched);
    }
}

pub(super) struct Sampler {
    pub(super) provider: Box<dyn SignalProvider>,
    pub(super) every: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) focus: Arc<Focus>,
    /// Something has changed; disconnected when the run ends.
    pub(super) wake: Receiver<()>,
    pub(super) full: Sender<Message>,
    pub(super) empties: Receiver<Signals>,
}

/// When what is due.
struct Schedule {
    sweep: Timestamp,
    version: u64,
    watched: Vec<(Subject, Duration, Timestamp)>,
    due: Vec<Subject>,
}

impl Schedule {
    fn next(&self) -> Timestamp {
        self.watched.iter().map(|&(_, _, due)| due).fold(self.sweep, Timestamp::min)
    }

    /// Takes over what gadgets watch; what was watched before keeps its rhythm.
    fn refresh(&mut self, focus: &Focus, now: Timestamp) {
        let list = focus.list.lock();
        if list.0 == self.version {
            return;
        }
        self.version = list.0;
        let before = std::mem::take(&mut self.watched);
        self.watched.extend(list.1.iter().map(|&(subject, every)| {
            let last =
                before.binary_search_by_key(&subject, |&(subject, ..)| subject).ok().map(|at| {
                    let (_, every, due) = before[at];
                    due - every
                });
            (subject, every, last.map_or(now, |last| last + every))
        }));
    }

    /// Moves what is due at `now` into `self.due`, sorted, and plans its next time.
    fn take_due(&mut self, now: Timestamp) {
        self.due.clear();
        for (subject, every, due) in &mut self.watched {
            if *due <= now {
                self.due.push(*subject);
                *due = now + *every;
            }
        }
    }
}

impl Sampler {
    pub(super) fn run(mut self) {
        let mut trouble = Trouble::new(self.provider.name());
        loop {
            let streams =
                catch_unwind(AssertUnwindSafe(|| self.provider.wait(Duration::ZERO).is_some()));
            let ended = match streams {
                Ok(true) => self.stream(&mut trouble),
                Ok(false) => self.poll(&mut trouble),
                Err(panic) => self.report(trouble.panicked(&*panic, self.clock.now())),
            };
            if ended || !self.sit_out(&trouble) {
                return;
            }
        }
    }

    /// Samples when it is time. True if the run has ended, false if the provider panicked.
    fn poll(&mut self, trouble: &mut Trouble) -> bool {
        let mut schedule =
            Schedule { sweep: self.clock.now(), version: 0, watched: Vec::new(), due: Vec::new() };
        loop {
            let wait = schedule.next().since(self.clock.now());
            match self.wake.recv_timeout(wait) {
                Err(RecvTimeoutError::Disconnected) => return true,
                Ok(()) => {
                    schedule.refresh(&self.focus, self.clock.now());
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.clock.now();
            let sweeps = schedule.sweep <= now;
            if sweeps {
                schedule.sweep = now + self.every;
            }
            schedule.take_due(now);
            let due = (!schedule.due.is_empty()).then_some(schedule.due.as_slice());
            if !self.sample(now, sweeps, due, trouble) {
                return false;
            }
        }
    }

    /// Samples when the provider has something. As [`poll`](Self::poll).
    fn stream(&mut self, trouble: &mut Trouble) -> bool {
        loop {
            if matches!(self.wake.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected)) {
                return true;
            }
            match catch_unwind(AssertUnwindSafe(|| self.provider.wait(STREAM_WAIT))) {
                Ok(Some(Ok(true))) => {
                    if !self.sample(self.clock.now(), true, None, trouble) {
                        return false;
                    }
                }
                Ok(Some(Ok(false))) => {}
                Ok(None) => return false,
                Ok(Some(Err(error))) => {
                    self.report(trouble.failed(&error));
                    if matches!(
                        self.wake.recv_timeout(STREAM_WAIT),
                        Err(RecvTimeoutError::Disconnected)
                    ) {
                        return true;
                    }
                }
                Err(panic) => {
                    self.report(trouble.panicked(&*panic, self.clock.now()));
                    return false;
                }
            }
        }
    }

    /// Takes one sample and hands it over; false if the provider panicked.
    fn sample(
        &mut self,
        now: Timestamp,
        sweep: bool,
        only: Option<&[Subject]>,
        trouble: &mut Trouble,
    ) -> bool {
        let mut out = self.empties.try_recv().unwrap_or_default();
        out.restart(now);
        let provider = &mut self.provider;
        let result = catch_unwind(AssertUnwindSafe(|| {
            if sweep {
                provider.sample(now, Scope::Everything, &mut out)?;
            }
            only.map_or(Ok(()), |subjects| provider.sample(now, Scope::Only(subjects), &mut out))
        }));
        let (report, fine) = match result {
            Ok(Ok(())) => (trouble.is_over(now), true),
            Ok(Err(error)) => (trouble.failed(&error), true),
            Err(panic) => (trouble.panicked(&*panic, now), false),
        };
        if !out.as_slice().is_empty() {
            // The agent outlives its providers' threads, so this fails only if it panicked, which ends the run.
            let _ = self.full.send(Message::Batch(out));
        }
        self.report(report);
        fine
    }

    /// Always false, for the callers' sake.
    fn report(&self, diagnostic: Option<Diagnostic>) -> bool {
        if let Some(diagnostic) = diagnostic {
            let _ = self.full.send(Message::Trouble(diagnostic));
        }
        false
    }

    /// Waits until a provider that panicked may be tried again; false if the run has ended.
    fn sit_out(&self, trouble: &Trouble) -> bool {
        let until = match trouble.breaker.state() {
            BreakerState::Open { until } => until,
            _ => self.clock.now() + FIRST_WAIT,
        };
        loop {
            match self.wake.recv_timeout(until.since(self.clock.now())) {
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(()) => {}
            }
        }
    }
}

/// What is wrong with a provider, said once per change.
struct Trouble {
    name: &'static str,
    breaker: Breaker,
    last: Option<String>,
}

impl Trouble {
    fn new(name: &'static str) -> Self {
        Self { name, breaker: Breaker::new(1, FIRST_WAIT, LONGEST_WAIT), last: None }
    }

    fn say(&self, text: String) -> Option<Diagnostic> {
        Some(Diagnostic { part: self.name.into(), text: text.into() })
    }

    fn failed(&mut self, error: &SignalError) -> Option<Diagnostic> {
        let text = chain(error);
        if self.last.as_ref() == Some(&text) {
            return None;
        }
        self.last = Some(text.clone());
        self.say(text)
    }

    fn panicked(&mut self, panic: &(dyn Any + Send), now: Timestamp) -> Option<Diagnostic> {
        // Half-open while it is tried again; a panic then opens it for longer.
        let _ = self.breaker.admit(now);
        self.breaker.failed(now);
        let text = format!("panicked: {}; sampled again after a pause", panic_text(panic));
        self.last = Some(text.clone());
        self.say(text)
    }

    fn is_over(&mut self, now: Timestamp) -> Option<Diagnostic> {
        if self.breaker.state() != BreakerState::Closed && self.breaker.admit(now) {
            self.breaker.succeeded(now);
        }
        self.last.take().and_then(|_| self.say("works again".to_owned()))
    }
}
