//! Evidence 7: what a process does differs from what it used to do, and looks like what stuck ones do.

mod features;
mod window;

use gadget_forest::{Forest, ForestError};

pub(crate) use features::CLASSES;
pub use features::{FEATURES, Feature, Row, SHAPE};
pub(crate) use window::Behaviour;

use crate::state::State;

/// From this probability on a process is called stuck: the highest of a healthy program that was not trained on is 0.64.
pub const ADVISES: f64 = 0.7;

/// A random forest over the features of a window. It may advise; it is no proof.
#[derive(Clone, Debug, PartialEq)]
pub struct BehaviourModel(Forest);

impl BehaviourModel {
    /// Reads what training wrote.
    ///
    /// # Errors
    /// Any [`ForestError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ForestError> {
        Forest::read(bytes, SHAPE).map(Self)
    }

    /// The model that ships with this crate; `None` if it was trained on other features.
    #[must_use]
    pub fn shipped() -> Option<Self> {
        Self::read(include_bytes!("../../model/forest.bin")).ok()
    }

    /// The state that most trees vote for, and how likely the process is stuck: calibrated on families of programs that were
    /// not trained on.
    #[must_use]
    pub fn judge(&self, row: &Row) -> (State, f64) {
        let mut votes = [0; CLASSES.len()];
        self.0.vote(row, &mut votes);
        let most = (0..votes.len()).rev().max_by_key(|class| votes[*class]).unwrap_or(0);
        (CLASSES[most], self.0.probability(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[(Feature, f64)]) -> Row {
        let mut row = [0.0; FEATURES];
        (row[Feature::Calls as usize], row[Feature::Entropy as usize]) = (-1.0, -1.0);
        for (feature, value) in values {
            row[*feature as usize] = *value;
        }
        row
    }

    #[test]
    fn the_model_that_ships_fits_the_features_and_is_no_coin() {
        let model = BehaviourModel::shipped().expect("it was trained on these features");
        let threads = (Feature::Threads, 3_f64.ln());
        let closed = row(&[threads, (Feature::Frozen, 1.0), (Feature::ForGood, 1.0)]);
        let (state, stuck) = model.judge(&closed);
        assert!(state == State::Stuck && stuck >= ADVISES, "{state} {stuck}");
        let server = row(&[threads, (Feature::Frozen, 1.0), (Feature::Ready, 1.0)]);
        let (state, stuck) = model.judge(&server);
        assert!(state == State::Idle && stuck < 0.5, "{state} {stuck}");
        let busy = row(&[
            threads,
            (Feature::Cpu, 0.5),
            (Feature::Wanted, 0.9),
            (Feature::Busiest, 0.9),
            (Feature::Slices, 4.0),
            (Feature::SliceLength, 8.0),
            (Feature::Running, 1.0),
        ]);
        let (state, stuck) = model.judge(&busy);
        assert!(state == State::Working && stuck < 0.5, "{state} {stuck}");
    }
}
