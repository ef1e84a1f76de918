//! A small host to judge plans on.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]
#![allow(dead_code, unreachable_pub, reason = "each test that shares this uses its own part of it")]

use std::sync::Arc;
use std::time::Duration;

use gadget_core::*;

/// The agent's own process id.
pub const AGENT: u32 = 50;
/// A group with a process that leaks and one that helps it.
pub const APP: CgroupId = CgroupId(20);
/// A group with a database.
pub const DB: CgroupId = CgroupId(30);
/// The process that leaks.
pub const LEAK: ProcessId = ProcessId { pid: 100, start: 100 };
/// The process that helps it.
pub const HELPER: ProcessId = ProcessId { pid: 101, start: 101 };
/// The database.
pub const POSTGRES: ProcessId = ProcessId { pid: 200, start: 200 };

/// What the signals told of a host, and the time of the last one.
pub struct Scene {
    pub world: World,
    pub now: Timestamp,
}

impl Scene {
    /// A host of 4 GiB with an init system, a way in, the agent, an application, a database and 40 other processes.
    pub fn new() -> Self {
        let mut scene = Self { world: World::new(facts("boot")), now: Timestamp::from_secs(1_000) };
        scene.tell(
            Subject::Host,
            Reading::HostMemory(HostMemory { total: Bytes::from_mib(4096), ..Default::default() }),
        );
        for (id, parent, path) in [
            (1, None, "/"),
            (10, Some(1), "/system.slice"),
            (11, Some(10), "/system.slice/ssh.service"),
            (12, Some(10), "/system.slice/agent.service"),
            (APP.0, Some(1), "/app"),
            (DB.0, Some(1), "/db"),
            (40, Some(1), "/crowd"),
        ] {
            scene.group(id, parent, path);
        }
        scene.charge(APP, 1024);
        scene.charge(DB, 512);
        scene.charge(CgroupId(40), 512);
        for (pid, parent, comm, cgroup) in [
            (1, 0, "systemd", 1),
            (2, 0, "kthreadd", 1),
            (40, 1, "sshd", 11),
            (45, 1, "supervise", 12),
            (AGENT, 45, "agent", 12),
            (LEAK.pid, 1, "leak", APP.0),
            (HELPER.pid, LEAK.pid, "helper", APP.0),
            (POSTGRES.pid, 1, "postgres", DB.0),
        ] {
            scene.spawn(pid, parent, comm, cgroup);
        }
        scene.change(ProcessId { pid: 2, start: 2 }, |identity| identity.kernel_thread = true);
        for pid in 1_000..1_040 {
            scene.spawn(pid, 1, "worker", 40);
        }
        scene
    }

    pub fn tell(&mut self, subject: Subject, reading: Reading) {
        self.world.observe(&Signal { at: self.now, subject, reading });
    }

    pub fn group(&mut self, id: u64, parent: Option<u64>, path: &str) {
        let identity = CgroupIdentity {
            path: path.into(),
            parent: parent.map(CgroupId),
            version: CgroupVersion::V2,
            container: None,
            oom_group: false,
        };
        self.tell(Subject::Cgroup(CgroupId(id)), Reading::CgroupIdentity(Box::new(identity)));
    }

    pub fn charge(&mut self, group: CgroupId, mib: u64) {
        let memory = CgroupMemory {
            current: Bytes::from_mib(mib),
            max: MemoryLimit::Unlimited,
            high: MemoryLimit::Unlimited,
            stat: None,
            events: None,
        };
        self.tell(Subject::Cgroup(group), Reading::CgroupMemory(memory));
    }

    /// A process that started at the tick of its id.
    pub fn spawn(&mut self, pid: u32, parent: u32, comm: &str, cgroup: u64) -> ProcessId {
        let id = ProcessId { pid, start: pid.into() };
        let path = self.world.cgroup(CgroupId(cgroup)).map(|cgroup| Arc::from(cgroup.path()));
        let identity = ProcessIdentity {
            parent,
            comm: comm.into(),
            exe: Some(format!("/usr/bin/{comm}").into()),
            uid: 1000,
            cgroup: Some(CgroupId(cgroup)),
            cgroup_path: path,
            oom_score_adj: Some(0),
            kernel_thread: false,
            runtime: Runtime::Native,
        };
        self.tell(Subject::Process(id), Reading::ProcessIdentity(Box::new(identity)));
        id
    }

    pub fn change(&mut self, id: ProcessId, change: impl FnOnce(&mut ProcessIdentity)) {
        let mut identity = self.world.process(id).unwrap().identity.clone().unwrap();
        change(&mut identity);
        self.tell(Subject::Process(id), Reading::ProcessIdentity(Box::new(identity)));
    }

