//! From a forecast to a step: the later and the surer, the harder.

use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Bytes, CgroupVersion, Change, Evidence, Expectation, MemoryLimit, Metric, Name, Plan, PlanId,
    Probability, Reach, Runtime, Step, Subject, Target, Timestamp, World,
};

use crate::config::OracleSettings;
use crate::culprit::Culprit;
use crate::features::{Feature, Row};
use crate::track::Levels;

/// With less time than this a process that is asked to end would not have any to do so.
const TOO_LATE_TO_ASK: f64 = 0.8;
/// With less time than this nobody would hear in time what holding the culprit brought.
const TOO_LATE_TO_HOLD: f64 = 4.0;
/// With less time than this a group that may still grow by a little is a cliff: it is frozen, not slowed.
const CLIFF: f64 = 15.0;
/// File cache is worth reclaiming from this share of the limit on.
const WORTH_RECLAIMING: f64 = 0.1;
/// How long after its end memory may take to come back, and how long a held process may still be seen to grow.
const SETTLES: Duration = Duration::from_secs(2);

/// All that decides the step.
pub(crate) struct Situation<'a> {
    pub(crate) now: Timestamp,
    pub(crate) subject: Subject,
    pub(crate) levels: Levels,
    pub(crate) row: &'a Row,
    pub(crate) confidence: f64,
    /// Seconds to the limit: likely, and at the earliest.
    pub(crate) left: f64,
    pub(crate) soonest: f64,
    pub(crate) culprit: Option<&'a Culprit>,
    /// The culprit's growth explains enough of its group's.
    pub(crate) explained: bool,
    /// The culprit was held before, and grows again.
    pub(crate) again: bool,
    /// Something of ours is in place on this subject's behalf.
    pub(crate) holding: bool,
    pub(crate) settings: &'a OracleSettings,
    pub(crate) world: &'a World,
    pub(crate) host: &'a Arc<str>,
}

