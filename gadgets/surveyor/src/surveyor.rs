//! The gadget: censuses in, envelopes out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Assessment, Census, Evidence, Exits, Gadget, Name, Outcome, Plan, Plans, Probability,
    ProcessDetail, ProcessId, Reading, Signal, Subject, Telemetry, TelemetryLevel, Timestamp,
    World,
};
use gadget_envelope::{AgentDiagEvent, Outbox, Severity, State};

use crate::builder::SurveyorBuilder;
use crate::ephemeral::Ephemeral;
use crate::names::{Patterns, UserNames};
use crate::rank::Ranking;
use crate::reload::{Heard, Held};
use crate::report::{Ending, Scratch};
use crate::send::Sender;
use crate::sketches::mapping;
use crate::watchdog::Watchdog;
use crate::window::Window;

/// The most censuses and lists of ends that wait to be taken in: of more, the oldest census goes.
const MAX_SEEN: usize = 64;

/// Texts of settings that wait to be told of.
const MAX_HEARD: usize = 64;

/// Who is sent in full is read closely so often at most: arguments hardly ever change, and open files seldom matter sooner. At 200
/// rows this was half of what the whole agent used.
const CLOSELY: Duration = Duration::from_secs(30);

/// What waits to be taken in.
#[derive(Clone, Debug)]
enum Seen {
    Census(Arc<Census>),
    Exits(Arc<Exits>),
}

/// Counts every process, keeps those that matter in full, and the rest in sums and sketches.
///
/// It sees censuses and puts envelopes into an [`Outbox`]; how much is in them says a [`TelemetryCell`](gadget_core::TelemetryCell).
#[derive(Clone, Debug)]
pub struct Surveyor {
    held: Held,
    patterns: Patterns,
    users: UserNames,
    sender: Sender,
    outbox: Outbox,
    window: Option<Window>,
    /// What came since it was last asked.
    seen: VecDeque<(Timestamp, Seen)>,
    heard: VecDeque<Heard>,
    ranking: Ranking,
    ephemeral: Ephemeral,
    scratch: Scratch,
    /// Who is read closely, by identity, and how often.
    watched: Vec<ProcessId>,
    watched_every: Duration,
    details: BTreeMap<ProcessId, ProcessDetail>,
    watchdog: Watchdog,
    /// How processes are read, and how their ends are learnt of.
    source: Option<&'static str>,
    exit_source: Option<&'static str>,
}

impl Surveyor {
    /// Begins to put one together.
    #[must_use]
    pub fn builder() -> SurveyorBuilder {
        SurveyorBuilder::default()
    }

    pub(crate) fn new(builder: SurveyorBuilder, outbox: Outbox) -> Self {
        let SurveyorBuilder { settings, telemetry, identity, beside, .. } = builder;
        let cell = telemetry.unwrap_or_default();
        cell.set(settings.telemetry);
        let bins = mapping(&settings.sketch);
        Self {
            patterns: Patterns::new(&settings.filter),
            users: UserNames::default(),
            sender: Sender::new(outbox.clone(), identity),
            outbox,
            window: None,
            seen: VecDeque::new(),
            heard: VecDeque::new(),
            ranking: Ranking::default(),
            ephemeral: Ephemeral::new(bins),
            scratch: Scratch::new(bins),
            watched: Vec::new(),
            watched_every: Duration::ZERO,
            details: BTreeMap::new(),
            watchdog: Watchdog::new(&settings.watchdog),
            source: None,
            exit_source: None,
            held: Held::new(settings, cell, beside),
        }
    }

