//! The gadget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gadget_core::{
    Assessment, Census, CensusChange, Evidence, Gadget, Name, Outcome, Plan, Plans, Probability,
    ProcessId, Reading, SettingsText, Signal, Subject, Telemetry, TelemetryCell, TelemetryLevel,
    Timestamp, World,
};
use gadget_envelope::{
    AgentDiagEvent, AgentIdentity, AggregateKind, AggregateRow, HostTotals, Io, Mode, Outbox,
    ProcessEnvelope, Severity, TopNBatch,
};
use gadget_sketch::Mapping;

use crate::filter::Filter;
use crate::lives::{Lives, Unseen};
use crate::names::Names;
use crate::rows::rows;
use crate::send::{Sender, Span};
use crate::settings::{Settings, SettingsError};
use crate::sketches::{Sketches, mapping};
use crate::tail::Groups;
use crate::top::{Asked, Chosen, Ranking, Sums};
use crate::used::{Used, nanos, used as used_between};
use crate::watchdog::Watchdog;

const NAME: &str = "surveyor";
/// A group of so many gets sketches of its own...
const LARGE_GROUP: u64 = 32;
/// ...but no more groups than this.
const LARGE_GROUPS: usize = 16;
/// The most processes that are asked for in detail.
const MAX_WATCHED: usize = 256;

/// Counts every process, keeps those that matter in full, and the rest in sums and sketches.
///
/// Made by [`Surveyor::builder`]. What it makes of the signals goes to an [`Outbox`]; how much that is says a [`TelemetryCell`].
#[derive(Clone)]
pub struct Surveyor {
    settings: Settings,
    /// What takes effect with the next window.
    next: Option<Settings>,
    filter: Filter,
    mapping: Mapping,
    telemetry: TelemetryCell,
    in_force: Option<Telemetry>,
    sender: Sender,
    names: Names,
    lives: Lives,
    ranking: Ranking,
    watchdog: Watchdog,
    window: Option<Window>,
    /// Whose details are wanted, and whose were asked for.
    wanted: BTreeSet<ProcessId>,
    watched: BTreeSet<ProcessId>,
    /// What is to be said when the agent asks next.
    statements: Vec<(&'static str, String)>,
    scratch: Scratch,
}

/// The window that is open.
#[derive(Clone)]
struct Window {
    began: Timestamp,
    first: Arc<Census>,
    ended: Timestamp,
    last: Arc<Census>,
    scans: u32,
    scan_nanos: u64,
    changes: [u64; 3],
    vanished: u64,
}

/// Memory that is used again in each window.
#[derive(Clone, Default)]
struct Scratch {
    used: Vec<Used>,
    may: Vec<bool>,
    chosen: Chosen,
    groups: Groups,
}

/// Makes a [`Surveyor`].
#[derive(Clone, Default)]
pub struct SurveyorBuilder {
    settings: Settings,
    telemetry: Option<TelemetryCell>,
    outbox: Option<Outbox>,
    identity: AgentIdentity,
}

impl SurveyorBuilder {
    /// What an operator has set. The defaults without.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Where what is in force is held: shared with whoever scans and with the action that changes it. Set to what the settings
    /// say.
    #[must_use]
    pub fn telemetry(mut self, cell: TelemetryCell) -> Self {
        self.telemetry = Some(cell);
        self
    }

    /// Where envelopes go. Without one nobody takes them.
    #[must_use]
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = Some(outbox);
        self
    }

    /// Who sends.
    #[must_use]
    pub fn identity(mut self, identity: AgentIdentity) -> Self {
        self.identity = identity;
        self
    }

    /// Checks the settings and makes the gadget.
    ///
    /// # Errors
    /// The first setting that cannot be.
    pub fn build(self) -> Result<Surveyor, SettingsError> {
        self.settings.check()?;
        let telemetry = self.telemetry.unwrap_or_default();
        telemetry.set(self.settings.telemetry);
        let outbox = self.outbox.unwrap_or_else(|| Outbox::new(1));
        Ok(Surveyor {
            filter: Filter::new(&self.settings.filter),
            // Settings that were checked have one.
            mapping: mapping(&self.settings.sketch).unwrap_or(Mapping::CONTRACT),
            watchdog: Watchdog::new(&self.settings.watchdog),
            settings: self.settings,
            next: None,
            telemetry,
            in_force: None,
            sender: Sender::new(self.identity, outbox),
            names: Names::default(),
            lives: Lives::default(),
            ranking: Ranking::default(),
            window: None,
            wanted: BTreeSet::new(),
            watched: BTreeSet::new(),
            statements: Vec::new(),
            scratch: Scratch::default(),
        })
    }
}

