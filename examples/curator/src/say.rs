//! What is said beside the redacted lines. Never a value.

use std::fmt::Write as _;

use gadget_core::Event;
use gadget_curator::learn::{LearnerCounts, Rule};
use gadget_curator::{Leak, LeakReport, PipelineCounts};
use serde_json::{Value, json};

/// All that a report says.
pub(crate) struct Report<'a> {
    pub(crate) leaks: &'a LeakReport,
    pub(crate) counts: PipelineCounts,
    pub(crate) learned: LearnerCounts,
    pub(crate) rules: Vec<Rule>,
    pub(crate) lost: u64,
}

impl Report<'_> {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let PipelineCounts {
            lines,
            redacted,
            by_rules,
            by_learned,
            by_labeller,
            asked,
            over_budget,
            ..
        } = self.counts;
        let mut text = format!("\n{}", self.leaks);
        let share = if lines == 0 { 0.0 } else { 100.0 * asked as f64 / lines as f64 };
        let _ = writeln!(text, "\n{lines} lines, {redacted} redacted, {} lost", self.lost);
        let _ = writeln!(
            text,
            "values hidden: {by_rules} by rules, {by_learned} by learned rules, {by_labeller} by the slow path"
        );
        let _ = writeln!(
            text,
            "slow path: {asked} lines ({share:.1} %), {over_budget} more were wanted"
        );
        let LearnerCounts { missed, made, stillborn, failed, expired, crowded } = self.learned;
        let _ = writeln!(
            text,
            "learning: {missed} values no rule knew, {made} rules made, {stillborn} refused at once, {crowded} beyond a bound, \
             {failed} failed, {expired} expired"
        );
        text.push_str(&rules(self.rules.iter()));
        text
    }

    /// As one JSON object.
    pub(crate) fn json(&self) -> Value {
        let PipelineCounts {
            lines,
            bytes,
            redacted,
            by_rules,
            by_learned,
            by_labeller,
            asked,
            over_budget,
        } = self.counts;
        let LearnerCounts { missed, made, stillborn, failed, expired, crowded } = self.learned;
        json!({
            "kind": "report",
            "report": self.leaks.to_json(),
            "lines": lines, "bytes": bytes, "redacted": redacted, "lost": self.lost,
            "values": {"by_rules": by_rules, "by_learned": by_learned, "by_labeller": by_labeller},
            "slow_path": {"asked": asked, "over_budget": over_budget},
            "learning": {"missed": missed, "made": made, "stillborn": stillborn, "crowded": crowded, "failed": failed, "expired": expired},
            "rules": self.rules,
        })
    }
}

/// Rules for people, one a line.
pub(crate) fn rules<'a>(rules: impl Iterator<Item = &'a Rule>) -> String {
    let mut text = String::new();
    for rule in rules {
        if text.is_empty() {
            let _ = writeln!(
                text,
                "{:>5}  {:8}  {:12}  {:>6}  {:>6}  learned rule",
                "rule", "state", "finds", "hits", "agreed"
            );
        }
        let (id, state, entity, tally) = (rule.id, rule.state, rule.entity, rule.tally);
        let _ = writeln!(
            text,
            "{id:>5}  {state:8}  {entity:12}  {:>6}  {:>6}  {rule}",
            tally.hits, tally.agreed
        );
    }
    text
}

/// A leak that is new.
pub(crate) fn news(leak: &Leak, json: bool) -> String {
    if json {
        return json!({"kind": "new-leak", "leak": leak}).to_string();
    }
    format!("[NEW LEAK] {leak}")
}

/// What the agent did about rules; nothing for what is of no interest here.
pub(crate) fn event(event: &Event<'_>, as_json: bool) -> Option<String> {
    let (kind, text) = match event {
        Event::Assessed(said) => ("rule", said.statement.as_deref()?.to_owned()),
        Event::Done(plan, effect) => (
            "done",
            format!(
                "{}: {} ({}, confidence {})",
                plan.id, effect.summary, plan.reason, plan.confidence
            ),
        ),
        Event::Ended(outcome) if outcome.ending == gadget_core::Ending::Met => return None,
        Event::Ended(outcome) => ("ended", format!("{}: {}", outcome.plan, outcome.summary)),
        Event::Noted(note) => ("note", format!("{}: {}", note.part, note.text)),
        _ => return None,
    };
    if as_json {
        return Some(json!({"kind": kind, "text": text}).to_string());
    }
    let mark = match kind {
        "rule" => "[LEARNED]",
        "done" => "[RULE]",
        _ => "[AGENT]",
    };
    Some(format!("{mark} {text}"))
}
