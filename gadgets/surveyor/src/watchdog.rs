//! Keeps the agent within what it may use, by sending less.
//!
//! Measured is what the kernel counts of threads, memory and files; a limit has to be exceeded in a few readings in a row. Then
//! the agent goes one step down: sums without sketches, rows as they are read, the same less often, nothing but totals. Each
//! step is given time to show before the next one. When all has been well below the limits for a while, one step up is tried: if
//! that exceeds a limit, the agent is back down at once, and the next try waits twice as long.
//!
//! It changes nothing by itself. Every step is a plan on the agent that the policy reviews and the ledger holds, and at most one
//! is in place: from what the operator asked for to the step of the ladder. Releasing it puts back what the operator asked for.

mod ladder;
mod part;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use gadget_core::{
    Assessment, BreakerState, Change, Evidence, Expectation, Metric, ModuleUse, Name, Outcome,
    Plan, PlanId, Plans, Probability, Reach, Step, Subject, Target, Telemetry, Timestamp,
};
use gadget_envelope::{AgentDiagEvent, Severity};

use crate::settings;
use ladder::{Ladder, state};
use part::{Part, Resource, Trip};

/// The most parts of the agent that are watched.
const MAX_PARTS: usize = 64;

/// A part that was not heard of for this long is no part any more.
const FORGET: Duration = Duration::from_secs(120);

/// Why more is sent again.
const WELL_BELOW: &str = "well below every limit";

/// Keeps the agent within its limits.
#[derive(Clone, Debug)]
pub struct Watchdog {
    limits: settings::Watchdog,
    parts: BTreeMap<Name, Part>,
    unwatched: u64,
    /// What the operator asked for, as of the last look.
    base: Option<Telemetry>,
    /// The step that is in force, counted from what the operator asked for, and since when.
    rung: usize,
    since: Timestamp,
    /// The step that is wanted.
    goal: usize,
    /// Why.
    cause: Option<(Name, Trip)>,
    /// The plan that is in place.
    open: Option<PlanId>,
    /// What the last plan has set.
    ours: Option<Telemetry>,
    /// A step up that has to show that it holds: until when, and where to go back to.
    probe: Option<(Timestamp, usize)>,
    now: Timestamp,
    /// How often processes are read.
    every: Duration,
}

impl Watchdog {
    /// With these limits.
    #[must_use]
    pub const fn new(limits: &settings::Watchdog) -> Self {
        Self {
            limits: *limits,
            parts: BTreeMap::new(),
            unwatched: 0,
            base: None,
            rung: 0,
            since: Timestamp::EPOCH,
            goal: 0,
            cause: None,
            open: None,
            ours: None,
            probe: None,
            now: Timestamp::EPOCH,
            every: Duration::ZERO,
        }
    }

    /// Other limits from now on. What was counted against the old ones is forgotten.
    pub fn set_limits(&mut self, limits: &settings::Watchdog) {
        if self.limits != *limits {
            self.limits = *limits;
            self.parts.clear();
        }
    }

    /// How many steps less is sent than the operator asked for: 0 is all of it, 4 a heartbeat.
    #[must_use]
    pub const fn degradation(&self) -> usize {
        self.rung
    }

    /// Readings of parts that were not watched, for there were too many.
    #[must_use]
    pub const fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// Takes in what a part of the agent used, or all of it.
    pub fn observe(&mut self, used: &ModuleUse, at: Timestamp) {
        // What parts keep open for their work is not held against the whole.
        let accounted: u32 = match &*used.module {
            ModuleUse::WHOLE => self.parts.values().filter_map(|part| part.fds).sum(),
            _ => 0,
        };
        if !self.parts.contains_key(&used.module) {
            if self.parts.len() >= MAX_PARTS {
                self.unwatched += 1;
                return;
            }
            self.parts.insert(used.module.clone(), Part::new(&self.limits, at));
        }
        if let Some(part) = self.parts.get_mut(&used.module) {
            // What reads seldom is not silent for that.
            let every = self.every.saturating_mul(3);
            let limits =
                settings::Watchdog { heartbeat: self.limits.heartbeat.max(every), ..self.limits };
            part.observe(used, accounted, &limits, at);
        }
    }