    /// Lets time pass, in which everything is seen again.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        let processes: Vec<_> =
            self.world.processes().map(|(id, _)| Subject::Process(id)).collect();
        let groups: Vec<_> = self.world.cgroups().map(|(id, _)| Subject::Cgroup(id)).collect();
        for subject in [Subject::Host].into_iter().chain(processes).chain(groups) {
            self.tell(subject, Reading::StallTrigger(Resource::Memory));
        }
    }

    /// A plan of one second ago and now, admitted, without anything against it.
    pub fn plan(&self, policy: &mut Policy, step: Step, subject: impl Into<Aim>) -> Plan {
        let Aim(subject, reach) = subject.into();
        let mut plan = plan(step, subject, self.now);
        plan.target.reach = reach;
        policy.admit(&mut plan);
        plan
    }

    pub fn review(&self, policy: &mut Policy, plan: &Plan) -> (Review, Option<Permit>) {
        policy.review(plan, &Request { now: self.now, world: &self.world, incapable: None })
    }

    /// Plans, reviews, and says why it was refused, if it was.
    pub fn refusal(&self, policy: &mut Policy, step: Step, aim: impl Into<Aim>) -> Option<Refusal> {
        let plan = self.plan(policy, step, aim);
        let (review, permit) = self.review(policy, &plan);
        assert_eq!(permit.is_some(), review.verdict == Verdict::Permitted);
        match review.decided_by() {
            Some((_, Opinion::Refuse(refusal))) => Some(refusal.clone()),
            _ => None,
        }
    }

    /// Plans, reviews and opens; panics with the reason if it is not permitted.
    pub fn act(&self, policy: &mut Policy, step: Step, aim: impl Into<Aim>) -> Plan {
        let plan = self.plan(policy, step, aim);
        let (review, permit) = self.review(policy, &plan);
        assert!(permit.is_some(), "{:?}", review.decided_by());
        policy.opened(&plan, &Undo::Nothing, self.now);
        plan
    }

    pub fn end(&self, policy: &mut Policy, plan: &Plan) {
        policy.ended(&outcome(plan, Ending::Met), self.now);
    }
}

/// A subject and how far a step on it reaches.
pub struct Aim(pub Subject, pub Reach);

impl From<Subject> for Aim {
    fn from(subject: Subject) -> Self {
        Self(subject, Reach::Alone)
    }
}
impl From<ProcessId> for Aim {
    fn from(id: ProcessId) -> Self {
        Self(Subject::Process(id), Reach::Alone)
    }
}
impl From<CgroupId> for Aim {
    fn from(id: CgroupId) -> Self {
        Self(Subject::Cgroup(id), Reach::Alone)
    }
}

/// A process with its descendants.
pub fn tree(id: ProcessId) -> Aim {
    Aim(Subject::Process(id), Reach::Tree)
}

pub fn facts(boot_id: &str) -> HostFacts {
    HostFacts { boot_id: boot_id.into(), kernel: "6.12.0".into(), agent_pid: AGENT, cpus: 2 }
}

pub const TERMINATE: Step = Step::Terminate { grace: Duration::from_secs(5) };
pub const RECLAIM: Step = Step::Reclaim { amount: Bytes::from_mib(64) };

/// A plan that the gadget is sure of.
pub fn plan(step: Step, subject: Subject, at: Timestamp) -> Plan {
    Plan {
        id: PlanId(0),
        gadget: Name::Borrowed("oracle"),
        at,
        step,
        target: Target { subject, reach: Reach::Alone, name: Arc::from("target") },
        reason: Name::Borrowed("leak will exhaust the limit"),
        confidence: Probability::ONE,
        evidence: Evidence::new(),
        expects: Expectation { subject, change: Change::Gone, within: Duration::from_secs(5) },
        merit: 1.0,
        deadline: None,
    }
}

pub fn outcome(plan: &Plan, ending: Ending) -> Outcome {
    Outcome::of(plan, ending, Summary::new())
}

/// Settings under which every gadget acts at once, without files that pause.
pub fn acting() -> PolicySettings {
    let mut settings = PolicySettings { pause_files: Vec::new(), ..PolicySettings::default() };
    settings.autonomy = Grants::all(Autonomy::Act);
    settings.sustained.medium = Duration::ZERO;
    settings.sustained.high = Duration::ZERO;
    settings
}

pub fn policy(settings: PolicySettings) -> Policy {
    Policy::new(settings).unwrap()
}
