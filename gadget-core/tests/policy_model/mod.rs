//! What happens to a policy, and the rules in their simplest form.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]
#![allow(unreachable_pub, reason = "one test uses it")]

mod truth;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use gadget_core::*;
use proptest::prelude::*;
use proptest::sample::select;

use crate::policy_support::*;
pub use truth::Truth;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Event {
    Pass {
        millis: u64,
        seen: bool,
    },
    Propose {
        target: usize,
        step: usize,
        gadget: &'static str,
        confidence: f64,
        deadline: Option<u64>,
        fate: Fate,
    },
    End {
        which: usize,
    },
    Answer {
        yes: bool,
    },
    Call {
        paused: bool,
    },
    File {
        exists: bool,
    },
    Yield {
        target: usize,
    },
    Spawn {
        parent: usize,
        comm: &'static str,
        cgroup: u64,
    },
    Exit {
        which: usize,
    },
    Rename {
        which: usize,
        comm: &'static str,
    },
    Restart {
        back: u64,
        reboot: bool,
    },
}

/// What becomes of a permit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Opened,
    Unused,
}

fn seconds(choices: &'static [u64]) -> impl Strategy<Value = Duration> {
    select(choices).prop_map(Duration::from_secs)
}

pub fn rules() -> impl Strategy<Value = PolicySettings> {
    let levels = select(
        &[Autonomy::Act, Autonomy::Act, Autonomy::Act, Autonomy::Approve, Autonomy::Observe][..],
    );
    let protect = select(
        &["", "comm = [\"help*\"]", "uid = [7]", "cgroup = [\"/db\"]", "exe = [\"/usr/bin/leak\"]"]
            [..],
    );
    (
        (levels.clone(), levels, protect),
        (seconds(&[0, 0, 1, 3]), seconds(&[0, 10, 30, 300]), seconds(&[0, 5, 20])),
        (seconds(&[300, 3_600]), 1_u32..12, 0_u32..6),
        (select(&[0.0, 0.05, 0.1, 1.0][..]), select(&[0.1, 0.5, 1.0][..]), seconds(&[1, 10])),
    )
        .prop_map(
            |(
                (all, kill, protect),
                (sustained, target, kind),
                (window, steps, high_risk),
                (share, memory, unseen),
            )| {
                let text = format!("[protect]\n{protect}\n");
                let mut settings = Policy::from_toml(&text).unwrap().settings().clone();
                settings.autonomy = Grants::all(all).with_kind("oracle", StepKind::Kill, kill);
                settings.sustained.medium = sustained / 2;
                settings.sustained.high = sustained;
                settings.cooldown = settings::Cooldown { target, kind };
                settings.budget = settings::Budget { window, steps, high_risk };
                settings.blast_radius =
                    settings::BlastRadius { processes: share, cgroups: share, memory };
                settings.stale.unseen = unseen;
                settings
            },
        )
}

pub fn event() -> impl Strategy<Value = Event> {
    let comm =
        || select(&["leak", "leak", "helper", "worker", "worker", "worker", "sshd", "runc"][..]);
    let fate = select(&[Fate::Opened, Fate::Opened, Fate::Opened, Fate::Unused][..]);
    let deadline = proptest::option::weighted(0.3, 1_u64..100);
    let gadget = select(&["oracle", "tuner"][..]);
    let confidence = select(&[0.4, 0.6, 0.8, 0.9, 1.0, 1.0, 1.0, 1.0][..]);
    let propose = (0..64_usize, 0..STEPS.len(), gadget, confidence, deadline, fate);
    prop_oneof![
        24 => propose.prop_map(|(target, step, gadget, confidence, deadline, fate)| {
            Event::Propose { target, step, gadget, confidence, deadline, fate }
        }),
        6 => (0..25_000_u64, prop::bool::weighted(0.9)).prop_map(|(millis, seen)| Event::Pass { millis, seen }),
        4 => (0..8_usize).prop_map(|which| Event::End { which }),
        4 => prop::bool::weighted(0.8).prop_map(|yes| Event::Answer { yes }),
        1 => prop::bool::weighted(0.15).prop_map(|paused| Event::Call { paused }),
        1 => prop::bool::weighted(0.15).prop_map(|exists| Event::File { exists }),
        2 => (0..64_usize).prop_map(|target| Event::Yield { target }),
        3 => (0..64_usize, comm(), select(&[20_u64, 20, 21, 30][..]))
            .prop_map(|(parent, comm, cgroup)| Event::Spawn { parent, comm, cgroup }),
        1 => (0..64_usize).prop_map(|which| Event::Exit { which }),
        1 => (0..64_usize, comm()).prop_map(|(which, comm)| Event::Rename { which, comm }),
        2 => (select(&[0_u64, 0, 5, 100_000][..]), prop::bool::weighted(0.2))
            .prop_map(|(back, reboot)| Event::Restart { back, reboot }),
    ]
}

