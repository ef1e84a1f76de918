//! What says that a process is stuck, each kind in its own module; strongest first.

mod closed;
mod collecting;
mod cycle;
mod kernel;
mod report;
mod slow;
#[cfg(test)]
pub(crate) mod stage;
mod unaccepted;
mod unanswered;

use std::cmp::Reverse;
use std::time::Duration;

use gadget_core::{ProcessId, Runtime, Timestamp, Wait};

use crate::config::PathologistSettings;
use crate::graph::LockGraph;
use crate::look::Look;
use crate::state::{EvidenceKind, State};

pub(crate) use closed::may_be_woken;
pub(crate) use collecting::is_collector;
pub(crate) use report::Reported;
pub(crate) use unanswered::{Peers, outstanding};

/// Share of one processor from which on a process works.
pub(crate) const WORKS: f64 = 0.01;

/// What one kind of evidence says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) kind: EvidenceKind,
    /// The look from which on nothing of it has changed.
    pub(crate) still: Timestamp,
    /// For how long it was seen to hold.
    pub(crate) held: Duration,
    /// Nothing is left that could make it wrong, as far as could be read.
    pub(crate) sure: bool,
    /// The threads that it is about.
    pub(crate) members: usize,
    /// The process that would have to end.
    pub(crate) target: ProcessId,
    /// In words.
    pub(crate) statement: String,
}

/// What is thought of a process after a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) state: State,
    /// What says so; none where the state needs no more than the look itself.
    pub(crate) finding: Option<Finding>,
    /// For states without a finding, what there is to say in words.
    pub(crate) statement: Option<String>,
    /// How likely the state is the true one.
    pub(crate) probability: f64,
    /// It is worth another look soon.
    pub(crate) suspect: bool,
    /// Some thread sleeps where no signal reaches it.
    pub(crate) unreachable: bool,
    /// Share of one processor that it used between the last two looks.
    pub(crate) share: Option<f64>,
}

/// All that a process is judged by.
pub(crate) struct Scene<'a> {
    pub(crate) process: ProcessId,
    pub(crate) look: &'a Look,
    /// This process and those that it shares locks with.
    pub(crate) group: &'a [(ProcessId, &'a Look)],
    pub(crate) graph: &'a LockGraph,
    pub(crate) reported: Option<&'a Reported>,
    pub(crate) peers: &'a Peers,
    /// It was told to end, and did not.
    pub(crate) survived: bool,
    /// What it seems to run on.
    pub(crate) runtime: Runtime,
    pub(crate) settings: &'a PathologistSettings,
}

impl Scene<'_> {
    /// Judges by all evidence there is.
    pub(crate) fn judge(&self) -> Verdict {
        let look = self.look;
        let share = look.share(|_| true);
        let unreachable = look.iter().any(|(thread, _)| matches!(thread.wait, Wait::Kernel { .. }));
        let verdict = |state, probability| Verdict {
            state,
            probability,
            share,
            unreachable,
            ..Verdict::default()
        };
        if look.threads.threads.is_empty() {
            return Verdict::default();
        }
        if look.iter().all(|(thread, _)| matches!(thread.wait, Wait::Stopped)) {
            return verdict(State::Stopped, 0.99);
        }
        let found = |finding: Finding, state, probability| Verdict {
            finding: Some(finding),
            suspect: true,
            ..verdict(state, probability)
        };
        if let Some((share, text)) = collecting::garbage(look) {
            let statement = Some(text);
            return Verdict {
                statement,
                suspect: true,
                ..verdict(State::Gc, share.clamp(0.7, 0.95))
            };
        }
        let proofs = [self.closed_set(), self.owner_cycle(), self.runtime_report()];
        let mut suspect = proofs.iter().any(Option::is_some);
        let proof = proofs
            .into_iter()
            .flatten()
            .filter(|proof| proof.held >= self.settings.apart)
            .max_by_key(|proof| (proof.sure, Reverse(proof.kind)));
        if let Some(proof) = proof {
            let probability = if proof.sure { 0.99 } else { 0.9 };
            return found(proof, State::Stuck, probability);
        }
        if let Some(sleep) = self.uninterruptible() {
            return found(sleep, State::Stuck, 0.95);
        }
        if let Some(unaccepted) = self.unaccepted() {
            return found(unaccepted, State::Stuck, 0.9);
        }
        if let Some(unanswered) = self.unanswered() {
            return found(unanswered, State::WaitingOnPeer, 0.9);
        }
        suspect |= unreachable || look.queued() > 0 || self.has_asked() || self.graph.waiting() > 0;
        let state = match share {
            Some(share) if share >= WORKS => State::Working,
            Some(_) => State::Idle,
            None => State::Unknown,
        };
        let mut verdict = Verdict { suspect, ..verdict(state, 0.9) };
        if let Some(statement) = self.slow() {
            (verdict.state, verdict.statement) = (State::Slow, Some(statement));
        } else if self.parent_of_vfork() {
            verdict.state = State::Idle;
            verdict.statement =
                Some("waits for the child that it has forked by vfork(2)".to_owned());
        }
        verdict
    }
}
