//! A process that is looked at closely.

use gadget_core::{ProcessId, Timestamp, Wait};

use crate::behaviour::Behaviour;
use crate::evidence::{Finding, Reported, Verdict};
use crate::look::Look;
use crate::state::{EvidenceKind, State};
use crate::treatment::Treatment;

/// The most processes that one shares locks with and is judged together with.
const MOST_LINKS: usize = 16;

/// All that is kept of one such process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) look: Option<Look>,
    pub(crate) reported: Option<Reported>,
    pub(crate) verdict: Verdict,
    /// The processes that hold locks which threads of this one wait for.
    pub(crate) links: Vec<ProcessId>,
    /// Something was seen of it since it was judged.
    pub(crate) fresh: bool,
    /// Looks at it were asked for.
    pub(crate) watched: bool,
    /// When that was first asked.
    pub(crate) asked: Option<Timestamp>,
    /// What it does, if it is looked at all the time.
    pub(crate) studied: Option<Box<Behaviour>>,
    /// Its runtime is to be asked since then.
    pub(crate) question: Option<Timestamp>,
    /// What was stated last, and when.
    pub(crate) stated: Option<(State, Option<EvidenceKind>, Timestamp)>,
    pub(crate) treatment: Treatment,
}

impl Case {
    /// Takes in one look.
    pub(crate) fn take(&mut self, look: Look, process: ProcessId) {
        self.links.clear();
        for (thread, _) in look.iter() {
            let Wait::Futex(futex) = &thread.wait else { continue };
            let Some(owner) = futex.lock.and_then(|lock| lock.owner) else { continue };
            if owner.process != process
                && !self.links.contains(&owner.process)
                && self.links.len() < MOST_LINKS
            {
                self.links.push(owner.process);
            }
        }
        self.look = Some(look);
        self.fresh = true;
    }

    /// The finding, if it proves a deadlock.
    pub(crate) fn proof(&self) -> Option<&Finding> {
        self.verdict.finding.as_ref().filter(|finding| finding.kind.is_proof())
    }

    pub(crate) fn kind(&self) -> Option<EvidenceKind> {
        self.verdict.finding.as_ref().map(|finding| finding.kind)
    }
}
