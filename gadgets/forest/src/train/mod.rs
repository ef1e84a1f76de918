//! Growing forests. Not needed to infer with one.
//!
//! Groups are split, never rows: what a forest says of a group is judged by trees that have not seen any row of it.

mod calibrate;
mod convert;

pub use calibrate::{Reliability, brier, isotonic, reliability};
pub use convert::{ConvertError, Trained, flatten};
/// What grows them, for comparing with it.
pub use smartcore;

use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::forest::{Forest, Shape};

/// How a forest is grown. The defaults are those of the models that ship.
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

/// One row, and the truth about it.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// What is judged.
    pub row: &'a [f64],
    /// Its class.
    pub class: u8,
    /// It is one of those whose probability is wanted.
    pub marked: bool,
    /// How much it counts.
    pub weight: f64,
    /// Rows of one group are alike: they are never split between training and judging.
    pub group: &'a str,
}

/// Grows a forest, not calibrated.
///
/// # Errors
/// [`ConvertError`] if smartcore refuses the rows or its form is not the one that is known.
pub fn grow(
    samples: &[Sample<'_>],
    shape: Shape,
    growth: Growth,
) -> Result<(Trained, Forest), ConvertError> {
    let rows: Vec<Vec<f64>> = samples
        .iter()
        .map(|sample| sample.row.iter().map(|value| f64::from(*value as f32)).collect())
        .collect();
    let classes: Vec<u32> = samples.iter().map(|sample| u32::from(sample.class)).collect();
    let matrix = DenseMatrix::from_2d_vec(&rows).map_err(|_| ConvertError::Rows)?;
    let parameters = RandomForestClassifierParameters::default()
        .with_n_trees(growth.trees)
        .with_max_depth(growth.depth)
        .with_min_samples_leaf(growth.leaf)
        .with_seed(growth.seed);
    let trained = RandomForestClassifier::fit(&matrix, &classes, parameters)
        .map_err(|_| ConvertError::Rows)?;
    let mut forest = flatten(&trained, shape)?;
    forest.settle(samples.iter().map(|sample| (sample.row, sample.marked, sample.weight)));
    Ok((trained, forest))
}

/// Calls `judge` with a forest that has not seen a group and each sample of it, with its place; for every group.
///
/// # Errors
/// As [`grow`].
pub fn held_out(
    samples: &[Sample<'_>],
    shape: Shape,
    growth: Growth,
    mut judge: impl FnMut(&Forest, usize, &Sample<'_>),
) -> Result<(), ConvertError> {
    let mut groups: Vec<&str> = samples.iter().map(|sample| sample.group).collect();
    groups.sort_unstable();
    groups.dedup();
    for held in groups {
        let others: Vec<Sample<'_>> =
            samples.iter().filter(|sample| sample.group != held).copied().collect();
        let (_, forest) = grow(&others, shape, growth)?;
        for (place, sample) in samples.iter().enumerate().filter(|(_, sample)| sample.group == held)
        {
            judge(&forest, place, sample);
        }
    }
    Ok(())
}

/// Grows a forest that is calibrated by what forests that have not seen a group say of it.
///
/// Gives the probabilities that those forests say of the samples, too: what the calibration is judged by.
///
/// # Errors
/// As [`grow`].
pub fn train(
    samples: &[Sample<'_>],
    shape: Shape,
    growth: Growth,
) -> Result<(Forest, Vec<f64>), ConvertError> {
    let mut scores = vec![0.0; samples.len()];
    held_out(samples, shape, growth, |forest, place, sample| {
        scores[place] = forest.score(sample.row);
    })?;
    let marked: Vec<bool> = samples.iter().map(|sample| sample.marked).collect();
    let weights: Vec<f64> = samples.iter().map(|sample| sample.weight).collect();
    let (_, mut forest) = grow(samples, shape, growth)?;
    forest.calibrate(isotonic(&scores, &marked, &weights));
    let said = scores.iter().map(|score| forest.calibrated(*score)).collect();
    Ok((forest, said))
}
