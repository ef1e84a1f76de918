//! One incident, from the first process to the verdict.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::judge::{Facts, Fate, judge};
use crate::latency::Latency;
use crate::load::Load;
use crate::procfs::Stat;
use crate::report::{Labels, Report};
use crate::role::{Role, Roles, compile};
use crate::sandbox::{Layout, Sandbox};
use crate::scenario::{Part, Places, Plan, Scenario};
use crate::size::Size;
use crate::watcher::{Said, Start, Watcher};

/// How often [`Run::tick`] wants to be called.
pub const TICK: Duration = Duration::from_millis(50);
/// Growth of a culprit is judged over this stretch.
const GROWTH_WINDOW: Duration = Duration::from_secs(4);
/// A culprit that still lives must have stood still for this long.
const CONTAINED: Duration = Duration::from_secs(15);
/// The run goes on for this long after the culprit's end: the latency of a rescue includes what follows it.
const AFTERMATH: Duration = Duration::from_secs(8);

/// What to stage.
#[derive(Clone, Debug)]
pub struct Request {
    /// The incident.
    pub scenario: Scenario,
    /// Decides sizes, rates and jitter.
    pub seed: u64,
    /// Limit of the group; everything scales with it.
    pub limit: Size,
    /// One cgroup or one per role.
    pub layout: Layout,
    /// The program under judgement; `None` shows what the kernel does.
    pub watcher: Option<PathBuf>,
    /// Whether the watcher may act.
    pub act: bool,
    /// Directory for what the watcher's providers saw, and its labels.
    pub record: Option<PathBuf>,
    /// Directory for this run's files; made if absent.
    pub report: PathBuf,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everything is steady.
    Calm,
    /// The incident is under way.
    Incident,
    /// Nothing more will happen; [`Run::finish`] gives the verdict.
    Over,
}

/// A scenario that is running. Dropping it ends and removes everything.
#[derive(Debug)]
pub struct Run {
    request: Request,
    plan: Plan,
    watcher: Option<Watcher>,
    // Before the roles: its guardian ends them, so that waiting for them returns.
    sandbox: Sandbox,
    roles: Roles,
    latency: Latency,
    control: Control,
    started: Instant,
    incident: Option<Instant>,
    oom: Option<Instant>,
    danger: Option<Instant>,
    still_since: Option<Instant>,
    sizes: VecDeque<(Instant, u64)>,
    peak: u64,
    over: Option<Instant>,
    timed_out: bool,
}

/// A service like the innocent one, outside of all groups: what neighbours on this host do to latency, it feels too.
#[derive(Debug)]
struct Control {
    // Before the client, which waits for the answer that the service owes it.
    _service: Roles,
    latency: Latency,
}

impl Run {
    /// Makes the sandbox, starts all processes, waits until they have their starting size, and starts the watcher.
    pub fn start(request: Request) -> anyhow::Result<Self> {
        if let Some(missing) = request.scenario.missing() {
            bail!("{} needs {missing}", request.scenario.name());
        }
        fs::create_dir_all(&request.report)
            .with_context(|| format!("cannot make {}", request.report.display()))?;
        let split = request.layout == Layout::Split || request.scenario == Scenario::ContainerLeak;
        // Parallel runs of one seed differ by scenario.
        let name =
            format!("lab-{}-{}-{}", std::process::id(), request.scenario.name(), request.seed);
        let mut sandbox = Sandbox::create(&name, request.limit, split)?;
        let places = Places::of(&sandbox);
        let plan =
            Plan::new(request.scenario, request.seed, request.limit, request.layout, &places);
        for (group, limit) in &plan.groups {
            sandbox.group(group, *limit)?;
        }
        if plan.actors.iter().any(|actor| matches!(actor.load, Load::Java { .. })) {
            compile(&places)?;
        }
        let mut roles = Roles(Vec::new());
        for actor in &plan.actors {
            roles.0.push(Role::start(actor, &sandbox.directories(&actor.group))?);
        }
        let mut control = Roles(vec![Role::start(&plan.control(&places), &[])?]);
        sandbox.guardian().process(control.0[0].pid)?;
        for role in roles.0.iter_mut().chain(&mut control.0) {
            role.wait_ready()?;
        }
        let latency =
            Latency::start(&places.socket).context("cannot reach the innocent service")?;
        let control = Control {
            latency: Latency::start(&places.control).context("cannot reach the control")?,
            _service: control,
        };
        for role in &mut roles.0 {
            if !matches!(role.part, Part::Culprit | Part::Worker) {
                role.go().ok();
            }
        }
        let watcher = start_watcher(&request, &plan, &mut sandbox)?;
        Ok(Self {
            request,
            plan,
            watcher,
            sandbox,
            roles,
            latency,
            control,
            started: Instant::now(),
            incident: None,
            oom: None,
            danger: None,
            still_since: None,
            sizes: VecDeque::new(),
            peak: 0,
            over: None,
            timed_out: false,
        })
    }

