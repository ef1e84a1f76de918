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
    let forest = flatten(&trained)?;
    Ok((trained, forest))
}

/// What a forest that has not seen its scenario says of each example: the votes for a fatal class, in the order of
/// `examples`.
///
/// # Errors
/// As [`grow`].
pub fn held_out_votes(examples: &[Example], growth: Growth) -> Result<Vec<u16>, ConvertError> {
    let mut scenarios: Vec<&str> =
        examples.iter().map(|example| example.scenario.as_str()).collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    let mut votes = vec![0; examples.len()];
    for held in scenarios {
        let others: Vec<Example> =
            examples.iter().filter(|example| example.scenario != held).cloned().collect();
        let (_, forest) = grow(&others, growth)?;
        for (votes, example) in
            votes.iter_mut().zip(examples).filter(|(_, example)| example.scenario == held)
        {
            *votes = forest.fatal_votes(&example.row);
        }
    }
    Ok(votes)
}

#[cfg(test)]
mod tests;
