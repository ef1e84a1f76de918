//! The gadget: triggers in, plans to flush out.

use std::collections::VecDeque;
use std::time::Duration;

use gadget_core::{
    Assessment, Change, Ending, Evidence, Expectation, Gadget, Name, Outcome, Plan, PlanId, Plans,
    Probability, Reach, Signal, Step, StepKind, Subject, Target, Timestamp, World,
};

use crate::incident::{Incident, Incidents};
use crate::settings::{Settings, SettingsError};
use crate::trigger::{Cause, Trigger, Triggers};

const DAY_NANOS: u64 = 86_400_000_000_000;

/// Complete incidents that wait to be permitted.
const MOST_WAITING: usize = 8;

/// A plan that is not permitted within this time is given up: what was kept is gone by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts an [`Archivist`] together.
#[derive(Clone, Debug, Default)]
pub struct ArchivistBuilder {
    settings: Settings,
    left_behind: Option<(Timestamp, Timestamp)>,
}

impl ArchivistBuilder {
    /// What is set. Default: [`Settings::default`].
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// What an earlier life of the agent kept and never closed: its first moment and its last. The end of it is an incident: whatever
    /// killed the agent may be in there.
    #[must_use]
    pub fn left_behind(mut self, first: Timestamp, last: Timestamp) -> Self {
        self.left_behind = Some((first, last));
        self
    }

    /// The Archivist.
    ///
    /// # Errors
    /// [`SettingsError`] says what cannot be.
    pub fn build(self) -> Result<Archivist, SettingsError> {
        self.settings.check()?;
        Ok(Archivist {
            settings: self.settings,
            triggers: Triggers::new(&self.settings),
            incidents: Incidents::new(&self.settings),
            left_behind: self.left_behind,
            now: Timestamp::EPOCH,
            waiting: VecDeque::new(),
            day: 0,
            flushed: 0,
        })
    }
}

/// Sends what was logged around an incident: 90 seconds before its first sign and 30 after.
///
/// It keeps no logs and sees no line; it says which time is to be sent, and whoever keeps them sends it.
#[derive(Clone, Debug)]
pub struct Archivist {
    settings: Settings,
    triggers: Triggers,
    incidents: Incidents,
    left_behind: Option<(Timestamp, Timestamp)>,
    now: Timestamp,
    /// Not yet permitted, and since when.
    waiting: VecDeque<(Timestamp, Incident)>,
    day: u64,
    /// Flushes of this day.
    flushed: u32,
}

impl Archivist {
    /// Begins to put one together.
    #[must_use]
    pub fn builder() -> ArchivistBuilder {
        ArchivistBuilder::default()
    }

    /// Flushes that this day's budget still allows.
    #[must_use]
    pub fn left_today(&self) -> u32 {
        self.settings.per_day.saturating_sub(self.flushed)
    }

    fn begin(&mut self, trigger: Trigger, plans: &mut Plans) {
        plans.record(said(trigger.cause.name(), &trigger.statement, &trigger));
        if let Some(closed) = self.incidents.take(trigger) {
            self.wait(closed, plans);
        }
    }

    /// Puts an incident among those to be sent, if the budget allows.
    fn wait(&mut self, incident: Incident, plans: &mut Plans) {
        let Some(first) = incident.triggers.first() else { return };
        if self.left_today() == 0 && !incident.is_called_for() {
            let statement = format!("{}: not sent, {} were today", incident.reason(), self.flushed);
            plans.record(said("over-budget", &statement, first));
        } else if self.waiting.len() >= MOST_WAITING {
            let statement = format!("{}: not sent, others wait", incident.reason());
            plans.record(said("not-sent", &statement, first));
        } else {
            self.flushed += 1;
            self.waiting.push_back((self.now, incident));
        }
    }

    /// The end of what was left behind is sent as it is, at once, for it is overwritten soon. What was logged since then is read
    /// now, so it goes on.
    fn begin_left_behind(&mut self, now: Timestamp, plans: &mut Plans) {
        let Some((first, last)) = self.left_behind.take() else { return };
        let before = self.settings.before.as_nanos() as u64;
        let from = Timestamp::from_nanos(last.as_nanos().saturating_sub(before)).max(first);
        let secs = last.since(first).as_secs();
        let trigger = Trigger {
            at: last,
            about: "agent".into(),
            cause: Cause::LeftBehind,
            statement: format!("the agent was killed, {secs} s of logs are still there").into(),
            evidence: Evidence::new(),
        };
        plans.record(said(trigger.cause.name(), &trigger.statement, &trigger));
        let left = self.incidents.left_behind(from, trigger, now);
        self.wait(left, plans);
    }
}

impl Gadget for Archivist {
    fn name(&self) -> Name {
        Name::Borrowed(crate::NAME)
    }

    fn observe(&mut self, signal: &Signal) {
        self.now = self.now.max(signal.at);
        self.triggers.observe(signal);
    }

    fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
        self.now = now;
        let day = now.as_nanos() / DAY_NANOS;
        if day != self.day {
            (self.day, self.flushed) = (day, 0);
        }
        self.begin_left_behind(now, plans);
        for trigger in self.triggers.take(world) {
            self.begin(trigger, plans);
        }
        if let Some(complete) = self.incidents.complete(now) {
            self.wait(complete, plans);
        }
        self.waiting.retain(|(since, it)| now.since(it.until.max(*since)) < PATIENCE);
        if let Some((_, incident)) = self.waiting.front().filter(|(_, it)| it.until <= now) {
            plans.propose(proposal(incident, now));
        }
    }

    fn done(&mut self, plan: &Plan) {
        if let Step::FlushLogs { from, until } = plan.step {
            self.waiting.retain(|(_, it)| (it.from, it.until) != (from, until));
        }
    }

    fn witness(&mut self, plan: &Plan) {
        self.triggers.witness(plan, self.now);
    }

    fn learn(&mut self, outcome: &Outcome) {
        // It could not be done, which is on record; trying again would say it again.
        if outcome.kind == StepKind::FlushLogs && outcome.ending == Ending::Failed {
            self.waiting.pop_front();
        }
    }
}

fn proposal(incident: &Incident, now: Timestamp) -> Plan {
    let mut evidence = Evidence::new();
    evidence.push((Name::Borrowed("triggers"), f64::from(incident.count)));
    if let Some(first) = incident.triggers.first() {
        evidence.extend(first.evidence.iter().take(8).cloned());
    }
    Plan {
        id: PlanId::default(),
        gadget: Name::Borrowed(""),
        at: now,
        step: Step::FlushLogs { from: incident.from, until: incident.until },
        target: Target { subject: Subject::Agent, reach: Reach::Alone, name: incident.about() },
        reason: incident.reason().into(),
        confidence: Probability::ONE,
        evidence,
        expects: Expectation {
            subject: Subject::Agent,
            change: Change::Nothing,
            within: Duration::from_secs(1),
        },
        merit: 1.0,
        deadline: None,
    }
}

fn said(class: &'static str, statement: &str, trigger: &Trigger) -> Assessment {
    Assessment {
        gadget: Name::Borrowed(crate::NAME),
        at: trigger.at,
        subject: Subject::Agent,
        class: Name::Borrowed(class),
        probability: Probability::ONE,
        eta: None,
        culprit: None,
        statement: Some(statement.into()),
        evidence: trigger.evidence.clone(),
    }
}
