//! A host that is known, and plans on it.

use std::time::Duration;

use gadget_core::{
    CgroupId, Change, Expectation, HostFacts, Metric, Plan, PlanId, Probability, ProcessId,
    ProcessIdentity, ProcessUsage, Reach, Reading, Runtime, Signal, Step, Subject, Target,
    Timestamp, World,
};

use crate::SyntheticHost;

/// A world of cgroups with processes in them, all seen just now.
#[derive(Debug)]
pub struct Scene {
    /// What was seen.
    pub world: World,
    /// When.
    pub now: Timestamp,
    host: SyntheticHost,
    cgroups: u64,
}

impl Scene {
    /// So many cgroups, and so many processes spread over them.
    #[must_use]
    pub fn new(cgroups: u64, processes: u32) -> Self {
        Self::on(SyntheticHost::new(cgroups), cgroups, processes)
    }

    /// The same with a leak in every cgroup.
    #[must_use]
    pub fn leaking(cgroups: u64, processes: u32) -> Self {
        Self::on(SyntheticHost::leaking(cgroups), cgroups, processes)
    }

    fn on(host: SyntheticHost, cgroups: u64, processes: u32) -> Self {
        let now = Timestamp::from_secs(1_700_000_000);
        let mut scene = Self { world: World::new(Self::facts()), now, host, cgroups };
        scene.sweep();
        for number in 0..processes {
            for signal in scene.process(number) {
                scene.world.observe(&signal);
            }
        }
        scene
    }

    /// The host that all this is on.
    #[must_use]
    pub fn facts() -> HostFacts {
        HostFacts {
            boot_id: "made-up".into(),
            kernel: "none".into(),
            agent_pid: 1_000_000,
            cpus: 16,
        }
    }

    /// Lets a second pass and returns what providers say then.
    pub fn sweep(&mut self) -> Vec<Signal> {
        let mut signals = Vec::new();
        self.now = self.now + Duration::from_secs(1);
        self.host.sweep(self.now, &mut signals);
        signals.iter().for_each(|signal| self.world.observe(signal));
        signals
    }

    fn process(&self, number: u32) -> [Signal; 2] {
        let cgroup = CgroupId(1_000 + u64::from(number) % self.cgroups);
        let subject = Subject::Process(ProcessId { pid: 10_000 + number, start: 7 });
        let identity = ProcessIdentity {
            parent: 1,
            comm: "service".into(),
            exe: Some("/usr/bin/service".into()),
            uid: 1000,
            cgroup: Some(cgroup),
            cgroup_path: Some(format!("/system.slice/service-{}.service", cgroup.0).into()),
            oom_score_adj: Some(0),
            kernel_thread: false,
            runtime: Runtime::Native,
        };
        let usage = ProcessUsage { state: 'S', threads: 1, ..ProcessUsage::default() };
        [Reading::ProcessIdentity(Box::new(identity)), Reading::ProcessUsage(usage)]
            .map(|reading| Signal { at: self.now, subject, reading })
    }

    /// A plan to do `step` to the first cgroup.
    #[must_use]
    pub fn plan_on_cgroup(&self, step: Step) -> Plan {
        let name = "/system.slice/service-1000.service";
        self.plan(step, Subject::Cgroup(CgroupId(1_000)), name)
    }

    /// A plan to do `step` to the first process.
    #[must_use]
    pub fn plan_on_process(&self, step: Step) -> Plan {
        self.plan(step, Subject::Process(ProcessId { pid: 10_000, start: 7 }), "service")
    }

    fn plan(&self, step: Step, subject: Subject, name: &str) -> Plan {
        let evidence =
            [("usage", 0.97), ("velocity", 3.1e6), ("pressure", 12.0), ("refaults", 0.4)];
        Plan {
            id: PlanId(1),
            gadget: "bench".into(),
            at: self.now,
            step,
            target: Target { subject, reach: Reach::Alone, name: name.into() },
            reason: "leak will exhaust the limit".into(),
            confidence: Probability::saturating(0.95),
            evidence: evidence.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            expects: Expectation {
                subject,
                change: Change::AtMost(Metric::MemoryUsed, 1e8),
                within: Duration::from_secs(10),
            },
            merit: 1.0,
            deadline: Some(Duration::from_secs(45)),
        }
    }
}
