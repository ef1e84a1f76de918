//! Everything that is printed: a line each, for people or as JSON.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use gadget_core::{
    Assessment, CgroupMemory, Event, MemoryLimit, Opinion, Plan, Review, Subject, Target,
    Timestamp, Verdict, World,
};
use serde_json::{Map, Value, json};

/// A forecast that has not changed its class is said again after this time.
const SAY_AGAIN: Duration = Duration::from_secs(1);

/// A forecast less likely than this is said to a person when its class changes, and not again.
const LIKELY: f64 = 0.1;

/// Subjects whose last forecast is remembered.
const MAX_REMEMBERED: usize = 4_096;

/// Prints events.
pub(crate) struct Voice<W> {
    out: W,
    json: bool,
    said: HashMap<Subject, (String, Timestamp)>,
}

impl<W: Write> Voice<W> {
    pub(crate) fn new(out: W, json: bool) -> Self {
        Self { out, json, said: HashMap::new() }
    }

    /// Prints an event, unless it repeats what was said a moment ago.
    pub(crate) fn say(&mut self, event: &Event<'_>, world: &World) -> io::Result<()> {
        if let Event::Assessed(assessment) = event
            && !self.is_news(assessment)
        {
            return Ok(());
        }
        if self.json {
            writeln!(self.out, "{}", to_json(event, world))?;
        } else {
            writeln!(self.out, "{}", to_text(event, world))?;
        }
        self.out.flush()
    }

    fn is_news(&mut self, assessment: &Assessment) -> bool {
        let before = self.said.get(&assessment.subject);
        let changed =
            before.map_or(assessment.eta.is_some(), |(class, _)| *class != assessment.class);
        // A person is not told each second what is hardly likely; a program gets every forecast.
        let likely = self.json || assessment.probability.get() >= LIKELY;
        let again = likely
            && assessment.eta.is_some()
            && before.is_some_and(|(_, at)| assessment.at.since(*at) >= SAY_AGAIN);
        if changed || again {
            if self.said.len() >= MAX_REMEMBERED {
                self.said.clear();
            }
            self.said.insert(assessment.subject, (assessment.class.to_string(), assessment.at));
        }
        changed || again
    }
}

/// What people call a subject.
fn name(subject: Subject, world: &World) -> String {
    match subject {
        Subject::Cgroup(id) => world.cgroup(id).map_or("?", |cgroup| cgroup.path()).to_owned(),
        Subject::Process(id) => world.process(id).map_or("?", |process| process.comm()).to_owned(),
        other => other.to_string(),
    }
}

fn subject_json(subject: Subject, name: &str) -> Value {
    match subject {
        Subject::Cgroup(id) => json!({"kind": "cgroup", "id": id.0, "name": name}),
        Subject::Process(id) => json!({"kind": "process", "pid": id.pid, "name": name}),
        _ => json!({"kind": "host", "name": name}),
    }
}

fn target_json(target: &Target) -> Value {
    subject_json(target.subject, &target.name)
}

/// How much is seen.
struct Seen {
    processes: usize,
    cgroups: usize,
    /// Cgroups with a memory limit of their own.
    limited: usize,
}

impl Seen {
    fn of(world: &World) -> Self {
        let limit = |memory: CgroupMemory| memory.max.bytes().is_some();
        Self {
            processes: world.processes().count(),
            cgroups: world.cgroups().count(),
            limited: world.cgroups().filter(|(_, cgroup)| cgroup.memory.is_some_and(limit)).count(),
        }
    }
}

/// Memory in use and the limit that holds, where both are known.
fn usage(subject: Subject, world: &World) -> Option<(u64, u64)> {
    match subject {
        Subject::Host => {
            let memory = world.host().memory?;
            Some((memory.total.saturating_sub(memory.available).get(), memory.total.get()))
        }
        Subject::Cgroup(id) => {
            let (MemoryLimit::At(limit), owner) = world.memory_limit(id) else { return None };
            Some((world.cgroup(owner)?.memory?.current.get(), limit.get()))
        }
        _ => None,
    }
}

