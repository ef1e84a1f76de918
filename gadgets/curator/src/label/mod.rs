//! The slow path: a linear-chain conditional random field over the tokens of a line.
//!
//! It finds values by what surrounds them, in formats that no rule was written for. Its model is trained on lines that the
//! crate `gadget-curator-train` makes up; `cargo run --release -p gadget-curator-train -- train` writes the file again, byte
//! for byte. The features are shapes, checks, word lists and hashed words; the weights are one table of 62 Ki rows of
//! sixteen bytes. [`Triage`] chooses the few lines that are worth it.

mod context;
mod feature;
mod key;
mod lattice;
mod lexicon;
mod model;
mod row;
mod token;
mod triage;

pub use feature::Features;
pub use lattice::{LABELS, Lattice, PerLabel, Transitions, entity_of, exp, label_of};
pub use lexicon::{Classes, Lexicon};
pub use model::{MODEL_VERSION, Model, ModelError, Origin, ROWS, Reading, TRANSITION_STEPS};
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
    thresholds: PerLabel,
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
        let thresholds = model.origin.labels.map(|label| label.threshold);
        Ok(Self { model, thresholds, features: Features::default(), lattice: Lattice::default() })
    }

    /// Reports values of every kind from this probability on, instead of those that the training chose for each.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f32) -> Self {
        self.thresholds = [threshold; LABELS];
        self
    }

    /// From which probability a value of a kind is reported.
    #[must_use]
    pub fn threshold(&self, entity: Entity) -> f32 {
        self.thresholds[label_of(entity)]
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// Appends the values of `line`, in order and disjoint; of a long line those within the first [`MOST_BYTES`] bytes and
    /// [`MOST_TOKENS`] tokens. Allocates nothing once it has seen a line as long.
    pub fn label(&mut self, line: &[u8], spans: &mut Vec<Span>) {
        self.infer(line);
        self.candidates(|labeller, span, label, p| {
            let score = labeller.calibrated(label, p);
            if score >= labeller.thresholds[label] {
                spans.push(Span { score: (score * 255.0) as u8, ..span });
            }
        });
    }

    /// Hands over all that might be a value, with the log odds of the model before any calibration: for measuring it.
    pub fn odds(&mut self, line: &[u8], mut found: impl FnMut(Span, f32)) {
        self.infer(line);
        self.candidates(|_, span, _, p| found(span, log_odds(p)));
    }

    fn infer(&mut self, line: &[u8]) {
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
    }

    /// Joins tokens that are rather a value than not: the span, its label, and the mean probability of its tokens.
    fn candidates(&self, mut found: impl FnMut(&Self, Span, usize, f32)) {
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
                if best(&marginals[i]) != label && tokens[i].spaced {
                    break;
                }
                mass.iter_mut().zip(&marginals[i]).for_each(|(mass, p)| *mass += p);
                label = best(&mass);
                i += 1;
            }
            // Marks alone are no value.
            let is_value = tokens[first..i].iter().any(|token| token.kind != Kind::Mark);
            if let Some(entity) = entity_of(label).filter(|_| is_value) {
                let (start, end) = (tokens[first].start, tokens[i - 1].end);
                let span = Span { start, end, entity, by: Finder::Labeller, score: 0 };
                found(self, span, label, 1.0 - mass[0] / (i - first) as f32);
            }
        }
    }

    fn calibrated(&self, label: usize, p: f32) -> f32 {
        let Reading { slope, offset, .. } = self.model.origin.labels[label];
        1.0 / (1.0 + exp(-(slope * log_odds(p) + offset)))
    }
}

/// The logarithm of the odds; that of the standard library differs between machines by less than a score shows.
fn log_odds(p: f32) -> f32 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is a value by nine in ten.
    fn found(line: &str) -> Vec<(&str, Entity)> {
        let mut spans = Vec::new();
        Labeller::shipped().with_threshold(0.9).label(line.as_bytes(), &mut spans);
        spans.iter().map(|span| (&line[span.range()], span.entity)).collect()
    }

    /// None of these formats is in the trainer's templates.
    #[test]
    fn lines_of_formats_that_the_trainer_lacks_are_labelled() {
        for (line, value, entity) in [
            (
                "quote mailed -- recipient_mail=>wanda.kern@lakeside.org lang=>pl",
                "wanda.kern@lakeside.org",
                Entity::Email,
            ),
            (
                "2023/03/04 gate[7]: guest telephone :: (415) 555-2671 :: vip",
                "(415) 555-2671",
                Entity::Phone,
            ),
            ("loan desk; borrower_ssn is 219-09-9999; rate 4.1", "219-09-9999", Entity::Ssn),
            (
                "till 4 swiped; credit_card_number: 4111 1111 1111 1111; total 9.99",
                "4111 1111 1111 1111",
                Entity::Card,
            ),
            (
                "wire prepared, payee_iban DE89 3704 0044 0532 0130 00, cut-off 16:00",
                "DE89 3704 0044 0532 0130 00",
                Entity::Iban,
            ),
            (
                "audit >> account_holder_name = Margaret Thompson << ok",
                "Margaret Thompson",
                Entity::Name,
            ),
            ("boot: smtp_password = Blue7Tiger!x retries = 3", "Blue7Tiger!x", Entity::Password),
        ] {
            let found = found(line);
            assert!(found.contains(&(value, entity)), "{line}: {found:?}");
        }
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for line in [
            "invoice 219-09-9999 was approved in 12 ms",
            "sha256 checksum 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 matches",
            "Apache Kafka 3.6.1 on Red Hat Enterprise Linux started",
            "bind 10.1.2.3:8080 upstream 10.1.2.4:9090 healthy",
            "error 555-0199 raised by com.acme.OrderService",
            "[2024-01-05T10:11:12.123Z] request 7c9e6679-7425-40de-944b-e07fc1f90ae7 done",
        ] {
            assert_eq!(found(line), [], "{line}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_and_long_lines_are_borne() {
        let mut labeller = Labeller::shipped();
        let mut spans = Vec::new();
        labeller.label(&[0xff; 10_000], &mut spans);
        labeller.label(&b"\\\\\\\"%".repeat(4000), &mut spans);
        labeller.label("name=Ann Smith ".repeat(4000).as_bytes(), &mut spans);
        assert!(
            spans.iter().all(|span| span.end as usize <= MOST_BYTES),
            "beyond the window nothing is labelled"
        );
    }

    #[test]
    fn every_kind_has_a_threshold_and_one_may_be_set_for_all() {
        let labeller = Labeller::shipped();
        assert!(entities().all(|entity| (0.0..=1.0).contains(&labeller.threshold(entity))));
        let labeller = labeller.with_threshold(0.25);
        assert!(entities().all(|entity| labeller.threshold(entity) == 0.25));
    }
}