impl Situation<'_> {
    /// Proposes what fits the time left and the confidence.
    pub(crate) fn propose(&self, propose: &mut impl FnMut(Plan)) {
        let settings = self.settings;
        let horizon = settings.horizon.as_secs_f64();
        let sure = |floor: Probability| self.confidence >= floor.get();
        if self.left > horizon || !sure(settings.reclaim_floor) {
            return;
        }
        if let Some(culprit) = self.culprit.filter(|_| self.explained) {
            let end = sure(settings.terminate_floor) && self.left <= horizon / 3.0;
            let contain = sure(settings.contain_floor) && self.left <= horizon * 2.0 / 3.0;
            if culprit.source {
                if contain && !self.holding {
                    propose(self.contain(culprit));
                }
                return;
            }
            if end {
                return propose(self.end(culprit));
            }
            if contain && self.may_restart(culprit) {
                return propose(self.restart(culprit));
            }
            if contain && !self.again && !self.holding && self.left >= TOO_LATE_TO_HOLD {
                propose(self.contain(culprit));
            }
            if culprit.runtime == Runtime::Jvm && culprit.reach == Reach::Alone {
                propose(self.collect_garbage(culprit));
            }
        }
        if self.levels.inactive > WORTH_RECLAIMING * self.levels.limit {
            self.reclaim(propose);
        }
    }

    fn end(&self, culprit: &Culprit) -> Plan {
        let grace = if self.soonest < TOO_LATE_TO_ASK || self.settings.grace.is_zero() {
            Duration::ZERO
        } else {
            Duration::from_secs_f64((self.soonest - 0.3) / 3.0).min(self.settings.grace)
        };
        let step = if grace.is_zero() { Step::Kill } else { Step::Terminate { grace } };
        let reason = match (culprit.reach, self.again) {
            (Reach::Tree, _) => "processes that grow as one will exhaust the limit",
            (_, true) => "it was held, and grows again: the leak will exhaust the limit",
            (_, false) => "the leak will exhaust the limit",
        };
        self.plan(step, self.process(culprit), reason, 3.0, Change::Gone, grace + SETTLES)
    }

    /// A service that can be restarted is, while there is time for an orderly end.
    fn may_restart(&self, culprit: &Culprit) -> bool {
        self.settings.restart
            && culprit.reach == Reach::Alone
            && self.left >= self.settings.horizon.as_secs_f64() / 3.0
            && self.cgroup_path_of(culprit).is_some_and(|path| path.ends_with(".service"))
    }

    fn cgroup_path_of(&self, culprit: &Culprit) -> Option<&Arc<str>> {
        self.world.process(culprit.process)?.identity.as_ref()?.cgroup_path.as_ref()
    }

    fn restart(&self, culprit: &Culprit) -> Plan {
        let target = self.process(culprit);
        let reason = "the service leaks, and there is time for an orderly restart";
        self.plan(Step::Restart, target, reason, 2.5, Change::Gone, Duration::from_secs(30))
    }

    /// Slows or stops the culprit in a way that can be undone, touching nobody else.
    fn contain(&self, culprit: &Culprit) -> Plan {
        let own = culprit.own_cgroup.and_then(|id| {
            let cgroup = self.world.cgroup(id)?;
            Some((id, cgroup, cgroup.identity.as_ref()?))
        });
        let Some((id, cgroup, identity)) = own else {
            // Between two readings it may still have grown.
            let most = culprit.size * 1.02 + self.levels.limit * 0.01;
            let change = Change::AtMost(
                Metric::ProcessRss,
                self.rss_of(culprit).unwrap_or(0.0).max(culprit.size) + most - culprit.size,
            );
            let reason = "hold the leak while others give way";
            let mut plan =
                self.plan(Step::Pause, self.process(culprit), reason, 2.0, change, SETTLES);
            plan.expects.subject = Subject::Process(culprit.process);
            return plan;
        };
        let target = Target {
            subject: Subject::Cgroup(id),
            reach: Reach::Alone,
            name: Arc::clone(&identity.path),
        };
        let current = cgroup.memory.map_or(0.0, |memory| memory.current.as_f64());
        let room = (self.levels.limit - self.levels.used).max(0.0);
        let change = Change::AtMost(Metric::MemoryUsed, current + 0.5 * room);
        let mut plan = if identity.version == CgroupVersion::V2 && self.left > CLIFF {
            let to = MemoryLimit::At(Bytes::new((current + 0.1 * room) as u64));
            let reason = "slow the leak at what it has now";
            self.plan(Step::SetMemoryHigh { to }, target, reason, 2.0, change, SETTLES)
        } else {
            self.plan(Step::Freeze, target, "hold the leak before the limit", 2.0, change, SETTLES)
        };
        plan.expects.subject = Subject::Cgroup(id);
        plan
    }

    fn rss_of(&self, culprit: &Culprit) -> Option<f64> {
        Some(self.world.process(culprit.process)?.usage?.rss.as_f64())
    }

    fn collect_garbage(&self, culprit: &Culprit) -> Plan {
        let change =
            Change::AtMost(Metric::ProcessRss, 0.95 * self.rss_of(culprit).unwrap_or(culprit.size));
        let reason = "a runtime with garbage may give some back";
        let within = Duration::from_secs(5);
        let mut plan =
            self.plan(Step::CollectGarbage, self.process(culprit), reason, 1.0, change, within);
        plan.expects.subject = Subject::Process(culprit.process);
        plan
    }

    /// File cache that was not used twice goes before the limit is met, not in a stall there.
    fn reclaim(&self, propose: &mut impl FnMut(Plan)) {
        let amount = self.levels.inactive * 0.5;
        let within = Duration::from_secs(5);
        match self.subject {
            Subject::Host => {
                let used = self.world.metric(Subject::Host, Metric::MemoryUsed).unwrap_or(f64::MAX);
                let target = Target {
                    subject: Subject::Host,
                    reach: Reach::Alone,
                    name: Arc::clone(self.host),
                };
                let change = Change::AtMost(Metric::MemoryUsed, used);
                let reason = "clean caches go before a stall does it";
                propose(self.plan(
                    Step::DropCaches { level: 1 },
                    target,
                    reason,
                    0.5,
                    change,
                    within,
                ));
            }
            Subject::Cgroup(id) => {
                let Some(identity) =
                    self.world.cgroup(id).and_then(|cgroup| cgroup.identity.as_ref())
                else {
                    return;
                };
                // What cgroup v1 offers takes all of the cache, also what is in use.
                if identity.version == CgroupVersion::V1 {
                    return;
                }
                let target = Target {
                    subject: self.subject,
                    reach: Reach::Alone,
                    name: Arc::clone(&identity.path),
                };
                let change = Change::AtMost(Metric::MemoryUsed, self.levels.charged - amount / 2.0);
                let step = Step::Reclaim { amount: Bytes::new(amount as u64) };
                let reason = "clean caches go before a stall does it";
                propose(self.plan(step, target, reason, 1.0, change, within));
            }
            _ => {}
        }
    }

    fn process(&self, culprit: &Culprit) -> Target {
        Target {
            subject: Subject::Process(culprit.process),
            reach: culprit.reach,
            name: Arc::clone(&culprit.name),
        }
    }

    fn plan(
        &self,
        step: Step,
        target: Target,
        reason: &'static str,
        benefit: f64,
        change: Change,
        within: Duration,
    ) -> Plan {
        Plan {
            id: PlanId::default(),
            gadget: Name::Borrowed(crate::NAME),
            at: self.now,
            step,
            expects: Expectation { subject: target.subject, change, within },
            target,
            reason: Name::Borrowed(reason),
            confidence: Probability::saturating(self.confidence),
            evidence: evidence(self.levels, self.row, self.culprit),
            merit: benefit * self.confidence,
            deadline: Some(Duration::from_secs_f64(self.left.min(crate::forecast::FARTHEST))),
        }
    }
}

