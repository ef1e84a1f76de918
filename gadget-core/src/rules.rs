//! Which learned rules are in force, as a setting that plans may change.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// What a learned rule may do.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum RuleState {
    /// It is tried: what it would do is counted, and nothing is done.
    #[default]
    Trial,
    /// It is in force.
    Adopted,
    /// It is no longer tried.
    Retired,
}

impl RuleState {
    /// The name in settings, outputs and ledgers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Adopted => "adopted",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for RuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Not the name of a [`RuleState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `trial`, `adopted` or `retired`")]
pub struct NotARuleState;

impl FromStr for RuleState {
    type Err = NotARuleState;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Trial, Self::Adopted, Self::Retired]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or(NotARuleState)
    }
}

/// The states of learned rules, shared by who learns them, who applies them and the step that adopts one. As many as their owner
/// puts in, who bounds them.
#[derive(Clone, Debug, Default)]
pub struct RuleStates(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    states: Mutex<BTreeMap<u32, RuleState>>,
    changes: AtomicU64,
}

impl RuleStates {
    /// The state of a rule; none for one that is not known.
    #[must_use]
    pub fn get(&self, rule: u32) -> Option<RuleState> {
        self.0.states.lock().get(&rule).copied()
    }

    /// Puts a rule in this state, and returns what it was in. For its owner; plans [`exchange`](Self::exchange).
    pub fn set(&self, rule: u32, state: RuleState) -> Option<RuleState> {
        let before = self.0.states.lock().insert(rule, state);
        self.0.changes.fetch_add(1, Ordering::Release);
        before
    }

    /// Forgets a rule.
    pub fn remove(&self, rule: u32) {
        self.0.states.lock().remove(&rule);
        self.0.changes.fetch_add(1, Ordering::Release);
    }

    /// Puts a rule in `to` if it is in `from`; what it is in instead, if not.
    ///
    /// # Errors
    /// What somebody else has put it in since; none if it is no longer known.
    pub fn exchange(
        &self,
        rule: u32,
        from: RuleState,
        to: RuleState,
    ) -> Result<(), Option<RuleState>> {
        match self.0.states.lock().get_mut(&rule) {
            Some(state) if *state == from => *state = to,
            other => return Err(other.copied()),
        }
        self.0.changes.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Counts up with each change, so that whoever applies rules looks only when there was one.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// The rules that are in this state, in order.
    #[must_use]
    pub fn all_in(&self, state: RuleState) -> Vec<u32> {
        let states = self.0.states.lock();
        states.iter().filter(|(_, held)| **held == state).map(|(&rule, _)| rule).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_it_parses() {
        for state in [RuleState::Trial, RuleState::Adopted, RuleState::Retired] {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert_eq!("Trial".parse::<RuleState>(), Err(NotARuleState));
    }

    #[test]
    fn what_somebody_else_has_set_is_not_overwritten() {
        let states = RuleStates::default();
        let (trial, adopted, retired) = (RuleState::Trial, RuleState::Adopted, RuleState::Retired);
        assert_eq!(states.exchange(7, trial, adopted), Err(None));
        assert_eq!(states.set(7, trial), None);
        let before = states.changes();
        assert_eq!(states.clone().exchange(7, trial, adopted), Ok(()));
        assert!(states.changes() > before);
        assert_eq!(states.exchange(7, trial, retired), Err(Some(adopted)));
        assert_eq!((states.get(7), states.all_in(adopted)), (Some(adopted), vec![7]));
        states.remove(7);
        assert_eq!(states.get(7), None);
    }
}