impl Surveyor {
    /// With everything at its default.
    #[must_use]
    pub fn builder() -> SurveyorBuilder {
        SurveyorBuilder::default()
    }

    fn census(&mut self, at: Timestamp, census: &Arc<Census>) {
        let level = self.in_force.unwrap_or_default().level;
        let Some(window) = &mut self.window else {
            self.begin(at, census);
            return;
        };
        window.scans += 1;
        window.scan_nanos += nanos(census.cost);
        window.vanished += u64::from(census.vanished);
        let changes = &mut window.changes;
        census.diff(&window.last, |change| {
            changes[match change {
                CensusChange::Created(_) => 0,
                CensusChange::Changed { .. } => 1,
                CensusChange::Terminated(_) => 2,
            }] += 1;
        });
        (window.ended, window.last) = (at, Arc::clone(census));
        let whole = if level == TelemetryLevel::Raw { 1 } else { self.settings.window.0 };
        if window.scans >= whole
            && let Some(window) = self.window.take()
        {
            self.close(&window, level);
            self.begin(at, census);
        }
    }

    /// Begins a window with the last census of the one before it. What was set meanwhile is in force from here on.
    fn begin(&mut self, at: Timestamp, census: &Arc<Census>) {
        if let Some(next) = self.next.take() {
            self.adopt(next);
        }
        let now = self.telemetry.get();
        match self.in_force.replace(now) {
            Some(before) if before != now => self.changed(at, &before.to_string(), now),
            None => self.changed(at, "nothing", now),
            Some(_) => {}
        }
        self.window = Some(Window {
            began: at,
            first: Arc::clone(census),
            ended: at,
            last: Arc::clone(census),
            scans: 0,
            scan_nanos: 0,
            changes: [0; 3],
            vanished: 0,
        });
    }

    fn changed(&mut self, at: Timestamp, before: &str, now: Telemetry) {
        let text = format!("{before} -> {now}");
        self.sender.diag(AgentDiagEvent {
            module: NAME.to_owned(),
            event_type: "telemetry".to_owned(),
            reason: text.clone(),
            ts_ns: at.as_nanos(),
            severity: Severity::Info.into(),
            ..AgentDiagEvent::default()
        });
        self.statements.push(("telemetry", text));
    }

    fn close(&mut self, window: &Window, level: TelemetryLevel) {
        let (span, census) = ((window.began, window.ended), &*window.last);
        let length = nanos(window.ended.since(window.began));
        let Scratch { used, may, .. } = &mut self.scratch;
        let backwards = used_between(&window.first, census, used);
        may.clear();
        may.extend(census.rows.iter().map(|row| self.filter.admits(row, &self.names)));
        let sums = Sums::of(census, used);
        let unseen = self.lives.unseen(&window.first, census);
        let batch = match level {
            TelemetryLevel::Heartbeat => TopNBatch::default(),
            _ => self.batch(census, sums, window.scans, length, level),
        };
        let (totals, residual) = self.totals(window, sums, &unseen);
        let mode = match level {
            TelemetryLevel::Raw => Mode::Raw,
            TelemetryLevel::Heartbeat => Mode::Heartbeat,
            _ if batch.bypassed => Mode::Bypass,
            _ => Mode::Smart,
        };
        let [created, changed, terminated] = window.changes;
        let residual = if level == TelemetryLevel::Heartbeat { Vec::new() } else { residual };
        let payload = TopNBatch {
            k_total: u32::try_from(census.rows.len()).unwrap_or(u32::MAX),
            totals: Some(totals),
            residual,
            scan_ns: window.scan_nanos,
            scan_source: census.source.name().to_owned(),
            created,
            changed,
            terminated,
            vanished: window.vanished,
            ..batch
        };
        let degradation_level = u32::try_from(self.watchdog.degradation()).unwrap_or(u32::MAX);
        self.sender.process(
            span,
            ProcessEnvelope {
                payload: Some(payload),
                mode: mode.into(),
                degradation_level,
                ..ProcessEnvelope::default()
            },
        );
        if level == TelemetryLevel::Sketches {
            self.sketch(span, census, length);
        }
        for summary in self.lives.summaries(&self.settings.ephemeral) {
            self.sender.ephemeral(span, summary);
        }
        if backwards > 0 {
            self.sender.diag(AgentDiagEvent {
                module: "scanner".to_owned(),
                event_type: "counter_backwards".to_owned(),
                reason: "counts of processes fell; they count as none".to_owned(),
                ts_ns: window.ended.as_nanos(),
                severity: Severity::Info.into(),
                value: Some(backwards as f64),
                ..AgentDiagEvent::default()
            });
        }
    }

