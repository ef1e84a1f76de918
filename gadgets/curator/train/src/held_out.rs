//! Families that a model has not seen: every fold by a model of the others, and what that says about its scores.

use gadget_curator::{Labeller, Span};

use crate::generate::{Draw, FOLDS, Generator};
use crate::learn::{Training, train};
use crate::line::{Line, Sort};
use crate::rng::Rng;
use crate::score::Tally;

/// A line of a family that its model had not seen, and all that the model found at whatever score.
#[derive(Clone, Debug)]
pub struct Example {
    /// The line.
    pub line: Line,
    /// All candidates, uncalibrated.
    pub found: Vec<Span>,
}

/// Lines per fold that are looked at.
const TESTED: usize = 5000;

/// Every fold, by a model that was trained without its families and carriers on `lines` lines.
///
/// # Panics
/// If a model that was just written cannot be read: a bug.
#[must_use]
pub fn held_out(generator: &Generator, seed: u64, lines: usize) -> Vec<Example> {
    let mut examples = Vec::with_capacity(FOLDS * TESTED);
    for fold in 0..FOLDS {
        let training = Training { seed: seed + 1 + fold as u64, lines, draw: Draw::Without(fold) };
        let bytes = train(generator, &training).to_bytes();
        let mut labeller =
            Labeller::from_bytes(&bytes).expect("what was written can be read").with_threshold(0.0);
        let mut rng = Rng::new(seed ^ (0xfeed + fold as u64));
        for _ in 0..TESTED {
            let line = generator.line(&mut rng, Draw::Only(fold));
            let mut found = Vec::new();
            labeller.label(&line.bytes, &mut found);
            examples.push(Example { line, found });
        }
    }
    examples
}

/// The probability that a score stands for.
#[must_use]
pub fn probability(span: &Span) -> f64 {
    (f64::from(span.score) + 0.5) / 256.0
}

fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

/// Whether it touches a value.
#[must_use]
pub fn is_right(line: &Line, span: &Span) -> bool {
    line.gold.iter().any(|gold| gold.start < span.end as usize && (span.start as usize) < gold.end)
}

/// Slope and offset that make scores probabilities (Platt's scaling), by Newton's method.
#[must_use]
pub fn calibrate(examples: &[Example]) -> (f32, f32) {
    let points: Vec<(f64, f64)> = examples
        .iter()
        .flat_map(|e| {
            e.found.iter().map(|span| {
                (logit(probability(span)), f64::from(u8::from(is_right(&e.line, span))))
            })
        })
        .collect();
    let (mut slope, mut offset) = (1.0_f64, 0.0_f64);
    for _ in 0..25 {
        let (mut g, mut h) = ([0.0; 2], [1e-6, 0.0, 1e-6]);
        for (x, y) in &points {
            let p = 1.0 / (1.0 + (-(slope * x + offset)).exp());
            let (error, weight) = (p - y, p * (1.0 - p));
            g[0] += error * x;
            g[1] += error;
            h[0] += weight * x * x;
            h[1] += weight * x;
            h[2] += weight;
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        slope -= (g[0] * h[2] - g[1] * h[1]) / determinant;
        offset -= (g[1] * h[0] - g[0] * h[1]) / determinant;
    }
    (slope.clamp(0.05, 20.0) as f32, offset.clamp(-20.0, 20.0) as f32)
}

/// A score after calibration.
#[must_use]
pub fn calibrated(span: &Span, (slope, offset): (f32, f32)) -> f64 {
    1.0 / (1.0 + (-(f64::from(slope) * logit(probability(span)) + f64::from(offset))).exp())
}

/// What is found from a calibrated score on, in the lines of one sort, or of all.
#[must_use]
pub fn tally(
    examples: &[Example],
    calibration: (f32, f32),
    threshold: f64,
    keep: impl Fn(&Line) -> bool,
) -> Tally {
    let mut total = Tally::default();
    for example in examples.iter().filter(|example| keep(&example.line)) {
        let gold: Vec<_> = example.line.gold.iter().map(|gold| gold.start..gold.end).collect();
        let found: Vec<_> = example
            .found
            .iter()
            .filter(|span| calibrated(span, calibration) >= threshold)
            .map(Span::range)
            .collect();
        total += Tally::of(&example.line.bytes, &gold, &[], &found);
    }
    total
}

/// Of a thousand look-alike lines, and of ten thousand plain ones, the most with a false alarm that the threshold may allow.
const ALLOWED: (f64, f64) = (0.01, 0.001);

/// The least threshold that keeps the false alarms of held-out families where they are wanted; at most 0.95.
#[must_use]
pub fn choose_threshold(examples: &[Example], calibration: (f32, f32)) -> f32 {
    let fits = |threshold: f64| {
        let alarms = |sort| {
            tally(examples, calibration, threshold, |line| line.sort == sort)
                .alarm_share()
                .unwrap_or(0.0)
        };
        alarms(Sort::LookAlike) <= ALLOWED.0 && alarms(Sort::Plain) <= ALLOWED.1
    };
    (30..95)
        .map(|percent| f64::from(percent) / 100.0)
        .find(|threshold| fits(*threshold))
        .unwrap_or(0.95) as f32
}

/// Scores against what came of them.
#[derive(Clone, Debug, Default)]
pub struct Reliability {
    /// Mean square of score less outcome.
    pub brier: f64,
    /// Per tenth: candidates, the mean score, the share that touch a value.
    pub bins: [(usize, f64, f64); 10],
}

/// How far calibrated scores are from what came of them.
#[must_use]
pub fn reliability(examples: &[Example], calibration: (f32, f32)) -> Reliability {
    let mut result = Reliability::default();
    let mut count = 0;
    for example in examples {
        for span in &example.found {
            let (score, right) =
                (calibrated(span, calibration), f64::from(u8::from(is_right(&example.line, span))));
            result.brier += (score - right).powi(2);
            count += 1;
            let bin = &mut result.bins[((score * 10.0) as usize).min(9)];
            *bin = (bin.0 + 1, bin.1 + score, bin.2 + right);
        }
    }
    result.brier /= f64::from(count.max(1));
    for bin in &mut result.bins {
        let n = bin.0.max(1) as f64;
        *bin = (bin.0, bin.1 / n, bin.2 / n);
    }
    result
}