    /// The processes.
    pub fn roles(&self) -> &[Role] {
        &self.roles.0
    }

    /// The cgroups.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Path of the limited group relative to the root of its hierarchy.
    pub fn group(&self) -> String {
        self.sandbox.path("")
    }

    /// Latency of the innocent service, live.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// When the incident began; `None` while it is calm.
    pub fn incident(&self) -> Option<Instant> {
        self.incident
    }

    /// Everything the watcher said so far.
    pub fn said(&self) -> Vec<Said> {
        self.watcher.as_ref().map(Watcher::said).unwrap_or_default()
    }

    /// Looks at everything once and moves the story on.
    pub fn tick(&mut self) -> Phase {
        let now = Instant::now();
        for role in &mut self.roles.0 {
            role.look(now);
        }
        if self.oom.is_none() && self.sandbox.oom_kills().unwrap_or(0) > 0 {
            self.oom = Some(now);
        }
        self.peak = self.peak.max(self.sandbox.usage().unwrap_or(0));
        if self.danger.is_none()
            && self.sandbox.anonymous().is_some_and(|bytes| bytes > self.request.limit.0 * 85 / 100)
        {
            self.danger = Some(now);
        }
        self.watch_culprit(now);
        if self.over.is_some() {
            return Phase::Over;
        }
        let Some(incident) = self.incident else {
            if now - self.started >= self.plan.calm {
                self.begin(now);
            }
            return Phase::Calm;
        };
        if self.is_over(now, now - incident) {
            self.over = Some(now);
            return Phase::Over;
        }
        Phase::Incident
    }

    fn begin(&mut self, now: Instant) {
        self.incident = Some(now);
        for role in &mut self.roles.0 {
            if matches!(role.part, Part::Culprit | Part::Worker) {
                // One that has ended already is found by `tick`.
                role.go().ok();
            }
        }
    }

    fn is_over(&mut self, now: Instant, elapsed: Duration) -> bool {
        let long_ago = |at: Option<Instant>, wait: Duration| at.is_some_and(|at| now - at >= wait);
        let first_end = |culprits: bool| {
            self.roles
                .0
                .iter()
                .filter(|role| matches!(role.part, Part::Culprit | Part::Worker) == culprits)
                .filter_map(|role| role.ended.map(|(at, _)| at))
                .min()
        };
        let short = Duration::from_millis(1500);
        if long_ago(self.oom, short) || long_ago(first_end(false), short) {
            return true;
        }
        if self.watcher.as_mut().is_some_and(|watcher| watcher.ended().is_some()) {
            return true;
        }
        let (patience, done) = if self.request.scenario.is_leak() {
            let still = |wait| long_ago(self.still_since, wait);
            (
                self.plan.expected.mul_f64(1.6),
                long_ago(first_end(true), AFTERMATH) && still(AFTERMATH) || still(CONTAINED),
            )
        } else {
            (self.plan.expected.mul_f64(2.0), long_ago(first_end(true), short))
        };
        self.timed_out = elapsed > patience + Duration::from_secs(30);
        done || self.timed_out
    }

    /// Follows the size of the culprit and its family: since when does it stand still?
    fn watch_culprit(&mut self, now: Instant) {
        let Some(incident) = self.incident else { return };
        let size = self.culprits().iter().map(|(_, stat)| stat.rss()).sum();
        self.sizes.push_back((now, size));
        while self.sizes.front().is_some_and(|(at, _)| now - *at > GROWTH_WINDOW) {
            self.sizes.pop_front();
        }
        let Some((at, before)) = self.sizes.front().copied() else { return };
        // A slow start of an accelerating leak is no containment: ask only once something was done, or all is late.
        let acted = self.roles.0.iter().any(|role| role.ended.is_some())
            || self.said().iter().any(Said::acted);
        let late = now - incident > self.plan.expected.mul_f64(1.2);
        let due = self.plan.rate * (now - at).as_secs_f64();
        let grows = size.saturating_sub(before) as f64 > 0.05 * due;
        if !(acted || late) || grows || now - at < GROWTH_WINDOW / 2 {
            self.still_since = None;
        } else if self.still_since.is_none() {
            self.still_since = Some(at);
        }
    }

    /// The culprit, or in a storm all of its process group, as far as they live.
    fn culprits(&self) -> Vec<(u32, Stat)> {
        let leaders: Vec<u32> = self
            .roles
            .0
            .iter()
            .filter(|role| role.part == Part::Culprit)
            .map(|role| role.pid)
            .collect();
        let storm = self.request.scenario == Scenario::ForkStorm;
        let pids = if storm { self.sandbox.pids() } else { leaders.clone() };
        pids.into_iter()
            .filter_map(|pid| Some((pid, Stat::read(pid)?)))
            .filter(|(_, stat)| stat.alive() && (!storm || leaders.contains(&stat.group)))
            .collect()
    }

