//! How forecasts are said.

use std::collections::HashMap;
use std::time::Duration;

use gadget_core::{Assessment, CgroupMemory, MemoryLimit, Subject, Timestamp, World};
use gadget_example_common::{Tongue, evidence_json, name_of, secs, subject_json};
use serde_json::{Value, json};

/// A forecast that has not changed its class is said again after this time.
const SAY_AGAIN: Duration = Duration::from_secs(1);

/// A forecast less likely than this is said to a person when its class changes, and not again.
const LIKELY: f64 = 0.1;

/// Subjects whose last forecast is remembered.
const MAX_REMEMBERED: usize = 4_096;

/// The words of the Oracle.
#[derive(Default)]
pub(crate) struct Forecasts {
    said: HashMap<Subject, (String, Timestamp)>,
}

impl Tongue for Forecasts {
    fn is_news(&mut self, assessment: &Assessment, json: bool) -> bool {
        let before = self.said.get(&assessment.subject);
        let changed =
            before.map_or(assessment.eta.is_some(), |(class, _)| *class != assessment.class);
        // A person is not told each second what is hardly likely; a program gets every forecast.
        let likely = json || assessment.probability.get() >= LIKELY;
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

    fn json(&self, assessment: &Assessment, world: &World) -> Value {
        let name = |subject| subject_json(subject, &name_of(subject, world));
        let eta = assessment.eta;
        let used = usage(assessment.subject, world);
        json!({
            "kind": "forecast",
            "at": assessment.at.to_string(),
            "subject": name(assessment.subject),
            "class": assessment.class,
            "probability": assessment.probability.get(),
            "seconds_to_oom": eta.map(|eta| secs(eta.likely)),
            "low": eta.map(|eta| secs(eta.low)),
            "high": eta.map(|eta| secs(eta.high)),
            "culprit": assessment.culprit.map(name),
            "used": used.map(|(used, _)| used),
            "limit": used.map(|(_, limit)| limit),
            "evidence": evidence_json(&assessment.evidence),
        })
    }

    fn text(&self, assessment: &Assessment, world: &World) -> String {
        let what = name_of(assessment.subject, world);
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
            text += &format!(", because of {} ({culprit})", name_of(culprit, world));
        }
        text
    }

    fn alive(&self, world: &World) -> (Value, String) {
        let limit = |memory: CgroupMemory| memory.max.bytes().is_some();
        let processes = world.processes().count();
        let cgroups = world.cgroups().count();
        let limited =
            world.cgroups().filter(|(_, cgroup)| cgroup.memory.is_some_and(limit)).count();
        (
            json!({"kind": "alive", "processes": processes, "cgroups": cgroups, "limited": limited}),
            format!(
                "sees {processes} processes and {cgroups} cgroups, {limited} of them with a limit"
            ),
        )
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
