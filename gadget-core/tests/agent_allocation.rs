//! From the signals that bring a plan about to its effect the agent allocates nothing, ledger on disk included.

#[path = "../src/testing/counting.rs"]
mod counting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use counting::{Counting, allocations};
use gadget_core::{
    Action, ActionError, Agent, Bytes, CgroupId, CgroupIdentity, CgroupMemory, CgroupVersion,
    Change, Effect, Evidence, Expectation, Gadget, HostFacts, Ledger, ManualClock, MemoryLimit,
    Metric, Name, Plan, PlanId, Plans, Policy, Probability, ProcessId, ProcessIdentity, Reach,
    Reading, RecordedPermit, Runtime, Signal, Step, StepKind, Subject, Summary, Target, Timestamp,
    Undo, World, summary,
};

#[global_allocator]
static COUNTING: Counting = Counting;

const POLICY: &str = "\
[autonomy]
default = \"act\"
[sustained]
medium = \"0s\"
[blast_radius]
cgroups = 1.0
processes = 1.0
memory = 1.0
";

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + secs)
}

const fn group(id: u64) -> Subject {
    Subject::Cgroup(CgroupId(id))
}

/// Proposes to freeze group 1 at second 5, and group 2 at second 20.
#[derive(Clone)]
struct Freezer([Arc<str>; 2]);

impl Gadget for Freezer {
    fn name(&self) -> Name {
        Name::Borrowed("freezer")
    }
    fn observe(&mut self, _: &Signal) {}
    fn plan(&mut self, now: Timestamp, _: &World, plans: &mut Plans) {
        let which = match now.since(at(0)).as_secs() {
            5 => 1,
            20 => 2,
            _ => return,
        };
        let evidence: Evidence = [(Name::Borrowed("used_share"), 0.97)].into_iter().collect();
        plans.propose(Plan {
            id: PlanId::default(),
            gadget: Name::Borrowed(""),
            at: now,
            step: Step::Freeze,
            target: Target {
                subject: group(which),
                reach: Reach::Alone,
                name: Arc::clone(&self.0[which as usize - 1]),
            },
            reason: Name::Borrowed("the leak will exhaust the limit"),
            confidence: Probability::ONE,
            evidence,
            expects: Expectation {
                subject: group(which),
                change: Change::AtMost(Metric::MemoryUsed, 10.0),
                within: Duration::from_secs(3),
            },
            merit: 1.0,
            deadline: Some(Duration::from_secs(10)),
        });
    }
}

/// Moves nothing, and notes how much had been allocated when it was applied.
struct Meter(Arc<AtomicU64>);

impl Action for Meter {
    fn supports(&self, _: StepKind) -> Result<(), ActionError> {
        Ok(())
    }
    fn prepare(&mut self, plan: &Plan) -> Result<Undo, ActionError> {
        let Subject::Cgroup(cgroup) = plan.target.subject else { return Ok(Undo::Nothing) };
        Ok(Undo::Thaw { cgroup, path: Arc::clone(&plan.target.name) })
    }
    fn apply(&mut self, permit: RecordedPermit) -> Result<Effect, ActionError> {
        self.0.store(allocations(), Ordering::Relaxed);
        Ok(Effect {
            summary: summary(format_args!("froze {}", permit.plan().target.name)),
            complete: true,
        })
    }
    fn undo(&mut self, _: &Undo) -> Result<Summary, ActionError> {
        Ok(summary(format_args!("thawed")))
    }
}

fn identities(now: Timestamp) -> Vec<Signal> {
    let mut signals = Vec::new();
    for id in 1..=2_u32 {
        let path: Arc<str> = format!("/group-{id}").into();
        let cgroup = CgroupIdentity {
            path: Arc::clone(&path),
            parent: None,
            version: CgroupVersion::V2,
            container: None,
            oom_group: false,
        };
        let process = ProcessIdentity {
            parent: 1,
            comm: "leaky".into(),
            exe: None,
            uid: 1_000,
            cgroup: Some(CgroupId(id.into())),
            cgroup_path: Some(path),
            oom_score_adj: Some(0),
            kernel_thread: false,
            runtime: Runtime::Native,
        };
        let of = |subject, reading| Signal { at: now, subject, reading };
        signals.push(of(group(id.into()), Reading::CgroupIdentity(Box::new(cgroup))));
        let process_id = Subject::Process(ProcessId { pid: 100 + id, start: 5 });
        signals.push(of(process_id, Reading::ProcessIdentity(Box::new(process))));
    }
    signals
}

fn usage(now: Timestamp) -> [Signal; 2] {
    [1, 2].map(|id| Signal {
        at: now,
        subject: group(id),
        reading: Reading::CgroupMemory(CgroupMemory {
            current: Bytes::new(900),
            max: MemoryLimit::At(Bytes::new(1_000)),
            high: MemoryLimit::Unlimited,
            stat: None,
            events: None,
        }),
    })
}

#[test]
fn from_signals_to_effect_nothing_is_allocated_once_warm() {
    let dir = tempfile::tempdir().expect("a directory");
    let facts =
        HostFacts { boot_id: "boot".into(), kernel: "6.18".into(), agent_pid: 999_999, cpus: 2 };
    let applied = Arc::new(AtomicU64::new(0));
    let mut agent = Agent::builder()
        .host(facts.clone())
        .clock(ManualClock::at(at(0)))
        .replaying()
        .gadget(Freezer(["/group-1".into(), "/group-2".into()]))
        .actions(Meter(Arc::clone(&applied)))
        .policy(Policy::from_toml(POLICY).expect("a valid policy"))
        .ledger(Ledger::open(dir.path(), &facts, at(0)).expect("a ledger"))
        .build()
        .expect("an agent");
    agent.step(&identities(at(0)), at(0));
    // The first freeze goes all the way to its undo, which warms every buffer.
    for second in 1..20 {
        agent.step(&usage(at(second)), at(second));
    }
    assert!(applied.swap(0, Ordering::Relaxed) > 0, "the meter does not count");
    let signals = usage(at(20));
    let before = allocations();
    let report = agent.step(&signals, at(20));
    assert_eq!(report.done, 1);
    assert_eq!(applied.load(Ordering::Relaxed) - before, 0);
}