    /// Where its envelopes go.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn see(&mut self, at: Timestamp, seen: Seen) {
        if self.seen.len() >= MAX_SEEN {
            let is_census = |(_, seen): &(Timestamp, Seen)| matches!(seen, Seen::Census(_));
            let oldest = self.seen.iter().position(is_census).unwrap_or(0);
            self.seen.remove(oldest);
        }
        self.seen.push_back((at, seen));
    }

    /// Takes in the next census, with which a window may end and another begin.
    fn take(&mut self, census: Arc<Census>, at: Timestamp, world: &World, plans: &mut Plans) {
        let source = census.source.name();
        if let Some(before) = self.source.replace(source)
            && before != source
        {
            let reason = format!("processes are read by {source}, no longer by {before}");
            self.sender.diag(event("census", "source_changed", reason, at));
        }
        let Some(window) = &mut self.window else {
            self.window = Some(Window::new(census, at));
            self.begin_window(at, plans);
            return;
        };
        window.take(census, at);
        let raw = self.held.sent.is_some_and(|sent| sent.level == TelemetryLevel::Raw);
        if raw || window.counts.scans >= self.held.now.window.0 || self.held.is_due() {
            self.end_window(at, world, plans);
            self.begin_window(at, plans);
        }
    }

    fn end_window(&mut self, at: Timestamp, world: &World, plans: &mut Plans) {
        let Some(window) = &mut self.window else { return };
        let sent = self.held.sent.unwrap_or_default();
        let span = window.span();
        let ending = Ending {
            window,
            settings: &self.held.now,
            sent,
            users: &self.users,
            world,
            patterns: &self.patterns,
            details: &self.details,
        };
        let mut envelope = ending.report(&mut self.scratch, &mut self.ranking, &mut |sketch| {
            self.sender.sketch(span, sketch);
        });
        envelope.config_version.clone_from(&self.held.version);
        envelope.degradation_level = self.watchdog.degradation() as u32;
        self.sender.process(span, envelope);
        let bins = mapping(&self.held.now.sketch);
        if sent.level == TelemetryLevel::Heartbeat {
            self.ephemeral.clear(bins);
        } else {
            let (ephemeral, sender) = (&mut self.ephemeral, &mut self.sender);
            ephemeral.close(bins, &self.held.now.ephemeral, &mut |it| sender.ephemeral(span, it));
        }
        let odd = window.odd;
        let window_overflow = window.counts.overflow;
        let forgotten = std::mem::take(&mut self.ranking.forgotten);
        for (kind, count, what) in [
            ("counters_backwards", odd.backwards, "counters were below what they had been"),
            ("numbers_cut", odd.cut, "numbers were beyond what a sum can hold"),
            ("ends_overflow", window_overflow, "processes that ended are only in a sum"),
            ("scores_overflow", forgotten, "scores were not remembered"),
        ] {
            if count > 0 {
                let mut event = event("census", kind, format!("{count} {what}"), at);
                event.value = Some(count as f64);
                self.sender.diag(event);
            }
        }
        window.roll();
        self.watch(plans);
    }

    /// Whatever waited for the next window holds now.
    fn begin_window(&mut self, at: Timestamp, plans: &mut Plans) {
        let (filter, sketch) = (self.held.now.filter.clone(), self.held.now.sketch.clone());
        let changed = self.held.begin_window();
        if self.held.now.filter != filter {
            self.patterns = Patterns::new(&self.held.now.filter);
        }
        if self.held.now.sketch != sketch {
            self.ephemeral.clear(mapping(&self.held.now.sketch));
        }
        let Some((before, now)) = changed else { return };
        let statement = match before {
            Some(before) => format!("{before} -> {now}"),
            None => now.to_string(),
        };
        plans.record(said("telemetry", &statement, at));
        let mut event = event("surveyor", "telemetry_changed", statement, at);
        event.state_from = before.map_or(State::Unspecified, state).into();
        event.state_to = state(now).into();
        self.sender.diag(event);
    }

    /// Has those read closely that are sent in full, and nobody else.
    fn watch(&mut self, plans: &mut Plans) {
        let every = self.held.window_length().max(CLOSELY);
        let wanted = std::mem::take(&mut self.scratch.closely);
        for id in &self.watched {
            if wanted.binary_search(id).is_err() {
                plans.unwatch(Subject::Process(*id));
            }
        }
        for id in &wanted {
            if every != self.watched_every || self.watched.binary_search(id).is_err() {
                plans.watch(Subject::Process(*id), every);
            }
        }
        self.scratch.closely = std::mem::replace(&mut self.watched, wanted);
        self.watched_every = every;
        let watched = &self.watched;
        self.details.retain(|id, _| watched.binary_search(id).is_ok());
    }

    fn tell_of_settings(&mut self, heard: &Heard, now: Timestamp, plans: &mut Plans) {
        let (class, statement) = match &heard.result {
            Ok(changes) => ("settings", format!("from {}: {changes}", heard.from)),
            Err(error) => ("settings-refused", format!("from {}: {error}", heard.from)),
        };
        plans.record(said(class, &statement, now));
        let refused = heard.result.is_err();
        let kind = if refused { "settings_refused" } else { "settings_taken" };
        let mut event = event("settings", kind, statement, now);
        if refused {
            event.severity = Severity::Warn.into();
        }
        self.sender.diag(event);
    }
}

