//! How incidents are said.

use gadget_core::{Assessment, World};
use gadget_example_common::{Tongue, evidence_json};
use serde_json::{Value, json};

/// The words of the Archivist: each trigger is news.
#[derive(Clone, Copy, Default)]
pub(crate) struct Incidents;

impl Tongue for Incidents {
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
        (json!({"kind": "alive"}), "keeps".to_owned())
    }
}
