//! The gadget: hears how learned rules do, and proposes to adopt or to retire them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Assessment, Change, Ending, Evidence, Expectation, Gadget, Name, Outcome, Plan, PlanId, Plans,
    Probability, Reach, Reading, RuleReport, RuleState, Signal, Step, Subject, Target, Timestamp,
    World,
};

/// The most rules that are looked after; further ones wait until one is gone.
const MOST_RULES: usize = 512;
/// A rule that was not heard of for so long is gone.
const FORGET: Duration = Duration::from_secs(600);
/// A report may have been on its way for so long.
const UNDER_WAY: Duration = Duration::from_secs(2);
/// So surely a lower bound holds: 19 times in 20.
const Z: f64 = 1.645;

/// When a rule has stood its trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CuratorSettings {
    /// So many values the slow path has to have found as well. Default 6, which makes a rule right with 0.69 at least; with 30 it is
    /// 0.92.
    pub agreed: u64,
    /// On so many lines it has to have been tried. Default 500.
    pub lines: u64,
    /// It may take no more steps for a line. Default 65,536: a line of 4 KiB at the worst.
    pub steps: u32,
    /// So many clean lines an adopted rule may have touched before it is retired, and so many of a hundred that were judged: the slow
    /// path is not always right either. Default 1, and 5 of a hundred.
    pub forgiven: (u64, u64),
    /// The most adopted rules. Default 256.
    pub adopted: usize,
    /// What was undone, or could not be done, is not proposed again for this long. Default 24 h.
    pub again: Duration,
}

impl Default for CuratorSettings {
    fn default() -> Self {
        let again = Duration::from_secs(24 * 3600);
        Self { agreed: 6, lines: 500, steps: 1 << 16, forgiven: (1, 5), adopted: 256, again }
    }
}

#[derive(Clone, Debug)]
struct Held {
    report: RuleReport,
    seen: Timestamp,
    /// What a plan of ours has put it in, and when.
    ours: Option<(RuleState, Timestamp)>,
    open: Option<PlanId>,
    /// Nothing is proposed before this.
    not_before: Timestamp,
    /// It was said that it is ready.
    said: bool,
}

/// Proposes [`Step::SetRule`] for learned rules: adoption after a clean trial, retirement when one touches clean lines or was of no use
/// until it expired. It sees counts, never a line.
#[derive(Clone, Debug, Default)]
pub struct Curator {
    settings: CuratorSettings,
    rules: BTreeMap<u32, Held>,
}

impl Curator {
    /// With these settings.
    #[must_use]
    pub const fn new(settings: CuratorSettings) -> Self {
        Self { settings, rules: BTreeMap::new() }
    }

    /// What is to be done about a rule, and how sure that is.
    fn wanted(
        &self,
        held: &Held,
        now: Timestamp,
        adopted: usize,
    ) -> Option<(RuleState, &'static str, Probability)> {
        let Held { report, .. } = held;
        let settings = &self.settings;
        if now < held.not_before {
            return None;
        }
        match report.state {
            RuleState::Adopted if now >= report.expires => {
                Some((RuleState::Retired, "it was of no use until it expired", Probability::ONE))
            }
            RuleState::Adopted
                if report.lookalikes > settings.forgiven.0
                    && report.lookalikes * 100
                        > settings.forgiven.1 * (report.agreed + report.disagreed) =>
            {
                // Each such line may be a value that the slow path missed; that all of them are is less likely with each.
                let sure = 1.0 - 0.5_f64.powi(report.lookalikes.min(64) as i32);
                Some((RuleState::Retired, "it hides what is clean", Probability::saturating(sure)))
            }
            RuleState::Trial
                if report.agreed >= settings.agreed
                    && report.disagreed == 0
                    && report.lookalikes == 0
                    && report.lines >= settings.lines
                    && report.worst <= settings.steps
                    && now < report.expires
                    && adopted < settings.adopted =>
            {
                let sure = lower_bound(report.agreed, report.agreed + report.disagreed);
                Some((RuleState::Adopted, "it stood its trial", sure))
            }
            _ => None,
        }
    }
}

impl Gadget for Curator {
    fn name(&self) -> Name {
        Name::Borrowed(crate::NAME)
    }

    fn observe(&mut self, signal: &Signal) {
        let Reading::RuleReport(report) = &signal.reading else { return };
        if self.rules.len() >= MOST_RULES && !self.rules.contains_key(&report.rule) {
            return;
        }
        let held = self.rules.entry(report.rule).or_insert_with(|| Held {
            report: (**report).clone(),
            seen: signal.at,
            ours: None,
            open: None,
            not_before: Timestamp::EPOCH,
            said: false,
        });
        if held
            .ours
            .is_some_and(|(ours, at)| ours != report.state && signal.at.since(at) > UNDER_WAY)
        {
            // Somebody has put it back: theirs.
            held.not_before = signal.at + self.settings.again;
            held.ours = None;
        }
        held.report.clone_from(report);
        held.seen = signal.at;
    }

