//! A host of a few processes whose threads wait as they are told to, looked at every five seconds.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use gadget_core::{
    Assessment, Ending, Futex, FutexAddress, Gadget, HostFacts, Listener, Lock, LockKind, Outcome,
    Peer, Plan, PlanId, Plans, ProcessId, ProcessIdentity, ProcessUsage, Reading, Runtime,
    RuntimeReport, Signal, Step, StepKind, Subject, Summary, Thread, ThreadId, Threads, Timestamp,
    Wait, Wakers, World,
};
use gadget_pathologist::Pathologist;

/// The time of the first look: 14:45:00.
pub(crate) const START: Timestamp = Timestamp::from_secs(53_100);
/// Seconds between looks.
pub(crate) const LOOK: u64 = 5;

/// What the threads of a process do, changed from look to look.
pub(crate) type Life = Box<dyn FnMut(u64, &mut Threads)>;

pub(crate) struct Actor {
    pub(crate) id: ProcessId,
    pub(crate) comm: &'static str,
    pub(crate) cgroup: &'static str,
    pub(crate) threads: Threads,
    pub(crate) alive: bool,
    pub(crate) runtime: Runtime,
    /// What its runtime says, and how often, while it is watched.
    pub(crate) reports: Option<(u64, RuntimeReport)>,
    life: Life,
}

impl Actor {
    /// A process with these threads, which stay as they are.
    pub(crate) fn new(pid: u32, comm: &'static str, threads: Vec<Thread>) -> Self {
        let none = Some(false);
        let wakers = Wakers { signal_timers: none, io_uring: none, traced: none, caught: Some(0) };
        Self {
            id: ProcessId { pid, start: u64::from(pid) },
            comm,
            cgroup: "/app",
            threads: Threads { threads, wakers, ..Threads::default() },
            alive: true,
            runtime: Runtime::Native,
            reports: None,
            life: Box::new(|_, _| ()),
        }
    }

    /// Before each look, with the seconds that have passed.
    pub(crate) fn living(mut self, life: impl FnMut(u64, &mut Threads) + 'static) -> Self {
        self.life = Box::new(life);
        self
    }

    pub(crate) fn service(mut self) -> Self {
        self.cgroup = "/system.slice/app.service";
        self
    }
}

/// How steps end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// Nothing is done.
    Observes,
    /// Everything is done and works.
    Works,
    /// Captures work; what is told to end stays.
    Fails,
}

pub(crate) struct Host {
    pub(crate) pathologist: Pathologist,
    pub(crate) world: World,
    pub(crate) actors: Vec<Actor>,
    pub(crate) backend: Backend,
    /// Every plan with the second at which it was proposed.
    pub(crate) proposed: Vec<(u64, Plan)>,
    pub(crate) done: Vec<(u64, StepKind, Subject)>,
    pub(crate) stated: Vec<(u64, Assessment)>,
    pub(crate) watched: Vec<Subject>,
}

impl Host {
    pub(crate) fn new(pathologist: Pathologist, actors: Vec<Actor>) -> Self {
        let facts = HostFacts { boot_id: "b".into(), kernel: "6.12".into(), agent_pid: 9, cpus: 2 };
        Self {
            pathologist,
            world: World::new(facts),
            actors,
            backend: Backend::Observes,
            proposed: Vec::new(),
            done: Vec::new(),
            stated: Vec::new(),
            watched: Vec::new(),
        }
    }

    /// The readings of one look.
    pub(crate) fn signals(&mut self, second: u64) -> Vec<Signal> {
        let at = START + Duration::from_secs(second);
        let mut signals = Vec::new();
        for actor in self.actors.iter_mut().filter(|actor| actor.alive) {
            (actor.life)(second, &mut actor.threads);
            let subject = Subject::Process(actor.id);
            let mut tell = |reading| signals.push(Signal { at, subject, reading });
            if second == 0 {
                tell(Reading::ProcessIdentity(Box::new(identity(actor))));
            }
            let cpu = actor.threads.threads.iter().map(|thread| thread.cpu).sum();
            let state = actor.threads.threads.first().map_or('Z', |thread| thread.state);
            tell(Reading::ProcessUsage(ProcessUsage { cpu, state, ..ProcessUsage::default() }));
            tell(Reading::Threads(Box::new(actor.threads.clone())));
            if let Some((every, report)) = &actor.reports
                && second.is_multiple_of(*every)
                && self.watched.contains(&subject)
            {
                tell(Reading::RuntimeReport(Box::new(report.clone())));
            }
        }
        signals
    }

