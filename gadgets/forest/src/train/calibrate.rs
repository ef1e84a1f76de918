//! Making scores into probabilities, and saying how good they are.

use crate::forest::KNOTS;

/// One bin of a reliability table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reliability {
    /// From this probability on.
    pub from: f64,
    /// Rows in the bin.
    pub rows: usize,
    /// The weighted mean of what was said.
    pub said: f64,
    /// The weighted share of rows that were marked.
    pub happened: f64,
}

/// What was said against what happened, in ten bins.
#[must_use]
pub fn reliability(said: &[f64], happened: &[bool], weights: &[f64]) -> Vec<Reliability> {
    let mut bins = [(0, 0.0, 0.0, 0.0); 10];
    for ((said, happened), weight) in said.iter().zip(happened).zip(weights) {
        let (rows, all, sum, fatal) = &mut bins[((said * 10.0) as usize).min(9)];
        *rows += 1;
        *all += weight;
        *sum += weight * said;
        *fatal += weight * f64::from(u8::from(*happened));
    }
    let share = |sum: f64, all: f64| if all > 0.0 { sum / all } else { 0.0 };
    (0..10)
        .zip(bins)
        .map(|(bin, (rows, all, sum, fatal))| Reliability {
            from: f64::from(bin) / 10.0,
            rows,
            said: share(sum, all),
            happened: share(fatal, all),
        })
        .collect()
}

/// The mean squared distance between what was said and what happened: 0 is perfect, 0.25 is a coin.
#[must_use]
pub fn brier(said: &[f64], happened: &[bool], weights: &[f64]) -> f64 {
    let distance =
        |(said, happened): (&f64, &bool)| (said - f64::from(u8::from(*happened))).powi(2);
    let sum: f64 = said
        .iter()
        .zip(happened)
        .map(distance)
        .zip(weights)
        .map(|(distance, weight)| distance * weight)
        .sum();
    sum / weights.iter().sum::<f64>().max(f64::MIN_POSITIVE)
}

/// The rising function from scores to probabilities that fits best (pool adjacent violators), stated at the knots of a
/// forest's calibration.
#[must_use]
pub fn isotonic(scores: &[f64], happened: &[bool], weights: &[f64]) -> [f32; KNOTS] {
    let mut rows: Vec<(f64, f64, f64)> = scores
        .iter()
        .zip(happened)
        .zip(weights)
        .map(|((score, happened), weight)| (*score, f64::from(u8::from(*happened)), *weight))
        .collect();
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Score, fatal and all weights of each pool: sums, so that pools merge by adding.
    let mut pools: Vec<[f64; 3]> = Vec::new();
    for (score, happened, weight) in rows {
        pools.push([score * weight, happened * weight, weight]);
        while let [.., a, b] = pools[..]
            && a[1] * b[2] >= b[1] * a[2]
        {
            pools.truncate(pools.len() - 2);
            pools.push([a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
        }
    }
    // Half a row of either kind in each pool: nothing is certain.
    let steps: Vec<(f64, f64)> = pools
        .iter()
        .map(|[score, fatal, all]| (score / all, (fatal + 0.5) / (all + 1.0)))
        .collect();
    let mut highest = 0.0_f64;
    std::array::from_fn(|knot| {
        let at = knot as f64 / (KNOTS - 1) as f64;
        let after = steps.partition_point(|(score, _)| *score <= at);
        let value = match (steps.get(after.wrapping_sub(1)), steps.get(after)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (at - a.0) / (b.0 - a.0),
            (Some(only), None) | (None, Some(only)) => only.1,
            (None, None) => at,
        };
        highest = highest.max(value);
        highest as f32
    })
}
