//! The agent with threads of its own: one per provider, and the caller's for everything else.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, never, select_biased};
use parking_lot::Mutex;

use super::Agent;
use super::sampler::{Focus, Message, Sampler};
use crate::provider::Signals;

/// Batches that may wait for the agent. When it is full, providers wait: readings come later, none is lost.
const QUEUE: usize = 64;

/// With nothing to do and nothing to wait for, the agent looks around this often.
const IDLE: Duration = Duration::from_secs(60);

/// While a plan awaits approval, the agent looks for the answer this often.
const APPROVAL_LOOK: Duration = Duration::from_millis(500);

/// Provider threads read files into small buffers; they need no large stack.
const STACK: usize = 512 * 1024;

/// Ends [`Agent::run`] from another thread. Clones are the same handle.
///
/// ```
/// # use gadget_core::{Agent, Stop};
/// let mut agent = Agent::builder().build()?;
/// let stop = Stop::new();
/// stop.stop();
/// agent.run(&stop);
/// # Ok::<(), gadget_core::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stop {
    /// Nothing is ever sent: dropping the sender is the message.
    sender: Arc<Mutex<Option<Sender<Infallible>>>>,
    receiver: Receiver<Infallible>,
}

impl Stop {
    /// A handle that has not been used.
    #[must_use]
    pub fn new() -> Self {
        let (sender, receiver) = bounded(0);
        Self { sender: Arc::new(Mutex::new(Some(sender))), receiver }
    }

    /// Ends the run; doing it twice is harmless.
    pub fn stop(&self) {
        self.sender.lock().take();
    }

    /// True once [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.sender.lock().is_none()
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Agent {
    /// Samples the providers, each on a thread of its own, and steps on this thread, until `stop` is used.
    ///
    /// The end is in order: providers finish their sample, every reading that was taken is seen, reversible effects are
    /// put back, and the ledger is on storage. After that the agent is finished and can only be dropped.
    pub fn run(&mut self, stop: &Stop) {
        let (full, batches) = bounded::<Message>(QUEUE);
        let (empty, empties) = bounded::<Signals>(QUEUE);
        let focus = Arc::new(Focus::default());
        thread::scope(|scope| {
            let mut wakers = Vec::new();
            for (provider, every) in std::mem::take(&mut self.providers) {
                let (waker, wake) = bounded::<()>(1);
                let name = provider.name();
                let sampler = Sampler {
                    provider,
                    every,
                    clock: Arc::clone(&self.clock),
                    focus: Arc::clone(&focus),
                    wake,
                    full: full.clone(),
                    empties: empties.clone(),
                };
                let thread = thread::Builder::new().name(short_name(name)).stack_size(STACK);
                match thread.spawn_scoped(scope, move || sampler.run()) {
                    Ok(_) => wakers.push(waker),
                    Err(error) => self.note(format!("no thread for provider {name}: {error}")),
                }
            }
            drop(full);
            self.run_until_stopped(stop, &batches, &empty, &focus, &wakers);
            drop(wakers);
            // Providers stop now. What they have taken is still seen.
            while let Ok(message) = batches.recv() {
                self.take(message, &empty);
            }
        });
        self.finish(self.clock.now());
    }

    fn run_until_stopped(
        &mut self,
        stop: &Stop,
        batches: &Receiver<Message>,
        empty: &Sender<Signals>,
        focus: &Focus,
        wakers: &[Sender<()>],
    ) {
        let mut batches = batches.clone();
        let mut wait = Duration::ZERO;
        loop {
            let report = select_biased! {
                recv(stop.receiver) -> _ => return,
                recv(batches) -> message => match message {
                    Ok(message) => self.take(message, empty),
                    // Every provider is gone; effects are still looked after.
                    Err(_) => {
                        batches = never();
                        continue;
                    }
                },
                default(wait) => self.step(&[], self.clock.now()),
            };
            if self.watches.take_changed() {
                focus.set(self.watches.iter());
                for waker in wakers {
                    // A full channel holds a wake-up that is not taken yet, which serves as well.
                    let _ = waker.try_send(());
                }
            }
            wait = report.next.map_or(IDLE, |next| next.since(self.clock.now()).min(IDLE));
            if report.awaiting > 0 {
                wait = wait.min(APPROVAL_LOOK);
            }
        }
    }

    fn take(&mut self, message: Message, empty: &Sender<Signals>) -> super::StepReport {
        match message {
            Message::Batch(signals) => {
                let now = self.clock.now().max(signals.taken_at());
                let report = self.step(signals.as_slice(), now);
                // The buffer goes back to the providers; with enough of them under way it is dropped.
                let _ = empty.try_send(signals);
                report
            }
            Message::Trouble(diagnostic) => {
                self.scratch.notes.push(diagnostic);
                self.step(&[], self.clock.now())
            }
        }
    }
}

/// Thread names hold 15 bytes: the last part of a path of modules says most.
fn short_name(name: &str) -> String {
    let last = name.rsplit("::").next().unwrap_or(name);
    last.chars().filter(|c| c.is_ascii_graphic()).take(15).collect()
}