    /// Lets that much time pass.
    pub(crate) fn run(&mut self, from: u64, to: u64) {
        for second in (from..=to).step_by(LOOK as usize) {
            let now = START + Duration::from_secs(second);
            for signal in self.signals(second) {
                self.world.observe(&signal);
                self.pathologist.observe(&signal);
            }
            self.step(second, now);
        }
    }

    fn step(&mut self, second: u64, now: Timestamp) {
        let mut plans = Plans::default();
        self.pathologist.plan(now, &self.world, &mut plans);
        for (subject, every) in plans.watches() {
            self.watched.retain(|watched| watched != subject);
            if every.is_some() {
                self.watched.push(*subject);
            }
        }
        self.stated.extend(plans.assessments().iter().map(|said| (second, said.clone())));
        for plan in plans.proposals() {
            self.proposed.push((second, plan.clone()));
            if self.backend != Backend::Observes {
                self.carry_out(second, plan);
            }
        }
    }

    fn carry_out(&mut self, second: u64, plan: &Plan) {
        let kind = plan.step.kind();
        self.done.push((second, kind, plan.target.subject));
        self.pathologist.done(plan);
        let works = self.backend == Backend::Works || kind == StepKind::CaptureStacks;
        let ending = if works { Ending::Met } else { Ending::Unmet };
        if works && kind != StepKind::CaptureStacks {
            let Subject::Process(id) = plan.target.subject else { return };
            let gone = self.actors.iter_mut().find(|actor| actor.id == id);
            gone.expect("it is one of ours").alive = false;
            let at = START + Duration::from_secs(second);
            let signal = Signal { at, subject: plan.target.subject, reading: Reading::Gone };
            self.world.observe(&signal);
            self.pathologist.observe(&signal);
        }
        self.pathologist.learn(&Outcome::of(plan, ending, Summary::default()));
    }

    /// What was proposed, each kind once, with the second of the first time.
    pub(crate) fn steps(&self) -> Vec<(u64, StepKind)> {
        let mut steps: Vec<(u64, StepKind)> = Vec::new();
        for (second, plan) in &self.proposed {
            if !steps.iter().any(|(_, kind)| *kind == plan.step.kind()) {
                steps.push((*second, plan.step.kind()));
            }
        }
        steps
    }

    /// Everything that was said of a process, in order, without repetition.
    pub(crate) fn classes(&self, pid: u32) -> Vec<String> {
        let said = self.stated.iter().filter(|(_, said)| is_pid(said.subject, pid));
        let mut classes: Vec<String> = said.map(|(_, said)| said.class.to_string()).collect();
        classes.dedup();
        classes
    }

    pub(crate) fn last_statement(&self, pid: u32) -> String {
        let said = self.stated.iter().rev().find(|(_, said)| is_pid(said.subject, pid));
        said.and_then(|(_, said)| said.statement.as_deref()).unwrap_or_default().to_owned()
    }
}

fn is_pid(subject: Subject, pid: u32) -> bool {
    matches!(subject, Subject::Process(id) if id.pid == pid)
}

pub(crate) fn pathologist() -> Pathologist {
    Pathologist::builder().build().expect("the defaults are valid")
}

fn identity(actor: &Actor) -> ProcessIdentity {
    ProcessIdentity {
        parent: 1,
        comm: actor.comm.into(),
        exe: None,
        uid: 1_000,
        cgroup: None,
        cgroup_path: Some(actor.cgroup.into()),
        oom_score_adj: Some(0),
        kernel_thread: false,
        runtime: actor.runtime,
    }
}

