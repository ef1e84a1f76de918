//! The forest that the Oracle infers with.

pub use gadget_forest::ForestError;
use gadget_forest::Shape;

use crate::features::{FEATURES, Row, fingerprint};
use crate::forecast::Class;

/// What the Oracle's forests judge by.
pub(crate) const SHAPE: Shape =
    Shape { features: FEATURES, classes: Class::ALL.len() as u8, fingerprint: fingerprint() };

/// A random forest whose leaves say how likely the memory runs out.
///
/// - Format: that of [`gadget_forest::Forest`]; a class is its place in [`Class::ALL`], and marked are the rows that ended in
///   an out-of-memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest(gadget_forest::Forest);

impl Forest {
    /// Reads a forest, and checks that no walk can leave it.
    ///
    /// # Errors
    /// Any [`ForestError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ForestError> {
        gadget_forest::Forest::read(bytes, SHAPE).map(Self)
    }

    /// The bytes that [`read`](Self::read) reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// The forest that ships with this crate; `None` if it was trained on other features.
    #[must_use]
    pub fn shipped() -> Option<Self> {
        Self::read(include_bytes!("../model/forest.bin")).ok()
    }

    #[cfg(feature = "train")]
    pub(crate) const fn of(forest: gadget_forest::Forest) -> Self {
        Self(forest)
    }

    /// How many trees vote for each class.
    #[must_use]
    pub fn votes(&self, row: &Row) -> [u16; Class::ALL.len()] {
        let mut votes = [0; Class::ALL.len()];
        self.0.vote(row, &mut votes);
        votes
    }

    /// The class with the most votes, the first of several.
    #[must_use]
    pub fn class(&self, row: &Row) -> Class {
        let votes = self.votes(row);
        let mut best = 0;
        for class in 1..votes.len() {
            if votes[class] > votes[best] {
                best = class;
            }
        }
        Class::ALL[best]
    }

    /// The mean of the leaves, 0 to 1: larger is more likely, but not yet a probability.
    #[must_use]
    pub fn score(&self, row: &Row) -> f64 {
        self.0.score(row)
    }

    /// How likely the memory runs out if nobody acts, calibrated on scenarios that were not trained on.
    #[must_use]
    pub fn probability(&self, row: &Row) -> f64 {
        self.0.probability(row)
    }

    /// How many trees there are.
    #[must_use]
    pub fn trees(&self) -> usize {
        self.0.trees()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Feature;

    #[test]
    fn the_model_that_ships_fits_the_features_and_is_no_coin() {
        let forest = Forest::shipped().expect("model/forest.bin was trained on these features");
        let row = |used, left: f64, climbed: f64, consumed| {
            let mut row = [0.0; FEATURES];
            for (feature, value) in [
                (Feature::Used, used),
                (Feature::Charged, used + 0.01),
                (Feature::Velocity, (1.0 - used) / left),
                (Feature::LogLeft, left.ln()),
                (Feature::LogClimb, climbed.ln()),
                (Feature::Lasted, climbed / (climbed + left)),
                (Feature::Consumed, consumed),
                (Feature::Doubt, 0.1),
                (Feature::Culprit, 1.0),
            ] {
                row[feature as usize] = value;
            }
            row
        };
        let burst = forest.probability(&row(0.65, 8.0, 2.0, 0.2));
        let leak = forest.probability(&row(0.95, 5.0, 40.0, 0.88));
        assert!(leak > 0.9 && burst < 0.4, "{leak} {burst}");
        let row = row(0.95, 5.0, 40.0, 0.88);
        assert_eq!(forest.class(&row), Class::Leak);
    }

    #[test]
    fn what_is_no_forest_is_refused_with_a_reason() {
        assert_eq!(Forest::read(b"JUNK"), Err(ForestError::NotAForest));
        let mut bytes = Forest::shipped().expect("a model ships").to_bytes();
        bytes[4] = 9;
        assert_eq!(Forest::read(&bytes), Err(ForestError::Version { found: 9 }));
        bytes[4] = 1;
        bytes[12] ^= 1;
        assert_eq!(Forest::read(&bytes), Err(ForestError::Features));
    }
}