    fn plan(&mut self, now: Timestamp, _: &World, plans: &mut Plans) {
        self.rules.retain(|_, held| now.since(held.seen) < FORGET);
        let adopted =
            self.rules.values().filter(|held| held.report.state == RuleState::Adopted).count();
        let mut best: Option<(u32, RuleState, &str, Probability)> = None;
        for (&rule, held) in &self.rules {
            let Some((to, reason, sure)) = self.wanted(held, now, adopted) else { continue };
            // What hides clean lines is ended first, then what is surest. One at a time, as they have one target.
            let rank = |to: RuleState, sure: Probability| (to == RuleState::Retired, sure.get());
            if best.is_none_or(|(_, other, _, least)| rank(to, sure) > rank(other, least)) {
                best = Some((rule, to, reason, sure));
            }
        }
        let Some((rule, to, reason, sure)) = best else { return };
        let Some(held) = self.rules.get_mut(&rule) else { return };
        let report = &held.report;
        let evidence = Evidence::from_iter([
            (Name::Borrowed("agreed"), report.agreed as f64),
            (Name::Borrowed("disagreed"), report.disagreed as f64),
            (Name::Borrowed("lookalikes"), report.lookalikes as f64),
            (Name::Borrowed("lines"), report.lines as f64),
            (Name::Borrowed("worst_steps"), f64::from(report.worst)),
        ]);
        if !std::mem::replace(&mut held.said, true) {
            plans.record(Assessment {
                gadget: Name::Borrowed(crate::NAME),
                at: now,
                subject: Subject::Agent,
                class: Name::Borrowed("rule"),
                probability: sure,
                eta: None,
                culprit: None,
                statement: Some(
                    format!("rule {rule} finds {} {}", report.finds, report.text).into(),
                ),
                evidence: evidence.clone(),
            });
        }
        plans.propose(Plan {
            id: PlanId::default(),
            gadget: Name::Borrowed(crate::NAME),
            at: now,
            step: Step::SetRule { rule, to },
            target: Target {
                subject: Subject::Agent,
                reach: Reach::Alone,
                name: Arc::from(format!("rule {rule}")),
            },
            reason: Name::Borrowed(reason),
            confidence: sure,
            evidence,
            // What it then hides is what it would have hidden: nothing else is to be seen.
            expects: Expectation {
                subject: Subject::Agent,
                change: Change::Nothing,
                within: Duration::from_secs(1),
            },
            merit: sure.get(),
            deadline: None,
        });
    }

    fn done(&mut self, plan: &Plan) {
        if let Step::SetRule { rule, to } = plan.step
            && let Some(held) = self.rules.get_mut(&rule)
        {
            (held.report.state, held.ours, held.open, held.said) =
                (to, Some((to, plan.at)), Some(plan.id), false);
        }
    }

    fn learn(&mut self, outcome: &Outcome) {
        let held = self.rules.iter_mut().find(|(rule, held)| {
            held.open == Some(outcome.plan) || *outcome.target.name == *format!("rule {rule}")
        });
        let Some((_, held)) = held else { return };
        held.open = None;
        if outcome.ending != Ending::Met {
            // It failed, or others have it.
            held.ours = None;
            held.not_before = held.seen + self.settings.again;
        }
    }
}

