//! Trains the conditional random field: stochastic gradient with AdaGrad's step sizes, one line at a time.

use gadget_curator::label::{
    Features, LABELS, Lattice, Lexicon, Model, Origin, PerLabel, ROWS, Reading, TRANSITION_STEPS,
    Transitions, hash_word, label_of,
};

use crate::generate::{Draw, Generator};
use crate::line::Line;
use crate::people::{ALL_GIVEN, ALL_SURNAMES};
use crate::rng::Rng;

/// How a model is trained.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// The seed of everything.
    pub seed: u64,
    /// Lines seen, each once: the generator never runs out, so none is seen twice.
    pub lines: usize,
    /// Which families are seen.
    pub draw: Draw,
}

/// The step of the table's weights: 127 of them are the largest weight.
const STEP: f32 = 1.0 / 24.0;
/// The size of the first steps.
const RATE: f32 = 0.12;
/// What is taken off a weight at each of its steps.
const DECAY: f32 = 2e-5;
/// Of a hundred rows of shape and place, and of words, so many are dropped at a token.
const DROPPED: (usize, usize) = (8, 35);
/// Of a hundred listed names, so many come with the model; the others stand for all the names that no list has.
const LISTED: usize = 80;

/// The hashes of names that come with the model: given names, surnames.
#[must_use]
pub fn names() -> (Vec<u32>, Vec<u32>) {
    let mut rng = Rng::new(77);
    let mut of = |list: &[&str]| {
        let mut hashes: Vec<u32> = list
            .iter()
            .filter(|name| name.bytes().all(|b| b != b'\'' && b != b'-'))
            .filter(|_| rng.percent(LISTED))
            .map(|name| hash_word(name))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    };
    (of(&ALL_GIVEN), of(&ALL_SURNAMES))
}

struct Weights {
    rows: Vec<PerLabel>,
    squares: Vec<PerLabel>,
    transitions: [PerLabel; LABELS],
    transition_squares: [PerLabel; LABELS],
}

/// The labels of the tokens of a line.
#[must_use]
pub fn labels(line: &Line, features: &Features) -> Vec<usize> {
    let overlaps = |start: u32, end: u32| {
        line.gold.iter().find(|gold| gold.start < end as usize && (start as usize) < gold.end)
    };
    features
        .tokens()
        .iter()
        .map(|token| overlaps(token.start, token.end).map_or(0, |gold| label_of(gold.entity)))
        .collect()
}

impl Weights {
    fn learn(
        &mut self,
        line: &Line,
        features: &mut Features,
        lattice: &mut Lattice,
        lexicon: &Lexicon,
        rng: &mut Rng,
    ) {
        features.see(&line.bytes, lexicon);
        let gold = labels(line, features);
        if gold.is_empty() {
            return;
        }
        let mut kept: Vec<Vec<(u16, f32)>> = Vec::with_capacity(gold.len());
        lattice.scores.clear();
        for i in 0..gold.len() {
            let (structure, words) = features.rows(i);
            let mut rows = Vec::with_capacity(structure.len() + words.len());
            for (list, dropped) in [(structure, DROPPED.0), (words, DROPPED.1)] {
                let scale = 100.0 / (100 - dropped) as f32;
                rows.extend(list.iter().filter(|_| !rng.percent(dropped)).map(|row| (*row, scale)));
            }
            let mut scores = [0.0; LABELS];
            for (row, scale) in &rows {
                let weights = &self.rows[usize::from(*row)];
                scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += weight * scale);
            }
            lattice.scores.push(scores);
            kept.push(rows);
        }
        let mut pairs = [[0.0; LABELS]; LABELS];
        lattice.expect(&Transitions::new(&self.transitions), &mut pairs);
        for (i, rows) in kept.iter().enumerate() {
            let mut gradient = lattice.marginals[i];
            gradient[gold[i]] -= 1.0;
            if gradient.iter().all(|g| g.abs() < 1e-4) {
                continue;
            }
            for (row, scale) in rows {
                let row = usize::from(*row);
                let gradient = gradient.map(|g| g * scale);
                step(&mut self.rows[row], &mut self.squares[row], &gradient, RATE);
            }
        }
        for pair in gold.windows(2) {
            pairs[pair[0]][pair[1]] -= 1.0;
        }
        for (label, gradient) in pairs.iter().enumerate() {
            step(&mut self.transitions[label], &mut self.transition_squares[label], gradient, RATE);
        }
    }
}

fn step(weights: &mut PerLabel, squares: &mut PerLabel, gradient: &PerLabel, rate: f32) {
    for ((weight, square), g) in weights.iter_mut().zip(squares).zip(gradient) {
        *square += g * g;
        *weight -= rate * g / (square.sqrt() + 1e-2) + DECAY * *weight;
    }
}

/// Lines that a generator is known by.
const KNOWN_BY: usize = 2000;

/// A hash of what a generator writes for a seed (FNV-1a over its first lines): a model whose header has another was trained on
/// other lines.
#[must_use]
pub fn fingerprint(generator: &Generator, seed: u64) -> u64 {
    let mut rng = Rng::new(seed);
    (0..KNOWN_BY).fold(0xcbf2_9ce4_8422_2325, |hash, _| {
        let line = generator.line(&mut rng, Draw::All);
        line.bytes.iter().fold(hash ^ 0xff, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    })
}

/// Trains, and writes the model's bytes; `origin` of the result has no calibration yet.
#[must_use]
pub fn train(generator: &Generator, training: &Training) -> Trained {
    let (given, surnames) = names();
    let lexicon = Lexicon::with_names(&given, &surnames);
    let zero = [0.0; LABELS];
    let mut weights = Weights {
        rows: vec![zero; ROWS],
        squares: vec![zero; ROWS],
        transitions: [zero; LABELS],
        transition_squares: [zero; LABELS],
    };
    let (mut features, mut lattice) = (Features::default(), Lattice::default());
    let mut lines = Rng::new(training.seed);
    let mut drops = Rng::new(training.seed ^ 0x00d0_0b5e);
    for _ in 0..training.lines {
        let line = generator.line(&mut lines, training.draw);
        weights.learn(&line, &mut features, &mut lattice, &lexicon, &mut drops);
    }
    let most = STEP * 127.0;
    weights.rows.iter_mut().flatten().for_each(|weight| *weight = weight.clamp(-most, most));
    let most = f32::from(i16::MAX) / TRANSITION_STEPS;
    weights.transitions.iter_mut().flatten().for_each(|weight| *weight = weight.clamp(-most, most));
    let origin = Origin {
        seed: training.seed,
        generator: fingerprint(generator, training.seed),
        step: STEP,
        labels: [Reading::default(); LABELS],
    };
    Trained { origin, transitions: weights.transitions, rows: weights.rows, given, surnames }
}

/// Trained weights.
#[derive(Clone, Debug)]
pub struct Trained {
    /// How they were made; the calibration and the threshold are set afterwards.
    pub origin: Origin,
    transitions: [PerLabel; LABELS],
    rows: Vec<PerLabel>,
    given: Vec<u32>,
    surnames: Vec<u32>,
}

impl Trained {
    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Model::to_bytes(&self.origin, &self.transitions, (&self.given, &self.surnames), &self.rows)
    }
}
