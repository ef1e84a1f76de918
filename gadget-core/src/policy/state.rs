//! What a policy remembers. Everything here has a bound.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::touch::Touch;
use crate::action::Undo;
use crate::ledger::{Carried, PastEffect};
use crate::model::Name;
use crate::plan::{Plan, PlanId, Reach, Risk, StepKind};
use crate::subject::{HostFacts, Subject};
use crate::units::Timestamp;

/// The most plans that are proposed at a time; the one that was proposed longest ago makes room.
pub(super) const MAX_STANDING: usize = 1_024;
/// The most plans that are open at a time; a further one is refused.
pub(super) const MAX_OPEN: usize = 64;
/// The most settings that belong to somebody else; the one that was taken longest ago makes room.
pub(super) const MAX_YIELDED: usize = 1_024;

/// What makes two proposals one plan.
pub(super) type Key = (Name, StepKind, Subject, Reach);

/// A plan that goes on being proposed.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) id: PlanId,
    pub(super) since: Timestamp,
    pub(super) last: Timestamp,
    pub(super) answer: Option<bool>,
}

/// An effect that cooldowns and the budget count.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) plan: PlanId,
    pub(super) kind: StepKind,
    pub(super) subject: Subject,
    /// When it happened.
    pub(super) at: Timestamp,
    /// When it happened or, once that is known, ended.
    pub(super) cools_from: Timestamp,
}

