//! Real permits for steps on real targets.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a test that shares this uses a part of it, and panics when that fails"
)]

use gadget_core::{
    Action, CgroupIdentity, CgroupVersion, Change, Evidence, Expectation, HostFacts, Ledger, Plan,
    PlanId, Policy, Probability, ProcessId, ProcessIdentity, Reach, Reading, RecordedPermit,
    Request, Runtime, Signal, Step, Subject, Target, Timestamp, Undo, Verdict, World,
};
use std::path::Path;
use std::time::Duration;

/// A policy under which everything may be done.
const ALL: &str = r#"
pause_files = []
[autonomy]
default = "act"
[confidence]
low = 0.0
medium = 0.0
high = 0.0
[sustained]
low = "0s"
medium = "0s"
high = "0s"
[cooldown]
target = "0s"
kind = "0s"
[budget]
steps = 1000
high_risk = 1000
[blast_radius]
processes = 1.0
cgroups = 1.0
memory = 1.0
"#;

/// What stands between a plan and its effect: a policy, what is known of the host, and a ledger.
pub struct Desk {
    pub ledger: Ledger,
    policy: Policy,
    world: World,
    pub now: Timestamp,
}

impl Desk {
    /// With a ledger in `dir`, or in memory.
    pub fn new(dir: Option<&Path>) -> Self {
        let facts = HostFacts::read(Path::new("/proc")).unwrap();
        let now = Timestamp::from_secs(1_700_000_000);
        let ledger = match dir {
            Some(dir) => Ledger::open(dir, &facts, now).unwrap(),
            None => Ledger::in_memory(&facts, now),
        };
        let mut policy = Policy::from_toml(ALL).unwrap();
        policy.restore(ledger.carried(), &facts);
        Self { ledger, policy, world: World::new(facts), now }
    }

    /// What the host's providers would have told of a target; of a cgroup, that it holds a process.
    pub fn tell(&mut self, subject: Subject, name: &str) {
        let (process, cgroup) = match subject {
            Subject::Cgroup(id) => {
                let identity = CgroupIdentity {
                    path: name.into(),
                    parent: None,
                    version: CgroupVersion::V2,
                    container: None,
                    oom_group: false,
                };
                self.observe(subject, Reading::CgroupIdentity(Box::new(identity)));
                (Subject::Process(ProcessId { pid: u32::MAX, start: id.0 }), Some(id))
            }
            process => (process, None),
        };
        let identity = ProcessIdentity {
            parent: std::process::id(),
            comm: "leaky".into(),
            exe: None,
            uid: 0,
            cgroup,
            cgroup_path: cgroup.map(|_| name.into()),
            oom_score_adj: Some(0),
            kernel_thread: false,
            runtime: Runtime::Native,
        };
        self.observe(process, Reading::ProcessIdentity(Box::new(identity)));
    }

    fn observe(&mut self, subject: Subject, reading: Reading) {
        self.world.observe(&Signal { at: self.now, subject, reading });
    }

    /// A plan that was admitted.
    pub fn plan(&mut self, step: Step, subject: Subject, reach: Reach, name: &str) -> Plan {
        self.now = self.now + Duration::from_millis(10);
        self.tell(subject, name);
        let expects =
            Expectation { subject, change: Change::Gone, within: Duration::from_secs(10) };
        let mut plan = Plan {
            id: PlanId(0),
            gadget: "test".into(),
            at: self.now,
            step,
            target: Target { subject, reach, name: name.into() },
            reason: "a test".into(),
            confidence: Probability::ONE,
            evidence: Evidence::new(),
            expects,
            merit: 1.0,
            deadline: None,
        };
        self.policy.admit(&mut plan);
        plan
    }

    /// The permit for `plan`, on record with the undo that `action` prepared.
    pub fn permit(&mut self, action: &mut dyn Action, plan: &Plan) -> RecordedPermit {
        let undo = action.prepare(plan).unwrap();
        let request = Request { now: self.now, world: &self.world, incapable: None };
        let (review, permit) = self.policy.review(plan, &request);
        assert_eq!(review.verdict, Verdict::Permitted, "{:?}", review.decided_by());
        let recorded = self.ledger.intend(permit.unwrap(), undo.clone(), self.now).unwrap();
        self.policy.opened(plan, &undo, self.now);
        recorded
    }

    /// Says that `plan` is over.
    pub fn end(&mut self, plan: &Plan, ending: gadget_core::Ending) {
        let outcome = outcome(plan, ending);
        self.policy.ended(&outcome, self.now);
        self.ledger
            .append(self.now, &gadget_core::Entry::Ended(std::borrow::Cow::Owned(outcome)))
            .unwrap();
    }

    /// Lets the policy take `plan` for over, while the ledger knows better.
    pub fn forget(&mut self, plan: &Plan) {
        self.policy.ended(&outcome(plan, gadget_core::Ending::Met), self.now);
    }

    /// Prepares, permits, records and applies.
    pub fn act(&mut self, action: &mut dyn Action, plan: &Plan) -> Undo {
        let permit = self.permit(action, plan);
        let undo = permit.undo().clone();
        action.apply(permit).unwrap();
        undo
    }
}

fn outcome(plan: &Plan, ending: gadget_core::Ending) -> gadget_core::Outcome {
    gadget_core::Outcome::of(plan, ending, gadget_core::Summary::new())
}