fn secs(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

fn forecast_json(assessment: &Assessment, world: &World) -> Value {
    let evidence: Map<String, Value> =
        assessment.evidence.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let eta = assessment.eta;
    let used = usage(assessment.subject, world);
    json!({
        "kind": "forecast",
        "at": assessment.at.to_string(),
        "subject": subject_json(assessment.subject, &name(assessment.subject, world)),
        "class": assessment.class,
        "probability": assessment.probability.get(),
        "seconds_to_oom": eta.map(|eta| secs(eta.likely)),
        "low": eta.map(|eta| secs(eta.low)),
        "high": eta.map(|eta| secs(eta.high)),
        "culprit": assessment.culprit.map(|culprit| subject_json(culprit, &name(culprit, world))),
        "used": used.map(|(used, _)| used),
        "limit": used.map(|(_, limit)| limit),
        "evidence": evidence,
    })
}

fn plan_json(plan: &Plan) -> Value {
    json!({
        "id": plan.id.0,
        "gadget": plan.gadget,
        "step": plan.step.kind().name(),
        "text": plan.step.to_string(),
        "target": target_json(&plan.target),
        "reason": plan.reason,
        "confidence": plan.confidence.get(),
        "evidence": plan.evidence.iter().map(|(name, value)| (name.to_string(), json!(value))).collect::<Map<_, _>>(),
    })
}

fn opinion_text(opinion: &Opinion) -> String {
    match opinion {
        Opinion::Pass => "pass".to_owned(),
        Opinion::Refuse(refusal) => format!("refuses: {refusal}"),
        Opinion::Ask => "asks a person".to_owned(),
        Opinion::Advise => "advises only".to_owned(),
        Opinion::Observe => "observes only".to_owned(),
    }
}

fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Permitted => "permitted",
        Verdict::Refused => "refused",
        Verdict::AwaitsApproval => "awaits approval",
        Verdict::Advised => "advised",
        Verdict::Observed => "observed only",
    }
}

fn decision_json(review: &Review) -> Value {
    let guards: Vec<Value> = review
        .opinions
        .iter()
        .map(|(guard, opinion)| json!({"guard": guard, "says": opinion_text(opinion)}))
        .collect();
    json!({
        "kind": "decision",
        "at": review.plan.at.to_string(),
        "verdict": verdict_text(review.verdict),
        "decided_by": review.decided_by().map(|(guard, _)| guard),
        "plan": plan_json(&review.plan),
        "guards": guards,
    })
}

fn to_json(event: &Event<'_>, world: &World) -> Value {
    match event {
        Event::Assessed(assessment) => forecast_json(assessment, world),
        Event::Reviewed(review) => decision_json(review),
        Event::Done(plan, effect) => json!({
            "kind": "action",
            "plan": plan.id.0,
            "step": plan.step.kind().name(),
            "target": target_json(&plan.target),
            "did": effect.summary.as_str(),
            "complete": effect.complete,
        }),
        Event::Ended(outcome) => json!({
            "kind": "outcome",
            "plan": outcome.plan.0,
            "step": outcome.kind.name(),
            "target": target_json(&outcome.target),
            "ending": outcome.ending,
            "text": outcome.summary.as_str(),
        }),
        Event::Noted(diagnostic) => {
            json!({"kind": "note", "part": diagnostic.part, "text": diagnostic.text})
        }
        Event::Alive => {
            let seen = Seen::of(world);
            json!({"kind": "alive", "processes": seen.processes, "cgroups": seen.cgroups, "limited": seen.limited})
        }
        other => json!({"kind": "other", "text": other.to_string()}),
    }
}

fn to_text(event: &Event<'_>, world: &World) -> String {
    match event {
        Event::Assessed(assessment) => {
            let what = name(assessment.subject, world);
            let mut text =
                format!("forecast  {what}: {} (p {})", assessment.class, assessment.probability);
            if let Some(eta) = assessment.eta {
                text += &format!(
                    ", out of memory in {:.0} s ({:.0} to {:.0})",
                    eta.likely.as_secs_f64(),
                    eta.low.as_secs_f64(),
                    eta.high.as_secs_f64()
                );
            }
            if let Some((used, limit)) = usage(assessment.subject, world) {
                let share = 100.0 * used as f64 / limit.max(1) as f64;
                text += &format!(", {share:.0} % of {} in use", gadget_core::Bytes::new(limit));
            }
            if let Some(culprit) = assessment.culprit {
                text += &format!(", because of {} ({culprit})", name(culprit, world));
            }
            text
        }
        Event::Reviewed(review) => {
            let mut text = format!("decision  {}: {}", verdict_text(review.verdict), review.plan);
            if let Some((guard, opinion)) = review.decided_by() {
                text += &format!("\n          {guard:?} {}", opinion_text(opinion));
            }
            text
        }
        Event::Done(plan, effect) => format!("action    {} {}", plan.id, effect.summary),
        Event::Ended(outcome) => {
            format!("outcome   {} {:?}: {}", outcome.plan, outcome.ending, outcome.summary)
        }
        Event::Noted(diagnostic) => format!("note      {}: {}", diagnostic.part, diagnostic.text),
        Event::Alive => {
            let Seen { processes, cgroups, limited } = Seen::of(world);
            format!(
                "alive     sees {processes} processes and {cgroups} cgroups, {limited} of them with a limit"
            )
        }
        other => format!("other     {other}"),
    }
}
