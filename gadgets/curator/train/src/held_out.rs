//! Families that a model has not seen: every fold by a model of the others, and what that says about its scores.

use gadget_curator::label::{LABELS, Reading, label_of};
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
    /// All candidates, with their log odds before calibration.
    pub found: Vec<(Span, f32)>,
}

/// Lines per fold that are looked at.
const TESTED: usize = 5000;

/// Every fold, by a model that was trained without its families and carriers on `lines` lines.
///
/// # Panics
/// If a model that was just written cannot be read: a bug.
#[must_use]
pub fn held_out(generator: &Generator, seed: u64, lines: usize) -> Vec<Example> {
    std::thread::scope(|scope| {
        let folds: Vec<_> = (0..FOLDS)
            .map(|fold| scope.spawn(move || one_fold(generator, seed, lines, fold)))
            .collect();
        let done = folds.into_iter().map(|fold| fold.join().expect("a fold does not panic"));
        done.flatten().collect()
    })
}

fn one_fold(generator: &Generator, seed: u64, lines: usize, fold: usize) -> Vec<Example> {
    let training = Training { seed: seed + 1 + fold as u64, lines, draw: Draw::Without(fold) };
    let bytes = train(generator, &training).to_bytes();
    let mut labeller = Labeller::from_bytes(&bytes).expect("what was written can be read");
    let mut rng = Rng::new(seed ^ (0xfeed + fold as u64));
    let example = |_| {
        let line = generator.line(&mut rng, Draw::Only(fold));
        let mut found = Vec::new();
        labeller.odds(&line.bytes, |span, odds| found.push((span, odds)));
        Example { line, found }
    };
    (0..TESTED).map(example).collect()
}

/// Whether it touches a value.
#[must_use]
pub fn is_right(line: &Line, span: &Span) -> bool {
    line.gold.iter().any(|gold| gold.start < span.end as usize && (span.start as usize) < gold.end)
}

/// Makes scores probabilities (Platt's scaling), by Newton's method; a step that does not help is halved.
fn scaling(points: &[(f64, f64)]) -> (f64, f64) {
    // A weak pull towards what the model says by itself.
    let loss = |slope: f64, offset: f64| -> f64 {
        let one = |(x, y): &(f64, f64)| {
            let z = slope * x + offset;
            z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z
        };
        points.iter().map(one).sum::<f64>() + (slope - 1.0).powi(2) + offset.powi(2)
    };
    let (mut slope, mut offset) = (1.0_f64, 0.0_f64);
    for _ in 0..25 {
        let (mut g, mut h) = ([2.0 * (slope - 1.0), 2.0 * offset], [2.0, 0.0, 2.0]);
        for (x, y) in points {
            let p = 1.0 / (1.0 + (-(slope * x + offset)).exp());
            let (error, weight) = (p - y, p * (1.0 - p));
            g[0] += error * x;
            g[1] += error;
            h[0] += weight * x * x;
            h[1] += weight * x;
            h[2] += weight;
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let steps =
            ((g[0] * h[2] - g[1] * h[1]) / determinant, (g[1] * h[0] - g[0] * h[1]) / determinant);
        let now = loss(slope, offset);
        let better = (0..20)
            .map(|halvings| 0.5_f64.powi(halvings))
            .map(|part| (slope - part * steps.0, offset - part * steps.1))
            .find(|(slope, offset)| loss(*slope, *offset) < now);
        match better {
            Some(better) => (slope, offset) = better,
            None => break,
        }
    }
    (slope.clamp(0.05, 20.0), offset.clamp(-20.0, 20.0))
}

/// How the scores of each label are to be read, by what came of them in held-out families.
#[must_use]
pub fn read_scores(examples: &[Example]) -> [Reading; LABELS] {
    let mut points: [Vec<(f64, f64)>; LABELS] = Default::default();
    for example in examples {
        for (span, odds) in &example.found {
            let right = f64::from(u8::from(is_right(&example.line, span)));
            points[label_of(span.entity)].push((f64::from(*odds), right));
        }
    }
    let mut readings = points.map(|points| {
        let (slope, offset) = scaling(&points);
        Reading { slope: slope as f32, offset: offset as f32, threshold: 0.5 }
    });
    choose_thresholds(examples, &mut readings);
    readings.iter_mut().for_each(|reading| reading.threshold = reading.threshold.max(LEAST));
    readings
}

/// Log odds after calibration.
fn calibrated(reading: &Reading, odds: f32) -> f64 {
    f64::from(reading.slope * odds + reading.offset)
}

fn probability(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// What is reported of an example.
pub fn reported<'a>(
    example: &'a Example,
    readings: &'a [Reading; LABELS],
) -> impl Iterator<Item = &'a Span> {
    example.found.iter().filter_map(|(span, odds)| {
        let reading = &readings[label_of(span.entity)];
        (probability(calibrated(reading, *odds)) >= f64::from(reading.threshold)).then_some(span)
    })
}