/// Of `all` trials `good` ones were right: the lower end of Wilson's interval of the share.
fn lower_bound(good: u64, all: u64) -> Probability {
    if all == 0 {
        return Probability::saturating(0.0);
    }
    let (good, all) = (good as f64, all as f64);
    let (share, z2) = (good / all, Z * Z);
    let middle = share + z2 / (2.0 * all);
    let half = Z * (share * (1.0 - share) / all + z2 / (4.0 * all * all)).sqrt();
    Probability::saturating((middle - half) / (1.0 + z2 / all))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn report(state: RuleState) -> RuleReport {
        RuleReport {
            rule: 7,
            finds: "name".into(),
            text: "after \"kunde\"".into(),
            state,
            agreed: 8,
            disagreed: 0,
            lines: 2_000,
            lookalikes: 0,
            worst: 900,
            since: START,
            expires: START + Duration::from_secs(7 * 24 * 3600),
        }
    }

    fn after(secs: u64) -> Timestamp {
        START + Duration::from_secs(secs)
    }

    fn see(curator: &mut Curator, at: Timestamp, report: RuleReport) {
        curator.observe(&Signal {
            at,
            subject: Subject::Agent,
            reading: Reading::RuleReport(report.into()),
        });
    }

    fn asked(curator: &mut Curator, now: Timestamp) -> Option<Plan> {
        let facts = gadget_core::HostFacts {
            boot_id: "b".into(),
            kernel: "6.12".into(),
            agent_pid: 9,
            cpus: 2,
        };
        let mut plans = Plans::default();
        curator.plan(now, &World::new(facts), &mut plans);
        plans.proposals().first().cloned()
    }

    fn after_one(report: RuleReport) -> Option<Plan> {
        let mut curator = Curator::default();
        see(&mut curator, START, report);
        asked(&mut curator, START)
    }

    #[test]
    fn a_rule_that_stood_its_trial_is_to_be_adopted() {
        let plan = after_one(report(RuleState::Trial)).unwrap();
        assert_eq!(plan.step, Step::SetRule { rule: 7, to: RuleState::Adopted });
        assert_eq!(plan.target.subject, Subject::Agent);
        assert!((0.74..0.76).contains(&plan.confidence.get()), "8 of 8: {}", plan.confidence);
        assert_eq!(plan.evidence[0], ("agreed".into(), 8.0));
    }

    #[test]
    fn a_trial_that_is_not_over_or_was_not_clean_is_no_ground() {
        let trial = || report(RuleState::Trial);
        assert!(after_one(RuleReport { agreed: 5, ..trial() }).is_none());
        assert!(after_one(RuleReport { lines: 499, ..trial() }).is_none());
        assert!(after_one(RuleReport { disagreed: 1, ..trial() }).is_none());
        assert!(after_one(RuleReport { lookalikes: 1, ..trial() }).is_none());
        assert!(after_one(RuleReport { worst: 1 << 17, ..trial() }).is_none());
        assert!(after_one(RuleReport { expires: START, ..trial() }).is_none());
    }

    #[test]
    fn an_adopted_rule_that_hides_clean_lines_or_has_expired_is_to_be_retired() {
        let adopted = || report(RuleState::Adopted);
        assert!(after_one(adopted()).is_none());
        assert!(
            after_one(RuleReport { lookalikes: 1, ..adopted() }).is_none(),
            "one may be the slow path's mistake"
        );
        let retire = Step::SetRule { rule: 7, to: RuleState::Retired };
        assert_eq!(after_one(RuleReport { lookalikes: 2, ..adopted() }).unwrap().step, retire);
        let mostly_right = RuleReport { lookalikes: 2, disagreed: 2, agreed: 100, ..adopted() };
        assert!(after_one(mostly_right).is_none(), "the slow path misses values too");
        assert_eq!(after_one(RuleReport { expires: START, ..adopted() }).unwrap().step, retire);
        assert!(after_one(report(RuleState::Retired)).is_none());
    }

    #[test]
    fn what_a_person_has_put_back_is_left_alone_for_a_day() {
        let mut curator = Curator::default();
        see(&mut curator, START, report(RuleState::Trial));
        let plan = asked(&mut curator, START).unwrap();
        curator.done(&plan);
        assert!(asked(&mut curator, after(1)).is_none(), "it is in force");
        see(&mut curator, after(10), report(RuleState::Adopted));
        see(&mut curator, after(20), report(RuleState::Trial));
        assert!(asked(&mut curator, after(20)).is_none(), "somebody has put it back");
        see(&mut curator, after(24 * 3600 + 21), report(RuleState::Trial));
        assert!(asked(&mut curator, after(24 * 3600 + 21)).is_some());
    }

    #[test]
    fn what_could_not_be_done_is_not_tried_again_at_once() {
        let mut curator = Curator::default();
        see(&mut curator, START, report(RuleState::Trial));
        let plan = asked(&mut curator, START).unwrap();
        curator.learn(&Outcome::of(
            &plan,
            Ending::Yielded,
            gadget_core::summary(format_args!("theirs")),
        ));
        see(&mut curator, after(10), report(RuleState::Trial));
        assert!(asked(&mut curator, after(10)).is_none());
    }

    #[test]
    fn no_more_rules_are_adopted_than_may_be() {
        let mut curator =
            Curator::new(CuratorSettings { adopted: 1, ..CuratorSettings::default() });
        see(&mut curator, START, RuleReport { rule: 1, ..report(RuleState::Adopted) });
        see(&mut curator, START, report(RuleState::Trial));
        assert!(asked(&mut curator, START).is_none());
    }

    #[test]
    fn what_hides_clean_lines_is_ended_before_anything_is_adopted() {
        let mut curator = Curator::default();
        see(&mut curator, START, RuleReport { agreed: 500, ..report(RuleState::Trial) });
        see(
            &mut curator,
            START,
            RuleReport { rule: 9, lookalikes: 2, ..report(RuleState::Adopted) },
        );
        let plan = asked(&mut curator, START).unwrap();
        assert_eq!(plan.step, Step::SetRule { rule: 9, to: RuleState::Retired });
    }
}
