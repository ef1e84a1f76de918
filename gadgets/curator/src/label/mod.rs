//! The slow path: a linear-chain conditional random field over the tokens of a line.
//!
//! It finds values by what surrounds them, in formats that no rule was written for. Its model is trained on lines that the
//! crate `gadget-curator-train` makes up; `cargo run --release -p gadget-curator-train -- train` writes the file again, byte
//! for byte. The features are shapes, checks, word lists and hashed words; the weights are one table of 48 Ki rows of
//! sixteen bytes. [`Triage`] chooses the few lines that are worth it.

mod context;
mod feature;
mod lattice;
mod lexicon;
mod model;
mod token;
mod triage;

pub use feature::Features;
pub use lattice::{LABELS, Lattice, PerLabel, Transitions, entity_of, exp, label_of};
pub use lexicon::{Classes, Lexicon};
pub use model::{MODEL_VERSION, Model, ModelError, Origin, ROWS, TRANSITION_STEPS};
pub use token::{Kind, MOST_BYTES, MOST_TOKENS, Token, Tokens, hash_word};
pub use triage::{Triage, TriageSettings, Wanted};

use crate::entity::Entity;
use crate::span::{Finder, Span};

/// From which probability a token belongs to a value beside it that is surer.
const TAIL: f32 = 0.25;

/// Labels values in lines; one per thread.
#[derive(Debug)]
pub struct Labeller {
    model: Model,
    threshold: f32,
    features: Features,
    lattice: Lattice,
}

impl Labeller {
    /// The labeller with the model of this crate.
    ///
    /// # Panics
    /// If the crate was built with a damaged `model.bin`.
    #[must_use]
    pub fn shipped() -> Self {
        Self::from_bytes(include_bytes!("model.bin"))
            .expect("the crate's model.bin is one that its trainer wrote")
    }

    /// A labeller with another model.
    ///
    /// # Errors
    /// [`ModelError`] for anything that the trainer did not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let model = Model::from_bytes(bytes)?;
        let threshold = model.origin.threshold;
        Ok(Self { model, threshold, features: Features::default(), lattice: Lattice::default() })
    }

    /// Reports values from this probability on, instead of the one that the training chose.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f32) -> Self {
        self.threshold = threshold;
        self
    }

    /// From which probability a value is reported.
    #[must_use]
    pub const fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// Appends the values of `line`, in order and disjoint; of a long line those within the first [`MOST_BYTES`] bytes and
    /// [`MOST_TOKENS`] tokens. Allocates nothing once it has seen a line as long.
    pub fn label(&mut self, line: &[u8], spans: &mut Vec<Span>) {
        self.features.see(line, &self.model.lexicon);
        let step = self.model.origin.step;
        self.lattice.scores.clear();
        for i in 0..self.features.tokens().len() {
            let (structure, words) = self.features.rows(i);
            let mut sum = [0_i32; LABELS];
            for row in structure.iter().chain(words) {
                let row = &self.model.rows[usize::from(*row)];
                sum.iter_mut().zip(row).for_each(|(sum, weight)| *sum += i32::from(*weight));
            }
            self.lattice.scores.push(sum.map(|sum| sum as f32 * step));
        }
        self.lattice.infer(&self.model.transitions);
        self.values(spans);
    }

    /// Joins tokens that are rather a value than not.
    fn values(&self, spans: &mut Vec<Span>) {
        let tokens = self.features.tokens();
        let marginals = &self.lattice.marginals;
        let mut i = 0;
        while i < tokens.len() {
            if 1.0 - marginals[i][0] < TAIL {
                i += 1;
                continue;
            }
            let first = i;
            let mut mass = [0.0; LABELS];
            let mut label = best(&marginals[i]);
            while i < tokens.len() && 1.0 - marginals[i][0] >= TAIL {
                // A value of another kind begins only where there is a gap.
                let other = best(&marginals[i]);
                if other != label && tokens[i].spaced {
                    break;
                }
                mass.iter_mut().zip(&marginals[i]).for_each(|(mass, p)| *mass += p);
                label = best(&mass);
                i += 1;
            }
            let score = self.calibrated(1.0 - mass[0] / (i - first) as f32);
            if let Some(entity) = entity_of(label).filter(|_| score >= self.threshold) {
                spans.push(Span {
                    start: tokens[first].start,
                    end: tokens[i - 1].end,
                    entity,
                    by: Finder::Labeller,
                    score: (score * 255.0) as u8,
                });
            }
        }
    }

    fn calibrated(&self, p: f32) -> f32 {
        let (slope, offset) = self.model.origin.calibration;
        let p = p.clamp(1e-6, 1.0 - 1e-6);
        // ln is not the same on every machine to the last bit, which a score of eight bits does not show.
        1.0 / (1.0 + exp(-(slope * (p / (1.0 - p)).ln() + offset)))
    }
}

/// The label of a value that is likeliest.
fn best(row: &PerLabel) -> usize {
    let mut best = 1;
    for label in 2..LABELS {
        if row[label] > row[best] {
            best = label;
        }
    }
    best
}

/// Which kinds the labeller tells apart.
pub fn entities() -> impl Iterator<Item = Entity> {
    (1..LABELS).filter_map(entity_of)
}