/// The readings that a person wants to see first.
pub(crate) fn evidence(levels: Levels, row: &Row, culprit: Option<&Culprit>) -> Evidence {
    let mut evidence = Evidence::new();
    let mut say = |name: &'static str, value: f64| {
        // Full: what comes last matters least.
        let _ = evidence.try_push((Name::Borrowed(name), value));
    };
    say("used_share", Feature::Used.of(row));
    say("growth_bytes_per_s", Feature::Velocity.of(row) * levels.limit);
    say("growth_lasted_s", Feature::LogClimb.of(row).exp());
    say("room_consumed", Feature::Consumed.of(row));
    if let Some(culprit) = culprit {
        say("culprit_growth_bytes", culprit.growth);
        say("culprit_share", culprit.share);
        say("culprit_bytes", culprit.size);
        say("culprit_oom_score_adj", f64::from(culprit.oom_score_adj.unwrap_or(0)));
        if culprit.born > 0 {
            say("culprit_started", f64::from(culprit.born));
        }
    }
    say("cache_share", Feature::Cache.of(row));
    say("pressure_full", Feature::Full.of(row));
    say("earlier_drops", Feature::Drops.of(row));
    evidence
}

#[cfg(test)]
mod tests {
    use gadget_core::{
        CgroupId, CgroupIdentity, CgroupMemory, HostFacts, ProcessId, ProcessIdentity,
        ProcessUsage, Reading, Signal, StepKind,
    };

    use super::*;
    use crate::features::FEATURES;

    const MIB: f64 = 1024.0 * 1024.0;
    const GROUP: CgroupId = CgroupId(1);
    const OWN: CgroupId = CgroupId(2);
    const LEAKER: ProcessId = ProcessId { pid: 50, start: 1 };