    /// Proposes what is to be sent, where that is something else than `in_force`, and never more than `base`, which is what
    /// the operator asked for. `say` is told of each step that was made, down or up; who the agent is, it has to add.
    ///
    /// When the operator asks for something else, what is in place is let go: what was asked for before is in force then, and
    /// for the caller to change.
    pub fn plan(
        &mut self,
        now: Timestamp,
        in_force: Telemetry,
        base: Telemetry,
        plans: &mut Plans,
        say: &mut impl FnMut(AgentDiagEvent),
    ) {
        let ladder = Ladder::below(base);
        if self.base != Some(base) {
            // What is in place was a step from something else.
            self.base = Some(base);
            (self.rung, self.goal, self.since) = (0, 0, now);
            (self.probe, self.cause, self.ours) = (None, None, None);
        }
        (self.now, self.every) = (now, in_force.every);
        self.parts.retain(|_, part| now.since(part.seen) < FORGET);
        let known = in_force == base || Some(in_force) == self.ours;
        let Some(rung) = ladder.find(in_force).filter(|_| known) else {
            // Somebody else has set it: theirs, until it is what was asked for again.
            self.goal = self.rung;
            self.let_go(plans);
            return;
        };
        self.moved(rung, &ladder, say);
        self.judge();
        self.decide(&ladder);
        self.assess(plans);
        if self.goal != self.rung || self.rung == 0 {
            self.let_go(plans);
        }
        if self.goal != self.rung && (self.goal > 0 || self.open.is_none()) {
            plans.propose(self.step(&ladder));
        }
    }

    /// Hears that a plan was carried out that it had proposed.
    pub fn done(&mut self, plan: &Plan) {
        if let Step::SetTelemetry { to } = plan.step {
            (self.open, self.ours) = (Some(plan.id), Some(to));
        }
    }

    /// Hears how a plan ended that it had proposed.
    pub fn learn(&mut self, outcome: &Outcome) {
        if self.open == Some(outcome.plan) {
            self.open = None;
        } else if outcome.kind == gadget_core::StepKind::SetTelemetry {
            // It was not made: others have the setting, or it failed. Not tried again at once.
            (self.goal, self.since) = (self.rung, self.now);
        }
    }

    fn let_go(&self, plans: &mut Plans) {
        if let Some(open) = self.open {
            plans.release(open);
        }
    }

    /// Takes note of the step that is in force.
    fn moved(&mut self, rung: usize, ladder: &Ladder, say: &mut impl FnMut(AgentDiagEvent)) {
        if rung == self.rung {
            return;
        }
        let (from, down) = (self.rung, rung > self.rung);
        say(self.event(from, rung, ladder));
        (self.rung, self.since) = (rung, self.now);
        self.probe = (!down).then_some((self.now + self.limits.settle, from));
        for part in self.parts.values_mut() {
            part.acted();
        }
    }

    /// Says whether a step up has held.
    fn judge(&mut self) {
        let Some((until, back_to)) = self.probe.filter(|_| self.goal <= self.rung) else { return };
        let (now, mut over) = (self.now, None);
        for (name, part) in &mut self.parts {
            if let Some(trip) = part.over.filter(|_| part.seen > self.since) {
                part.failed(now);
                over.get_or_insert((name.clone(), trip));
            }
        }
        if over.is_some() {
            (self.goal, self.cause, self.probe) = (back_to, over, None);
        } else if now >= until {
            self.probe = None;
            for part in self.parts.values_mut() {
                part.breaker.succeeded(now);
            }
        }
    }

    fn decide(&mut self, ladder: &Ladder) {
        let over = self.parts.iter().find(|(_, part)| part.wants_less());
        let over = over.and_then(|(name, part)| Some((name.clone(), part.over?)));
        let settled = self.now.since(self.since) >= self.limits.settle;
        if self.goal > self.rung && over.is_none() {
            self.goal = self.rung; // It passed before anything was done.
        } else if self.goal < self.rung && !self.calm() {
            self.goal = self.rung;
            for part in self.parts.values_mut().filter(|part| part.breaker_is(half_open)) {
                part.failed(self.now);
            }
        } else if self.goal == self.rung && over.is_some() && settled {
            self.goal = ladder.deeper(self.rung);
            self.cause = over;
        } else if self.goal == self.rung && self.probe.is_none() && self.may_probe() {
            self.goal = self.rung.saturating_sub(1);
            for part in self.parts.values_mut().filter(|part| !part.breaker_is(closed)) {
                let admitted = part.breaker.admit(self.now);
                if admitted && self.rung == 0 {
                    part.breaker.succeeded(self.now);
                }
            }
        }
    }

