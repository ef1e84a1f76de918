//! Putting an agent together.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::event::Listener;
use super::slot::{Factory, Slot};
use super::{Agent, Event, Scratch};
use crate::action::{Action, NoActions};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::gadget::Gadget;
use crate::governor::Budget;
use crate::ledger::{Ledger, recover};
use crate::model::Name;
use crate::policy::{ApprovalInbox, Policy};
use crate::provider::SignalProvider;
use crate::recording::Recorder;
use crate::subject::HostFacts;
use crate::world::World;

/// Why an agent could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two gadgets go by one name; policies and ledgers could not tell them apart.
    #[error("two gadgets are called {0:?}")]
    SameName(Name),
    /// An interval of zero would sample without end.
    #[error("the interval of provider {0:?} is zero")]
    ZeroInterval(&'static str),
    /// The host could not be identified.
    #[error("cannot read what identifies this host from /proc/sys/kernel")]
    Host(#[source] io::Error),
}

/// Puts an [`Agent`] together; every part has a safe default.
#[must_use]
pub struct AgentBuilder {
    providers: Vec<(Box<dyn SignalProvider>, Duration)>,
    gadgets: Vec<(Factory, Budget)>,
    action: Box<dyn Action>,
    policy: Policy,
    ledger: Option<Ledger>,
    recorder: Option<Recorder>,
    approvals: Option<ApprovalInbox>,
    clock: Option<Arc<dyn Clock>>,
    facts: Option<HostFacts>,
    on_event: Listener,
    max_hold: Duration,
    replaying: bool,
}

impl Default for AgentBuilder {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            gadgets: Vec::new(),
            action: Box::new(NoActions),
            policy: Policy::observe(),
            ledger: None,
            recorder: None,
            approvals: None,
            clock: None,
            facts: None,
            on_event: Box::new(|_, _| {}),
            max_hold: Duration::from_secs(15 * 60),
            replaying: false,
        }
    }
}

impl AgentBuilder {
    /// Adds a provider that is asked for everything `every` so often, and more often for what gadgets watch. A provider
    /// that streams is asked when it has something instead.
    pub fn provider(mut self, provider: impl SignalProvider + 'static, every: Duration) -> Self {
        self.providers.push((Box::new(provider), every));
        self
    }

    /// Adds a gadget. Should it panic, it is replaced by a copy of how it was when added.
    pub fn gadget(self, gadget: impl Gadget + Clone + 'static) -> Self {
        self.gadget_from(move || gadget.clone())
    }

    /// Adds a gadget that `make` makes, now and again after each panic.
    pub fn gadget_from<G: Gadget + 'static>(
        self,
        make: impl FnMut() -> G + Send + 'static,
    ) -> Self {
        self.gadget_with_budget(make, Budget::default())
    }

    /// Adds a gadget that `make` makes and that may cost `budget`.
    pub fn gadget_with_budget<G: Gadget + 'static>(
        mut self,
        mut make: impl FnMut() -> G + Send + 'static,
        budget: Budget,
    ) -> Self {
        self.gadgets.push((Box::new(move || Box::new(make())), budget));
        self
    }

    /// The backend that carries out what the policy permits. Default: none, nothing can be done.
    pub fn actions(mut self, action: impl Action + 'static) -> Self {
        self.action = Box::new(action);
        self
    }

    /// What gadgets may do. Default: [`Policy::observe`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Where everything is recorded. Default: in memory, which forgets its cooldowns with the process.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// Writes all signals to a recording as well, for [`replay`](crate::replay).
    pub fn recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Where a person's answers to plans that await approval arrive.
    pub fn approvals(mut self, inbox: ApprovalInbox) -> Self {
        self.approvals = Some(inbox);
        self
    }

    /// The clock of [`Agent::run`]. Default: [`SystemClock`]; for a replay a [`ManualClock`] at the epoch.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The host that the signals are from. Default: this one.
    pub fn host(mut self, facts: HostFacts) -> Self {
        self.facts = Some(facts);
        self
    }

    /// Is told everything that happens, on the agent's thread, with the world as it is then, which knows the names.
    pub fn on_event(mut self, on_event: impl FnMut(Event<'_>, &World) + Send + 'static) -> Self {
        self.on_event = Box::new(on_event);
        self
    }

    /// How long a reversible effect may stand without its gadget releasing it. Default 15 min.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.max_hold = max_hold;
        self
    }

    /// For a replay: nothing but the signals decides. CPU time is not measured, pause files are not looked for.
    pub fn replaying(mut self) -> Self {
        self.replaying = true;
        self
    }

    /// Puts it together, and puts back what an agent before this one left unfinished.
    ///
    /// # Errors
    /// [`BuildError`], before anything has changed.
    pub fn build(self) -> Result<Agent, BuildError> {
        if let Some((provider, _)) = self.providers.iter().find(|(_, every)| every.is_zero()) {
            return Err(BuildError::ZeroInterval(provider.name()));
        }
        let mut slots: Vec<Slot> = Vec::new();
        for (make, budget) in self.gadgets {
            let slot = Slot::new(make, (!self.replaying).then_some(budget));
            if slots.iter().any(|other| other.name() == slot.name()) {
                return Err(BuildError::SameName(slot.name().clone()));
            }
            slots.push(slot);
        }
        let facts = match self.facts {
            Some(facts) => facts,
            None => HostFacts::read(Path::new("/proc")).map_err(BuildError::Host)?,
        };
        let clock = self.clock.unwrap_or_else(|| match self.replaying {
            true => Arc::new(ManualClock::default()),
            false => Arc::new(SystemClock::new()),
        });
        let now = clock.now();
        let ledger = match self.ledger {
            Some(ledger) => ledger,
            None => Ledger::in_memory(&facts, now),
        };
        let mut agent = Agent {
            world: World::new(facts),
            policy: self.policy,
            ledger,
            action: self.action,
            slots,
            providers: self.providers,
            clock,
            on_event: self.on_event,
            recorder: self.recorder,
            approvals: self.approvals,
            watches: super::watches::Watches::default(),
            open: Vec::with_capacity(64),
            unwritten: VecDeque::new(),
            scratch: Scratch::default(),
            max_hold: self.max_hold,
            paused: None,
            ledger_fails: false,
            awaiting: false,
            sign_due: None,
            finished: false,
        };
        if self.replaying {
            agent.policy.without_pause_files();
        }
        let recovered = recover(&mut agent.ledger, &mut *agent.action, agent.world.facts(), now);
        agent.policy.restore(agent.ledger.carried(), agent.world.facts());
        for outcome in &recovered {
            (agent.on_event)(Event::Ended(outcome), &agent.world);
        }
        Ok(agent)
    }
}