    fn world(version: CgroupVersion, path: &str) -> World {
        let facts = HostFacts { boot_id: "b".into(), kernel: "6.1".into(), agent_pid: 9, cpus: 2 };
        let mut world = World::new(facts);
        let group = |path: &str, parent| {
            let identity = CgroupIdentity {
                path: path.into(),
                parent,
                version,
                container: None,
                oom_group: false,
            };
            Reading::CgroupIdentity(Box::new(identity))
        };
        let memory = CgroupMemory {
            current: Bytes::from_mib(150),
            max: MemoryLimit::Unlimited,
            high: MemoryLimit::Unlimited,
            stat: None,
            events: None,
        };
        let process = ProcessIdentity {
            parent: 1,
            comm: "leaker".into(),
            exe: None,
            uid: 0,
            cgroup: Some(OWN),
            cgroup_path: Some(path.into()),
            oom_score_adj: Some(0),
            kernel_thread: false,
            runtime: Runtime::Native,
        };
        let usage = ProcessUsage { rss: Bytes::from_mib(150), ..Default::default() };
        for (subject, reading) in [
            (Subject::Cgroup(GROUP), group("/app", None)),
            (Subject::Cgroup(OWN), group(path, Some(GROUP))),
            (Subject::Cgroup(OWN), Reading::CgroupMemory(memory)),
            (Subject::Process(LEAKER), Reading::ProcessIdentity(Box::new(process))),
            (Subject::Process(LEAKER), Reading::ProcessUsage(usage)),
        ] {
            world.observe(&Signal { at: Timestamp::from_secs(1), subject, reading });
        }
        world
    }

    fn culprit() -> Culprit {
        Culprit {
            process: LEAKER,
            name: "leaker".into(),
            reach: Reach::Alone,
            source: false,
            growth: 100.0 * MIB,
            share: 1.0,
            size: 150.0 * MIB,
            born: 0,
            oom_score_adj: Some(0),
            runtime: Runtime::Native,
            own_cgroup: None,
            read_at: 0.0,
        }
    }

