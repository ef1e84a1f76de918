//! The linear chain: probabilities of every label at every token, by the forward-backward recursions.
//!
//! A token has one of sixteen labels: part of a value of one of fifteen kinds, or of none. There is no label for the
//! beginning of a value: two values of one kind without anything between them hardly occur, redaction would not differ,
//! and sixteen labels make a row of weights that is one register wide.

use crate::entity::Entity;

/// Labels of a token.
pub const LABELS: usize = 16;
/// One number per label.
pub type PerLabel = [f32; LABELS];

/// What each label but the first says.
const ENTITIES: [Entity; LABELS - 1] = [
    Entity::Card,
    Entity::Ssn,
    Entity::Iban,
    Entity::NationalId,
    Entity::Phone,
    Entity::Email,
    Entity::Ip,
    Entity::Name,
    Entity::Address,
    Entity::BirthDate,
    Entity::Password,
    Entity::ApiKey,
    Entity::Jwt,
    Entity::PrivateKey,
    Entity::Secret,
];

/// The label of a kind of value. Of a connection string the labeller sees the password.
#[must_use]
pub fn label_of(entity: Entity) -> usize {
    let entity = if entity == Entity::ConnectionString { Entity::Password } else { entity };
    ENTITIES.iter().position(|known| *known == entity).map_or(0, |at| at + 1)
}

/// The kind of value of a label; `None` for no value.
#[must_use]
pub fn entity_of(label: usize) -> Option<Entity> {
    ENTITIES.get(label.wrapping_sub(1)).copied()
}

/// e to the power of `x`, the same on every machine, to one part in a million.
#[inline]
#[must_use]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-80.0, 80.0);
    let steps = (x * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    let rest = x - steps * std::f32::consts::LN_2;
    let series = 1.0
        + rest
            * (1.0
                + rest
                    * (0.5
                        + rest
                            * (1.0 / 6.0
                                + rest * (1.0 / 24.0 + rest * (1.0 / 120.0 + rest / 720.0)))));
    series * f32::from_bits(((steps as i32 + 127) as u32) << 23)
}

/// Weights from one label to the next, as factors.
#[derive(Clone, Debug)]
pub struct Transitions {
    /// `[from][to]`
    forward: [PerLabel; LABELS],
    /// `[to][from]`
    backward: [PerLabel; LABELS],
}

impl Transitions {
    /// From their logarithms, `[from][to]`.
    #[must_use]
    pub fn new(log: &[PerLabel; LABELS]) -> Self {
        let forward = log.map(|row| row.map(exp));
        let mut backward = [[0.0; LABELS]; LABELS];
        for (from, row) in forward.iter().enumerate() {
            for (to, factor) in row.iter().enumerate() {
                backward[to][from] = *factor;
            }
        }
        Self { forward, backward }
    }
}

/// The recursions over one line, with buffers that are kept.
#[derive(Debug, Default)]
pub struct Lattice {
    /// Scores of each label at each token; the caller fills them.
    pub scores: Vec<PerLabel>,
    emissions: Vec<PerLabel>,
    forward: Vec<PerLabel>,
    /// Probability of each label at each token.
    pub marginals: Vec<PerLabel>,
}

fn normalise(row: &mut PerLabel) -> f32 {
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
    sum
}

fn step(row: &PerLabel, factors: &[PerLabel; LABELS]) -> PerLabel {
    let mut next = [0.0; LABELS];
    for (value, factors) in row.iter().zip(factors) {
        for (next, factor) in next.iter_mut().zip(factors) {
            *next += value * factor;
        }
    }
    next
}

fn times(row: &mut PerLabel, other: &PerLabel) {
    row.iter_mut().zip(other).for_each(|(value, other)| *value *= other);
}

impl Lattice {
    /// From [`Lattice::scores`] to [`Lattice::marginals`]; `pair` hears the probability of every pair of neighbours,
    /// `[from][to]` up to a factor that it is given.
    fn run(&mut self, transitions: &Transitions, mut pair: impl FnMut(&PerLabel, &PerLabel)) {
        let len = self.scores.len();
        self.emissions.clear();
        self.forward.clear();
        self.marginals.clear();
        for scores in &self.scores {
            let most = scores.iter().fold(f32::MIN, |most, score| most.max(*score));
            self.emissions.push(scores.map(|score| exp(score - most)));
        }
        for i in 0..len {
            let mut row = match self.forward.last() {
                Some(before) => step(before, &transitions.forward),
                None => [1.0; LABELS],
            };
            times(&mut row, &self.emissions[i]);
            normalise(&mut row);
            self.forward.push(row);
        }
        self.marginals.resize(len, [0.0; LABELS]);
        let mut backward = [1.0; LABELS];
        for i in (0..len).rev() {
            let mut row = self.forward[i];
            times(&mut row, &backward);
            normalise(&mut row);
            self.marginals[i] = row;
            times(&mut backward, &self.emissions[i]);
            normalise(&mut backward);
            if i > 0 {
                pair(&self.forward[i - 1], &backward);
            }
            backward = step(&backward, &transitions.backward);
        }
    }

    /// Fills [`Lattice::marginals`].
    pub fn infer(&mut self, transitions: &Transitions) {
        self.run(transitions, |_, _| {});
    }

    /// Fills [`Lattice::marginals`] and adds the expected number of each pair of neighbours to `pairs`.
    pub fn expect(&mut self, transitions: &Transitions, pairs: &mut [PerLabel; LABELS]) {
        self.run(transitions, |from, to| {
            let mut sum = 0.0;
            let mut here = transitions.forward;
            for (row, from) in here.iter_mut().zip(from) {
                for (factor, to) in row.iter_mut().zip(to) {
                    *factor *= from * to;
                    sum += *factor;
                }
            }
            for (total, here) in pairs.as_flattened_mut().iter_mut().zip(here.as_flattened()) {
                *total += here / sum;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_that_of_the_library() {
        for i in -790..=790 {
            let x = i as f32 / 10.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn labels_and_entities_are_inverse() {
        for label in 1..LABELS {
            assert_eq!(entity_of(label).map(label_of), Some(label));
        }
        assert_eq!(entity_of(0), None);
        assert_eq!(label_of(Entity::ConnectionString), label_of(Entity::Password));
    }

    /// Three tokens, by adding up all 4,096 ways to label them.
    #[test]
    fn marginals_are_those_of_all_paths() {
        let mut log = [[0.0; LABELS]; LABELS];
        let mut lattice = Lattice::default();
        for (i, weight) in log.as_flattened_mut().iter_mut().enumerate() {
            *weight = ((i * 37) % 11) as f32 / 5.0 - 1.0;
        }
        for t in 0..3 {
            lattice.scores.push(std::array::from_fn(|l| ((t * 7 + l * 5) % 9) as f32 / 3.0));
        }
        let mut pairs = [[0.0; LABELS]; LABELS];
        lattice.expect(&Transitions::new(&log), &mut pairs);
        let (mut total, mut middle, mut pair) = (0.0, 0.0, 0.0);
        for a in 0..LABELS {
            for b in 0..LABELS {
                for c in 0..LABELS {
                    let s = &lattice.scores;
                    let weight = (s[0][a] + s[1][b] + s[2][c] + log[a][b] + log[b][c]).exp();
                    total += weight;
                    middle += if b == 4 { weight } else { 0.0 };
                    pair += weight * (f32::from(a == 2 && b == 5) + f32::from(b == 2 && c == 5));
                }
            }
        }
        assert!((lattice.marginals[1][4] - middle / total).abs() < 1e-4);
        assert!((pairs[2][5] - pair / total).abs() < 1e-4);
    }
}
