//! Training the forest from labelled recordings. Not needed to run an Oracle.
//!
//! A directory holds pairs: a recording, and beside it a JSON file of the same name that says what it shows. Scenarios are
//! split, never rows: what the forest says of a scenario is judged by trees that have not seen any run of it.

mod labels;

pub use gadget_forest::train::{
    ConvertError, Growth, Reliability, Trained, brier, isotonic, reliability,
};
pub use labels::{Example, Labels, LabelsError, examples};

use std::collections::BTreeMap;

use gadget_forest::train::Sample;

use crate::forest::{Forest, SHAPE};

/// Grows a forest.
///
/// # Errors
/// [`ConvertError`] if smartcore refuses the rows or its form is not the one that is known.
pub fn grow(examples: &[Example], growth: Growth) -> Result<(Trained, Forest), ConvertError> {
    let (trained, forest) = gadget_forest::train::grow(&samples(examples), SHAPE, growth)?;
    Ok((trained, Forest::of(forest)))
}

/// Grows the forest that ships: calibrated by what forests that have not seen a scenario say of it.
///
/// Gives the probabilities that those forests say of the examples, too: what the calibration is judged by.
///
/// # Errors
/// As [`grow`].
pub fn train(examples: &[Example], growth: Growth) -> Result<(Forest, Vec<f64>), ConvertError> {
    let (forest, said) = gadget_forest::train::train(&samples(examples), SHAPE, growth)?;
    Ok((Forest::of(forest), said))
}

fn samples(examples: &[Example]) -> Vec<Sample<'_>> {
    examples
        .iter()
        .zip(weights(examples))
        .map(|(example, weight)| Sample {
            row: &example.row,
            class: example.class as u8,
            marked: example.class.is_fatal(),
            weight,
            group: &example.scenario,
        })
        .collect()
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