    fn batch(
        &mut self,
        census: &Census,
        sums: Sums,
        scans: u32,
        length: u64,
        level: TelemetryLevel,
    ) -> TopNBatch {
        let Scratch { used, may, chosen, groups } = &mut self.scratch;
        let asked = Asked {
            settings: &self.settings.top,
            least: self.in_force.unwrap_or_default().top,
            scans,
            all: matches!(level, TelemetryLevel::Raw | TelemetryLevel::Bypass),
        };
        self.ranking.choose(census, used, sums, may, asked, chosen);
        let (rest, excluded) =
            groups.sum(census, used, (&chosen.member, may), &self.names, &self.settings.tail);
        for end in self.lives.ends() {
            groups.ended(end.comm);
        }
        let mut tail = groups.rows(rest, self.settings.tail.groups, sums, length, &self.names);
        let excluded = excluded.row(AggregateKind::Excluded, length);
        if excluded.process_count > 0 {
            tail.push(excluded);
        }
        let mut wanted = BTreeSet::new();
        let (mut cpu, mut rss) = (0_u64, 0_u64);
        for (at, row) in census.rows.iter().enumerate().filter(|(at, _)| chosen.member[*at]) {
            cpu = cpu.saturating_add(used[at].cpu());
            rss = rss.saturating_add(row.rss.get());
            if wanted.len() < MAX_WATCHED && !row.kernel_thread {
                wanted.insert(row.id);
            }
        }
        let share = |held: u64, all: u64| (all > 0).then(|| held as f64 / all as f64);
        let batch = TopNBatch {
            rows: rows(census, used, chosen, length, &self.names),
            tail,
            n_effective: u32::try_from(chosen.members).unwrap_or(u32::MAX),
            capture_cpu: share(cpu, sums.cpu),
            capture_rss: share(rss, sums.rss),
            bypassed: chosen.bypassed,
            ..TopNBatch::default()
        };
        self.names.retain(|id| wanted.contains(&id));
        self.wanted = wanted;
        batch
    }

    /// The host's totals, and what of them no row holds.
    fn totals(
        &self,
        window: &Window,
        sums: Sums,
        unseen: &Unseen,
    ) -> (HostTotals, Vec<AggregateRow>) {
        let busy = nanos(window.last.busy.saturating_sub(window.first.busy));
        let known = i128::from(sums.cpu) + i128::from(unseen.cpu());
        let mut residual: Vec<_> = unseen.row().into_iter().collect();
        let left = i128::from(busy) - known;
        if left != 0 {
            residual.push(AggregateRow {
                cpu_system_ns: i64::try_from(left).unwrap_or(i64::MAX),
                kind: AggregateKind::Unattributed.into(),
                ..AggregateRow::default()
            });
        }
        let used = &self.scratch.used;
        let known = used.iter().any(|it| it.read.is_some() || it.written.is_some());
        let sum =
            |of: fn(&Used) -> Option<u64>| used.iter().filter_map(of).fold(0, u64::saturating_add);
        let totals = HostTotals {
            cpu_ns: busy,
            rss_bytes: sums.rss,
            process_count: window.last.rows.len() as u64,
            threads: window.last.rows.iter().map(|row| u64::from(row.threads)).sum(),
            io: known
                .then(|| Io { read_bytes: sum(|it| it.read), write_bytes: sum(|it| it.written) }),
            busy_ns: busy,
        };
        (totals, residual)
    }

