//! From looks to verdicts.

use std::time::Duration;

use gadget_core::{ProcessId, Runtime, Timestamp, World};

use crate::behaviour::{ADVISES, Behaviour, BehaviourModel};
use crate::evidence::{Finding, Scene, Verdict};
use crate::graph::LockGraph;
use crate::look::Look;
use crate::pathologist::Pathologist;
use crate::state::{EvidenceKind, State};

/// The most processes that are judged together because they share locks.
const MOST_TOGETHER: usize = 64;

impl Pathologist {
    /// The process with those that it shares locks with, and those that they do.
    fn together(&self, id: ProcessId) -> Vec<ProcessId> {
        let mut together = vec![id];
        let mut at = 0;
        while let Some(case) = together.get(at).and_then(|id| self.cases.get(id)) {
            for link in &case.links {
                if together.len() < MOST_TOGETHER && !together.contains(link) {
                    together.push(*link);
                }
            }
            at += 1;
        }
        together
    }

    fn judge(&mut self, id: ProcessId, world: &World) {
        let together = self.together(id);
        let group: Vec<(ProcessId, &Look)> = together
            .iter()
            .filter_map(|id| Some((*id, self.cases.get(id)?.look.as_ref()?)))
            .collect();
        let Some(case) = self.cases.get(&id) else { return };
        let Some(look) = &case.look else { return };
        let graph = LockGraph::of_all(group.iter().map(|(id, look)| (*id, &look.threads)));
        let scene = Scene {
            process: id,
            look,
            group: &group,
            graph: &graph,
            reported: case.reported.as_ref(),
            peers: &self.peers,
            survived: case.treatment.survived,
            runtime: world
                .process(id)
                .and_then(|process| process.identity.as_ref())
                .map_or(Runtime::Native, |identity| identity.runtime),
            settings: &self.settings,
        };
        let (mut verdict, at) = (scene.judge(), look.at);
        let apart = self.settings.apart;
        if let Some(case) = self.cases.get_mut(&id) {
            if let (Some(model), Some(behaviour)) = (&self.model, &mut case.studied) {
                advise(model, behaviour, id, at, &mut verdict);
            }
            case.verdict = verdict;
            case.fresh = false;
            let mut treatment = case.treatment;
            treatment.look(at, case.proof(), apart);
            case.treatment = treatment;
        }
    }

    /// Judges whatever was seen since the last time, and those who share locks with it.
    pub(crate) fn judge_fresh(&mut self, world: &World) {
        let due: Vec<ProcessId> = self
            .cases
            .iter()
            .filter(|(_, case)| case.look.is_some() && (case.fresh || !case.links.is_empty()))
            .map(|(&id, _)| id)
            .collect();
        for id in due {
            self.judge(id, world);
        }
        // Those who hold what others wait for have to be seen too.
        let linked: Vec<ProcessId> =
            self.cases.values().flat_map(|case| case.links.iter().copied()).collect();
        for id in linked {
            if !self.cases.contains_key(&id) {
                self.case(id);
            }
        }
    }
}

/// Asks the model about a process of which nothing stronger is known.
fn advise(
    model: &BehaviourModel,
    behaviour: &mut Behaviour,
    id: ProcessId,
    at: Timestamp,
    verdict: &mut Verdict,
) {
    let Some(row) = behaviour.row() else { return };
    let (state, stuck) = model.judge(&row);
    let settled = !matches!(verdict.state, State::Working | State::Idle | State::Unknown);
    if stuck < ADVISES {
        if !settled {
            behaviour.was_well(&row);
        }
        return;
    }
    if !settled && state == State::Stuck {
        verdict.state = State::Stuck;
        verdict.probability = stuck;
        verdict.finding = Some(Finding {
            kind: EvidenceKind::Behaviour,
            still: at,
            held: Duration::ZERO,
            sure: false,
            members: 0,
            target: id,
            statement: "it behaves as stuck processes do; nothing proves it".to_owned(),
        });
    }
}
