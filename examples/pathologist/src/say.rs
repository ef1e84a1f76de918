//! How findings are said.

use std::collections::HashMap;
use std::time::Duration;

use gadget_core::{Assessment, Subject, Timestamp, World};
use gadget_example_common::{Tongue, evidence_json, name_of, subject_json};
use serde_json::{Value, json};

/// A finding that has not changed is said again to a program after this time; a person hears it once.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// Subjects whose last finding is remembered.
const MAX_REMEMBERED: usize = 4_096;

/// The words of the Pathologist.
#[derive(Default)]
pub(crate) struct Findings {
    said: HashMap<Subject, (String, f64, Timestamp)>,
}

fn evidence_of(assessment: &Assessment) -> f64 {
    let number = assessment.evidence.iter().find(|(name, _)| name == "evidence");
    number.map_or(0.0, |(_, number)| *number)
}

impl Tongue for Findings {
    fn is_news(&mut self, assessment: &Assessment, json: bool) -> bool {
        let kind = evidence_of(assessment);
        let same = self.said.get(&assessment.subject).is_some_and(|(class, by, at)| {
            *class == assessment.class
                && *by == kind
                && (!json || assessment.at.since(*at) < SAY_AGAIN)
        });
        if !same {
            if self.said.len() >= MAX_REMEMBERED {
                self.said.clear();
            }
            let said = (assessment.class.to_string(), kind, assessment.at);
            self.said.insert(assessment.subject, said);
        }
        !same
    }

    fn json(&self, assessment: &Assessment, world: &World) -> Value {
        let name = |subject| subject_json(subject, &name_of(subject, world));
        json!({
            "kind": "assessed",
            "at": assessment.at.to_string(),
            "subject": name(assessment.subject),
            "class": assessment.class,
            "probability": assessment.probability.get(),
            "statement": assessment.statement,
            "culprit": assessment.culprit.map(name),
            "evidence": evidence_json(&assessment.evidence),
        })
    }

    fn text(&self, assessment: &Assessment, world: &World) -> String {
        // A name can hold anything, control sequences of a terminal too.
        let name = name_of(assessment.subject, world).escape_debug().to_string();
        let pid = match assessment.subject {
            Subject::Process(id) => format!(" ({})", id.pid),
            _ => String::new(),
        };
        let mut text = format!("{:9} {name}{pid}", assessment.class);
        if let Some(statement) = &assessment.statement {
            text += &format!(": {statement}");
        }
        match evidence_of(assessment) {
            0.0 => text,
            kind => text + &format!(" (evidence {kind}, p {})", assessment.probability),
        }
    }

    fn alive(&self, world: &World) -> (Value, String) {
        let processes = world.processes().count();
        (json!({"kind": "alive", "processes": processes}), format!("sees {processes} processes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gadget_core::{Evidence, HostFacts, Probability, ProcessId};

    fn finding(second: u64, class: &'static str, kind: f64) -> Assessment {
        Assessment {
            gadget: "pathologist".into(),
            at: Timestamp::from_secs(second),
            subject: Subject::Process(ProcessId { pid: 7, start: 1 }),
            class: class.into(),
            probability: Probability::saturating(0.99),
            eta: None,
            culprit: None,
            statement: Some("thread 7 waits".into()),
            evidence: Evidence::from_iter([("evidence".into(), kind)]),
        }
    }

    #[test]
    fn a_person_hears_a_finding_once_and_a_program_now_and_then() {
        let (mut person, mut program) = (Findings::default(), Findings::default());
        let mut hears = |second, class, kind| {
            let finding = finding(second, class, kind);
            (person.is_news(&finding, false), program.is_news(&finding, true))
        };
        assert_eq!(hears(0, "stuck", 2.0), (true, true));
        assert_eq!(hears(20, "stuck", 2.0), (false, false));
        assert_eq!(hears(35, "stuck", 2.0), (false, true));
        assert_eq!(hears(36, "stuck", 1.0), (true, true), "stronger evidence is news");
        assert_eq!(hears(40, "idle", 0.0), (true, true));
    }

    #[test]
    fn the_sentence_is_on_the_line() {
        let facts = HostFacts { boot_id: "b".into(), kernel: "k".into(), agent_pid: 1, cpus: 1 };
        let world = World::new(facts);
        let line = Findings::default().text(&finding(0, "stuck", 2.0), &world);
        assert_eq!(line, "stuck     ? (7): thread 7 waits (evidence 2, p 0.99)");
        let object = Findings::default().json(&finding(0, "stuck", 2.0), &world);
        assert_eq!(
            (&object["subject"]["pid"], &object["evidence"]["evidence"]),
            (&json!(7), &json!(2.0))
        );
    }
}