    fn sketch(&mut self, span: Span, census: &Census, length: u64) {
        let Scratch { used, groups, .. } = &self.scratch;
        let mut whole = Sketches::new(self.mapping);
        whole.add(census, used, length, |_| true);
        let mut messages = whole.messages(&BTreeMap::new());
        for (group, row) in groups.large(LARGE_GROUP, LARGE_GROUPS, &self.names) {
            let mut part = Sketches::new(self.mapping);
            part.add(census, used, length, |at| groups.of[at] == Some(group));
            let mut key = row.key;
            key.insert("process_display_name".to_owned(), row.process_display_name);
            messages.extend(part.messages(&key));
        }
        for message in messages {
            self.sender.sketch(span, message);
        }
    }

    fn told(&mut self, at: Timestamp, text: &SettingsText) {
        let current = self.next.as_ref().unwrap_or(&self.settings);
        match current.patch_beside(&text.text, &["export"]) {
            Ok(next) => {
                let changes: Vec<_> =
                    current.changes(&next).iter().map(ToString::to_string).collect();
                if !changes.is_empty() {
                    self.statements
                        .push(("settings", format!("{}: {}", text.from, changes.join(", "))));
                }
                let now = self.settings.within_window(&next);
                self.adopt(now);
                self.next = Some(next);
            }
            Err(error) => {
                let reason = format!("{}: refused, nothing was changed: {error}", text.from);
                self.sender.diag(AgentDiagEvent {
                    module: NAME.to_owned(),
                    event_type: "settings_refused".to_owned(),
                    reason: reason.clone(),
                    ts_ns: at.as_nanos(),
                    severity: Severity::Warn.into(),
                    ..AgentDiagEvent::default()
                });
                self.statements.push(("settings-refused", reason));
            }
        }
    }

    fn adopt(&mut self, settings: Settings) {
        if settings.telemetry != self.settings.telemetry {
            self.telemetry.set(settings.telemetry);
        }
        self.filter = Filter::new(&settings.filter);
        self.mapping = mapping(&settings.sketch).unwrap_or(self.mapping);
        self.watchdog.set_limits(&settings.watchdog);
        self.settings = settings;
    }
}

impl Gadget for Surveyor {
    fn name(&self) -> Name {
        NAME.into()
    }

    fn observe(&mut self, signal: &Signal) {
        match &signal.reading {
            Reading::Census(census) => self.census(signal.at, census),
            Reading::Exits(exits) => self.lives.observe(exits),
            Reading::ModuleUse(used) => self.watchdog.observe(used, signal.at),
            Reading::Settings(text) if text.gadget == NAME => self.told(signal.at, text),
            _ => self.names.observe(signal),
        }
    }

    fn plan(&mut self, now: Timestamp, _: &World, plans: &mut Plans) {
        for (class, statement) in self.statements.drain(..) {
            plans.record(Assessment {
                gadget: NAME.into(),
                at: now,
                subject: Subject::Agent,
                class: class.into(),
                probability: Probability::ONE,
                eta: None,
                culprit: None,
                statement: Some(statement.into()),
                evidence: Evidence::new(),
            });
        }
        if self.watched != self.wanted {
            let every = self.telemetry.get().every.saturating_mul(self.settings.window.0);
            for &id in self.wanted.difference(&self.watched) {
                plans.watch(Subject::Process(id), every);
            }
            for &id in self.watched.difference(&self.wanted) {
                plans.unwatch(Subject::Process(id));
            }
            self.watched.clone_from(&self.wanted);
        }
        let Self { watchdog, sender, telemetry, settings, .. } = self;
        watchdog
            .plan(now, telemetry.get(), settings.telemetry, plans, &mut |event| sender.diag(event));
    }

    fn done(&mut self, plan: &Plan) {
        self.watchdog.done(plan);
    }

    fn learn(&mut self, outcome: &Outcome) {
        self.watchdog.learn(outcome);
    }
}