    fn fate(&self, role: &Role) -> Fate {
        let family = if role.part == Part::Culprit { self.culprits() } else { Vec::new() };
        match role.ended {
            // A storm is not over with its leader.
            Some((_, status)) if family.is_empty() || self.still_since.is_some() => {
                Fate::ended(status)
            }
            Some(_) => Fate::Running,
            None if self.sandbox.frozen(role.pid) => Fate::Frozen,
            None if Stat::read(role.pid).is_some_and(|stat| stat.state == 'T') => Fate::Stopped,
            None if role.part == Part::Culprit && self.still_since.is_some() => Fate::Limited,
            None => Fate::Running,
        }
    }

    /// Judges, ends everything, writes the report's files.
    pub fn finish(mut self) -> anyhow::Result<Report> {
        let now = Instant::now();
        let subject = self
            .roles
            .0
            .iter()
            .find(|role| matches!(role.part, Part::Culprit | Part::Worker))
            .context("each scenario has a culprit or a worker")?;
        let others = self
            .roles
            .0
            .iter()
            .filter(|role| role.pid != subject.pid)
            .map(|r| (r.name.clone(), self.fate(r)))
            .collect();
        let facts = Facts {
            is_leak: self.request.scenario.is_leak(),
            acting: self.watcher.is_some() && self.request.act,
            oom_kills: self.sandbox.oom_kills().unwrap_or(0),
            subject: self.fate(subject),
            others,
            watcher_ended: self
                .watcher
                .as_mut()
                .and_then(Watcher::ended)
                .map(|status| status.to_string()),
            timed_out: self.timed_out,
        };
        let culprit = (subject.name.clone(), subject.pid, subject.ended.map(|(at, _)| at));
        let cost = self.watcher.as_ref().and_then(Watcher::cost);
        if let Some(watcher) = &mut self.watcher {
            watcher.stop();
        }
        self.latency.stop();
        self.control.latency.stop();
        let said = self.said();
        let acted = said.iter().find(|line| line.acted());
        let incident = self.incident.unwrap_or(now);
        let rescue = if facts.is_leak {
            acted.map(|line| line.at).into_iter().chain(self.danger).min()
        } else {
            Some(incident)
        };
        let seconds = |at: Instant| (at.max(incident) - incident).as_secs_f64();
        let report = Report {
            scenario: self.request.scenario,
            seed: self.request.seed,
            limit: self.request.limit,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            layout: self.request.layout,
            memory: self.sandbox.version(),
            acting: facts.acting,
            verdict: judge(&facts),
            kernel_oom_kills: facts.oom_kills,
            kernel_oom_s: self.oom.map(seconds),
            expected_s: self.plan.expected.as_secs_f64(),
            subject: culprit.0,
            subject_fate: facts.subject,
            subject_end_s: culprit.2.map(seconds),
            others: facts.others,
            peak_share: self.peak as f64 / self.request.limit.0 as f64,
            forecast: said
                .iter()
                .find(|line| line.warns() && line.at >= incident)
                .map(|line| (seconds(line.at), line.value.clone())),
            action: acted.map(|line| (seconds(line.at), line.step())),
            actions: said.iter().filter(|line| line.acted()).count(),
            calm: self.latency.between(self.started, incident),
            rescue: rescue.and_then(|from| self.latency.between(from, now)),
            control: rescue.and_then(|from| self.control.latency.between(from, now)),
            watcher: cost,
            duration_s: (now - self.started).as_secs_f64(),
        };
        let labels = Labels::new(
            &report,
            culprit.1,
            self.watcher.as_ref().map(|watcher| incident - watcher.started),
        );
        report.write(&self.request.report)?;
        if let Some(directory) = &self.request.record {
            labels.write(directory, self.request.scenario, self.request.seed)?;
        }
        Ok(report)
    }
}

/// Stages one incident from beginning to end.
pub fn stage(request: Request) -> anyhow::Result<Report> {
    let mut run = Run::start(request)?;
    while run.tick() != Phase::Over {
        thread::sleep(TICK);
    }
    run.finish()
}

fn start_watcher(
    request: &Request,
    plan: &Plan,
    sandbox: &mut Sandbox,
) -> anyhow::Result<Option<Watcher>> {
    let Some(program) = &request.watcher else { return Ok(None) };
    let limited = plan
        .groups
        .iter()
        .filter(|(_, limit)| limit.is_some())
        .map(|(group, _)| sandbox.path(group));
    let groups = std::iter::once(sandbox.path("")).chain(limited).collect();
    let record = match &request.record {
        Some(directory) => {
            fs::create_dir_all(directory)?;
            Some(directory.join(format!("{}-{}.rec", request.scenario.name(), request.seed)))
        }
        None => None,
    };
    let watcher = Watcher::start(&Start {
        program,
        report: &request.report,
        groups,
        act: request.act,
        record,
    })?;
    sandbox.guardian().process(watcher.pid())?;
    Ok(Some(watcher))
}
