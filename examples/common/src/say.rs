//! Everything that is printed: a line each, for people or as JSON.

use std::io::{self, Write};
use std::time::Duration;

use gadget_core::{
    Assessment, Effect, Event, Evidence, Opinion, Outcome, Plan, Review, Subject, Target, Verdict,
    World,
};
use serde_json::{Map, Value, json};

/// How a gadget's own statements are said; everything else is the same for all.
pub trait Tongue {
    /// False if it repeats what was said a moment ago. Asked once for each statement, in order.
    fn is_news(&mut self, assessment: &Assessment, json: bool) -> bool;
    /// A statement as a JSON object with a `kind`.
    fn json(&self, assessment: &Assessment, world: &World) -> Value;
    /// A statement as a line for people.
    fn text(&self, assessment: &Assessment, world: &World) -> String;
    /// How much is seen, as a JSON object of `kind` `alive`, and in words.
    fn alive(&self, world: &World) -> (Value, String);
}

/// The words of a gadget whose statements need none but their own, each of which is news. It says what it does all the time: "keeps".
#[derive(Clone, Copy)]
pub struct Statements(pub &'static str);

impl Tongue for Statements {
    fn is_news(&mut self, _: &Assessment, _: bool) -> bool {
        true
    }

    fn json(&self, assessment: &Assessment, _: &World) -> Value {
        json!({
            "kind": "assessed",
            "at": assessment.at.to_string(),
            "class": assessment.class,
            "statement": assessment.statement,
            "evidence": evidence_json(&assessment.evidence),
        })
    }

    fn text(&self, assessment: &Assessment, _: &World) -> String {
        let statement = assessment.statement.as_deref().unwrap_or_default();
        format!("{:9} {statement}", assessment.class)
    }

    fn alive(&self, _: &World) -> (Value, String) {
        (json!({"kind": "alive"}), self.0.to_owned())
    }
}

/// Prints events.
pub(crate) struct Voice<W, T> {
    out: W,
    json: bool,
    tongue: T,
}

impl<W: Write, T: Tongue> Voice<W, T> {
    /// Prints to `out`, for people or as JSON.
    pub(crate) const fn new(out: W, json: bool, tongue: T) -> Self {
        Self { out, json, tongue }
    }

    /// Prints an event, unless it repeats what was said a moment ago.
    pub(crate) fn say(&mut self, event: &Event<'_>, world: &World) -> io::Result<()> {
        if let Event::Assessed(assessment) = event
            && !self.tongue.is_news(assessment, self.json)
        {
            return Ok(());
        }
        if self.json {
            writeln!(self.out, "{}", self.to_json(event, world))?;
        } else {
            writeln!(self.out, "{}", self.to_text(event, world))?;
        }
        self.out.flush()
    }

    fn to_json(&self, event: &Event<'_>, world: &World) -> Value {
        match event {
            Event::Assessed(assessment) => self.tongue.json(assessment, world),
            Event::Reviewed(review) => decision_json(review),
            Event::Done(plan, effect) => action_json(plan, effect),
            Event::Ended(outcome) => outcome_json(outcome),
            Event::Noted(diagnostic) => {
                json!({"kind": "note", "part": diagnostic.part, "text": diagnostic.text})
            }
            Event::Alive => self.tongue.alive(world).0,
            other => json!({"kind": "other", "text": other.to_string()}),
        }
    }

    fn to_text(&self, event: &Event<'_>, world: &World) -> String {
        match event {
            Event::Assessed(assessment) => self.tongue.text(assessment, world),
            Event::Reviewed(review) => {
                let mut text =
                    format!("decision  {}: {}", verdict_text(review.verdict), review.plan);
                if let Some((guard, opinion)) = review.decided_by() {
                    text += &format!("\n          {guard:?} {}", opinion_text(opinion));
                }
                text
            }
            Event::Done(plan, effect) => format!("action    {} {}", plan.id, effect.summary),
            Event::Ended(outcome) => {
                format!("outcome   {} {:?}: {}", outcome.plan, outcome.ending, outcome.summary)
            }
            Event::Noted(diagnostic) => {
                format!("note      {}: {}", diagnostic.part, diagnostic.text)
            }
            Event::Alive => format!("alive     {}", self.tongue.alive(world).1),
            other => format!("other     {other}"),
        }
    }
}

/// What people call a subject.
#[must_use]
pub fn name_of(subject: Subject, world: &World) -> String {
    match subject {
        Subject::Cgroup(id) => world.cgroup(id).map_or("?", |cgroup| cgroup.path()).to_owned(),
        Subject::Process(id) => world.process(id).map_or("?", |process| process.comm()).to_owned(),
        other => other.to_string(),
    }
}

/// A subject with its name.
#[must_use]
pub fn subject_json(subject: Subject, name: &str) -> Value {
    match subject {
        Subject::Cgroup(id) => json!({"kind": "cgroup", "id": id.0, "name": name}),
        Subject::Process(id) => json!({"kind": "process", "pid": id.pid, "name": name}),
        _ => json!({"kind": "host", "name": name}),
    }
}

/// The features behind a statement, by name.
#[must_use]
pub fn evidence_json(evidence: &Evidence) -> Value {
    let pairs = evidence.iter().map(|(name, value)| (name.to_string(), json!(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Seconds, to the millisecond.
#[must_use]
pub fn secs(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

fn target_json(target: &Target) -> Value {
    subject_json(target.subject, &target.name)
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
        "evidence": evidence_json(&plan.evidence),
    })
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

fn action_json(plan: &Plan, effect: &Effect) -> Value {
    json!({
        "kind": "action",
        "plan": plan.id.0,
        "step": plan.step.kind().name(),
        "target": target_json(&plan.target),
        "did": effect.summary.as_str(),
        "complete": effect.complete,
    })
}

fn outcome_json(outcome: &Outcome) -> Value {
    json!({
        "kind": "outcome",
        "plan": outcome.plan.0,
        "step": outcome.kind.name(),
        "target": target_json(&outcome.target),
        "ending": outcome.ending,
        "text": outcome.summary.as_str(),
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

const fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Permitted => "permitted",
        Verdict::Refused => "refused",
        Verdict::AwaitsApproval => "awaits approval",
        Verdict::Advised => "advised",
        Verdict::Observed => "observed only",
    }
}