    /// All has been well below the limits for long enough, and every breaker would let one probe through.
    fn may_probe(&self) -> bool {
        let waited = |part: &Part| match part.breaker.state() {
            BreakerState::Open { until } => self.now >= until,
            BreakerState::Closed | BreakerState::HalfOpen => true,
        };
        let recover = self.limits.recover;
        self.calm()
            && self.now.since(self.since) >= recover
            && self.parts.values().all(|part| part.calm_for(self.now, recover) && waited(part))
    }

    fn calm(&self) -> bool {
        !self.parts.is_empty() && self.parts.values().all(|part| part.over.is_none())
    }

    fn assess(&self, plans: &mut Plans) {
        let over = self.parts.iter().filter(|(_, part)| part.breaker_is(open));
        for (name, trip) in over.filter_map(|(name, part)| Some((name, part.over?))) {
            plans.assess(Assessment {
                gadget: Name::Borrowed(""),
                at: self.now,
                subject: Subject::Agent,
                class: trip.resource.class().into(),
                probability: Probability::ONE,
                eta: None,
                culprit: None,
                statement: Some(trip.says(name).into()),
                evidence: trip.evidence(),
            });
        }
    }

    /// The step to the goal.
    fn step(&self, ladder: &Ladder) -> Plan {
        let up = self.goal < self.rung;
        let (reason, evidence) = match &self.cause {
            Some((name, trip)) if !up => (trip.says(name), trip.evidence()),
            _ => (WELL_BELOW.to_owned(), Evidence::new()),
        };
        let resource = self.cause.as_ref().map(|(_, trip)| trip.resource);
        let change = match resource {
            // Below the last step is nothing: taken back, it would be needed still.
            _ if up || ladder.deeper(self.goal) == self.goal => Change::Nothing,
            Some(Resource::Cpu) => Change::AtMost(Metric::AgentCpu, self.limits.cpu_percent),
            Some(Resource::Memory) => {
                Change::AtMost(Metric::AgentMemory, part::bytes(self.limits.memory_mb))
            }
            Some(Resource::Fds | Resource::Silence) | None => Change::Nothing,
        };
        Plan {
            id: PlanId::default(),
            gadget: Name::Borrowed(""),
            at: self.now,
            step: Step::SetTelemetry { to: ladder.rung(self.goal) },
            target: Target { subject: Subject::Agent, reach: Reach::Alone, name: "agent".into() },
            reason: reason.into(),
            confidence: Probability::ONE,
            evidence,
            // The ladder goes on after one such time; the agent puts back only what the ladder did not look after.
            expects: Expectation {
                subject: Subject::Agent,
                change,
                within: self.limits.settle.saturating_mul(2),
            },
            merit: 1.0,
            deadline: None,
        }
    }

    fn event(&self, from: usize, to: usize, ladder: &Ladder) -> AgentDiagEvent {
        let down = to > from;
        let cause = self.cause.as_ref().filter(|_| down);
        let (module, reason) = match cause {
            Some((name, trip)) => (name.to_string(), trip.says(name)),
            None if self.goal == to => (ModuleUse::WHOLE.to_owned(), WELL_BELOW.to_owned()),
            None => (ModuleUse::WHOLE.to_owned(), "the step down was put back".to_owned()),
        };
        let trip = cause.map(|(_, trip)| *trip);
        let severity = match to {
            0 => Severity::Info,
            to if ladder.deeper(to) == to => Severity::Crit,
            _ => Severity::Warn,
        };
        AgentDiagEvent {
            module,
            event_type: if down { "step_down" } else { "step_up" }.into(),
            reason,
            ts_ns: self.now.as_nanos(),
            severity: severity.into(),
            state_from: state(ladder.rung(from), ladder).into(),
            state_to: state(ladder.rung(to), ladder).into(),
            value: trip.map(|trip| trip.value),
            threshold: trip.map(|trip| trip.limit),
            unit: trip.map(|trip| trip.resource.unit()).unwrap_or_default().into(),
            schema_version: "1".into(),
            ..AgentDiagEvent::default()
        }
    }
}

const fn open(state: BreakerState) -> bool {
    matches!(state, BreakerState::Open { .. })
}

const fn half_open(state: BreakerState) -> bool {
    matches!(state, BreakerState::HalfOpen)
}

const fn closed(state: BreakerState) -> bool {
    matches!(state, BreakerState::Closed)
}