impl Gadget for Surveyor {
    fn name(&self) -> Name {
        Name::Borrowed(crate::NAME)
    }

    fn observe(&mut self, signal: &Signal) {
        match &signal.reading {
            Reading::Census(census) => {
                self.see(signal.at, Seen::Census(Arc::clone(census)));
            }
            Reading::Exits(exits) => {
                let source = exits.source.name();
                if let Some(before) = self.exit_source.replace(source)
                    && before != source
                {
                    let reason =
                        format!("ends of processes are told by {source}, no longer by {before}");
                    self.sender.diag(event("lifecycle", "source_changed", reason, signal.at));
                }
                self.see(signal.at, Seen::Exits(Arc::clone(exits)));
                if exits.lost > 0 {
                    let (lost, source) = (exits.lost, exits.source.name());
                    let reason = format!("{lost} events of processes were lost by {source}");
                    let mut event = event("lifecycle", "events_lost", reason, signal.at);
                    event.value = Some(lost as f64);
                    self.sender.diag(event);
                }
            }
            Reading::Users(users) => self.users = UserNames::new(users),
            Reading::ProcessDetail(detail) => {
                if let Subject::Process(id) = signal.subject
                    && self.watched.binary_search(&id).is_ok()
                {
                    self.details.insert(id, (**detail).clone());
                }
            }
            Reading::ModuleUse(used) => self.watchdog.observe(used, signal.at),
            Reading::Settings(text) if text.gadget == crate::NAME => {
                let heard = self.held.hear(text);
                if heard.result.is_ok() {
                    self.watchdog.set_limits(&self.held.limits());
                }
                if self.heard.len() < MAX_HEARD {
                    self.heard.push_back(heard);
                }
            }
            _ => {}
        }
    }

    fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
        while let Some(heard) = self.heard.pop_front() {
            self.tell_of_settings(&heard, now, plans);
        }
        self.held.set_cell();
        // Each comes from a thread of its own. An end that is told of whoever is in an earlier census is not one that nobody saw.
        self.seen.make_contiguous().sort_by_key(|(at, _)| *at);
        while let Some((at, seen)) = self.seen.pop_front() {
            match seen {
                Seen::Census(census) => self.take(census, at, world, plans),
                Seen::Exits(exits) => {
                    if let Some(window) = &mut self.window {
                        window.ends(&exits, at);
                        self.ephemeral.observe(&exits, &self.held.now.ephemeral);
                    }
                }
            }
        }
        let (in_force, base) = (self.held.in_force(), self.held.base());
        let sender = &mut self.sender;
        self.watchdog.plan(now, in_force, base, plans, &mut |event| sender.diag(event));
    }

    fn done(&mut self, plan: &Plan) {
        self.watchdog.done(plan);
    }

    fn learn(&mut self, outcome: &Outcome) {
        self.watchdog.learn(outcome);
    }
}

/// Something that befell the agent and is good to know.
fn event(module: &str, kind: &str, reason: String, at: Timestamp) -> AgentDiagEvent {
    AgentDiagEvent {
        module: module.into(),
        event_type: kind.into(),
        reason,
        ts_ns: at.as_nanos(),
        severity: Severity::Info.into(),
        ..AgentDiagEvent::default()
    }
}

/// What is certain, and is to be on record.
fn said(class: &'static str, statement: &str, at: Timestamp) -> Assessment {
    Assessment {
        gadget: Name::Borrowed(crate::NAME),
        at,
        subject: Subject::Agent,
        class: Name::Borrowed(class),
        probability: Probability::ONE,
        eta: None,
        culprit: None,
        statement: Some(statement.into()),
        evidence: Evidence::new(),
    }
}

/// What is sent, as a state.
fn state(telemetry: Telemetry) -> State {
    match telemetry.level {
        TelemetryLevel::Sketches => State::Sketches,
        TelemetryLevel::Smart => State::Smart,
        TelemetryLevel::Bypass => State::Bypass,
        TelemetryLevel::Raw => State::Raw,
        TelemetryLevel::Heartbeat => State::Heartbeat,
    }
}
