//! Training the forest from labelled recordings. Not needed to run an Oracle.
//!
//! A directory holds pairs: a recording, and beside it a JSON file of the same name that says what it shows. Scenarios are
//! split, never rows: what the forest says of a scenario is judged by trees that have not seen any run of it.

mod calibrate;
mod convert;
mod labels;

pub use calibrate::{Reliability, brier, isotonic, reliability};
pub use convert::{ConvertError, Trained, flatten};
pub use labels::{Example, Labels, LabelsError, examples};

use std::collections::BTreeMap;

use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::forest::Forest;

/// How the forest is grown. The defaults are those of the model that ships.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Trees; a multiple of eight. Default 64.
    pub trees: u16,
    /// Levels of a tree. Default 8.
    pub depth: u16,
    /// The fewest rows in a leaf. Default 24: fewer learn single runs by heart.
    pub leaf: usize,
    /// For the sampling of rows and features. Default 7.
    pub seed: u64,
}

impl Default for Growth {
    fn default() -> Self {
        Self { trees: 64, depth: 8, leaf: 24, seed: 7 }
    }
}

/// Grows a forest.
///
/// # Errors
/// [`ConvertError`] if smartcore refuses the rows or its form is not the one that is known.
pub fn grow(examples: &[Example], growth: Growth) -> Result<(Trained, Forest), ConvertError> {
    let rows: Vec<Vec<f64>> = examples
        .iter()
        .map(|example| example.row.iter().map(|value| f64::from(*value as f32)).collect())
        .collect();
    let classes: Vec<u32> = examples.iter().map(|example| example.class as u32).collect();
    let matrix = DenseMatrix::from_2d_vec(&rows).map_err(|_| ConvertError::Rows)?;
    let parameters = RandomForestClassifierParameters::default()
        .with_n_trees(growth.trees)
        .with_max_depth(growth.depth)
        .with_min_samples_leaf(growth.leaf)
        .with_seed(growth.seed);
    let trained = RandomForestClassifier::fit(&matrix, &classes, parameters)
        .map_err(|_| ConvertError::Rows)?;
    let mut forest = flatten(&trained)?;
    let weights = weights(examples);
    forest.settle(
        examples
            .iter()
            .zip(weights)
            .map(|(example, weight)| (&example.row, example.class.is_fatal(), weight)),
    );
    Ok((trained, forest))
}

/// Grows the forest that ships: calibrated by what forests that have not seen a scenario say of it.
///
/// Gives the probabilities that those forests say of the examples, too: what the calibration is judged by.
///
/// # Errors
/// As [`grow`].
pub fn train(examples: &[Example], growth: Growth) -> Result<(Forest, Vec<f64>), ConvertError> {
    let mut scenarios: Vec<&str> =
        examples.iter().map(|example| example.scenario.as_str()).collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    let mut scores = vec![0.0; examples.len()];
    for held in scenarios {
        let others: Vec<Example> =
            examples.iter().filter(|example| example.scenario != held).cloned().collect();
        let (_, forest) = grow(&others, growth)?;
        for (score, example) in
            scores.iter_mut().zip(examples).filter(|(_, example)| example.scenario == held)
        {
            *score = forest.score(&example.row);
        }
    }
    let happened: Vec<bool> = examples.iter().map(|example| example.class.is_fatal()).collect();
    let (_, mut forest) = grow(examples, growth)?;
    forest.calibrate(isotonic(&scores, &happened, &weights(examples)));
    let said = scores.iter().map(|score| forest.calibrated(*score)).collect();
    Ok((forest, said))
}

/// Of all climbs on a host, the share that is taken to end in an out-of-memory. A lab stages more leaks than the world does.
pub const PRIOR: f64 = 0.25;

/// How much each example counts: each run the same, however long it took, and fatal ones as much as [`PRIOR`] says.
#[must_use]
pub fn weights(examples: &[Example]) -> Vec<f64> {
    let mut rows: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    for example in examples {
        *rows.entry((&example.run, example.class.is_fatal())).or_default() += 1;
    }
    let runs = |fatal: bool| rows.keys().filter(|(_, other)| *other == fatal).count().max(1) as f64;
    let (fatal, benign) = (PRIOR / runs(true), (1.0 - PRIOR) / runs(false));
    let weight = |example: &Example| {
        let kind = example.class.is_fatal();
        examples.len() as f64 * if kind { fatal } else { benign }
            / rows[&(example.run.as_str(), kind)] as f64
    };
    examples.iter().map(weight).collect()
}

#[cfg(test)]
mod tests;
