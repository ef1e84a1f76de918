//! What gadgets say about what they see.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::subject::Subject;
use crate::units::{Probability, Timestamp};

/// A name from code: borrowed and free to copy there, owned when it was read from a ledger.
pub type Name = Cow<'static, str>;

/// The most features that an assessment or a plan carries.
pub const MAX_EVIDENCE: usize = 12;

/// The features that drove a statement, most important first: name and value. Held inline.
pub type Evidence = ArrayVec<(Name, f64), MAX_EVIDENCE>;

/// Values in, verdicts out; no I/O, no clock, no randomness of its own.
pub trait Model {
    /// What is judged.
    type Input: ?Sized;
    /// What is said of it.
    type Verdict;
    /// Judges one input. The same inputs in the same order give the same verdicts.
    fn assess(&mut self, input: &Self::Input) -> Self::Verdict;
}

/// How long until something happens, with the interval that should hold nine times in ten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The most likely time left.
    pub likely: Duration,
    /// One in twenty is sooner.
    pub low: Duration,
    /// One in twenty is later.
    pub high: Duration,
}

/// What a gadget says of a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The gadget that says it.
    pub gadget: Name,
    /// When.
    pub at: Timestamp,
    /// Of what.
    pub subject: Subject,
    /// What it is, for example `leak` or `burst`.
    pub class: Name,
    /// How sure, calibrated.
    pub probability: Probability,
    /// Time left until it happens; none if it is not expected.
    pub eta: Option<Estimate>,
    /// Who causes it, if that is known.
    pub culprit: Option<Subject>,
    /// The finding in a sentence, where numbers cannot say it: who waits for whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Arc<str>>,
    /// The features behind it.
    #[serde(deserialize_with = "crate::ledger::float::evidence")]
    pub evidence: Evidence,
}