pub(crate) fn thread(tid: u32, wait: Wait) -> Thread {
    named(tid, "worker", wait)
}

pub(crate) fn named(tid: u32, name: &str, wait: Wait) -> Thread {
    let state = match wait {
        Wait::Running => 'R',
        Wait::Kernel { .. } => 'D',
        Wait::Stopped => 'T',
        _ => 'S',
    };
    Thread {
        tid,
        name: name.into(),
        state,
        cpu: Duration::from_millis(20),
        ready: Duration::from_millis(3),
        slices: 12,
        since: Some(START + Duration::from_secs(7)),
        wait,
    }
}

fn wait(address: u64, owner: Option<ThreadId>) -> Futex {
    Futex {
        address: FutexAddress::Private(address),
        timed: false,
        private: true,
        pi: false,
        word: Some(if owner.is_some() { 2 } else { 0 }),
        lock: owner.map(|owner| Lock {
            kind: LockKind::GlibcMutex,
            owner: Some(owner),
            contended: true,
            depth: None,
        }),
        joins: None,
    }
}

/// A futex whose owner is not known.
pub(crate) fn futex(address: u64) -> Wait {
    Wait::Futex(wait(address, None))
}

pub(crate) fn timed(mut wait: Wait) -> Wait {
    if let Wait::Futex(futex) = &mut wait {
        futex.timed = true;
    }
    wait
}

/// A mutex that a thread of the process `pid` holds.
pub(crate) fn lock(address: u64, pid: u32, tid: u32) -> Wait {
    let process = ProcessId { pid, start: u64::from(pid) };
    Wait::Futex(wait(address, Some(ThreadId { process, tid })))
}

/// The same in memory that both processes have mapped.
pub(crate) fn shared_lock(offset: u64, pid: u32, tid: u32) -> Wait {
    let mut wait = lock(0, pid, tid);
    if let Wait::Futex(futex) = &mut wait {
        futex.address = FutexAddress::Shared { device: 1, inode: 2, offset };
        futex.private = false;
    }
    wait
}

pub(crate) fn joins(sibling: u32) -> Wait {
    let futex = Futex { private: false, joins: Some(sibling), ..wait(0x7000, None) };
    Wait::Futex(futex)
}

pub(crate) fn peer(sent: u64, received: u64) -> Wait {
    Wait::Peer(Peer {
        address: Some("10.0.0.5:5432".parse().expect("an address")),
        sent: Some(Duration::from_secs(sent)),
        received: Some(Duration::from_secs(received)),
        timed: false,
    })
}

pub(crate) fn listener(queued: u32, still: u64) -> Vec<Listener> {
    vec![Listener {
        address: "0.0.0.0:8080".parse().expect("an address"),
        queued,
        limit: 128,
        still: Duration::from_secs(still),
    }]
}

/// The ABBA server of the notes: a main thread in accept, and two workers that wait for each other.
pub(crate) fn abba(pid: u32) -> Actor {
    let threads = vec![
        thread(pid, Wait::Client { fd: 3 }),
        thread(pid + 1, lock(0x7f00_0000_10a0, pid, pid + 2)),
        thread(pid + 2, lock(0x7f00_0000_1060, pid, pid + 1)),
    ];
    Actor::new(pid, "abba", threads).living(|second, threads| {
        // Its port answers health checks.
        threads.threads[0].slices += 2;
        threads.listeners = listener(12, second);
    })
}

/// Lets threads run between two looks: this long each, of the time since the look before.
pub(crate) fn ran(thread: &mut Thread, cpu_ms: u64) {
    thread.cpu += Duration::from_millis(cpu_ms);
    thread.slices += 10;
    thread.since = None;
}

/// The id of a plan that was given none.
pub(crate) const NO_ID: PlanId = PlanId(0);

pub(crate) fn is_terminate(plan: &Plan) -> bool {
    matches!(plan.step, Step::Terminate { .. })
}
