//! A host of numbers: processes whose memory is a function of time, in one group with a limit, read at the pace that the
//! Oracle asks for, under a policy of a few lines.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Bytes, CgroupId, CgroupIdentity, CgroupMemory, CgroupMemoryStat, CgroupVersion, Ending, Gadget,
    HostFacts, HostMemory, MemoryLimit, Outcome, Plan, PlanId, Plans, ProcessId, ProcessIdentity,
    ProcessUsage, Reach, Reading, Risk, Runtime, Signal, Step, StepKind, Subject, Summary,
    Timestamp, World,
};
use gadget_oracle::{Forecast, Oracle};

pub(crate) const MIB: f64 = 1024.0 * 1024.0;
pub(crate) const GROUP: CgroupId = CgroupId(77);
/// Readings of everything, in seconds.
const SWEEP: f64 = 10.0;
const START: u64 = 1_700_000_000;

type Level = Box<dyn Fn(f64) -> f64>;

/// One process.
pub(crate) struct Actor {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) comm: &'static str,
    pub(crate) born: f64,
    pub(crate) adj: i16,
    pub(crate) stubborn: bool,
    pub(crate) cgroup: CgroupId,
    level: Level,
    /// Its own time, which stands still while it is stopped.
    lived: f64,
    stopped: bool,
    told: bool,
}

impl Actor {
    /// MiB over its own seconds.
    pub(crate) fn new(pid: u32, comm: &'static str, level: impl Fn(f64) -> f64 + 'static) -> Self {
        Self {
            pid,
            parent: 1,
            comm,
            born: -100.0,
            adj: 0,
            stubborn: false,
            cgroup: GROUP,
            level: Box::new(level),
            lived: 0.0,
            stopped: false,
            told: false,
        }
    }

    pub(crate) fn child_of(mut self, parent: u32, born: f64) -> Self {
        (self.parent, self.born) = (parent, born);
        self
    }

    pub(crate) fn adjusted(mut self, adj: i16) -> Self {
        self.adj = adj;
        self
    }

    pub(crate) fn inside(mut self, cgroup: CgroupId) -> Self {
        self.cgroup = cgroup;
        self
    }

    fn id(&self) -> ProcessId {
        ProcessId { pid: self.pid, start: ((1_000.0 + self.born) * 100.0) as u64 }
    }

    fn size(&self) -> f64 {
        (self.level)(self.lived) * MIB
    }
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// When the limit was met.
    pub(crate) oom: Option<f64>,
    /// Whom the Oracle had ended, and when.
    pub(crate) ended: Vec<(f64, u32)>,
    /// Whom it had stopped, and when.
    pub(crate) stopped: Vec<(f64, Subject)>,
    /// When what was stopped was let go.
    pub(crate) released: Vec<f64>,
    pub(crate) proposed: Vec<Plan>,
    /// Forecasts of the group, with their time.
    pub(crate) forecasts: Vec<(f64, Forecast)>,
    pub(crate) readings: u64,
}

