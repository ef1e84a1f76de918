//! What is an incident, and what is only news.

mod ends;
mod errors;
mod latency;
mod news;
mod services;
mod spans;
mod watch;

use std::fmt;
use std::sync::Arc;

use gadget_core::{Evidence, Plan, Reading, Signal, Timestamp, World};

use crate::settings::Settings;
use ends::Ends;
use errors::Errors;
use latency::Latency;
use news::News;
use services::Services;

pub use watch::LogWatch;

/// Triggers that wait to be taken; of more, the rest is counted.
const MOST_WAITING: usize = 64;

/// Why logs are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A service logs what it never logged before.
    News,
    /// A service logs errors at more than twice its rate.
    Errors,
    /// A process crashed, or a container's process failed.
    Crash,
    /// The kernel's OOM killer has killed.
    Oom,
    /// A service answers much slower than it did, or fails to.
    Latency,
    /// Another gadget has acted.
    Action,
    /// Somebody asked.
    Call,
    /// The agent was killed, and what it had kept is still there.
    LeftBehind,
}

impl Cause {
    /// The name in outputs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::News => "never logged before",
            Self::Errors => "error rate",
            Self::Crash => "crash",
            Self::Oom => "out of memory",
            Self::Latency => "latency",
            Self::Action => "action",
            Self::Call => "call",
            Self::LeftBehind => "left behind",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A reason to send what was logged around a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// The moment.
    pub at: Timestamp,
    /// Whom it is about: a service, a process, `host`.
    pub about: Arc<str>,
    /// Of what kind it is.
    pub cause: Cause,
    /// In a sentence; templates stand in it without values.
    pub statement: Arc<str>,
    /// The numbers behind it.
    pub evidence: Evidence,
}

/// Watches signals for triggers. Pure: the same signals give the same triggers.
#[derive(Clone, Debug)]
pub struct Triggers {
    services: Services,
    news: News,
    errors: Errors,
    latency: Latency,
    ends: Ends,
    waiting: Vec<Trigger>,
    lost: u64,
}

impl Triggers {
    /// Has learned nothing yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            services: Services::new(settings),
            news: News::new(settings),
            errors: Errors::new(settings),
            latency: Latency::new(settings),
            ends: Ends::default(),
            waiting: Vec::new(),
            lost: 0,
        }
    }

    /// Takes in one signal.
    pub fn observe(&mut self, signal: &Signal) {
        let found = match &signal.reading {
            Reading::LogActivity(activity) => {
                self.services.observe(activity, signal.at);
                for trigger in self.errors.observe(activity, signal.at, &self.services) {
                    self.push(trigger);
                }
                None
            }
            Reading::LogTemplate(template) => self.news.observe(template, &mut self.services),
            Reading::SpanStats(spans) => self.latency.observe(spans, signal.at),
            Reading::CaptureCall(call) => Some(Trigger {
                at: signal.at,
                about: call.service.clone().unwrap_or_else(|| "host".into()),
                cause: Cause::Call,
                statement: format!("{} asks: {}", call.by, call.reason).into(),
                evidence: Evidence::new(),
            }),
            _ => {
                self.ends.observe(signal);
                None
            }
        };
        if let Some(trigger) = found {
            self.push(trigger);
        }
    }

    /// Hears that another gadget has acted on the host.
    pub fn witness(&mut self, plan: &Plan, now: Timestamp) {
        if plan.step.kind().is_our_own() {
            return;
        }
        self.push(Trigger {
            at: now,
            about: Arc::clone(&plan.target.name),
            cause: Cause::Action,
            statement: format!("{}: {} on {}", plan.gadget, plan.step, plan.target.name).into(),
            evidence: plan.evidence.clone(),
        });
    }

    /// Adds one from elsewhere.
    pub fn push(&mut self, trigger: Trigger) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push(trigger);
        } else {
            self.lost += 1;
        }
    }

    /// Takes those that were found since the last time. `world` names the processes that ended.
    pub fn take(&mut self, world: &World) -> Vec<Trigger> {
        for trigger in self.ends.take(world) {
            self.push(trigger);
        }
        std::mem::take(&mut self.waiting)
    }

    /// Triggers that were lost since too many waited.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gadget_core::{
        CaptureCall, Change, Expectation, HostFacts, PlanId, Probability, Reach, Step, Subject,
        Target,
    };

    use super::*;

    fn world() -> World {
        World::new(HostFacts { boot_id: "b".into(), kernel: "6.1".into(), agent_pid: 9, cpus: 2 })
    }

    fn plan(step: Step) -> Plan {
        let (subject, within) = (Subject::Host, Duration::from_secs(1));
        Plan {
            id: PlanId(3),
            gadget: "oracle".into(),
            at: Timestamp::from_secs(5),
            step,
            target: Target { subject, reach: Reach::Alone, name: "shop".into() },
            reason: "leak".into(),
            confidence: Probability::ONE,
            evidence: Evidence::new(),
            expects: Expectation { subject, change: Change::Nothing, within },
            merit: 1.0,
            deadline: None,
        }
    }

    #[test]
    fn what_another_gadget_does_to_the_host_is_a_trigger() {
        let mut triggers = Triggers::new(&Settings::default());
        let now = Timestamp::from_secs(6);
        triggers.witness(&plan(Step::Kill), now);
        triggers.witness(&plan(Step::SetTelemetry { to: gadget_core::Telemetry::default() }), now);
        let found = triggers.take(&world());
        let said: Vec<_> = found.iter().map(|found| (found.cause, &*found.statement)).collect();
        assert_eq!(said, [(Cause::Action, "oracle: kill on shop")]);
        assert_eq!((found[0].at, &*found[0].about), (now, "shop"));
    }

    #[test]
    fn more_triggers_than_can_wait_are_counted() {
        let mut triggers = Triggers::new(&Settings::default());
        let call = CaptureCall { by: "ops".into(), reason: "odd".into(), service: None };
        for secs in 0..MOST_WAITING as u64 + 5 {
            let reading = Reading::CaptureCall(call.clone().into());
            let at = Timestamp::from_secs(secs);
            triggers.observe(&Signal { at, subject: Subject::Host, reading });
        }
        assert_eq!((triggers.take(&world()).len(), triggers.lost()), (MOST_WAITING, 5));
        assert!(triggers.take(&world()).is_empty());
    }
}