const STEPS: [Step; 9] = [
    RECLAIM,
    Step::Freeze,
    Step::SetMemoryHigh { to: MemoryLimit::Unlimited },
    Step::Pause,
    TERMINATE,
    TERMINATE,
    Step::Kill,
    Step::Kill,
    Step::SetNice { to: 5 },
];

type Key = (&'static str, StepKind, Subject, Reach);

/// A policy, what happened to it, and what it may and may not permit.
pub struct Model<'a> {
    settings: PolicySettings,
    file: &'a Path,
    scene: Scene,
    truth: Truth,
    policy: Policy,
    carried: Carried,
    boots: u32,
    called: bool,
    /// Effects at the time that counts: never later than the clock.
    effects: Vec<(Timestamp, StepKind, Subject)>,
    open: Vec<Plan>,
    /// Permits that were not used, until they expire.
    unused: Vec<(Timestamp, StepKind, Subject)>,
    proposed: HashMap<Key, (Timestamp, Timestamp)>,
    yielded: Vec<(Timestamp, StepKind, Subject)>,
    answers: HashMap<PlanId, bool>,
    waiting: Vec<PlanId>,
}

impl<'a> Model<'a> {
    pub fn new(rules: &PolicySettings, file: &'a Path) -> Self {
        let _ = std::fs::remove_file(file);
        let mut settings = rules.clone();
        settings.pause_files = vec![file.to_owned()];
        let mut scene = Scene::new();
        scene.group(21, Some(APP.0), "/app/inner");
        let truth = Truth::of(&scene, &settings);
        Self {
            policy: policy(settings.clone()),
            settings,
            file,
            scene,
            truth,
            carried: Carried::default(),
            boots: 0,
            called: false,
            effects: Vec::new(),
            open: Vec::new(),
            unused: Vec::new(),
            proposed: HashMap::new(),
            yielded: Vec::new(),
            answers: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// Lets one thing happen. For a plan: its review, and what speaks against it if anything does.
    pub fn happen(&mut self, event: &Event) -> Option<(Review, Option<String>)> {
        let now = self.scene.now;
        match event {
            Event::Propose { target, step, gadget, confidence, deadline, fate } => {
                let aim = self.truth.aim(*target);
                let mut plan = plan(STEPS[*step].clone(), aim.0, now);
                plan.target.reach = aim.1;
                plan.gadget = Name::Borrowed(gadget);
                plan.confidence = Probability::saturating(*confidence);
                plan.deadline = deadline.map(Duration::from_secs);
                return Some(self.propose(plan, gadget, *fate));
            }
            Event::Pass { millis, seen } => {
                let time = Duration::from_millis(*millis);
                if *seen {
                    self.scene.pass(time)
                } else {
                    self.scene.now = now + time
                }
                if *seen {
                    self.truth.all_seen(self.scene.now);
                }
            }
            Event::End { which } if !self.open.is_empty() => {
                let plan = self.open.remove(which % self.open.len());
                self.policy.ended(&outcome(&plan, Ending::Met), now);
                self.carried.unfinished.retain(|unfinished| unfinished.plan.id != plan.id);
            }
            Event::Answer { yes } => {
                if let Some(id) = self.waiting.pop()
                    && self.policy.decide(id, *yes)
                {
                    self.answers.insert(id, *yes);
                }
            }
            Event::Call { paused } => {
                self.called = *paused;
                if *paused { self.policy.pause("a test") } else { self.policy.resume() }
            }
            Event::File { exists: true } => std::fs::write(self.file, "").unwrap(),
            Event::File { exists: false } => drop(std::fs::remove_file(self.file)),
            Event::Yield { target } => {
                let subject = self.truth.aim(*target).0;
                self.policy.yielded(subject, Setting::MemoryHigh, now);
                self.yielded.push((now, StepKind::SetMemoryHigh, subject));
            }
            Event::Spawn { parent, comm, cgroup } => {
                self.truth.spawn(&mut self.scene, *parent, comm, *cgroup)
            }
            Event::Exit { which } => self.truth.exit(&mut self.scene, *which),
            Event::Rename { which, comm } => self.truth.rename(&mut self.scene, *which, comm),
            Event::Restart { back, reboot } => self.restart(Duration::from_secs(*back), *reboot),
            Event::End { .. } => {}
        }
        None
    }

    fn restart(&mut self, back: Duration, reboot: bool) {
        self.scene.now = self.scene.now - back;
        let now = self.scene.now;
        if reboot {
            self.boots += 1;
            self.open.clear();
        }
        for (at, ..) in &mut self.effects {
            *at = (*at).min(now);
        }
        self.policy = policy(self.settings.clone());
        self.policy.restore(&self.carried, &facts(&self.boots.to_string()));
        if reboot {
            self.carried.unfinished.clear();
        }
        self.carried.boot_id = self.boots.to_string();
        self.called = false;
        self.unused.clear();
        self.proposed.clear();
        self.yielded.clear();
        self.answers.clear();
        self.waiting.clear();
    }

    fn propose(
        &mut self,
        mut plan: Plan,
        gadget: &'static str,
        fate: Fate,
    ) -> (Review, Option<String>) {
        let (now, kind, subject) = (self.scene.now, plan.step.kind(), plan.target.subject);
        self.policy.admit(&mut plan);
        self.carried.last_plan = self.carried.last_plan.max(plan.id);
        let key = (gadget, kind, subject, plan.target.reach);
        let lapse = self.settings.sustained.lapse;
        let (since, last) = self.proposed.entry(key).or_insert((now, now));
        if now.since(*last) >= lapse {
            *since = now;
        }
        *last = now;
        let since = *since;
        let objection = self.objection(&plan, now.since(since));
        let (review, permit) = self.scene.review(&mut self.policy, &plan);
        assert_eq!(permit.is_some(), review.decided_by().is_none());
        if review.verdict == Verdict::AwaitsApproval {
            self.waiting.push(plan.id);
        }
        if let Some(permit) = permit {
            if fate == Fate::Opened {
                self.open(permit.plan().clone(), key);
            } else {
                self.unused.push((permit.expires(), kind, subject));
            }
        }
        (review, objection)
    }

    fn open(&mut self, plan: Plan, key: Key) {
        let (now, kind, subject) = (self.scene.now, plan.step.kind(), plan.target.subject);
        self.policy.opened(&plan, &Undo::Nothing, now);
        self.effects.push((now, kind, subject));
        self.carried.effects.push(PastEffect {
            at: now,
            plan: plan.id,
            gadget: plan.gadget.clone(),
            kind,
            target: plan.target.clone(),
        });
        self.carried.boot_id = self.boots.to_string();
        self.carried.unfinished.push(Unfinished {
            at: now,
            plan: plan.clone(),
            undo: Undo::Nothing,
        });
        self.proposed.remove(&key);
        self.answers.remove(&plan.id);
        self.open.push(plan);
    }

    /// The first thing that speaks against a plan.
    fn objection(&self, plan: &Plan, held: Duration) -> Option<String> {
        let (now, settings) = (self.scene.now, &self.settings);
        let (kind, risk, subject) =
            (plan.step.kind(), plan.step.kind().risk(), plan.target.subject);
        let object = |holds: bool, why: &str| (!holds).then(|| why.to_owned());
        let level = settings.autonomy.level(&plan.gadget, kind);
        let may = match level {
            Autonomy::Act => true,
            Autonomy::Approve => self.answers.get(&plan.id) == Some(&true),
            _ => false,
        };
        let sustained = match risk {
            Risk::Low => settings.sustained.low,
            Risk::Medium => settings.sustained.medium,
            Risk::High => settings.sustained.high,
        };
        let needed = match risk {
            Risk::Low => settings.confidence.low,
            Risk::Medium => settings.confidence.medium,
            Risk::High => settings.confidence.high,
        };
        let sustained = plan.deadline.map_or(sustained, |deadline| sustained.min(deadline / 10));
        let cools = |(at, kind_then, target): &(Timestamp, StepKind, Subject)| {
            let age = now.since(*at);
            let same_target = *target == subject && kind_then.risk() >= risk;
            let same_kind = *kind_then == kind && risk > Risk::Low;
            (same_target && age < settings.cooldown.target)
                || (same_kind && age < settings.cooldown.kind)
        };
        let unused = || self.unused.iter().filter(|(expires, ..)| now < *expires);
        let recent = self.effects.iter().filter(|(at, ..)| now.since(*at) < settings.budget.window);
        let spent: Vec<StepKind> = recent.chain(unused()).map(|(_, kind, _)| *kind).collect();
        let high = spent.iter().filter(|kind| kind.risk() == Risk::High).count();
        let yields = |(at, what, target): &(Timestamp, StepKind, Subject)| {
            *what == kind && *target == subject && now.since(*at) < settings.yields.holds
        };
        object(!self.called && !self.file.exists(), "paused")
            .or_else(|| object(may, "autonomy"))
            .or_else(|| self.truth.objection(plan, now, settings))
            .or_else(|| object(!self.yielded.iter().any(yields), "yielded"))
            .or_else(|| object(plan.confidence >= needed, "unsure"))
            .or_else(|| object(held >= sustained, "too soon"))
            .or_else(|| object(!self.effects.iter().any(cools), "cooling"))
            .or_else(|| object(spent.len() < settings.budget.steps as usize, "budget"))
            .or_else(|| {
                object(
                    risk < Risk::High || high < settings.budget.high_risk as usize,
                    "high-risk budget",
                )
            })
            .or_else(|| {
                object(!self.open.iter().any(|open| open.target.subject == subject), "an open plan")
            })
            .or_else(|| object(!unused().any(|(_, _, target)| *target == subject), "a permit"))
    }
}