    /// What is proposed with this confidence and this many seconds left.
    fn steps(
        world: &World,
        culprit: &Culprit,
        confidence: f64,
        left: f64,
        change: impl FnOnce(&mut Situation<'_>),
    ) -> Vec<Plan> {
        let settings = OracleSettings::default();
        let host = Arc::from("host");
        let mib = |mib: f64| mib * MIB;
        let levels = Levels {
            used: mib(350.0),
            limit: mib(400.0),
            charged: mib(398.0),
            cache: mib(48.0),
            inactive: mib(44.0),
            swapped: 0.0,
        };
        let mut situation = Situation {
            now: Timestamp::from_secs(2),
            subject: Subject::Cgroup(GROUP),
            levels,
            row: &[0.0; FEATURES],
            confidence,
            left,
            soonest: left * 0.8,
            culprit: Some(culprit),
            explained: true,
            again: false,
            holding: false,
            settings: &settings,
            world,
            host: &host,
        };
        change(&mut situation);
        let mut plans = Vec::new();
        situation.propose(&mut |plan| plans.push(plan));
        plans
    }

    fn kinds(plans: &[Plan]) -> Vec<StepKind> {
        plans.iter().map(|plan| plan.step.kind()).collect()
    }

    #[test]
    fn the_later_and_the_surer_the_harder() {
        let world = world(CgroupVersion::V2, "/app/a");
        let on = |probability, left| kinds(&steps(&world, &culprit(), probability, left, |_| {}));
        assert_eq!(on(0.99, 200.0), []);
        assert_eq!(on(0.3, 20.0), []);
        assert_eq!(on(0.6, 150.0), [StepKind::Reclaim]);
        assert_eq!(on(0.75, 100.0), [StepKind::Pause, StepKind::Reclaim]);
        assert_eq!(
            on(0.9, 100.0),
            [StepKind::Pause, StepKind::Reclaim],
            "there is time to hold it first"
        );
        assert_eq!(on(0.9, 40.0), [StepKind::Terminate]);
        assert_eq!(on(0.9, 0.5), [StepKind::Kill]);
        assert_eq!(on(0.75, 2.0), [StepKind::Reclaim], "too late to hold it");
    }

    #[test]
    fn grace_shrinks_with_the_time_left() {
        let world = world(CgroupVersion::V2, "/app/a");
        let grace = |left| match steps(&world, &culprit(), 0.9, left, |_| {})[0].step {
            Step::Terminate { grace } => grace.as_secs_f64(),
            _ => 0.0,
        };
        assert!(grace(1.2) < 0.4 && grace(1.2) > 0.1, "{}", grace(1.2));
        assert_eq!(grace(59.0), 10.0);
    }

    #[test]
    fn a_leaker_in_a_group_of_its_own_is_slowed_there_or_frozen_before_a_cliff() {
        let own = Culprit { own_cgroup: Some(OWN), ..culprit() };
        let v2 = world(CgroupVersion::V2, "/app/a");
        let slowed = &steps(&v2, &own, 0.8, 100.0, |_| {})[0];
        assert_eq!(
            (slowed.step.kind(), slowed.target.name.as_ref()),
            (StepKind::SetMemoryHigh, "/app/a")
        );
        assert_eq!(slowed.target.subject, Subject::Cgroup(OWN));
        assert_eq!(steps(&v2, &own, 0.8, 10.0, |_| {})[0].step.kind(), StepKind::Freeze);
        let v1 = world(CgroupVersion::V1, "/app/a");
        assert_eq!(kinds(&steps(&v1, &own, 0.8, 100.0, |_| {})), [StepKind::Freeze]);
    }

    #[test]
    fn a_service_is_restarted_while_there_is_time() {
        let world = world(CgroupVersion::V2, "/system.slice/app.service");
        assert_eq!(kinds(&steps(&world, &culprit(), 0.9, 90.0, |_| {})), [StepKind::Restart]);
        assert_eq!(kinds(&steps(&world, &culprit(), 0.9, 30.0, |_| {})), [StepKind::Terminate]);
    }

    #[test]
    fn a_runtime_is_asked_for_its_garbage() {
        let jvm = Culprit { runtime: Runtime::Jvm, ..culprit() };
        let world = world(CgroupVersion::V1, "/app/a");
        assert_eq!(kinds(&steps(&world, &jvm, 0.6, 100.0, |_| {})), [StepKind::CollectGarbage]);
    }

    #[test]
    fn nobody_is_touched_whose_growth_does_not_explain_that_of_the_group() {
        let world = world(CgroupVersion::V2, "/app/a");
        let plans = steps(&world, &culprit(), 0.99, 5.0, |situation| situation.explained = false);
        assert_eq!(kinds(&plans), [StepKind::Reclaim]);
    }

    #[test]
    fn the_host_drops_its_caches() {
        let world = world(CgroupVersion::V2, "/app/a");
        let plans =
            steps(&world, &culprit(), 0.6, 100.0, |situation| situation.subject = Subject::Host);
        assert_eq!(kinds(&plans), [StepKind::DropCaches]);
    }

    #[test]
    fn a_plan_says_why_in_numbers() {
        let world = world(CgroupVersion::V2, "/app/a");
        let plan = &steps(&world, &culprit(), 0.9, 30.0, |_| {})[0];
        let value = |name: &str| {
            plan.evidence.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
        };
        assert_eq!(value("culprit_growth_bytes"), Some(100.0 * MIB));
        assert_eq!(value("culprit_share"), Some(1.0));
        assert_eq!(plan.deadline, Some(Duration::from_secs(30)));
        assert_eq!(plan.expects.change, Change::Gone);
    }
}
