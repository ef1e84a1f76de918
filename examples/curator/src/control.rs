//! The agent: hears how rules do, and puts in force what the policy permits. On a thread of its own, away from the lines.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use gadget_actions::Linux;
use gadget_core::{
    Agent, ApprovalInbox, Clock as _, HostFacts, Ledger, Policy, RuleStates, Stop, SystemClock,
};
use gadget_curator::{Curator, POLICY, RuleReports};

use crate::cli::Asked;
use crate::{NAME, say};

/// Reports of rules are read so often.
const EVERY: Duration = Duration::from_secs(1);

/// The agent on its thread.
pub(crate) struct Control {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Control {
    /// Starts it.
    pub(crate) fn start(
        asked: &Asked,
        states: RuleStates,
        reports: RuleReports,
    ) -> anyhow::Result<Self> {
        let policy = match &asked.policy {
            Some(path) => Policy::load(path)
                .with_context(|| format!("cannot use the policy {}", path.display()))?,
            None => Policy::from_toml(POLICY)?,
        };
        let facts =
            HostFacts::read("/proc".as_ref()).context("cannot read what identifies this host")?;
        let clock = SystemClock::new();
        let (json, quiet) = (asked.json, asked.quiet);
        let mut builder = Agent::builder()
            .clock(clock)
            .host(facts.clone())
            .gadget(Curator::default())
            .policy(policy)
            .provider(reports, EVERY)
            .actions(Linux::builder().learned_rules(states).build())
            .on_event(move |event, _| {
                if let Some(text) = say::event(&event, json).filter(|_| !quiet) {
                    eprintln!("{text}");
                }
            });
        if let Some(dir) = &asked.ledger {
            let ledger = Ledger::open(dir, &facts, SystemClock::new().now())
                .with_context(|| format!("cannot open the ledger in {}", dir.display()))?;
            builder = builder.ledger(ledger).approvals(ApprovalInbox::open(dir.join("approvals"))?);
        }
        let mut agent = builder.build()?;
        let stop = Stop::new();
        let until = stop.clone();
        let thread = thread::Builder::new()
            .name("agent".to_owned())
            .spawn(move || agent.run(&until))
            .context("no thread for the agent")?;
        Ok(Self { stop, thread })
    }

    /// Ends it in order.
    pub(crate) fn end(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            eprintln!("{NAME}: the agent ended in disorder");
        }
    }
}