/// A target that is held: by a permit until that expires, then by an open plan until it ends.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) plan: PlanId,
    pub(super) gadget: Name,
    pub(super) kind: StepKind,
    pub(super) subject: Subject,
    pub(super) reach: Reach,
    /// What its undo will change, where that is not the target.
    pub(super) changes: Option<Subject>,
    pub(super) touch: Touch,
    /// When it was permitted.
    pub(super) since: Timestamp,
    /// When the permit expires; none once the plan is open.
    pub(super) expires: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct State {
    last_id: u64,
    standing: HashMap<Key, Standing>,
    past: VecDeque<Past>,
    holds: Vec<Hold>,
    yielded: HashMap<(Subject, StepKind), Timestamp>,
    /// The latest time on record.
    latest: Timestamp,
    evicted: u64,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            last_id: 0,
            standing: HashMap::with_capacity(MAX_STANDING),
            past: VecDeque::with_capacity(Carried::MAX_EFFECTS),
            holds: Vec::with_capacity(MAX_OPEN),
            yielded: HashMap::new(),
            latest: Timestamp::EPOCH,
            evicted: 0,
        }
    }

    pub(super) fn restore(&mut self, carried: &Carried, facts: &HostFacts) {
        self.last_id = self.last_id.max(carried.last_plan.0);
        for PastEffect { at, plan, kind, target, .. } in &carried.effects {
            let past = Past {
                plan: *plan,
                kind: *kind,
                subject: target.subject,
                at: *at,
                cools_from: *at,
            };
            self.happened(past);
        }
        // A reboot took the effects with it, and its processes and cgroups are other ones.
        if *carried.boot_id != *facts.boot_id {
            return;
        }
        for unfinished in &carried.unfinished {
            self.open(&unfinished.plan, &unfinished.undo, unfinished.at);
        }
    }

    /// Takes note of the time. What lies ahead of it, because the clock was set back between two runs, counts as now.
    pub(super) fn tick(&mut self, now: Timestamp, window: Duration) {
        if now < self.latest {
            for past in &mut self.past {
                past.at = past.at.min(now);
                past.cools_from = past.cools_from.min(now);
            }
            for since in self.yielded.values_mut() {
                *since = (*since).min(now);
            }
            for standing in self.standing.values_mut() {
                standing.since = standing.since.min(now);
                standing.last = standing.last.min(now);
            }
        }
        self.latest = now;
        while self.past.front().is_some_and(|past| {
            now.since(past.cools_from) > window
                && !self.holds.iter().any(|hold| hold.plan == past.plan)
        }) {
            self.past.pop_front();
        }
        self.holds.retain(|hold| hold.expires.is_none_or(|expires| now < expires));
    }

    /// Gives a plan its id: that of the plan that is proposed already, or a new one.
    pub(super) fn admit(&mut self, plan: &mut Plan, lapse: Duration) {
        let key = key(plan);
        if let Some(standing) = self.standing.get_mut(&key)
            && plan.at.since(standing.last) < lapse
        {
            standing.last = standing.last.max(plan.at);
            plan.id = standing.id;
            return;
        }
        self.last_id += 1;
        plan.id = PlanId(self.last_id);
        if self.standing.len() >= MAX_STANDING && !self.standing.contains_key(&key) {
            self.make_room(plan.at, lapse);
        }
        let standing = Standing { id: plan.id, since: plan.at, last: plan.at, answer: None };
        self.standing.insert(key, standing);
    }

    fn make_room(&mut self, now: Timestamp, lapse: Duration) {
        self.standing.retain(|_, standing| now.since(standing.last) < lapse);
        if self.standing.len() < MAX_STANDING {
            return;
        }
        let oldest = self.standing.iter().min_by_key(|(_, standing)| (standing.last, standing.id));
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.standing.remove(&key);
            self.evicted += 1;
        }
    }

    pub(super) fn standing(&self, plan: &Plan) -> Option<&Standing> {
        self.standing.get(&key(plan)).filter(|standing| standing.id == plan.id)
    }

    pub(super) fn answer(&mut self, plan: PlanId, yes: bool) -> bool {
        let standing = self.standing.values_mut().find(|standing| standing.id == plan);
        standing.map(|standing| standing.answer = Some(yes)).is_some()
    }

    pub(super) fn permit(&mut self, plan: &Plan, touch: Touch, now: Timestamp, expires: Timestamp) {
        self.holds.push(Hold {
            plan: plan.id,
            gadget: plan.gadget.clone(),
            kind: plan.step.kind(),
            subject: plan.target.subject,
            reach: plan.target.reach,
            changes: None,
            touch,
            since: now,
            expires: Some(expires),
        });
    }

    /// Turns the permit's hold into an open plan, and counts the effect.
    pub(super) fn open(&mut self, plan: &Plan, undo: &Undo, now: Timestamp) {
        let changes = match undo {
            Undo::Nothing => None,
            Undo::Thaw { cgroup, .. } => Some(Subject::Cgroup(*cgroup)),
            Undo::Continue { process, .. } => Some(Subject::Process(*process)),
            Undo::Restore { subject, .. } => Some(*subject),
        };
        if !self.holds.iter().any(|hold| hold.plan == plan.id) {
            self.permit(plan, Touch::default(), now, now);
        }
        for hold in self.holds.iter_mut().filter(|hold| hold.plan == plan.id) {
            hold.expires = None;
            hold.changes = changes.filter(|changes| *changes != hold.subject);
        }
        // Its approval is used; what is proposed from now on is another plan.
        if self.standing(plan).is_some() {
            self.standing.remove(&key(plan));
        }
        if !self.past.iter().any(|past| past.plan == plan.id) {
            let (kind, subject) = (plan.step.kind(), plan.target.subject);
            self.happened(Past { plan: plan.id, kind, subject, at: now, cools_from: now });
        }
    }

    /// Keeps effects in the order of their time.
    fn happened(&mut self, past: Past) {
        if self.past.len() >= Carried::MAX_EFFECTS {
            self.past.pop_front();
            self.evicted += 1;
        }
        self.latest = self.latest.max(past.at);
        let at = self.past.partition_point(|other| other.at <= past.at);
        self.past.insert(at, past);
    }

    pub(super) fn end(&mut self, plan: PlanId, now: Timestamp) {
        self.holds.retain(|hold| hold.plan != plan);
        for past in self.past.iter_mut().filter(|past| past.plan == plan) {
            past.cools_from = past.cools_from.max(now);
        }
        self.latest = self.latest.max(now);
    }

    pub(super) fn yielded(&mut self, subject: Subject, kind: StepKind, now: Timestamp) {
        let key = (subject, kind);
        if self.yielded.len() >= MAX_YIELDED && !self.yielded.contains_key(&key) {
            let oldest = self.yielded.iter().min_by_key(|&(key, since)| (*since, *key));
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.yielded.remove(&key);
                self.evicted += 1;
            }
        }
        self.yielded.insert(key, now);
        self.latest = self.latest.max(now);
    }

    pub(super) fn yielded_since(&self, subject: Subject, kind: StepKind) -> Option<Timestamp> {
        self.yielded.get(&(subject, kind)).copied()
    }

    pub(super) fn past(&self) -> impl Iterator<Item = &Past> {
        self.past.iter()
    }

    pub(super) fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// Steps since `start`, of any risk and of high risk; a permit that can still be used counts as a step.
    pub(super) fn spent(&self, now: Timestamp, window: Duration) -> (u32, u32) {
        let done =
            self.past.iter().filter(|past| now.since(past.at) < window).map(|past| past.kind);
        let permitted =
            self.holds.iter().filter(|hold| hold.expires.is_some()).map(|hold| hold.kind);
        done.chain(permitted).fold((0, 0), |(all, high), kind| {
            (all + 1, high + u32::from(kind.risk() == Risk::High))
        })
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }
}

fn key(plan: &Plan) -> Key {
    (plan.gadget.clone(), plan.step.kind(), plan.target.subject, plan.target.reach)
}