impl Story {
    pub(crate) fn kinds(&self) -> Vec<StepKind> {
        let mut kinds: Vec<StepKind> = self.proposed.iter().map(|plan| plan.step.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    pub(crate) fn highest(&self) -> f64 {
        self.forecasts.iter().map(|(_, forecast)| forecast.probability.get()).fold(0.0, f64::max)
    }

    pub(crate) fn harmed(&self) -> Vec<u32> {
        self.ended.iter().map(|(_, pid)| *pid).collect()
    }
}

pub(crate) struct Sim {
    pub(crate) oracle: Oracle,
    pub(crate) world: World,
    pub(crate) actors: Vec<Actor>,
    pub(crate) limit: Box<dyn Fn(f64) -> f64>,
    pub(crate) cache: Level,
    pub(crate) swap: f64,
    /// Whether `memory.stat` can be read.
    pub(crate) stat: bool,
    /// Whether anything is done.
    pub(crate) acts: bool,
    /// Added to every reading's time: a suspend.
    pub(crate) leap: Box<dyn Fn(f64) -> f64>,
    pub(crate) groups: Vec<(CgroupId, CgroupIdentity)>,
    plans: Plans,
    pace: BTreeMap<Subject, Duration>,
    holds: Vec<(StepKind, Subject, f64)>,
    open: Vec<Plan>,
    next_plan: u64,
    now: f64,
    /// Counts something, such as allocations; what the Oracle alone added to it.
    pub(crate) meter: fn() -> u64,
    pub(crate) metered: u64,
}

pub(crate) fn identity(
    path: &str,
    parent: Option<CgroupId>,
    version: CgroupVersion,
) -> CgroupIdentity {
    CgroupIdentity { path: Arc::from(path), parent, version, container: None, oom_group: false }
}

impl Sim {
    pub(crate) fn new(oracle: Oracle, actors: Vec<Actor>) -> Self {
        let facts =
            HostFacts { boot_id: "b".into(), kernel: "6.1".into(), agent_pid: 9_999, cpus: 2 };
        Self {
            oracle,
            world: World::new(facts),
            actors,
            limit: Box::new(|_| 400.0),
            cache: Box::new(|_| 4.0),
            swap: 0.0,
            stat: true,
            acts: true,
            leap: Box::new(|_| 0.0),
            groups: vec![(GROUP, identity("/app", None, CgroupVersion::V1))],
            plans: Plans::default(),
            pace: BTreeMap::new(),
            holds: Vec::new(),
            open: Vec::new(),
            next_plan: 1,
            now: 0.0,
            meter: || 0,
            metered: 0,
        }
    }

    fn alive(&self, time: f64) -> impl Iterator<Item = &Actor> {
        self.actors.iter().filter(move |actor| actor.born <= time)
    }

    fn used(&self, time: f64) -> f64 {
        self.alive(time).map(Actor::size).sum::<f64>() + 2.0 * MIB
    }

    fn say(&mut self, at: Timestamp, subject: Subject, reading: Reading) {
        let signal = Signal { at, subject, reading };
        self.world.observe(&signal);
        let before = (self.meter)();
        self.oracle.observe(&signal);
        self.metered += (self.meter)() - before;
    }

    fn read_group(&mut self, at: Timestamp, time: f64) {
        let limit = (self.limit)(time) * MIB;
        let used = self.used(time);
        let cache = ((self.cache)(time) * MIB).min(limit - used).max(0.0);
        let bytes = |bytes: f64| Bytes::new(bytes as u64);
        let stat = CgroupMemoryStat {
            anon: bytes(used),
            inactive_file: bytes(cache),
            ..Default::default()
        };
        let memory = CgroupMemory {
            current: bytes(used + cache),
            max: MemoryLimit::At(bytes(limit)),
            high: MemoryLimit::Unlimited,
            stat: self.stat.then_some(stat),
            events: None,
        };
        self.say(at, Subject::Cgroup(GROUP), Reading::CgroupMemory(memory));
    }

    fn read_host(&mut self, at: Timestamp, time: f64) {
        let total = 24_576.0 * MIB;
        let bytes = |bytes: f64| Bytes::new(bytes as u64);
        let free = total - 4_000.0 * MIB - self.used(time);
        let memory = HostMemory {
            total: bytes(total),
            free: bytes(free),
            available: bytes(free),
            swap_total: bytes(self.swap * MIB),
            swap_free: bytes(self.swap * MIB),
            ..Default::default()
        };
        self.say(at, Subject::Host, Reading::HostMemory(memory));
    }

    fn read_processes(&mut self, at: Timestamp, time: f64) {
        let mut readings = Vec::new();
        for actor in &mut self.actors {
            if actor.born > time {
                continue;
            }
            let subject = Subject::Process(actor.id());
            if !std::mem::replace(&mut actor.told, true) {
                let identity = ProcessIdentity {
                    parent: actor.parent,
                    comm: Arc::from(actor.comm),
                    exe: None,
                    uid: 1000,
                    cgroup: Some(actor.cgroup),
                    cgroup_path: None,
                    oom_score_adj: Some(actor.adj),
                    kernel_thread: false,
                    runtime: Runtime::Native,
                };
                readings.push((subject, Reading::ProcessIdentity(Box::new(identity))));
            }
            let usage = ProcessUsage {
                rss: Bytes::new(actor.size() as u64 + 3 * 1024 * 1024),
                shared: Some(Bytes::from_mib(3)),
                state: if actor.stopped { 'T' } else { 'S' },
                ..Default::default()
            };
            readings.push((subject, Reading::ProcessUsage(usage)));
        }
        for (subject, reading) in readings {
            self.say(at, subject, reading);
        }
    }

    /// Lives `seconds`, 5 ms at a time.
    pub(crate) fn run(&mut self, seconds: f64) -> Story {
        let mut story = Story::default();
        let begun = self.now;
        let (mut group_due, mut sweep_due) = (begun, begun);
        let steps = (seconds / 0.005) as u64;
        for step in 0..steps {
            let time = begun + step as f64 * 0.005;
            self.now = time + 0.005;
            for actor in self.actors.iter_mut().filter(|actor| actor.born <= time && !actor.stopped)
            {
                actor.lived += 0.005;
            }
            if self.used(time) > (self.limit)(time) * MIB {
                story.oom = Some(time);
                return story;
            }
            let at =
                Timestamp::from_secs(START) + Duration::from_secs_f64(time + (self.leap)(time));
            let watched = self.pace.get(&Subject::Cgroup(GROUP)).map(Duration::as_secs_f64);
            let sweeps = time >= sweep_due;
            let reads = time >= group_due && watched.is_some();
            if !(sweeps || reads) {
                continue;
            }
            if time == 0.0 {
                for (id, identity) in self.groups.clone() {
                    self.say(at, Subject::Cgroup(id), Reading::CgroupIdentity(Box::new(identity)));
                }
            }
            if sweeps {
                sweep_due = time + SWEEP;
                self.read_host(at, time);
            }
            story.readings += 1;
            self.read_group(at, time);
            self.read_processes(at, time);
            self.plan(at, time, &mut story);
            group_due =
                time + self.pace.get(&Subject::Cgroup(GROUP)).map_or(SWEEP, Duration::as_secs_f64);
        }
        story
    }

    fn plan(&mut self, at: Timestamp, time: f64, story: &mut Story) {
        let mut plans = std::mem::take(&mut self.plans);
        plans.clear();
        let before = (self.meter)();
        self.oracle.plan(at, &self.world, &mut plans);
        self.metered += (self.meter)() - before;
        for (subject, every) in plans.watches() {
            match every {
                Some(every) => self.pace.insert(*subject, *every),
                None => self.pace.remove(subject),
            };
        }
        for plan in plans.releases() {
            let released =
                self.open.iter().position(|open| open.id == *plan).map(|at| self.open.remove(at));
            if let Some(plan) = released {
                story.released.push(time);
                self.end(&plan);
            }
        }
        let forecast =
            self.oracle.forecasts().find(|forecast| forecast.subject == Subject::Cgroup(GROUP));
        story.forecasts.extend(forecast.map(|forecast| (time, forecast.clone())));
        self.holds.retain(|(kind, subject, _)| {
            plans
                .proposals()
                .iter()
                .any(|plan| (plan.step.kind(), plan.target.subject) == (*kind, *subject))
        });
        for plan in plans.proposals() {
            story.proposed.push(plan.clone());
            let key = (plan.step.kind(), plan.target.subject);
            if !self.holds.iter().any(|(kind, subject, _)| (*kind, *subject) == key) {
                self.holds.push((key.0, key.1, time));
            }
            if self.acts {
                self.review(plan, at, time, story);
            }
        }
        self.plans = plans;
    }

    /// The default policy in short.
    fn review(&mut self, plan: &Plan, at: Timestamp, time: f64, story: &mut Story) {
        let kind = plan.step.kind();
        let (floor, sustained) = match kind.risk() {
            Risk::Low => (0.5, 0.0),
            Risk::Medium => (0.7, 1.0),
            Risk::High => (0.85, 2.0),
        };
        let deadline = plan.deadline.map_or(f64::MAX, |deadline| deadline.as_secs_f64());
        let held = self
            .holds
            .iter()
            .find(|(other, subject, _)| (*other, *subject) == (kind, plan.target.subject))
            .map_or(0.0, |(.., since)| time - since);
        let busy =
            self.open.iter().any(|open| open.target == plan.target && open.step.kind() >= kind);
        if plan.confidence.get() < floor || held < f64::min(sustained, deadline / 10.0) || busy {
            return;
        }
        let mut plan = plan.clone();
        plan.id = PlanId(self.next_plan);
        self.next_plan += 1;
        self.oracle.done(&plan);
        let Subject::Process(id) = plan.target.subject else {
            story.stopped.push((time, plan.target.subject));
            self.open.push(plan);
            return;
        };
        match &plan.step {
            Step::Terminate { .. } | Step::Kill => {
                let kills = matches!(plan.step, Step::Kill);
                let tree = plan.target.reach == Reach::Tree;
                let (gone, kept): (Vec<Actor>, Vec<Actor>) =
                    std::mem::take(&mut self.actors).into_iter().partition(|actor| {
                        (actor.id() == id && (kills || !actor.stubborn))
                            || (tree && actor.parent == id.pid)
                    });
                self.actors = kept;
                for actor in &gone {
                    story.ended.push((time, actor.pid));
                    self.say(at, Subject::Process(actor.id()), Reading::Gone);
                }
                self.hear(&plan, Ending::Met);
            }
            Step::Pause => {
                story.stopped.push((time, plan.target.subject));
                if let Some(actor) = self.actors.iter_mut().find(|actor| actor.id() == id) {
                    actor.stopped = true;
                }
                self.open.push(plan);
            }
            _ => self.hear(&plan, Ending::Met),
        }
    }

    /// Puts an effect back.
    fn end(&mut self, plan: &Plan) {
        for actor in self
            .actors
            .iter_mut()
            .filter(|actor| Subject::Process(actor.id()) == plan.target.subject)
        {
            actor.stopped = false;
        }
        self.hear(plan, Ending::Met);
    }

    fn hear(&mut self, plan: &Plan, ending: Ending) {
        self.oracle.learn(&Outcome::of(plan, ending, Summary::new()));
    }
}