/// What is found in some of the lines.
#[must_use]
pub fn tally(
    examples: &[Example],
    readings: &[Reading; LABELS],
    keep: impl Fn(&Line) -> bool,
) -> Tally {
    let mut total = Tally::default();
    for example in examples.iter().filter(|example| keep(&example.line)) {
        let gold: Vec<_> = example.line.gold.iter().map(|gold| gold.start..gold.end).collect();
        let found: Vec<_> = reported(example, readings).map(Span::range).collect();
        total += Tally::of(&example.line.bytes, &gold, &[], &found);
    }
    total
}

/// The shares of look-alike lines and of plain ones in which the thresholds may let a false alarm be: a third of what is wanted
/// of rules and labeller together.
const ALLOWED: (f64, f64) = (0.003, 0.0003);
/// No threshold is below: the look-alikes of some kinds are few in the generator and many elsewhere.
const LEAST: f32 = 0.9;
/// Thresholds that are tried: from even odds up to e^10 to one.
const STEPS: usize = 100;

/// The thresholds of the labels that lose the fewest values while false alarms stay where they are wanted: for a price of
/// alarms each label has its own best threshold, and the lowest price that is high enough is taken.
fn choose_thresholds(examples: &[Example], readings: &mut [Reading; LABELS]) {
    // Per label and step of the score: values found, alarms in look-alike lines, alarms in plain ones.
    let mut counts = [[[0.0_f64; 3]; STEPS]; LABELS];
    let mut clean = [0.0_f64; 2];
    for Example { line, found } in examples {
        let kind = match line.sort {
            Sort::Values => 0,
            Sort::LookAlike => 1,
            Sort::Plain => 2,
        };
        if kind > 0 {
            clean[kind - 1] += 1.0;
        }
        for (span, odds) in found {
            let odds = calibrated(&readings[label_of(span.entity)], *odds);
            if odds < 0.0 {
                continue;
            }
            let step = ((odds * 10.0) as usize).min(STEPS - 1);
            if kind > 0 || is_right(line, span) {
                counts[label_of(span.entity)][step][kind] += 1.0;
            }
        }
    }
    let allowed = [ALLOWED.0 * clean[0], ALLOWED.1 * clean[1]];
    let mut price = 1.0;
    loop {
        let mut alarms = [0.0; 2];
        for (label, counts) in counts.iter().enumerate() {
            // What reporting from this step on is worth, from the highest step down.
            let (mut worth, mut best, mut at, mut sums, mut kept) =
                (0.0, 0.0, STEPS, [0.0; 2], [0.0; 2]);
            for step in (0..STEPS).rev() {
                let [values, look_alikes, plain] = counts[step];
                sums = [sums[0] + look_alikes, sums[1] + plain];
                worth += values - price * (look_alikes / allowed[0] + plain / allowed[1]);
                if worth >= best {
                    (best, at, kept) = (worth, step, sums);
                }
            }
            readings[label].threshold =
                if at == STEPS { 1.0 } else { probability(at as f64 / 10.0) as f32 };
            alarms = [alarms[0] + kept[0], alarms[1] + kept[1]];
        }
        if (alarms[0] <= allowed[0] && alarms[1] <= allowed[1]) || price > 1e7 {
            return;
        }
        price *= 1.1;
    }
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
pub fn reliability(examples: &[Example], readings: &[Reading; LABELS]) -> Reliability {
    let mut result = Reliability::default();
    let mut count = 0;
    for example in examples {
        for (span, odds) in &example.found {
            let score = probability(calibrated(&readings[label_of(span.entity)], *odds));
            let right = f64::from(u8::from(is_right(&example.line, span)));
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
